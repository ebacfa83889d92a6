/**
 * A thread of a simulated program: an async function that runs until it waits, with a clock of its own.
 *
 * The thread's clock runs ahead of the event loop: every call that costs CPU time advances it (`spend`), and what the call starts
 * takes effect at the advanced time. When the thread waits, it is parked; what it waits for wakes it by an event of its node at a time not before its own clock.
 * `sync` lets the rest of the simulation catch up with the clock, which is what a poll must do before it looks at memory.
 *
 * A call that blocks in the kernel and that the program does not await (a control verb in a guest) *holds* the thread: the program's code goes on at once, since it cannot
 * wait, on a clock that stands still at the call; whatever it starts from there on takes place when the call has ended, in order, later by as much as the call took.
 *
 * Rules that keep runs deterministic: one resumption at a time, with a full drain of the microtask queue after it; a thread that is neither
 * finished nor parked after the drain awaits something real (a file, a timer) and ends the run with a `ProgramError`.
 */
import { ProgramError } from './errors.ts';
import type { EventHandler, EventLoop } from './event-loop.ts';
import { drainMicrotasks } from './microtasks.ts';
import type { Ps } from './time.ts';

/**
 * Who decides when a thread may run, where threads share a processor: a virtual CPU of a guest. A thread of a bare host has a CPU of its own and no `Processor`.
 * A thread *computes* from a resumption until its own clock (`thread.nowPs`); then it waits, and burns CPU time meanwhile if it spins.
 */
export interface Processor {
  /** The thread's code has run to its next wait, or to its end (`thread.outcome`). It computes until `thread.nowPs`; if `spins`, it then burns CPU until it is woken. */
  parked(thread: SimThread, spins: boolean): void;
  /** What `token` waits for is there at `atPs`. The processor calls `thread.resume(token)` once the thread has the CPU and has computed to its own time. */
  wake(thread: SimThread, atPs: Ps, token: number): void;
  /** The thread wants to sleep: `thread.resume(token)` when it has computed to its own time, and `durationPs` are over after that. Without this, a sleep is a `wake` at the time planned. */
  sleep?(thread: SimThread, durationPs: Ps, token: number): void;
  /** The thread wants to go on (`thread.resume(token)`) as soon as it has computed to its own time. */
  sync(thread: SimThread, token: number): void;
  /** False if the processor has something to do before the thread may go on computing, so that `sync` must be a wait. */
  mayRunOn(thread: SimThread): boolean;
}

/** One wait of a thread. Whoever ends it calls `wake` exactly once. */
export interface Waiter<T> {
  readonly promise: Promise<T>;
  /** Resumes the thread with `value` at `atPs`, or at the thread's own time if that is later. */
  wake(atPs: Ps, value: T): void;
  /** Resumes it by throwing `error` into it. */
  fail(atPs: Ps, error: Error): void;
}

/** A wait under way, in the thread's list under its token. */
class Wait<T> implements Waiter<T> {
  readonly promise: Promise<T>;
  readonly what: string;
  /** The thread burns CPU time until this wait ends. */
  readonly spins: boolean;
  readonly #thread: SimThread;
  readonly #token: number;
  readonly #produce: (() => T | Promise<T>) | null;
  #resolve!: (value: T | Promise<T>) => void;
  #reject!: (error: Error) => void;
  #value: T | undefined = undefined;
  #error: Error | null = null;

