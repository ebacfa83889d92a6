/**
 * Clocks, timers, random numbers and unhandled rejections of the program scope.
 *
 * While a simulated program runs, `Date`, `performance.now`, `process.hrtime`, `Math.random`, `setTimeout` and `setInterval` answer in virtual time and
 * from the program's own random stream; at any other moment (between resumptions, or outside a run) they are the real ones. So a program never sees the
 * machine's time, and nothing else in the process notices. Not covered: `crypto.randomUUID` and `crypto.getRandomValues`; a program that wants chance
 * asks `sim.random()` or `Math.random()`.
 */
import { type RandomStream, currentThread, type SimThread } from '../sim/index.ts';

/** The virtual calendar begins here: 2004-10-01T00:00:00Z, when the first InfiniBand code went to Linux. Any fixed instant would do. */
export const VIRTUAL_EPOCH_MS = Date.UTC(2004, 9, 1);

const streams = new WeakMap<SimThread, RandomStream>();

/** Gives `thread` the stream from which its `Math.random` draws. */
export function setProgramRandom(thread: SimThread, stream: RandomStream): void {
  streams.set(thread, stream);
}

let users = 0;
let restore: (() => void) | null = null;

/** Installs the virtual clocks in this isolate; the returned function takes them away when the last user has. */
export function installVirtualClocks(): () => void {
  users++;
  restore ??= install();
  let done = false;
  return () => {
    if (done) return;
    done = true;
    users--;
    if (users === 0) {
      restore?.();
      restore = null;
    }
  };
}

function install(): () => void {
  const undo = [installDate(), installMonotonicClocks(), installRandom(), installTimers(), installRejections()];
  return () => {
    for (const step of undo) step();
  };
}

function virtualMs(thread: SimThread): number {
  return VIRTUAL_EPOCH_MS + thread.nowPs / 1e9;
}

function installDate(): () => void {
  const RealDate = globalThis.Date;
  class VirtualDate extends RealDate {
    constructor(...parts: unknown[]) {
      const thread = currentThread();
      if (parts.length === 0 && thread !== null) super(virtualMs(thread));
      else super(...(parts as []));
    }
    static override now(): number {
      const thread = currentThread();
      return thread === null ? RealDate.now() : Math.floor(virtualMs(thread));
    }
  }
  globalThis.Date = VirtualDate as DateConstructor;
  return () => {
    globalThis.Date = RealDate;
  };
}

function installMonotonicClocks(): () => void {
  const realNow = performance.now;
  const realHrtime = process.hrtime;
  performance.now = () => {
    const thread = currentThread();
    return thread === null ? realNow.call(performance) : thread.nowPs / 1e9;
  };
  const hrtime = ((earlier?: [number, number]) => {
    const thread = currentThread();
    if (thread === null) return realHrtime(earlier);
    const ns = Math.floor(thread.nowPs / 1e3) - (earlier === undefined ? 0 : earlier[0] * 1e9 + earlier[1]);
    return [Math.floor(ns / 1e9), ns % 1e9];
  }) as NodeJS.HRTime;
  hrtime.bigint = () => {
    const thread = currentThread();
    return thread === null ? realHrtime.bigint() : BigInt(Math.floor(thread.nowPs / 1e3));
  };
  process.hrtime = hrtime;
  return () => {
    performance.now = realNow;
    process.hrtime = realHrtime;
  };
}

function installRandom(): () => void {
  const realRandom = Math.random;
  Math.random = () => {
    const thread = currentThread();
    return (thread === null ? undefined : streams.get(thread)?.float()) ?? realRandom();
  };
  return () => {
    Math.random = realRandom;
  };
}

/**
 * A promise of a program that is rejected while nobody awaits it ends that program, as it would end a process. Node reports it when the microtasks
 * after a resumption are done, so it is known whose it is. All others are left to those who listened before.
 */
function installRejections(): () => void {
  const event = 'unhandledRejection';
  const others = process.listeners(event);
  const listener: NodeJS.UnhandledRejectionListener = (reason, promise) => {
    const thread = currentThread();
    if (thread !== null) thread.outcome = { error: reason };
    else if (others.length === 0) throw reason;
    else for (const other of others) other(reason, promise);
  };
  process.removeAllListeners(event);
  process.on(event, listener);
  return () => {
    process.off(event, listener);
    for (const other of others) process.on(event, other);
  };
}

/** A timer in virtual time; `clearTimeout` and `clearInterval` know it by identity. */
class VirtualTimer {
  cancelled = false;
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return !this.cancelled;
  }
  [Symbol.dispose](): void {
    this.cancelled = true;
  }
}

function startTimer(thread: SimThread, callback: () => void, delayMs: number, repeat: boolean): VirtualTimer {
  const timer = new VirtualTimer();
  const delayPs = Math.max(0, Math.round((Number(delayMs) || 0) * 1e9));
  const arm = () => {
    thread.sleep(delayPs).then(() => {
      if (timer.cancelled) return;
      if (repeat) arm();
      callback();
    });
  };
  arm();
  return timer;
}

type TimerFunction = (callback: (...parts: unknown[]) => void, delayMs?: number, ...parts: unknown[]) => unknown;

function installTimers(): () => void {
  const real = {
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    setImmediate: globalThis.setImmediate,
    clearTimeout: globalThis.clearTimeout,
    clearInterval: globalThis.clearInterval,
  };
  const virtual =
    (original: TimerFunction, repeat: boolean, immediate: boolean): TimerFunction =>
    (callback, delayMs, ...parts) => {
      const thread = currentThread();
      if (thread === null)
        return immediate
          ? (original as (...all: unknown[]) => unknown)(callback, delayMs, ...parts)
          : original(callback, delayMs, ...parts);
      const values = immediate && delayMs !== undefined ? [delayMs, ...parts] : parts;
      return startTimer(thread, () => callback(...values), immediate ? 0 : (delayMs ?? 0), repeat);
    };
  const clear = (original: (timer?: unknown) => void) => (timer?: unknown) => {
    if (timer instanceof VirtualTimer) timer.cancelled = true;
    else original(timer);
  };
  Object.assign(globalThis, {
    setTimeout: virtual(real.setTimeout as TimerFunction, false, false),
    setInterval: virtual(real.setInterval as TimerFunction, true, false),
    setImmediate: virtual(real.setImmediate as unknown as TimerFunction, false, true),
    clearTimeout: clear(real.clearTimeout as (timer?: unknown) => void),
    clearInterval: clear(real.clearInterval as (timer?: unknown) => void),
  });
  return () => Object.assign(globalThis, real);
}
