/**
 * The event queue of everything outside the fabric kernel: HCAs, programs, timers, later hypervisors.
 *
 * Order is (time, entity, key). An *entity* is a node. Keys below `LOCAL_KEY` belong to what arrives from outside (a packet, a freed
 * transmit buffer) and are made of what it is and where it came in; everything an entity schedules for itself is numbered by a counter of that
 * entity. So the order of one entity's events never depends on which other entities share the loop or the thread, and entities
 * never schedule events for each other: they meet through the fabric alone.
 */
import { assert } from './errors.ts';
import type { Ps } from './time.ts';

/** What an event is given to. `kind`, `a` and `b` mean what the handler says they mean. */
export interface EventHandler {
  onEvent(kind: number, a: number, b: number): void;
}

/** External keys are below this, local sequence numbers start at it. */
export const LOCAL_KEY = 2 ** 20;
const ENTITY_SHIFT = 2 ** 36;
const ENTITY_LIMIT = 2 ** 17;

export class EventLoop {
  /** Time of the event that is being handled, or of the last one. */
  nowPs: Ps = 0;
  /** Events handled so far. */
  handled = 0;
  /** Events among them that only let a thread catch up: how many there are depends on what else shares the loop. */
  catchUps = 0;
  /** The limit of the `runUntil` under way: nothing from outside can arrive before it. */
  limitPs: Ps = 0;

  #count = 0;
  #times = new Float64Array(1024);
  #orders = new Float64Array(1024);
  #slots = new Int32Array(1024);
  #payload = new Int32Array(1024 * 4); // handler, kind, a, b of slot i at 4i
  #free: number[] = [];
  readonly #handlers: EventHandler[] = [];
  readonly #handlerEntity: number[] = [];
  #sequence = new Float64Array(64);

  constructor() {
    for (let i = 1023; i >= 0; i--) this.#free.push(i);
  }

  /** Makes `handler` known as belonging to `entity` (0 … 131,071; the node's number in the whole cluster) and returns its handle. */
  register(entity: number, handler: EventHandler): number {
    assert(Number.isInteger(entity) && entity >= 0 && entity < ENTITY_LIMIT, () => `entity ${entity} is out of range`);
    while (entity >= this.#sequence.length) {
      const wider = new Float64Array(this.#sequence.length * 2);
      wider.set(this.#sequence);
      this.#sequence = wider;
    }
    this.#handlers.push(handler);
    this.#handlerEntity.push(entity);
    return this.#handlers.length - 1;
  }

  /** Schedules an event of the handler's own entity at `timePs`, not before `nowPs`. Equal times run in the order of scheduling. */
  schedule(timePs: Ps, handler: number, kind: number, a = 0, b = 0): void {
    const entity = this.#handlerEntity[handler] as number;
    const sequence = this.#sequence[entity] as number;
    this.#sequence[entity] = sequence + 1;
    this.#push(timePs, entity * ENTITY_SHIFT + LOCAL_KEY + sequence, handler, kind, a, b);
  }

  /** Schedules what arrives from outside. `key` (0 … LOCAL_KEY − 1) must be unique among equal times of one entity. */
  deliver(timePs: Ps, key: number, handler: number, kind: number, a = 0, b = 0): void {
    this.#push(timePs, (this.#handlerEntity[handler] as number) * ENTITY_SHIFT + key, handler, kind, a, b);
  }

  /** Time of the earliest pending event, or Infinity. */
  nextPs(): Ps {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  /** Events pending. */
  get pending(): number {
    return this.#count;
  }

  /** Handles every event before `limitPs`, those included that are scheduled on the way. Returns how many. */
  runUntil(limitPs: Ps): number {
    let n = 0;
    this.limitPs = limitPs;
    while (this.step()) n++;
    return n;
  }

  /** Handles one event before the property `limitPs`; false if there is none. Whoever steps may lower the limit between two steps. */
  step(): boolean {
    if (this.#count === 0 || (this.#times[0] as number) >= this.limitPs) return false;
    this.nowPs = this.#times[0] as number;
    const slot = this.#pop();
    const at = slot * 4;
    const words = this.#payload;
    const handler = this.#handlers[words[at] as number] as EventHandler;
    const kind = words[at + 1] as number;
    const a = words[at + 2] as number;
    const b = words[at + 3] as number;
    this.#free.push(slot);
    this.handled++;
    handler.onEvent(kind, a, b);
    return true;
  }

  #push(timePs: Ps, order: number, handler: number, kind: number, a: number, b: number): void {
    if (timePs < this.nowPs)
      assert(false, `event for ${timePs} ps scheduled at ${this.nowPs} ps (handler ${handler}, kind ${kind})`);
    if (this.#count === this.#times.length) this.#grow();
    const slot = this.#free.pop() as number;
    const at = slot * 4;
    const payload = this.#payload;
    payload[at] = handler;
    payload[at + 1] = kind;
    payload[at + 2] = a;
    payload[at + 3] = b;
    const times = this.#times;
    const orders = this.#orders;
    const slots = this.#slots;
    let i = this.#count++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const parentTime = times[parent] as number;
      if (parentTime < timePs || (parentTime === timePs && (orders[parent] as number) <= order)) break;
      times[i] = parentTime;
      orders[i] = orders[parent] as number;
      slots[i] = slots[parent] as number;
      i = parent;
    }
    times[i] = timePs;
    orders[i] = order;
    slots[i] = slot;
  }

  #pop(): number {
    const times = this.#times;
    const orders = this.#orders;
    const slots = this.#slots;
    const result = slots[0] as number;
    const n = --this.#count;
    const time = times[n] as number;
    const order = orders[n] as number;
    const slot = slots[n] as number;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      let childTime = times[child] as number;
      const right = child + 1;
      if (right < n) {
        const rightTime = times[right] as number;
        if (rightTime < childTime || (rightTime === childTime && (orders[right] as number) < (orders[child] as number))) {
          child = right;
          childTime = rightTime;
        }
      }
      if (childTime > time || (childTime === time && (orders[child] as number) >= order)) break;
      times[i] = childTime;
      orders[i] = orders[child] as number;
      slots[i] = slots[child] as number;
      i = child;
    }
    times[i] = time;
    orders[i] = order;
    slots[i] = slot;
    return result;
  }

  #grow(): void {
    const size = this.#times.length;
    const times = new Float64Array(size * 2);
    times.set(this.#times);
    this.#times = times;
    const orders = new Float64Array(size * 2);
    orders.set(this.#orders);
    this.#orders = orders;
    const slots = new Int32Array(size * 2);
    slots.set(this.#slots);
    this.#slots = slots;
    const payload = new Int32Array(size * 8);
    payload.set(this.#payload);
    this.#payload = payload;
    for (let i = size * 2 - 1; i >= size; i--) this.#free.push(i);
  }
}
