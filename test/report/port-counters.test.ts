import { expect, it } from 'vitest';
import { formatPortCounters, runToJson } from '../../src/report/index.ts';

const ports = [
  { port: 'node1:1', counters: { linkDowned: 0, portXmitPkts: 1600, portXmitWait: 0 } },
  { port: 'leaf1:12', counters: { linkDowned: 1, portXmitPkts: 7, portXmitWait: 0 } },
];

it('port counters as a table, without those that are zero everywhere', () => {
  expect(formatPortCounters(ports)).toEqual([
    'port      linkDowned  portXmitPkts', //
    'node1:1            0          1600',
    'leaf1:12           1             7',
  ]);
});

it('port counters in JSON, only where there are any', () => {
  const run = { hash: '0', seed: 1, simulatedPs: 1, packets: 1, packetHops: 1, events: 1 } as never;
  const report = { program: 'p', options: {}, results: [], breakdown: [], run };
  expect(Object.keys(runToJson(report, false))).not.toContain('ports');
  expect(runToJson({ ...report, ports }, false).ports).toBe(ports);
});
