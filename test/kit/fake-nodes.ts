/**
 * A model small enough to be run in one queue: nodes that send packets and messages at random over one switch, as they react to what comes. It stands in for adapters, programs
 * and the fabric where the coordinator is tested; `runWhole` is the oracle.
 */
import { RandomStream } from '../../src/sim/index.ts';

export const TO_FABRIC = 100;
export const TO_GROUP = 70;
export const PEER = 1000;
/** Packets that a node may have between itself and the fabric. */
export const ROOM = 2;
export const NEVER = Number.POSITIVE_INFINITY;

export type What = 'timer' | 'packet' | 'peer' | 'freed';

export interface NodeEvent {
  readonly timePs: number;
  /** Breaks ties; the same in every grouping. */
  readonly key: string;
  readonly what: What;
}

/** Events in order of time, ties by key. */
export class Queue<E extends { readonly timePs: number; readonly key: string }> {
  readonly #events: E[] = [];

  add(event: E): void {
    const after = (other: E) => other.timePs > event.timePs || (other.timePs === event.timePs && other.key > event.key);
    const at = this.#events.findIndex(after);
    this.#events.splice(at < 0 ? this.#events.length : at, 0, event);
  }

  get nextPs(): number {
    return this.#events[0]?.timePs ?? NEVER;
  }

  take(): E {
    return this.#events.shift() as E;
  }
}

/** What a node does, apart from where it lives. */
export interface Outlet {
  packet(node: number, timePs: number, to: number, id: number): void;
  peer(node: number, arrivalPs: number, to: number): void;
}

/** A node that sends at random while it has something left; the order of its events decides what it draws, so a mistake spreads. */
export class FakeNode {
  readonly log: string[] = [];
  readonly queue = new Queue<NodeEvent>();
  readonly index: number;
  readonly #random: RandomStream;
  readonly #nodes: number;
  #left: number;
  #sent = 0;
  #inside = 0;
  #waiting: number[] = [];
  #timers = 0;
  #timersPending = 0;
  #lastPeer = new Map<number, number>();

  constructor(index: number, nodes: number, seed: number, sends: number) {
    this.index = index;
    this.#nodes = nodes;
    this.#random = new RandomStream(seed, `node ${index}`);
    this.#left = sends;
    this.#timer(this.#random.below(500));
  }

  get waitsForRoom(): boolean {
    return this.#waiting.length > 0;
  }

  /** Room that is free again at `timePs`; one that does not wait takes note of it without an event. */
  freed(timePs: number): void {
    this.queue.add({ timePs, key: 'freed', what: 'freed' });
  }

  #timer(timePs: number): void {
    this.#timersPending++;
    this.queue.add({ timePs, key: `timer ${this.#timers++}`, what: 'timer' });
  }

  handle(event: NodeEvent, outlet: Outlet): void {
    const now = event.timePs;
    if (event.what === 'freed') {
      this.#inside--;
      const to = this.#waiting.shift();
      if (to !== undefined) {
        this.log.push(`${now} room`);
        this.#transmit(now, to, outlet);
      }
      return;
    }
    this.log.push(`${now} ${event.key}`);
    if (event.what === 'timer') this.#timersPending--;
    for (let actions = this.#random.below(4); actions > 0 && this.#left > 0; actions--) {
      this.#left--;
      const to = this.#random.below(this.#nodes);
      const kind = this.#random.below(4);
      if (kind === 0) this.#timer(now + this.#random.below(2000));
      else if (kind === 1) {
        const arrival = Math.max(now + PEER + this.#random.below(50), this.#lastPeer.get(to) ?? 0);
        this.#lastPeer.set(to, arrival);
        outlet.peer(this.index, arrival, to);
      } else if (this.#inside === ROOM) this.#waiting.push(to);
      else this.#transmit(now, to, outlet);
    }
    if (this.#left > 0 && this.#timersPending === 0) this.#timer(now + 1 + this.#random.below(5000));
  }

  #transmit(now: number, to: number, outlet: Outlet): void {
    this.#inside++;
    outlet.packet(this.index, now + TO_FABRIC + this.#random.below(3) * 40, to, this.#sent++);
  }
}

export interface FabricEvent {
  readonly timePs: number;
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly id: number;
  readonly entering: boolean;
}

/** A packet passes in no time (the hardest case), but for its turn at its destination's port, 60 ps each. Room is free once it has entered. */
export class FakeSwitch {
  readonly queue = new Queue<FabricEvent>();
  readonly #busyUntil: number[];

  constructor(nodes: number) {
    this.#busyUntil = new Array<number>(nodes).fill(0);
  }

  enter(timePs: number, from: number, to: number, id: number): void {
    this.queue.add({ timePs, key: `in ${from} ${id}`, from, to, id, entering: true });
  }

  /** Handles the next event; what leaves goes to the callbacks. */
  step(arrived: (event: FabricEvent) => void, freed: (timePs: number, node: number) => void): void {
    const event = this.queue.take();
    if (!event.entering) {
      arrived(event);
      return;
    }
    freed(event.timePs, event.from);
    const start = Math.max(event.timePs, this.#busyUntil[event.to] as number);
    this.#busyUntil[event.to] = start + 60;
    this.queue.add({ ...event, timePs: start, key: `out ${event.from} ${event.id}`, entering: false });
  }
}

export const packetKey = (from: number, id: number): string => `packet ${from} ${id}`;

/** The oracle: one clock for all. */
export function runWhole(nodes: readonly FakeNode[]): void {
  const fabric = new FakeSwitch(nodes.length);
  const outlet: Outlet = {
    packet: (node, timePs, to, id) => fabric.enter(timePs, node, to, id),
    peer: (node, timePs, to) => nodes[to]?.queue.add({ timePs, key: `peer ${node}`, what: 'peer' }),
  };
  for (;;) {
    const node = earliest(nodes);
    const timePs = Math.min(node.queue.nextPs, fabric.queue.nextPs);
    if (timePs === NEVER) return;
    if (fabric.queue.nextPs === timePs)
      fabric.step(
        ({ timePs: at, from, to, id }) =>
          nodes[to]?.queue.add({ timePs: at + TO_GROUP, key: packetKey(from, id), what: 'packet' }),
        (at, from) => nodes[from]?.freed(at + TO_GROUP),
      );
    else node.handle(node.queue.take(), outlet);
  }
}

export const earliest = (nodes: readonly FakeNode[]): FakeNode =>
  nodes.reduce((least, candidate) => (candidate.queue.nextPs < least.queue.nextPs ? candidate : least));
