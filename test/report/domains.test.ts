/** Tables of domains: columns that add up, and shares and rates between two screens. */
import { expect, it } from 'vitest';
import { type DomainsReport, formatDomains, formatTop } from '../../src/report/index.ts';

const domain = (more: Partial<DomainsReport>): DomainsReport => ({
  place: 'cpu1/g',
  domid: 1,
  name: 'g',
  state: 'running',
  vcpus: 1,
  memoryKib: 524_288,
  runningPs: 40e9,
  runnablePs: 10e9,
  blockedPs: 50e9,
  offlinePs: 0,
  usedPs: { tcp: 30e9, netfront: 10e9 },
  hypercalls: { event_channel_op: 6, grant_table_op: 2 },
  eventsSent: 6,
  eventsReceived: 4,
  upcalls: 3,
  grants: { map: 0, unmap: 0, copy: 2, transfer: 0 },
  bytesCopied: 3000,
  vifs: { count: 1, txBytes: 4096, txPackets: 3, rxBytes: 2048, rxPackets: 1 },
  ...more,
});

it('says where time went and what was asked for', () => {
  const text = formatDomains([domain({})]).join('\n');
  expect(text).toMatch(/cpu1\/g +1 +1 +40000\.0 +10000\.0 +50000\.0 +0\.0/);
  expect(text).toMatch(/tcp +30000\.0 +75\.0 %/);
  expect(text).toMatch(/netfront +10000\.0 +25\.0 %/);
  // Eight hypercalls for four packets.
  expect(text).toMatch(/cpu1\/g +8 +6 +4 +3 +0 +0 +2 +0 +3 +1 +2\.00/);
});

it('shows shares of the time between two screens', () => {
  const before = domain({ runningPs: 20e9, runnablePs: 5e9, hypercalls: { event_channel_op: 4 }, eventsSent: 2 });
  const lines = formatTop([domain({})], 100e9, [before], 50e9);
  expect(lines[0]).toBe('heddle top - 100.000 ms of virtual time, 1 domains');
  // 20 of 50 ms ran, 5 waited; 4 hypercalls and 4 events in 50 ms.
  expect(lines.at(-1)).toMatch(/^cpu1\/g +running +0\.040 +40\.0 +10\.0 +524288 +1 +1 +4 +2 +80 +80 +0$/);
  expect(formatTop([domain({})], 0, [], 0).at(-1)).toMatch(/ 0\.0 +0\.0 /);
});
