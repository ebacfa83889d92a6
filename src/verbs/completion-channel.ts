/**
 * Completion channels (`struct ibv_comp_channel`): where a thread sleeps until a completion queue that was armed has something.
 */
import type { CompletionQueue } from './completion-queue.ts';
import type { Context } from './context.ts';
import { throwErrno } from './errors.ts';
import { Mailbox } from './mailbox.ts';
import { VerbsObject } from './verbs-object.ts';

export class CompletionChannel extends VerbsObject {
  readonly context: Context;
  /** @internal */
  readonly mailbox: Mailbox<CompletionQueue>;
  /** @internal The kernel's number of the channel, where the kernel keeps one. */
  readonly number: number;

  /** @internal Use `Context.createCompChannel`. */
  constructor(context: Context) {
    super('ibv_destroy_comp_channel', 'completion channel');
    this.context = context;
    const { interruptPs, armPs } = context.profile;
    this.mailbox = new Mailbox<CompletionQueue>(context.thread, `completion event on ${context.deviceName}`, interruptPs, armPs);
    this.number = context.hca.kernel?.createChannel() ?? 0;
    if (this.number < 0) throwErrno('ibv_create_comp_channel', -this.number);
    context.retain();
  }

  /** `ibv_get_cq_event`: the queue of the next completion event; sleeps until there is one, and pays for interrupt and wake-up then. */
  async getEvent(): Promise<CompletionQueue> {
    this.requireOpen('ibv_get_cq_event');
    const queue = await this.mailbox.take();
    queue.eventTaken();
    return queue;
  }

  /** The queue of an event that is there already, or undefined: a channel whose descriptor is non-blocking. */
  tryGetEvent(): CompletionQueue | undefined {
    this.requireOpen('ibv_get_cq_event');
    const queue = this.mailbox.tryTake();
    queue?.eventTaken();
    return queue;
  }

  /** Endless sequence of events; each still has to be acknowledged (`CompletionQueue.ackEvents`). */
  async *events(): AsyncGenerator<CompletionQueue, never> {
    for (;;) yield await this.getEvent();
  }

  protected override destroyNow(): void {
    this.context.hca.kernel?.destroyChannel(this.number);
    this.context.release();
  }
}
