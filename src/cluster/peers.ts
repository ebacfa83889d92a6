/**
 * The out-of-band channel between programs: what perftest's TCP socket is to two hosts, a way to tell each other queue pair numbers and keys.
 *
 * It is a simulated management network of its own, apart from the fabric: a message costs `latencyPs` plus `psPerByte` for each byte of its msgpackr encoding, messages
 * of one sender to one receiver stay in order, and nothing is lost. It takes no host CPU time and no fabric bandwidth.
 */
import { assert, type EventHandler, type EventLoop, type Ps, type SimThread, type Waiter } from '../sim/index.ts';
import { packValue, type PeerMessage, unpackValue } from './messages.ts';

/** The management network's parameters. */
export interface PeerNetwork {
  /** One way, default 20 us: a small TCP message over gigabit Ethernet through one switch. */
  readonly latencyPs: Ps;
  /** Default 8,000 ps/B: gigabit Ethernet. */
  readonly psPerByte: Ps;
}

export const DEFAULT_PEER_NETWORK: PeerNetwork = { latencyPs: 20_000_000, psPerByte: 8_000 };

/** External event keys of messages: one for each sending rank. Packets use the keys below. */
const PEER_KEY_BASE = 2 ** 19;

/** One rank's end of the channel. */
export class PeerChannel implements EventHandler {
  /** Names of the nodes that run the program, in rank order. */
  readonly names: readonly string[];
  readonly #rank: number;
  readonly #network: PeerNetwork;
  readonly #emit: (message: PeerMessage) => void;
  readonly #loop: EventLoop;
  readonly #handler: number;
  #thread: SimThread | null = null;
  /** Messages on their way or not fetched yet, per sender, in the order sent. */
  readonly #expected: PeerMessage[][];
  readonly #arrived: unknown[][];
  readonly #waiting: (Waiter<unknown> | null)[];
  #barrierWaiter: Waiter<void> | null = null;
  #barrierEntered = 0;
  readonly #lastArrival: Float64Array;

  constructor(
    loop: EventLoop,
    entity: number,
    rank: number,
    names: readonly string[],
    network: PeerNetwork,
    emit: (message: PeerMessage) => void,
  ) {
    this.names = names;
    this.#rank = rank;
    this.#network = network;
    this.#emit = emit;
    this.#loop = loop;
    this.#handler = loop.register(entity, this);
    this.#expected = names.map(() => []);
    this.#arrived = names.map(() => []);
    this.#waiting = names.map(() => null);
    this.#lastArrival = new Float64Array(names.length);
  }

  /** @internal Whose clock `send` reads and who is parked in `recv`. */
  attach(thread: SimThread): void {
    this.#thread = thread;
  }

  /** Sends `value` (JSON-like, plus bigint and Uint8Array) to a node by rank or name; does not wait. */
  send(to: number | string, value: unknown): void {
    this.#post(this.#rankOf(to), 'value', packValue(value));
  }

  /** The next message from a node, by rank or name. */
  async recv<T = unknown>(from: number | string): Promise<T> {
    const rank = this.#rankOf(from);
    const thread = this.#threadNow();
    await thread.sync();
    const queue = this.#arrived[rank] as unknown[];
    if (queue.length > 0) return queue.shift() as T;
    if (this.#waiting[rank] !== null) throw new Error(`two receives from ${this.names[rank]} at the same time`);
    const waiter = thread.park<unknown>(`message from ${this.names[rank]}`);
    this.#waiting[rank] = waiter;
    return (await waiter.promise) as T;
  }

  /** Sends `value` and returns what the other node sent, as both sides of a handshake do. */
  exchange<T = unknown>(peer: number | string, value: unknown): Promise<T> {
    this.send(peer, value);
    return this.recv<T>(peer);
  }

  /** Waits until every rank has called it. */
  async barrier(): Promise<void> {
    const thread = this.#threadNow();
    await thread.sync();
    const waiter = thread.park<void>('barrier');
    this.#barrierWaiter = waiter;
    if (this.#rank === 0) this.#enterBarrier();
    else this.#post(0, 'barrier-enter', new Uint8Array(0));
    return waiter.promise;
  }

  /** @internal A message for this rank is under way; called before its arrival time. */
  expect(message: PeerMessage): void {
    (this.#expected[message.from] as PeerMessage[]).push(message);
    this.#loop.deliver(message.arrivalPs, PEER_KEY_BASE + message.from, this.#handler, 0, message.from);
  }

  /** @internal The oldest expected message of rank `from` arrives. */
  onEvent(_kind: number, from: number): void {
    const message = (this.#expected[from] as PeerMessage[]).shift();
    assert(message !== undefined, 'a peer message arrived that nobody sent');
    if (message.what === 'barrier-enter') this.#enterBarrier();
    else if (message.what === 'barrier-leave') this.#leaveBarrier();
    else this.#receive(from, unpackValue(message.bytes));
  }

  #receive(from: number, value: unknown): void {
    const waiter = this.#waiting[from];
    if (waiter === null || waiter === undefined) {
      (this.#arrived[from] as unknown[]).push(value);
      return;
    }
    this.#waiting[from] = null;
    waiter.wake(this.#loop.nowPs, value);
  }

  /** Rank 0 counts those that have come, itself included. */
  #enterBarrier(): void {
    this.#barrierEntered++;
    if (this.#barrierEntered < this.names.length) return;
    this.#barrierEntered = 0;
    for (let rank = 1; rank < this.names.length; rank++) this.#post(rank, 'barrier-leave', new Uint8Array(0));
    this.#leaveBarrier();
  }

  #leaveBarrier(): void {
    const waiter = this.#barrierWaiter;
    assert(waiter !== null, 'a barrier ended that nobody waits at');
    this.#barrierWaiter = null;
    waiter.wake(this.#loop.nowPs, undefined);
  }

  #post(to: number, what: PeerMessage['what'], bytes: Uint8Array): void {
    const sentPs = Math.max(this.#threadNow().nowPs, this.#loop.nowPs);
    const arrival = sentPs + this.#network.latencyPs + bytes.length * this.#network.psPerByte;
    const arrivalPs = Math.max(arrival, this.#lastArrival[to] as number);
    this.#lastArrival[to] = arrivalPs;
    this.#emit({ kind: 'peer', arrivalPs, from: this.#rank, to, what, bytes });
  }

  #rankOf(peer: number | string): number {
    const rank = typeof peer === 'number' ? peer : this.names.indexOf(peer);
    if (!Number.isInteger(rank) || rank < 0 || rank >= this.names.length)
      throw new RangeError(`no such peer: ${peer}; there are ${this.names.map((name, i) => `${i} = ${name}`).join(', ')}`);
    return rank;
  }

  #threadNow(): SimThread {
    assert(this.#thread !== null, 'the channel has no thread yet');
    return this.#thread;
  }
}
