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

/** Does `work` in a macrotask, where `drainMicrotasks` works (the code after an `await` is a microtask: it does not work there). */
export function inMacrotask<T>(work: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
    });
  });
}
