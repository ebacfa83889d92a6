import { describe, expect, it } from 'vitest';
import { formatRunSummary } from '../../src/report/index.ts';

const run = {
  hash: '0123456789abcdef',
  seed: 7,
  version: '0.1.0',
  simulatedPs: 1_250_000,
  packets: 2000,
  packetHops: 4000,
  events: 12345,
  wallMs: 250,
  cpuMs: 400,
  placement: 'pool',
  workers: 1,
};

describe('formatRunSummary', () => {
  it('tells virtual time first, then real time', () => {
    expect(formatRunSummary(run)).toEqual([
      '1.25 us simulated, 2,000 packets, 4,000 packet-hops, 12,345 events, seed 7, hash 0123456789abcdef',
      '0.25 s of wall time, 0.40 s of CPU (pool, 1 worker thread), 10.0 k packet-hops per CPU second',
    ]);
  });

  it('names no workers where there are none, and no rate without CPU time', () => {
    expect(formatRunSummary({ ...run, placement: 'inline', workers: 0, cpuMs: 0 })[1]).toBe(
      '0.25 s of wall time, 0.00 s of CPU (inline)',
    );
  });
});
