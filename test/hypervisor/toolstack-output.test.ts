/** The tools' texts, to the character. That they are the tools' own is for test/interop/xl.test.ts to say. */
import { describe, expect, it } from 'vitest';
import { topSample, xentopRound, xlInfo, xlList, xlNetworkList, xlSchedCredit, xlVcpuList } from '../../src/hypervisor/index.ts';
import { oneDecimal } from '../../src/hypervisor/toolstack/xl-output.ts';
import { FixedHost, fixedDomain, fixedVcpu } from '../kit/fixed-host.ts';

const host = new FixedHost([
  fixedDomain(0, 'Domain-0', {
    pages: 131_072,
    maxPages: 131_072,
    vcpus: [fixedVcpu(0, { isBlocked: false, isRunning: true, runPs: 12.25e12 }), fixedVcpu(1, { pcpu: 1 })],
  }),
  fixedDomain(1, 'ib-guest', {
    shutdownReason: 3,
    weight: 512,
    cap: 50,
    vcpus: [fixedVcpu(0, { runPs: 1.5e12, hard: [1], soft: [0, 1] })],
  }),
  fixedDomain(2, 'Away', {
    isPaused: true,
    vcpus: [fixedVcpu(0, { isBlocked: false }), fixedVcpu(1, { isOnline: false })],
    vifs: [{ devid: 0, rxBytes: 2048, rxPackets: 2, txBytes: 10_240, txPackets: 9 }],
  }),
]);

describe('xl', () => {
  it('list', () => {
    expect(xlList(host)).toBe(
      [
        'Name                                        ID   Mem VCPUs\tState\tTime(s)',
        'Domain-0                                     0   512     2     r-----      12.3',
        'ib-guest                                     1    32     1     -b-sc-       1.5',
        'Away                                         2    32     1     --p---       0.0',
        '',
      ].join('\n'),
    );
  });

  it('vcpu-list', () => {
    expect(xlVcpuList(host)).toBe(
      [
        'Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)',
        'Domain-0                             0     0     0   r--      12.3  all / all',
        'Domain-0                             0     1     1   -b-       0.0  all / all',
        'ib-guest                             1     0     0   -b-       1.5  1 / all',
        'Away                                 2     0     0   ---       0.0  all / all',
        'Away                                 2     1    -   --p       0.0  all / all',
        '',
      ].join('\n'),
    );
  });

  it('sched-credit', () => {
    expect(xlSchedCredit(host)).toBe(
      [
        'Cpupool Pool-0: tslice=30ms ratelimit=1000us migration-delay=0us',
        'Name                                ID Weight  Cap',
        'Domain-0                             0    256    0',
        'ib-guest                             1    512   50',
        'Away                                 2    256    0',
        '',
      ].join('\n'),
    );
    const other = new FixedHost([]);
    other.scheduler = { ...other.scheduler, name: 'sedf' };
    expect(xlSchedCredit(other)).toBe('');
  });

  it('info', () => {
    expect(xlInfo(host)).toMatch(
      /^cpu_mhz {16}: 3000\.000$[\s\S]*^total_memory {11}: 4096$[\s\S]*^xen_version {12}: 4\.17\.0-heddle$/m,
    );
  });

  it('network-list', () => {
    const row = {
      devid: 0,
      backendDomid: 0,
      mac: '00:16:3e:00:00:01',
      state: 4,
      eventChannel: 7,
      txRingRef: 8,
      rxRingRef: 9,
      backendPath: '/local/domain/0/backend/vif/1/0',
    };
    expect(xlNetworkList([row])).toBe(
      [
        'Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path                       ',
        '0   0  00:16:3e:00:00:01     0     4      7     8/9           /local/domain/0/backend/vif/1/0',
        '',
      ].join('\n'),
    );
  });
});

describe('xentop', () => {
  it('a round, sorted by name, with the share of CPU since the one before', () => {
    const before = { atPs: 0, runPs: new Map([[0, 11.25e12]]) };
    const rows = xentopRound(host, 2e12, before).split('\n');
    expect(rows[1]).toBe(
      '      Away ----p-          0    0.0      32768    0.8      32768       0.8     2    1       10        2    0        0        0        0          0          0    0',
    );
    expect(rows[2]?.slice(0, 36)).toBe('  Domain-0 -----r         12   50.0 ');
    expect(rows[3]?.slice(0, 36)).toBe('  ib-guest --bc--          1    0.0 ');
    expect(topSample(host, 5)).toEqual({
      atPs: 5,
      runPs: new Map([
        [0, 12.25e12],
        [1, 1.5e12],
        [2, 0],
      ]),
    });
    expect(xentopRound(host, 2e12, null).split('\n')[2]).toMatch(/ {2}0\.0 +524288/);
  });
});

it('one decimal is rounded as C does it: ties to the even digit', () => {
  expect([0.25, 0.75, 0.05, 0.15, 12.25, 0.35, 1e6 + 0.25].map(oneDecimal)).toEqual([
    '0.2',
    '0.8',
    '0.1',
    '0.1',
    '12.2',
    '0.3',
    '1000000.2',
  ]);
});
