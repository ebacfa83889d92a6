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

/** External event keys of messages: one for each sending rank and each receiver on the node. Packets use the keys below; there are as many above. */
const PEER_KEY_BASE = 2 ** 19;

/** What one rank knows of another: made when they first have to do with each other, since thousands of ranks are too many for a table of all pairs. */
interface Correspondent {
  /** Messages on their way, in the order sent. */
  readonly expected: PeerMessage[];
  /** Values that came and were not fetched yet. */
  readonly arrived: unknown[];
  waiting: Waiter<unknown> | null;
  /** When the last message to it arrives. */
  lastArrivalPs: Ps;
}

/** One rank's end of the channel. */
export class PeerChannel implements EventHandler {
  /** Names of the nodes that run the program, in rank order. */
  readonly names: readonly string[];
  readonly #rank: number;
  /** This program among those of its node, whose events must have keys of their own. */
  readonly #local: number;
  readonly #locals: number;
  readonly #network: PeerNetwork;
  readonly #emit: (message: PeerMessage) => void;
  readonly #loop: EventLoop;
  readonly #handler: number;
  #thread: SimThread | null = null;
  readonly #correspondents = new Map<number, Correspondent>();
  #barrierWaiter: Waiter<void> | null = null;
  #barrierEntered = 0;

  constructor(
    loop: EventLoop,
    place: { readonly entity: number; readonly rank: number; readonly ofNode: readonly { readonly rank: number }[] },
    names: readonly string[],
    network: PeerNetwork,
    emit: (message: PeerMessage) => void,
  ) {
    this.names = names;
    const { entity, rank, ofNode } = place;
    this.#rank = rank;
    this.#local = ofNode.findIndex((other) => other.rank === rank);
    this.#locals = ofNode.length;
    assert(names.length * ofNode.length <= PEER_KEY_BASE, 'too many programs on one node for so many in all');
    this.#network = network;
    this.#emit = emit;
    this.#loop = loop;
    this.#handler = loop.register(entity, this);
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
    const sender = this.#with(rank);
    if (sender.arrived.length > 0) return sender.arrived.shift() as T;
    if (sender.waiting !== null) throw new Error(`two receives from ${this.names[rank]} at the same time`);
    const waiter = thread.park<unknown>(`message from ${this.names[rank]}`);
    sender.waiting = waiter;
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
    this.#with(message.from).expected.push(message);
    this.#loop.deliver(
      message.arrivalPs,
      PEER_KEY_BASE + message.from * this.#locals + this.#local,
      this.#handler,
      0,
      message.from,
    );
  }

  /** @internal The oldest expected message of rank `from` arrives. */
  onEvent(_kind: number, from: number): void {
    const message = this.#with(from).expected.shift();
    assert(message !== undefined, 'a peer message arrived that nobody sent');
    if (message.what === 'barrier-enter') this.#enterBarrier();
    else if (message.what === 'barrier-leave') this.#leaveBarrier();
    else this.#receive(from, unpackValue(message.bytes));
  }

  #receive(from: number, value: unknown): void {
    const sender = this.#with(from);
    const { waiting: waiter } = sender;
    if (waiter === null) {
      sender.arrived.push(value);
      return;
    }
    sender.waiting = null;
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

  /** Sends at the thread's time: in its turn, where the thread is in a call of its kernel that the program did not wait for. */
  #post(to: number, what: PeerMessage['what'], bytes: Uint8Array): void {
    this.#threadNow().inTurn((atPs) => this.#send(to, what, bytes, Math.max(atPs, this.#loop.nowPs)));
  }

  #send(to: number, what: PeerMessage['what'], bytes: Uint8Array, sentPs: Ps): void {
    const arrival = sentPs + this.#network.latencyPs + bytes.length * this.#network.psPerByte;
    const receiver = this.#with(to);
    const arrivalPs = Math.max(arrival, receiver.lastArrivalPs);
    receiver.lastArrivalPs = arrivalPs;
    this.#emit({ kind: 'peer', arrivalPs, from: this.#rank, to, what, bytes });
  }

  #with(rank: number): Correspondent {
    let known = this.#correspondents.get(rank);
    if (known === undefined) {
      known = { expected: [], arrived: [], waiting: null, lastArrivalPs: 0 };
      this.#correspondents.set(rank, known);
    }
    return known;
  }

  #rankOf(peer: number | string): number {
    const rank = typeof peer === 'number' ? peer : this.names.indexOf(peer);
    if (!Number.isInteger(rank) || rank < 0 || rank >= this.names.length)
      throw new RangeError(`no such peer: ${peer}; there are ${this.#describeRanks()}`);
    return rank;
  }

  #describeRanks(): string {
    const some = this.names.slice(0, 16).map((name, i) => `${i} = ${name}`);
    const more = this.names.length > some.length ? ` … (${this.names.length} in all)` : '';
    return `${some.join(', ')}${more}`;
  }

  #threadNow(): SimThread {
    assert(this.#thread !== null, 'the channel has no thread yet');
    return this.#thread;
  }
}
