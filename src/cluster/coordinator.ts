/**
 * The conservative advance of time over the cut between the fabric and the groups of nodes.
 *
 * Parties are the fabric and the groups; a group is the nodes of one thread. What a group does at t reaches the fabric at t + `toFabricPs` or later (the HCAs' least
 * transmit latency), what the fabric does at t reaches a group at t + `toGroupPs` or later (their least receive latency). From each
 * party's next event time follows up to where every other may run without being overtaken; a party that has nothing to do before its limit is neither
 * woken nor waited for. Where the limits fall has no influence on any result: every entity orders its own events by (time, key).
 */
import { RECORD_TX_FREED, RECORD_WORDS, type RecordBatch, recordFlags } from '../fabric/index.ts';
import { assert, type Ps } from '../sim/index.ts';
import type { DomainsMessage, FailureMessage, FinishedMessage, GroupMessage, LineMessage, PeerMessage } from './messages.ts';

/** The fabric as the coordinator sees it. */
export interface FabricParty {
  nextPs(): Ps;
  runUntil(limitPs: Ps): void;
  inject(words: Int32Array, times: Float64Array, word: number): void;
  /** Whether packets inside wait for each other for ever. */
  isDeadlocked(): boolean;
  /** Records for the hosts of group g; the coordinator empties it. */
  readonly out: readonly RecordBatch[];
}

/** A group of nodes as the coordinator sees it, in this thread or another. */
export interface GroupParty {
  /** Earliest time at which something happens inside, as of the last `finish`; Infinity when idle. */
  readonly nextPs: Ps;
  /** True if an HCA of the group waits for room in a transmit buffer, so that TX_FREED records matter at once. */
  readonly waitsForRoom: boolean;
  /** Records that the group sent in its last run; valid after `finish`. */
  readonly outbox: RecordBatch;
  /**
   * Takes copies of the records and the messages, and starts to run everything before `limitPs`, but nothing at or after a time at which its own new records and messages
   * could have been answered.
   */
  begin(limitPs: Ps, records: RecordBatch, messages: readonly PeerMessage[]): void;
  /** Ends the run; false if the group is still busy after a while (call again). */
  finish(): boolean;
  /** Messages of the last run. */
  takeMessages(): GroupMessage[];
}

/** Least latencies over the cut, and where each rank lives. */
export interface CutOptions {
  readonly toFabricPs: Ps;
  readonly toGroupPs: Ps;
  /** Least latency of an out-of-band message. */
  readonly peerPs: Ps;
  readonly groupOfRank: readonly number[];
  /** Nothing at or after this time happens. */
  readonly untilPs: Ps;
  /**
   * For systems that never fall idle (hypervisors with busy guests, protocol timers): the run ends at the first multiple of this at which all ranks are through. Until
   * then nobody passes a multiple before everybody has reached it, so that the end is the same moment everywhere. 0: the run ends when nothing is left to happen.
   */
  readonly horizonPs: Ps;
}

export class Coordinator {
  /** Everything before this time has happened everywhere. */
  nowPs: Ps = 0;
  rounds = 0;
  readonly lines: LineMessage[] = [];
  readonly finished: FinishedMessage[] = [];
  readonly domains: DomainsMessage[] = [];
  failure: FailureMessage | null = null;
  /** Goes on when all ranks are through, as long as something happens: real tools may still be at work. */
  keepsOn = false;
  /** Rounds pause when everybody has reached a horizon, until this is set to false again: the moment for what comes from outside. */
  isAtHorizon = false;
  /** Whether they do. */
  pausesAtHorizons = false;
  /** The run has ended because packets wait for each other in a circle. */
  isDeadlocked = false;

  readonly #fabric: FabricParty;
  readonly #groups: readonly GroupParty[];
  readonly #cut: CutOptions;
  readonly #mail: PeerMessage[][];
  /** Arrival of the earliest message in a group's mail. */
  readonly #mailNext: Float64Array;
  readonly #next: Float64Array;
  /** Per group, of the records that it has not got yet: how many were looked at, the earliest packet, the earliest freed room. */
  readonly #seen: Int32Array;
  readonly #packetNext: Float64Array;
  readonly #freedNext: Float64Array;
  readonly #running: boolean[];
  #awaiting = false;
  /** The fabric's next event; −1 = not known. */
  #fabricNextPs = -1;
  /** Nobody runs to here or beyond yet. */
  #endPs: Ps;

