/**
 * The coordinator between stand-ins for the fabric and the groups of nodes. The oracle is the same model run in one queue, in order of time, with no cut at all: every node
 * must see the same events at the same times, whatever the grouping, and nobody may get anything for a time that it has already run past.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Coordinator, type CutOptions, type FabricParty, type GroupParty } from '../../src/cluster/coordinator.ts';
import type { GroupMessage, PeerMessage } from '../../src/cluster/messages.ts';
import {
  RECORD_TX_FREED,
  RECORD_WORDS,
  RecordBatch,
  recordFlags,
  W_LENGTH,
  W_NUMBER,
  W_PORT,
  W_X0,
} from '../../src/fabric/index.ts';
import { RandomStream } from '../../src/sim/index.ts';

const TO_FABRIC = 100;
const TO_GROUP = 70;
const PEER = 1000;
/** Packets that a node may have between itself and the fabric. */
const ROOM = 2;
const NEVER = Number.POSITIVE_INFINITY;

type What = 'timer' | 'packet' | 'peer' | 'freed';

interface NodeEvent {
  readonly timePs: number;
  /** Breaks ties; the same in every grouping. */
  readonly key: string;
  readonly what: What;
}

/** Events in order of time, ties by key. */
class Queue<E extends { readonly timePs: number; readonly key: string }> {
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
interface Outlet {
  packet(node: number, timePs: number, to: number, id: number): void;
  peer(node: number, arrivalPs: number, to: number): void;
}

/** A node that sends at random while it has something left; the order of its events decides what it draws, so a mistake spreads. */
class FakeNode {
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

interface FabricEvent {
  readonly timePs: number;
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly id: number;
  readonly entering: boolean;
}

/** A packet passes in no time (the hardest case), but for its turn at its destination's port, 60 ps each. Room is free once it has entered. */
class FakeSwitch {
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

const packetKey = (from: number, id: number): string => `packet ${from} ${id}`;

/** The oracle: one clock for all. */
function runWhole(nodes: readonly FakeNode[]): void {
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

class FakeFabric implements FabricParty {
  readonly out: RecordBatch[];
  readonly #switch: FakeSwitch;
  readonly #groupOf: readonly number[];
  #ranTo = 0;

  constructor(groupOf: readonly number[], groups: number) {
    this.#groupOf = groupOf;
    this.#switch = new FakeSwitch(groupOf.length);
    this.out = Array.from({ length: groups }, () => new RecordBatch(4));
  }

  nextPs(): number {
    return this.#switch.queue.nextPs;
  }

  isDeadlocked(): boolean {
    return false;
  }

  inject(words: Int32Array, times: Float64Array, word: number): void {
    const timePs = times[word / 2] as number;
    expect(timePs, 'a packet comes to the fabric too late').toBeGreaterThanOrEqual(this.#ranTo);
    this.#switch.enter(timePs, words[word + W_PORT] as number, words[word + W_X0] as number, words[word + W_NUMBER] as number);
  }

  runUntil(limitPs: number): void {
    while (this.#switch.queue.nextPs < limitPs)
      this.#switch.step(
        ({ timePs, from, to, id }) => this.#put(to, timePs, 0, from, id),
        (timePs, node) => this.#put(node, timePs, RECORD_TX_FREED, node, 0),
      );
    this.#ranTo = Math.max(this.#ranTo, limitPs);
  }

  #put(node: number, timePs: number, flags: number, from: number, id: number): void {
    writeRecord(this.out[this.#groupOf[node] as number] as RecordBatch, { timePs, port: node, flags, other: from, id });
  }
}

interface PlainRecord {
  readonly timePs: number;
  readonly port: number;
  readonly flags: number;
  readonly other: number;
  readonly id: number;
}

function writeRecord(batch: RecordBatch, { timePs, port, flags, other, id }: PlainRecord): void {
  const word = batch.reserve();
  batch.times[word / 2] = timePs;
  batch.words[word + W_PORT] = port;
  batch.words[word + W_LENGTH] = flags << 24;
  batch.words[word + W_X0] = other;
  batch.words[word + W_NUMBER] = id;
}

const earliest = (nodes: readonly FakeNode[]): FakeNode =>
  nodes.reduce((least, candidate) => (candidate.queue.nextPs < least.queue.nextPs ? candidate : least));

/** Nodes that live together. Their run happens somewhere between `begin` and the `finish` that says so. */
class FakeGroup implements GroupParty {
  nextPs = 0;
  waitsForRoom = false;
  readonly outbox = new RecordBatch(4);
  readonly #nodes: readonly FakeNode[];
  readonly #all: readonly FakeNode[];
  readonly #laziness: RandomStream;
  #messages: GroupMessage[] = [];
  #ranTo = 0;
  #limit: number | null = null;

  constructor(members: readonly number[], all: readonly FakeNode[], seed: number) {
    this.#all = all;
    this.#nodes = members.map((node) => all[node] as FakeNode);
    this.#laziness = new RandomStream(seed, `group ${members}`);
    this.#look();
  }

  #look(): void {
    this.waitsForRoom = this.#nodes.some((node) => node.waitsForRoom);
    // Freed room that nobody waits for is no reason to run, as with the real adapters: it is looked up when something is sent.
    this.nextPs = Math.min(NEVER, ...this.#nodes.map((node) => node.queue.nextPs));
  }

  begin(limitPs: number, { words, times, count }: RecordBatch, messages: readonly PeerMessage[]): void {
    expect(this.#limit, 'begun while it runs').toBeNull();
    for (let i = 0, word = 0; i < count; i++, word += RECORD_WORDS) {
      const timePs = (times[word / 2] as number) + TO_GROUP;
      const node = this.#all[words[word + W_PORT] as number] as FakeNode;
      expect(this.#nodes, 'a record for somebody else').toContain(node);
      expect(timePs, 'a record comes to a group too late').toBeGreaterThanOrEqual(this.#ranTo);
      if ((recordFlags(words, word) & RECORD_TX_FREED) !== 0) node.freed(timePs);
      else {
        const key = packetKey(words[word + W_X0] as number, words[word + W_NUMBER] as number);
        node.queue.add({ timePs, key, what: 'packet' });
      }
    }
    for (const { to, from, arrivalPs } of messages) {
      expect(arrivalPs, 'a message comes to a group too late').toBeGreaterThanOrEqual(this.#ranTo);
      this.#all[to]?.queue.add({ timePs: arrivalPs, key: `peer ${from}`, what: 'peer' });
    }
    this.#limit = limitPs;
  }

  finish(): boolean {
    if (this.#laziness.below(3) === 0) return false;
    // What a group sends may be answered: from then on it needs to know what the others did.
    let limit = this.#limit as number;
    const outlet: Outlet = {
      packet: (node, timePs, to, id) => {
        writeRecord(this.outbox, { timePs, port: node, flags: 0, other: to, id });
        limit = Math.min(limit, timePs + TO_GROUP);
      },
      peer: (from, arrivalPs, to) => {
        this.#messages.push({ kind: 'peer', arrivalPs, from, to, what: 'value', bytes: new Uint8Array(0) });
        limit = Math.min(limit, arrivalPs);
      },
    };
    // Comes back early now and then, as a group does that has very much to do.
    let most = 1 + this.#laziness.below(20);
    for (let node = earliest(this.#nodes); node.queue.nextPs < limit && most > 0; node = earliest(this.#nodes), most--)
      node.handle(node.queue.take(), outlet);
    limit = Math.min(limit, earliest(this.#nodes).queue.nextPs);
    this.#ranTo = Math.max(this.#ranTo, limit);
    this.#limit = null;
    this.#look();
    return true;
  }

  takeMessages(): GroupMessage[] {
    return this.#messages.splice(0);
  }
}

interface Case {
  readonly seed: number;
  readonly sends: number;
  /** The group of each node. */
  readonly groupOf: readonly number[];
}

const makeNodes = ({ seed, sends, groupOf }: Case): FakeNode[] =>
  groupOf.map((_, node) => new FakeNode(node, groupOf.length, seed, sends));

function runCut(test: Case, untilPs = NEVER): { logs: string[][]; coordinator: Coordinator } {
  const nodes = makeNodes(test);
  const groups = Math.max(...test.groupOf) + 1;
  const members = Array.from({ length: groups }, (_, group) => nodes.map((_, i) => i).filter((i) => test.groupOf[i] === group));
  const cut: CutOptions = { toFabricPs: TO_FABRIC, toGroupPs: TO_GROUP, peerPs: PEER, groupOfRank: test.groupOf, untilPs };
  const parties = members.map((list) => new FakeGroup(list, nodes, test.seed));
  const coordinator = new Coordinator(new FakeFabric(test.groupOf, groups), parties, cut);
  for (let turns = 0; coordinator.round() !== 'idle'; turns++) expect(turns, 'it never ends').toBeLessThan(200_000);
  return { logs: nodes.map((node) => node.log), coordinator };
}

/** Groups without holes in their numbers. */
const cases: fc.Arbitrary<Case> = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  sends: fc.integer({ min: 0, max: 25 }),
  groupOf: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 8 }).map((list) => {
    const used = [...new Set(list)];
    return list.map((group) => used.indexOf(group));
  }),
});

describe('the coordinator', () => {
  it('lets every node see the same events at the same times as with one clock, in any grouping', () => {
    fc.assert(
      fc.property(cases, (test) => {
        const whole = makeNodes(test);
        runWhole(whole);
        const { logs, coordinator } = runCut(test);
        expect(logs).toEqual(whole.map((node) => node.log));
        expect(coordinator.isDrained).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('stops before untilPs, with everything done up to there', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 20_000 }), (test, untilPs) => {
        const whole = makeNodes(test);
        runWhole(whole);
        const early = (line: string) => Number(line.split(' ')[0]) < untilPs;
        const { logs, coordinator } = runCut(test, untilPs);
        expect(logs).toEqual(whole.map((node) => node.log.filter(early)));
        expect(coordinator.nowPs).toBeLessThanOrEqual(untilPs);
      }),
      { numRuns: 50 },
    );
  });

  it('runs a group only when it has something to do', () => {
    const test: Case = { seed: 7, sends: 20, groupOf: [0, 1, 2, 3] };
    const { coordinator, logs } = runCut(test);
    const events = logs.flat().length;
    expect(events).toBeGreaterThan(20);
    // Each event makes at most a few rounds, whatever the latencies: rounds follow events, not windows of time.
    expect(coordinator.rounds).toBeLessThan(6 * events);
  });

  it('refuses a cut without latency', () => {
    const make = (cut: Partial<CutOptions>) => () =>
      new Coordinator(new FakeFabric([0], 1), [], {
        toFabricPs: 1,
        toGroupPs: 1,
        peerPs: 2,
        groupOfRank: [],
        untilPs: NEVER,
        ...cut,
      });
    expect(make({})).not.toThrow();
    expect(make({ toFabricPs: 0 })).toThrow('must be positive');
    expect(make({ toGroupPs: 0 })).toThrow('must be positive');
    expect(make({ peerPs: 1 })).toThrow('must not be faster');
  });

  it('hands out messages by arrival, then by sender, and ends at the first failure', () => {
    const seen: string[] = [];
    const failure = { kind: 'failure' as const, error: { name: 'Error', message: 'broken', stack: '' } };
    const mail = (from: number, arrivalPs: number): PeerMessage => ({
      kind: 'peer',
      arrivalPs,
      from,
      to: 0,
      what: 'value',
      bytes: new Uint8Array(0),
    });
    let says: GroupMessage[] = [];
    const quiet = new FakeGroup([], [], 1);
    const sender: GroupParty = {
      nextPs: 5,
      waitsForRoom: false,
      outbox: new RecordBatch(1),
      begin: () => undefined,
      finish() {
        says = [
          mail(2, 3000),
          mail(1, 3000),
          mail(3, 2500),
          failure,
          { ...failure, error: { ...failure.error, message: 'late' } },
        ];
        return true;
      },
      takeMessages: () => says.splice(0),
    };
    const receiver = Object.assign(Object.create(quiet), {
      nextPs: NEVER,
      waitsForRoom: false,
      outbox: new RecordBatch(1),
      begin: (_limit: number, _records: RecordBatch, messages: readonly PeerMessage[]) =>
        seen.push(...messages.map(({ from }) => `${from}`)),
      finish: () => true,
      takeMessages: () => [],
    }) as GroupParty;
    const cut = { toFabricPs: 1, toGroupPs: 1, peerPs: 1000, groupOfRank: [0], untilPs: NEVER };
    const coordinator = new Coordinator(new FakeFabric([0], 2), [receiver, sender], cut);
    expect(coordinator.round()).toBe('idle');
    expect(coordinator.failure?.error.message).toBe('broken');
    Object.assign(sender, { nextPs: NEVER, finish: () => true });
    coordinator.round();
    expect(seen).toEqual(['3', '1', '2']);
  });
});
