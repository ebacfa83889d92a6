/** A few points of each published table, as `npm run validate` compares them all: a change of the model that moves a profile shows here. */
import { describe, expect, it } from 'vitest';
import { PROFILES } from '../../src/hca/index.ts';
import { ADAPTERS, bandwidthRows, latencyRows, medianRow, OPERATIONS } from '../../validate/adapters.ts';
import { findKnee, goodputRow, PAIRS } from '../../validate/goodput.ts';
import { bandwidth } from '../../validate/perftest.ts';
import { CONNECTX2_FETCH_ADD_MOPS, QP_CACHE } from '../../validate/published.ts';
import { readRate } from '../../validate/qp-cache.ts';
import type { ValidationRow } from '../../validate/types.ts';

const LATENCY_BYTES = [2, 128, 256, 4096, 16_384, 65_536];

const outside = (rows: readonly ValidationRow[]) => rows.filter((row) => !row.ok);

describe.each(ADAPTERS)('$name', (adapter) => {
  it('has the published latencies', async () => {
    const rows: ValidationRow[] = [];
    for (const operation of OPERATIONS)
      rows.push(...(await latencyRows(adapter, operation, (bytes) => LATENCY_BYTES.includes(bytes))));
    expect(rows.length).toBeGreaterThan(3);
    expect(outside(rows)).toEqual([]);
    expect(outside([medianRow(rows, adapter.medianPercent)])).toEqual([]);
  });
});

const withBandwidth = ADAPTERS.filter(({ published }) => published.some((row) => 'writeGbps' in row || 'sendGbps' in row));

describe.each(withBandwidth)('$name', (adapter) => {
  it('has the published bandwidth plateau', async () => {
    const rows: ValidationRow[] = [];
    for (const operation of OPERATIONS)
      rows.push(...(await bandwidthRows(adapter, operation, (bytes) => bytes === adapter.plateauBytes)));
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.every((row) => row.tolerance === '±5 %')).toBe(true);
    expect(outside(rows)).toEqual([]);
  });
});

describe('ConnectX-2', () => {
  it.each([4096, 1024])('bends its latency curve at one MTU of %i', async (mtu) => {
    expect((await findKnee(mtu)).kneeBytes).toBe(mtu);
  });

  it.each([
    ['write', 8.38],
    ['send', 7.35],
    ['read', 5.31],
  ] as const)('moves small messages at a likely rate: %s', async (operation, millions) => {
    const { mpps } = await bandwidth('topologies/connectx2-switch.yaml', operation, 8);
    expect(Math.abs(mpps / millions - 1)).toBeLessThan(0.05);
  });

  it('carries out as many atomics as measured', async () => {
    const { mpps } = await bandwidth('topologies/connectx2-switch.yaml', 'atomic', 8);
    expect(Math.abs(mpps / CONNECTX2_FETCH_ADD_MOPS - 1)).toBeLessThan(0.05);
  });
});

describe('a link whose hosts are faster', () => {
  it.each(PAIRS)('carries rate × MTU / (MTU + 26): $speed, MTU $mtu', async (pair) => {
    const { ratio } = await goodputRow(pair, 'write');
    expect(ratio).toBeLessThanOrEqual(1);
    expect(ratio).toBeGreaterThan(0.965);
  });
});

describe('queue pair contexts', () => {
  const [[few, fast], [many, slow]] = [QP_CACHE[0], QP_CACHE[3]] as [(typeof QP_CACHE)[number], (typeof QP_CACHE)[number]];

  it.each([
    [few, fast],
    [many, slow],
  ])('beyond those on chip the rate of READs falls: %i', async (qps, millions) => {
    expect(Math.abs((await readRate(qps, 600)) / millions - 1)).toBeLessThan(0.15);
  });
});

describe('profiles', () => {
  it('hold single numbers, never a table', () => {
    for (const profile of PROFILES)
      for (const value of Object.values(profile)) expect(['number', 'string']).toContain(typeof value);
  });
});