  constructor(fabric: FabricParty, groups: readonly GroupParty[], cut: CutOptions) {
    assert(cut.toFabricPs > 0 && cut.toGroupPs > 0, 'both latencies over the cut must be positive');
    assert(cut.peerPs >= cut.toFabricPs + cut.toGroupPs, 'the out-of-band channel must not be faster than the fabric');
    this.#fabric = fabric;
    this.#groups = groups;
    this.#cut = cut;
    this.#endPs = cut.horizonPs > 0 ? Math.min(cut.horizonPs, cut.untilPs) : cut.untilPs;
    this.#mail = groups.map(() => []);
    this.#mailNext = new Float64Array(groups.length).fill(Number.POSITIVE_INFINITY);
    this.#next = new Float64Array(groups.length);
    this.#seen = new Int32Array(groups.length);
    this.#packetNext = new Float64Array(groups.length).fill(Number.POSITIVE_INFINITY);
    this.#freedNext = new Float64Array(groups.length).fill(Number.POSITIVE_INFINITY);
    this.#running = groups.map(() => false);
  }

  /** When something happens next, anywhere. */
  nextPs(): Ps {
    return this.#groups.reduce((least, _, g) => Math.min(least, this.#groupNext(g)), this.#fabricNext());
  }

  /** Every rank's program has ended. */
  get isFinished(): boolean {
    return this.finished.length === this.#cut.groupOfRank.length;
  }

  /** True when nothing is left to happen, anywhere and ever. */
  get isDrained(): boolean {
    return (
      this.#fabric.nextPs() === Number.POSITIVE_INFINITY &&
      this.#groups.every((_, g) => this.#groupNext(g) === Number.POSITIVE_INFINITY)
    );
  }

