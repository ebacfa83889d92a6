/**
 * Running what a resumed program does, to its next wait, synchronously.
 *
 * A program is an async function; resolving the promise that it awaits queues microtasks. Virtual time may move only when that queue is empty,
 * so after each resumption it is drained, before the next event is looked at. Node has one function for it, `process._tickCallback`: not
 * documented, there since 0.x, and it does nothing when called from inside a microtask. So `drainMicrotasks` must be called from a macrotask.
 */
import { InvariantError } from './errors.ts';

const tickCallback = (process as unknown as { _tickCallback?: () => void })._tickCallback;

/** Runs all queued microtasks and next-tick callbacks, and those that they queue. Call it from a macrotask only. */
export function drainMicrotasks(): void {
  if (tickCallback === undefined)
    throw new InvariantError('this Node.js has no process._tickCallback; heddle can not resume programs on it');
  tickCallback.call(process);
}

/** Continues in a macrotask, from where `drainMicrotasks` works. */
export function nextMacrotask(): Promise<never> | Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
