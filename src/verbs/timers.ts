/**
 * Timers of software that has no thread of its own, such as the kernel's connection manager: closures on a node's event loop, which can be called off.
 */
import type { EventHandler, EventLoop, Ps } from '../sim/index.ts';

export class Timers implements EventHandler {
  readonly loop: EventLoop;
  readonly #handler: number;
  readonly #pending = new Map<number, () => void>();
  #next = 1;

  /** Timers of node `entity`. */
  constructor(loop: EventLoop, entity: number) {
    this.loop = loop;
    this.#handler = loop.register(entity, this);
  }

  /** Calls `run` at `atPs`, or now if that is past. Returns what `cancel` takes. */
  at(atPs: Ps, run: () => void): number {
    const token = this.#next++;
    this.#pending.set(token, run);
    this.loop.schedule(Math.max(atPs, this.loop.nowPs), this.#handler, token);
    return token;
  }

  /** Calls a timer off; nothing happens if it has run. */
  cancel(token: number): void {
    this.#pending.delete(token);
  }

  /** @internal */
  onEvent(token: number): void {
    const run = this.#pending.get(token);
    this.#pending.delete(token);
    run?.();
  }
}