  /**
   * One round: lets every party that may run do so. Returns `idle` when nothing is left to happen (before `untilPs`), `busy` when a group did not come back yet
   * (return to the event loop and call again), else `more`.
   */
  round(): 'idle' | 'busy' | 'more' {
    if (!this.#awaiting) {
      if (!this.#beginRound()) return 'idle';
      this.#awaiting = true;
    }
    for (let g = 0; g < this.#groups.length; g++) {
      if (!this.#running[g]) continue;
      if (!(this.#groups[g] as GroupParty).finish()) return 'busy';
      this.#running[g] = false;
      this.#collect(g);
    }
    this.#awaiting = false;
    this.rounds++;
    return this.failure === null ? 'more' : 'idle';
  }

  #beginRound(): boolean {
    const { toFabricPs, toGroupPs } = this.#cut;
    const fabricNext = this.#fabricNext();
    let least = Number.POSITIVE_INFINITY;
    let second = Number.POSITIVE_INFINITY;
    let leastGroup = -1;
    for (let g = 0; g < this.#groups.length; g++) {
      const next = this.#groupNext(g);
      this.#next[g] = next;
      if (next < least) {
        second = least;
        least = next;
        leastGroup = g;
      } else if (next < second) second = next;
    }
    const next = Math.min(least, fabricNext);
    if (next >= this.#endPs) {
      if (this.pausesAtHorizons && !this.isAtHorizon && next !== Number.POSITIVE_INFINITY) {
        this.isAtHorizon = true;
        this.nowPs = Math.max(this.nowPs, this.#endPs);
        return true;
      }
      this.isAtHorizon = false;
      if (!this.#passHorizon(next)) return false;
    }
    const untilPs = this.#endPs;
    this.nowPs = Math.max(this.nowPs, next);
    // Adapters would go on and on with their retry timers; no packet of theirs will come through.
    if (fabricNext === Number.POSITIVE_INFINITY && this.#fabric.isDeadlocked()) {
      this.isDeadlocked = true;
      return false;
    }
    // From the end: the first group may be one of this thread, and runs when it is started; the others run beside it.
    for (let g = this.#groups.length - 1; g >= 0; g--) {
      const others = g === leastGroup ? second : least;
      const limit = Math.min(fabricNext + toGroupPs, others + toFabricPs + toGroupPs, untilPs);
      if ((this.#next[g] as number) >= limit) continue;
      this.#start(g, limit);
    }
    const fabricLimit = Math.min(least + toFabricPs, fabricNext + toGroupPs + toFabricPs, untilPs);
    if (fabricNext < fabricLimit) this.#runFabric(fabricLimit);
    return true;
  }

  /** Everybody has reached the end of what was allowed, and `nextPs` is beyond it: sets a new end, or says that the run is over. */
  #passHorizon(nextPs: Ps): boolean {
    const { untilPs, horizonPs } = this.#cut;
    const isOver =
      nextPs === Number.POSITIVE_INFINITY || nextPs >= untilPs || (horizonPs > 0 && this.isFinished && !this.keepsOn);
    if (isOver) {
      const end = nextPs === Number.POSITIVE_INFINITY ? untilPs : Math.min(nextPs, this.#endPs);
      if (end !== Number.POSITIVE_INFINITY) this.nowPs = Math.max(this.nowPs, end);
      return false;
    }
    this.#endPs = Math.min(untilPs, (Math.floor(nextPs / horizonPs) + 1) * horizonPs);
    return true;
  }

  /** Asking the fabric costs a look at all its queues: only after something was done to it. */
  #fabricNext(): Ps {
    if (this.#fabricNextPs < 0) this.#fabricNextPs = this.#fabric.nextPs();
    return this.#fabricNextPs;
  }

  #groupNext(g: number): Ps {
    const group = this.#groups[g] as GroupParty;
    const next = Math.min(group.nextPs, (this.#packetNext[g] as number) + this.#cut.toGroupPs, this.#mailNext[g] as number);
    const freed = this.#freedNext[g] as number;
    return freed !== Number.POSITIVE_INFINITY && group.waitsForRoom ? Math.min(next, freed + this.#cut.toGroupPs) : next;
  }

  #start(g: number, limit: Ps): void {
    const mail = this.#mail[g] as PeerMessage[];
    // By arrival, then by sender: the order in which they came here depends on the placement. (Stable: one sender's stay in order.)
    if (mail.length > 1) mail.sort((a, b) => a.arrivalPs - b.arrivalPs || a.from - b.from);
    const records = this.#fabric.out[g] as RecordBatch;
    (this.#groups[g] as GroupParty).begin(limit, records, mail);
    this.#running[g] = true;
    this.#mail[g] = [];
    this.#mailNext[g] = Number.POSITIVE_INFINITY;
    records.clear();
    this.#seen[g] = 0;
    this.#packetNext[g] = Number.POSITIVE_INFINITY;
    this.#freedNext[g] = Number.POSITIVE_INFINITY;
  }

  #runFabric(limit: Ps): void {
    this.#fabric.runUntil(limit);
    this.#fabricNextPs = -1;
    for (let g = 0; g < this.#groups.length; g++) {
      const { words, times, count } = this.#fabric.out[g] as RecordBatch;
      for (let i = this.#seen[g] as number; i < count; i++) {
        const earliest = (recordFlags(words, i * RECORD_WORDS) & RECORD_TX_FREED) === 0 ? this.#packetNext : this.#freedNext;
        const time = times[i * (RECORD_WORDS / 2)] as number;
        if (time < (earliest[g] as number)) earliest[g] = time;
      }
      this.#seen[g] = count;
    }
  }

  #collect(g: number): void {
    const group = this.#groups[g] as GroupParty;
    const outbox = group.outbox;
    for (let i = 0; i < outbox.count; i++) this.#fabric.inject(outbox.words, outbox.times, i * RECORD_WORDS);
    if (outbox.count > 0) this.#fabricNextPs = -1;
    outbox.clear();
    for (const message of group.takeMessages()) this.#dispatch(message);
  }

  #dispatch(message: GroupMessage): void {
    if (message.kind === 'peer') this.#keepMail(this.#cut.groupOfRank[message.to] as number, message);
    else if (message.kind === 'line') this.lines.push(message);
    else if (message.kind === 'finished') this.finished.push(message);
    else if (message.kind === 'domains') this.domains.push(message);
    else if (message.kind === 'failure') this.failure ??= message;
  }

  #keepMail(g: number, message: PeerMessage): void {
    (this.#mail[g] as PeerMessage[]).push(message);
    if (message.arrivalPs < (this.#mailNext[g] as number)) this.#mailNext[g] = message.arrivalPs;
  }
}
