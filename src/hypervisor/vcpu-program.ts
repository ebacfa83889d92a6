/**
 * The vCPU as its program knows it (`Processor`): when the program's waits end, and when it may run on without an event.
 *
 * A wake takes effect only while the vCPU has a pCPU and nothing of the kernel's to do. A sleeping program is woken by the guest's timer interrupt; one that polls sees the time itself.
 */
import { assert, type EventHandler, type EventLoop, type Processor, type Ps, type SimThread } from '../sim/index.ts';
import type { KernelQueue } from './vcpu-queue.ts';
import { ThreadSeat } from './vcpu-thread.ts';

/** The events of this part; a vCPU's others are numbered from `KIND_FIRST_OWN`. */
const KIND_WAKE = 0;
const KIND_SLEEP = 1;
export const KIND_FIRST_OWN = 2;

export abstract class ProgramProcessor implements Processor, EventHandler {
  protected readonly loop: EventLoop;
  protected readonly handler: number;
  protected seat: ThreadSeat | null = null;
  /** The vCPU looks for work: whatever comes is seen by it. */
  protected isAdvancing = false;

  constructor(loop: EventLoop, entity: number) {
    this.loop = loop;
    this.handler = loop.register(entity, this);
  }

  abstract get isStopped(): boolean;
  protected abstract readonly queue: KernelQueue;
  /** Whether nothing keeps the program, whose code runs now, from going on. */
  protected abstract mayProgramGoOn(): boolean;
  /** Something is there to do, at an event of the vCPU's own. */
  protected abstract notice(): void;

  /** The program that runs here. Before the thread's `start`; one program at a time. */
  attachThread(thread: SimThread): void {
    assert(this.seat === null || this.seat.thread.outcome !== null, 'a vCPU runs one program at a time');
    thread.processor = this;
    this.seat = new ThreadSeat(thread);
  }

  /** @internal */
  parked(thread: SimThread, spins: boolean): void {
    assert(this.seat?.thread === thread, 'a thread of another vCPU');
    this.seat.parked(spins);
  }

  /** @internal */
  wake(thread: SimThread, atPs: Ps, token: number): void {
    const { seat, loop } = this;
    if (seat?.thread !== thread || this.isStopped) return;
    if (seat.isInside) {
      seat.after(() => {
        if (atPs <= loop.nowPs) seat.ready(token);
        else loop.schedule(atPs, this.handler, KIND_WAKE, token);
      });
    } else if (atPs > loop.nowPs || !this.isAdvancing) {
      loop.schedule(Math.max(atPs, loop.nowPs), this.handler, KIND_WAKE, token);
    } else seat.ready(token);
  }

  /** @internal */
  sleep(thread: SimThread, durationPs: Ps, token: number): void {
    const { seat, loop } = this;
    assert(seat?.thread === thread && seat.isInside, 'a sleep of a thread that does not run here');
    seat.after(() => {
      if (durationPs <= 0) seat.ready(token);
      else loop.schedule(loop.nowPs + durationPs, this.handler, KIND_SLEEP, token);
    });
  }

  /** @internal */
  sync(thread: SimThread, token: number): void {
    this.sleep(thread, 0, token);
  }

  /** @internal */
  mayRunOn(thread: SimThread): boolean {
    const { seat } = this;
    return seat?.thread === thread && seat.isInside && !seat.hasWork && this.mayProgramGoOn();
  }

  /** @internal */
  onEvent(kind: number, token: number): void {
    const seat = this.seat as ThreadSeat;
    if (kind === KIND_WAKE || seat.spins) seat.ready(token);
    else this.queue.expire(this.queue.remember({ costPs: 0, cause: 'timer', effect: () => seat.ready(token) }));
    this.notice();
  }
}
