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
import {
  earliest,
  FakeNode,
  FakeSwitch,
  NEVER,
  type Outlet,
  packetKey,
  PEER,
  runWhole,
  TO_FABRIC,
  TO_GROUP,
} from '../kit/fake-nodes.ts';

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
  const cut: CutOptions = {
    toFabricPs: TO_FABRIC,
    toGroupPs: TO_GROUP,
    peerPs: PEER,
    groupOfRank: test.groupOf,
    untilPs,
    horizonPs: 0,
  };
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
        horizonPs: 0,
        ...cut,
      });
    expect(make({})).not.toThrow();
    expect(make({ toFabricPs: 0 })).toThrow('must be positive');
    expect(make({ toGroupPs: 0 })).toThrow('must be positive');
    expect(make({ peerPs: 1 })).toThrow('must not be faster');
  });

  it('ends at a horizon that is the same for any placement, once all ranks are through', () => {
    // Parties that never fall idle: each ticks every 7 ps; rank r is through at its own time.
    const ends = [3000, 12_345];
    const run = (groupOf: readonly number[]) => {
      const counts = ends.map(() => 0);
      const groups = Math.max(...groupOf) + 1;
      const parties = Array.from({ length: groups }, (_, g): GroupParty => {
        const own = groupOf.flatMap((group, rank) => (group === g ? [rank] : []));
        let next = 0;
        const said: GroupMessage[] = [];
        return {
          get nextPs() {
            return next;
          },
          waitsForRoom: false,
          outbox: new RecordBatch(1),
          begin(limitPs) {
            for (; next < limitPs; next += 7)
              for (const rank of own) {
                counts[rank] = (counts[rank] as number) + 1;
                const isEnd = next >= (ends[rank] as number) && next - 7 < (ends[rank] as number);
                if (isEnd) said.push({ kind: 'finished', timePs: next, rank });
              }
          },
          finish: () => true,
          takeMessages: () => said.splice(0),
        };
      });
      const cut = { toFabricPs: 100, toGroupPs: 50, peerPs: 1000, groupOfRank: groupOf, untilPs: NEVER, horizonPs: 5000 };
      const coordinator = new Coordinator(new FakeFabric(groupOf, groups), parties, cut);
      for (let turns = 0; coordinator.round() !== 'idle'; turns++) expect(turns).toBeLessThan(10_000);
      return { counts, nowPs: coordinator.nowPs, finished: coordinator.finished.length };
    };
    const together = run([0, 0]);
    expect(together).toEqual({ counts: [Math.ceil(15_000 / 7), Math.ceil(15_000 / 7)], nowPs: 15_000, finished: 2 });
    expect(run([0, 1])).toEqual(together);
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
    const cut = { toFabricPs: 1, toGroupPs: 1, peerPs: 1000, groupOfRank: [0], untilPs: NEVER, horizonPs: 0 };
    const coordinator = new Coordinator(new FakeFabric([0], 2), [receiver, sender], cut);
    expect(coordinator.round()).toBe('idle');
    expect(coordinator.failure?.error.message).toBe('broken');
    Object.assign(sender, { nextPs: NEVER, finish: () => true });
    coordinator.round();
    expect(seen).toEqual(['3', '1', '2']);
  });
});