  constructor(thread: SimThread, token: number, what: string, spins: boolean, produce: (() => T | Promise<T>) | null) {
    this.#thread = thread;
    this.#token = token;
    this.what = what;
    this.spins = spins;
    this.#produce = produce;
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  wake(atPs: Ps, value: T): void {
    this.#value = value;
    this.#thread.wakeAt(atPs, this.#token);
  }

  fail(atPs: Ps, error: Error): void {
    this.#error = error;
    this.#thread.wakeAt(atPs, this.#token);
  }

  /** Settles the promise; the thread's own time is already that of the wake. */
  end(): void {
    if (this.#error !== null) this.#reject(this.#error);
    else this.#resolve(this.#produce === null ? (this.#value as T) : this.#produce());
  }
}

/** What a held thread has still to do, in order. */
interface HeldStep {
  /** The thread's clock when the program's code came here, on the clock that stands still during calls. */
  readonly stampPs: Ps;
  /** Names a call in reports; null for an action, which takes no time. */
  readonly what: string | null;
  readonly run: (done: (atPs: Ps) => void, atPs: Ps) => void;
}

const NOT_DONE = () => undefined;

/** The thread whose code runs now; null between resumptions. */
let current: SimThread | null = null;

/** The thread whose code runs now, for the virtual clocks in program scope. */
export function currentThread(): SimThread | null {
  return current;
}

/** Two cells that a watchdog in another thread can read: [0] = entity + 1 while a program runs, [1] = resumptions so far. */
let marker: Int32Array | null = null;

/** Shares the watchdog's cells with this isolate's programs; null takes them away. */
export function setRunMarker(cells: Int32Array | null): void {
  marker = cells;
  // Whatever ran was cut off, if anything did: a watchdog ends a resumption without its end being run.
  current = null;
}

export class SimThread implements EventHandler {
  readonly nodeName: string;
  readonly loop: EventLoop;
  /** Set when the program returned or threw. */
  outcome: { readonly value?: unknown; readonly error?: unknown } | null = null;
  /** Called once, when `outcome` is set. */
  onFinished: ((thread: SimThread) => void) | null = null;
  /** Who lets the thread run; null where it has a CPU of its own. Set before `start`. */
  processor: Processor | null = null;

  readonly #entity: number;
  readonly #handler: number;
  #localPs: Ps = 0;
  #body: (() => Promise<unknown>) | null = null;
  /** Waits by token; entry 0 is never used, gone ones are null and their tokens used again. */
  readonly #waits: (Wait<unknown> | null)[] = [null];
  readonly #freeTokens: number[] = [];
  #parked = 0;
  #spinning = 0;
  /** What the program returned or threw; `outcome` once nothing holds the thread any more. */
  #result: { readonly value?: unknown; readonly error?: unknown } | null = null;
  #held: HeldStep[] = [];
  /** The held steps are being worked off; the program's own waits do not end meanwhile. */
  #isWorkingOff = false;
  /** What a held step threw: a bug, which ends the run as if it had been thrown where the thread was resumed. */
  #failure: { readonly error: unknown } | null = null;
  /** The program's clock at its last wait, which held steps are later than or at. */
  #heldEndPs: Ps = 0;
  /** Ends of the program's waits that came while the thread was held. */
  #heldWakes: { readonly atPs: Ps; readonly token: number }[] = [];
  /** Waits of the thread itself, which end in spite of being held. */
  readonly #ownTokens = new Set<number>();

  /** A thread of node `entity`; it does nothing until `start`. */
  constructor(loop: EventLoop, entity: number, nodeName: string) {
    this.loop = loop;
    this.nodeName = nodeName;
    this.#entity = entity;
    this.#handler = loop.register(entity, this);
  }

  /** The thread's own clock. */
  get nowPs(): Ps {
    return this.#localPs;
  }

  /** Uses `durationPs` (a whole number) of CPU time. */
  spend(durationPs: Ps): void {
    this.#localPs += durationPs;
  }

  /** Begins to run `body` at `atPs`. */
  start(atPs: Ps, body: () => Promise<unknown>): void {
    this.#body = body;
    if (this.processor === null) this.loop.schedule(atPs, this.#handler, 0);
    else this.processor.wake(this, atPs, 0);
  }

  /** What the thread waits for, for the report of a run that stands still; empty when it is finished. */
  waitingFor(): readonly string[] {
    return this.#waits.filter((wait) => wait !== null).map((wait) => wait.what);
  }

  /**
   * Parks the thread (when the returned promise is awaited) until somebody wakes it. `what` names the wait in reports: "completion on CQ 3". With `produce`, that is
   * called when the thread is resumed, and what it returns is what the program gets. A wait that `spins` polls: it keeps its CPU busy.
   */
  park<T>(what: string, produce: (() => T | Promise<T>) | null = null, spins = false): Waiter<T> {
    const token = this.#freeTokens.pop() ?? this.#waits.length;
    const wait = new Wait<T>(this, token, what, spins, produce);
    this.#waits[token] = wait as Wait<unknown>;
    this.#parked++;
    if (spins) this.#spinning++;
    return wait;
  }

  /** True from a blocking call that the program did not await until all such calls have ended: `nowPs` does not count them yet. */
  get isHeld(): boolean {
    return this.#held.length > 0 || this.#isWorkingOff;
  }

  /**
   * A blocking call that the program does not await. `begin` runs when the thread has computed to here; then the thread sleeps until `done`. Whatever the program starts
   * from here on belongs into `inTurn`; its waits do not end before the call has.
   */
  hold(what: string, begin: (done: (atPs: Ps) => void) => void): void {
    this.#held.push({ stampPs: this.#localPs, what, run: begin });
  }

  /** Runs `action` at the thread's time: now, or when the blocking calls before it have ended. */
  inTurn(action: (atPs: Ps) => void): void {
    if (!this.isHeld) action(this.#localPs);
    else this.#held.push({ stampPs: this.#localPs, what: null, run: (_done, atPs) => action(atPs) });
  }

  /** @internal The wait of `token` is over at `atPs`. */
  wakeAt(atPs: Ps, token: number): void {
    if (this.isHeld && !this.#ownTokens.has(token)) {
      this.#heldWakes.push({ atPs, token });
      return;
    }
    const { loop } = this;
    const own = this.#localPs > loop.nowPs ? this.#localPs : loop.nowPs;
    const wakePs = atPs > own ? atPs : own;
    if (this.processor === null) loop.schedule(wakePs, this.#handler, token);
    else this.processor.wake(this, wakePs, token);
  }

  /** Sleeps for `durationPs` of virtual time. */
  sleep(durationPs: Ps): Promise<void> {
    const token = this.#freeTokens.at(-1) ?? this.#waits.length;
    const waiter = this.park<void>('sleep');
    if (this.processor?.sleep !== undefined && !this.isHeld) this.processor.sleep(this, durationPs, token);
    else this.inTurn((atPs) => waiter.wake(atPs + durationPs, undefined));
    return waiter.promise;
  }

  /** True if everything up to the thread's own time has happened, so that state may be read without waiting. */
  get isSynced(): boolean {
    if (this.isHeld) return false;
    // What a shared processor does in the meantime takes events of its own: looking ahead would make their number depend on what else shares the loop.
    if (this.processor !== null) return this.#localPs <= this.loop.nowPs && this.processor.mayRunOn(this);
    return this.#localPs <= this.loop.nowPs || (this.loop.nextPs() > this.#localPs && this.#localPs < this.loop.limitPs);
  }

  /** Lets the simulation catch up with the thread's own time. */
  sync(): Promise<void> {
    if (this.isSynced) return Promise.resolve();
    return this.isHeld ? this.sleep(0) : this.#catchUp();
  }

  #catchUp(): Promise<void> {
    if (this.processor === null) this.loop.catchUps++;
    const token = this.#freeTokens.at(-1) ?? this.#waits.length;
    const waiter = this.park<void>(this.processor === null ? 'sleep' : 'sync');
    if (this.processor === null) waiter.wake(this.#localPs, undefined);
    else this.processor.sync(this, token);
    return waiter.promise;
  }

  /** Works off what the program left behind when its code had run to a wait. Ends with the program's clock right, and with its waits let go. */
  async #workOff(): Promise<void> {
    let stampPs = (this.#held[0] as HeldStep).stampPs;
    this.#localPs = stampPs;
    for (let step = this.#held.shift(); step !== undefined; step = this.#held.shift()) {
      this.#localPs += step.stampPs - stampPs;
      stampPs = step.stampPs;
      if (step.what === null) step.run(NOT_DONE, this.#localPs);
      else await this.#blockFor(step.what, step.run);
    }
    this.#localPs += this.#heldEndPs - stampPs;
    this.#isWorkingOff = false;
    const wakes = this.#heldWakes;
    this.#heldWakes = [];
    for (const { atPs, token } of wakes) this.wakeAt(atPs, token);
  }

  /** One blocking call, begun when everything before it has happened. */
  async #blockFor(what: string, begin: HeldStep['run']): Promise<void> {
    // What the call begins is another's work, on the loop's time: it is not enough that nothing else happens before.
    const isNow = this.#localPs <= this.loop.nowPs && this.processor?.mayRunOn(this) !== false;
    if (!isNow) await this.#own(() => this.#catchUp());
    await this.#own(() => {
      const waiter = this.park<void>(what);
      begin((atPs) => waiter.wake(atPs, undefined), this.#localPs);
      return waiter.promise;
    });
  }

  /** A wait of the thread's own; it takes the token that `park` takes next. */
  #own(wait: () => Promise<void>): Promise<void> {
    const token = this.#freeTokens.at(-1) ?? this.#waits.length;
    this.#ownTokens.add(token);
    return wait().finally(() => this.#ownTokens.delete(token));
  }

  /** @internal An event of this thread: 0 starts the body, any other kind is the token of a wait. */
  onEvent(token: number): void {
    this.resume(token);
  }

  /** Runs the thread to its next wait, now: 0 starts its body, any other token ends that wait. For its `Processor`. */
  resume(token: number): void {
    // A wait that a finished program left behind (it raced two of them, say) wakes nobody.
    if (this.outcome !== null) return;
    this.#localPs = Math.max(this.#localPs, this.loop.nowPs);
    current = this;
    if (marker !== null) {
      marker[0] = this.#entity + 1;
      marker[1] = ((marker[1] as number) + 1) | 0;
    }
    if (token === 0) this.#begin();
    else this.#resume(token);
    drainMicrotasks();
    if (this.#held.length > 0 && !this.#isWorkingOff) this.#beginWorkingOff();
    if (marker !== null) marker[0] = 0;
    current = null;
    if (this.#failure !== null) throw this.#failure.error;
    if (!this.isHeld) this.outcome ??= this.#result;
    if (this.outcome !== null) this.onFinished?.(this);
    this.processor?.parked(this, this.#spinning > 0 && !this.isHeld);
    if (this.outcome === null && this.#parked === 0)
      throw new ProgramError(
        this.nodeName,
        'the program awaits something that is not simulated (a file, a network, a real timer); only what the simulator offers may be awaited',
      );
  }

  #beginWorkingOff(): void {
    this.#heldEndPs = this.#localPs;
    this.#isWorkingOff = true;
    this.#workOff().catch((error: unknown) => {
      this.#failure = { error };
    });
    drainMicrotasks();
  }

  #begin(): void {
    const body = this.#body as () => Promise<unknown>;
    this.#body = null;
    const finish = (outcome: { value?: unknown; error?: unknown }) => {
      this.#result = outcome;
    };
    // The async wrapper turns a synchronous throw of the body into a rejection.
    (async () => body())().then(
      (value) => finish({ value }),
      (error: unknown) => finish({ error }),
    );
  }

  #resume(token: number): void {
    const wait = this.#waits[token] as Wait<unknown>;
    this.#waits[token] = null;
    this.#freeTokens.push(token);
    this.#parked--;
    if (wait.spins) this.#spinning--;
    wait.end();
  }
}
