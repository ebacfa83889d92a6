/** The breakdown of whole runs against the sum of parts that the adapters' closed form gives, stage by stage. */
import { describe, expect, it } from 'vitest';
import { type Breakdown, run, type RunOptions } from '../../src/cluster/index.ts';
import { PROFILES, type UnloadedOperation, unloadedStages } from '../../src/hca/index.ts';
import { pairTopology, type Setup } from '../../validate/laws-transport.ts';

const INLINE = 200;
const SETUP: Setup = { profile: 'connectx2-qdr', speed: 'QDR', psPerByte: { num: 250, den: 1 }, mtu: 2048, switches: 2 };
const FIXED_PS = 3 * 10_000 + 2 * 110_000;

const topology = pairTopology(SETUP);

async function breakdownOf(program: RunOptions['program'], programArgs: readonly string[]): Promise<readonly Breakdown[]> {
  const result = await run({
    topology,
    topologyFile: 'pair',
    program,
    programArgs,
    placement: 'inline',
    breakdown: true,
  });
  return result.breakdown;
}

/** What stages are called in the closed form and in the breakdown, by one name for both; stages that only one of them tells apart are put together. */
const GROUP: Readonly<Record<string, string>> = {
  'entry fetch': 'WQE fetch',
  'entry with doorbell': 'WQE fetch',
  'behind earlier packets': 'before the last packet',
  'wait for transmit engine': 'before the last packet',
  responder: 'before the last packet',
  'wire queue': 'wire',
  queue: 'wire',
  cable: 'wire',
  switch: 'wire',
  serialization: 'wire',
  'receive entry': 'payload write',
  'completion write': 'CQE write',
  poll: 'poll and program',
};

function totals(stages: readonly (readonly [name: string, ps: number])[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, ps] of stages) {
    const group = GROUP[name] ?? name;
    if (ps > 0) sums[group] = (sums[group] ?? 0) + ps;
  }
  return sums;
}

function lawTotals(operation: UnloadedOperation, bytes: number, times: number): Record<string, number> {
  const profile = PROFILES.find(({ name }) => name === SETUP.profile) as (typeof PROFILES)[number];
  const path = { psPerByte: SETUP.psPerByte, fixedPs: FIXED_PS, mtuBytes: SETUP.mtu, inlineBytes: INLINE };
  return totals(unloadedStages(profile, path, operation, bytes).map(({ name, ps }) => [name, ps * times]));
}

function checkSum({ stages, reportedPs, divisor }: Breakdown): void {
  expect(stages.every(({ durationPs }) => Number.isInteger(durationPs) && durationPs > 0)).toBe(true);
  expect(stages.reduce((sum, { durationPs }) => sum + durationPs, 0)).toBe(reportedPs * divisor);
}

const there = ['host1:1 VL0', 's1/2', 's1/2 VL0', 's2/2', 's2/2 VL0'];
const back = ['host2:1 VL0', 's2/1', 's2/1 VL0', 's1/1', 's1/1 VL0'];

/** Where the message was on the wire, in order, each place once. */
function hops({ stages }: Breakdown): string[] {
  const onWire = stages.filter(({ name }) => GROUP[name] === 'wire').map(({ where }) => where);
  return onWire.filter((where, i) => where !== onWire[i - 1]);
}

describe('the breakdown', () => {
  it.each([
    ['write', 2, []],
    ['write', 200, []],
    ['write', 201, []],
    ['write', 2048, []],
    ['write', 9000, []],
    ['write', 64, ['-c', 'UC']],
    ['send', 64, []],
    ['send', 1000, []],
    ['send', 5000, []],
  ] as const)('of a ping-pong by %s, %d bytes %j, has the stages of both ways', async (operation, bytes, more) => {
    const [found, ...others] = await breakdownOf({ kind: 'builtin', name: `ib_${operation}_lat` }, [
      ...['-s', String(bytes), '-I', String(INLINE), '-n', '7'],
      ...more,
    ]);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ messageBytes: bytes, divisor: 2 });
    checkSum(found as Breakdown);
    expect(totals((found as Breakdown).stages.map(({ name, durationPs }) => [name, durationPs]))).toEqual(
      lawTotals(operation, bytes, 2),
    );
    const halves = [...there, ...back];
    expect([halves, [...back, ...there]]).toContainEqual(hops(found as Breakdown));
  });

  it('of a UD ping-pong has the hops of both ways', async () => {
    const [found] = (await breakdownOf({ kind: 'builtin', name: 'ib_send_lat' }, ['-c', 'UD', '-s', '100', '-n', '7'])) as [
      Breakdown,
    ];
    checkSum(found);
    expect([
      [...there, ...back],
      [...back, ...there],
    ]).toContainEqual(hops(found));
    expect(found.stages.filter(({ name }) => name === 'CQE write').map(({ where }) => where)).toHaveLength(2);
  });

  it.each([
    ['read', 8],
    ['read', 2048],
    ['read', 10_000],
    ['atomic', 8],
  ] as const)('of %s, %d bytes, shows the request and the response', async (operation, bytes) => {
    const [found] = (await breakdownOf({ kind: 'builtin', name: `ib_${operation}_lat` }, [
      ...(operation === 'read' ? ['-s', String(bytes)] : []),
      ...['-n', '7'],
    ])) as [Breakdown];
    expect(found).toMatchObject({ messageBytes: bytes, divisor: 1 });
    checkSum(found);
    expect(totals(found.stages.map(({ name, durationPs }) => [name, durationPs]))).toEqual(lawTotals(operation, bytes, 1));
    expect(hops(found)).toEqual([...there, ...back]);
    expect(found.stages.map(({ where }) => where)).toContain('host2');
  });

  it('of every size that was marked is there, in order, from the median of its iterations', async () => {
    const sizes = [64, 512, 4096, 9000];
    const found = await breakdownOf({ kind: 'file', path: 'test/kit/marked-write.ts' }, ['RC', ...sizes.map(String)]);
    expect(found.map(({ messageBytes }) => messageBytes)).toEqual(sizes);
    for (const one of found) checkSum(one);
    const reported = found.map(({ reportedPs }) => reportedPs);
    expect([...reported].sort((x, y) => x - y)).toEqual(reported);
  });

  it('of a write that waits for its completion goes to the other end and back', async () => {
    const [found] = (await breakdownOf({ kind: 'file', path: 'test/kit/marked-write.ts' }, ['RC'])) as [Breakdown];
    checkSum(found);
    expect(hops(found)).toEqual(there);
    expect(found.stages.slice(-3).map(({ name, where }) => [name, where])).toEqual([
      ['receive pipeline', 'host2'],
      ['acknowledge', 'host1'],
      ['poll and program', 'host1'],
    ]);
  });

  it('of a write over UC ends where the packet leaves the adapter', async () => {
    const [found] = (await breakdownOf({ kind: 'file', path: 'test/kit/marked-write.ts' }, ['UC'])) as [Breakdown];
    checkSum(found);
    expect(found.stages.map(({ where }) => where)).toEqual(found.stages.map(() => 'host1'));
    expect(found.stages.slice(-2).map(({ name }) => name)).toEqual(['CQE write', 'poll and program']);
  });

  it('is not there where a program marks nothing, or nobody asked', async () => {
    expect(await breakdownOf({ kind: 'builtin', name: 'ib_send_bw' }, ['-s', '64', '-n', '20'])).toEqual([]);
    const program = { kind: 'builtin', name: 'ib_send_lat' } as const;
    const quiet = await run({ topology, topologyFile: 'pair', program, programArgs: ['-n', '5'], placement: 'inline' });
    expect(quiet.breakdown).toEqual([]);
  });
});
