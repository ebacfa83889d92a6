import { describe, expect, it } from 'vitest';
import { parseCommand } from '../../../src/programs/perftest/command-line.ts';
import type { Machine, TestKind, Verb } from '../../../src/programs/perftest/parameters.ts';
import {
  addressLines,
  bandwidthRow,
  type Destination,
  jsonReport,
  latencyDurationRow,
  latencyRow,
  RESULT_LINE,
  sampleLines,
  testInfo,
  titleLine,
} from '../../../src/programs/perftest/report.ts';

/** Expected texts below are written out by hand from the printf formats of perftest 6.29 (perftest_parameters.h, perftest_communication.h). */
function parameters(verb: Verb, test: TestKind, machine: Machine, ...args: string[]) {
  return parseCommand('test', verb, test, machine, args).parameters;
}

const facts = { deviceName: 'mlx4_0', mtuBytes: 4096, inlineSize: 236, outReads: 16 };
const end: Destination = {
  lid: 3,
  qpn: 0x4a,
  psn: 0xd1f2e3,
  outReads: 16,
  rkey: 0x1234,
  address: 0x7f0012345000,
  gid: Uint8Array.of(254, 128, 0, 0, 0, 0, 0, 0, 0, 2, 201, 3, 0, 10, 1, 7),
};

describe('the box', () => {
  it('of a send latency client', () => {
    expect(testInfo(parameters('SEND', 'LAT', 'CLIENT', '-a'), facts).join('\n')).toBe(
      [
        '---------------------------------------------------------------------------------------',
        '                    Send Latency Test',
        ' Dual-port       : OFF\t\tDevice         : mlx4_0',
        ' Number of qps   : 1\t\tTransport type : IB',
        ' Connection type : RC\t\tUsing SRQ      : OFF',
        ' PCIe relax order: Unsupported\t\tLock-free\t: Unsupported',
        ' ibv_wr* API     : OFF\t\tUsing Enhanced Reorder      : OFF',
        ' TX depth        : 1',
        ' Mtu             : 4096[B]',
        ' Link type       : IB',
        ' Max inline data : 236[B]',
        ' rdma_cm QPs\t : OFF',
        ' Data ex. method : Ethernet',
        '---------------------------------------------------------------------------------------',
      ].join('\n'),
    );
  });

  it('of a bidirectional send bandwidth server with events and a GID', () => {
    const lines = testInfo(
      parameters('SEND', 'BW', 'SERVER', '-b', '-e', '-x', '0', '-l', '10', '-c', 'UD', '-s', '1024'),
      facts,
    );
    expect(lines.slice(1, 3)).toEqual([
      '                    Send Bidirectional Post List BW Test',
      ' Test with events. Using mlx4_0_comp0',
    ]);
    expect(lines).toContain(' Connection type : UD\t\tUsing SRQ      : OFF');
    expect(lines.slice(8, 17)).toEqual([
      ' TX depth        : 128',
      ' Post List       : 10',
      ' RX depth        : 1000',
      ' CQ Moderation   : 10',
      ' CQE Poll Batch  : 16',
      ' Mtu             : 4096[B]',
      ' Link type       : IB',
      ' GID index       : 0',
      ' Max inline data : 236[B]',
    ]);
  });

  it('of an atomic test shows the outstanding reads', () => {
    const lines = testInfo(parameters('ATOMIC', 'BW', 'CLIENT', '-A', 'CMP_AND_SWAP'), facts);
    expect(lines[1]).toBe('                    Atomic CMP_AND_SWAP BW Test');
    expect(lines).toContain(' Outstand reads  : 16');
    expect(lines.some((line) => line.includes('inline'))).toBe(false);
  });

  it('has lines of 87 dashes', () => expect(RESULT_LINE).toHaveLength(87));
});

describe('address lines', () => {
  it('show what each verb needs', () => {
    expect(addressLines(parameters('SEND', 'LAT', 'CLIENT'), 'local', end)).toEqual([
      ' local address: LID 0x03 QPN 0x004a PSN 0xd1f2e3',
    ]);
    expect(addressLines(parameters('WRITE', 'BW', 'CLIENT'), 'remote', end)).toEqual([
      ' remote address: LID 0x03 QPN 0x004a PSN 0xd1f2e3 RKey 0x001234 VAddr 0x007f0012345000',
    ]);
    expect(addressLines(parameters('READ', 'BW', 'CLIENT', '--dlid', '9'), 'remote', end)).toEqual([
      ' remote address: LID 0x09 QPN 0x004a PSN 0xd1f2e3 OUT 0x10 RKey 0x001234 VAddr 0x007f0012345000',
    ]);
    expect(addressLines(parameters('SEND', 'LAT', 'CLIENT', '-x', '0'), 'local', end)[1]).toBe(
      ' GID: 254:128:00:00:00:00:00:00:00:02:201:03:00:10:01:07',
    );
  });
});

describe('tables', () => {
  const latency = {
    MsgSize: 2,
    n_iterations: 1000,
    t_min: 0.96,
    t_max: 12.345,
    t_typical: 0.97,
    t_avg: 0.985,
    t_stdev: 0.1,
    percentile_99: 1.02,
    'percentile_99.9': 12.34,
  };
  const rate = { MsgSize: 65_536, n_iterations: 5000, BW_peak: 3020.5, BW_average: 3019.123, MsgRate: 0.048306 };

  it('have the titles of perftest', () => {
    expect(titleLine(parameters('SEND', 'LAT', 'CLIENT'))).toBe(
      ' #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec] ',
    );
    expect(titleLine(parameters('SEND', 'LAT', 'CLIENT', '-D', '1'))).toBe(
      ' #bytes        #iterations       t_avg[usec]    tps average',
    );
    expect(titleLine(parameters('READ', 'BW', 'CLIENT'))).toBe(
      ' #bytes     #iterations    BW peak[MiB/sec]    BW average[MiB/sec]   MsgRate[Mpps]',
    );
    expect(titleLine(parameters('READ', 'BW', 'CLIENT', '--report_gbits'))).toBe(
      ' #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]',
    );
  });

  it('have the rows of perftest', () => {
    expect(latencyRow(parameters('SEND', 'LAT', 'CLIENT'), latency)).toBe(
      ' 2       1000          0.96           12.35        0.97     \t       0.98        \t0.10   \t\t1.02    \t\t12.34  ',
    );
    expect(
      latencyDurationRow(parameters('SEND', 'LAT', 'CLIENT', '-D', '1'), {
        MsgSize: 2,
        n_iterations: 500_000,
        t_avg: 0.97,
        tps_average: 515_463.92,
      }),
    ).toBe(' 2             500000            0.97           515463.92');
    expect(bandwidthRow(parameters('WRITE', 'BW', 'CLIENT'), rate)).toBe(
      ' 65536      5000             3020.50            3019.12\t\t     0.048306',
    );
    expect(
      bandwidthRow(parameters('WRITE', 'BW', 'CLIENT', '--report_gbits'), {
        ...rate,
        MsgSize: 2,
        BW_peak: 0.0711,
        BW_average: 0.071,
        MsgRate: 4.44,
      }),
    ).toBe(' 2          5000           0.071100            0.071000            4.440000');
  });

  it('shrink to one number with --output', () => {
    expect(latencyRow(parameters('SEND', 'LAT', 'CLIENT', '--output=latency'), latency)).toBe('0.985000');
    expect(bandwidthRow(parameters('SEND', 'BW', 'CLIENT', '--output=bandwidth'), rate)).toBe('3019.123000');
    expect(bandwidthRow(parameters('SEND', 'BW', 'CLIENT', '--output=message_rate'), rate)).toBe('0.048306');
  });

  it('list samples', () => {
    expect(sampleLines(parameters('SEND', 'LAT', 'CLIENT', '-H'), Float64Array.of(1_940_000, 2_000_000), 2e6)).toEqual([
      '#, usec',
      '1, 0.97',
      '2, 1',
    ]);
    expect(sampleLines(parameters('SEND', 'LAT', 'CLIENT', '-C', '-U'), Float64Array.of(1_940_000), 2e3)).toEqual([
      '#, cycles',
      '1, 970',
    ]);
  });

  it('become the JSON text of perftest', () => {
    const text = jsonReport(parameters('SEND', 'LAT', 'CLIENT'), facts, latency);
    expect(text).toContain(
      '"results": {\n"MsgSize": 2,\n"n_iterations": 1000,\n"t_min": 0.96,\n"t_max": 12.35,\n"t_typical": 0.97,\n"t_avg": 0.98,\n',
    );
    expect(text).toContain('"t_stdev": 0.10,\n"percentile_99": 1.02,\n"percentile_99.9": 12.34\n}\n}\n');
    expect(JSON.parse(text).test_info).toMatchObject({
      test: 'Send_Latency_Test',
      Device: 'mlx4_0',
      Max_inline_data: 236,
      TX_depth: 1,
      Mtu: 4096,
    });
    const bw = JSON.parse(jsonReport(parameters('READ', 'BW', 'CLIENT', '-l', '8', '-b'), facts, rate));
    expect(bw.test_info).toMatchObject({
      test: 'RDMA_Read_Bidirectional_Post_List_BW_Test',
      Outstand_reads: 16,
      Post_List: 8,
      CQ_Moderation: 8,
    });
    expect(bw.results).toEqual({ MsgSize: 65_536, n_iterations: 5000, BW_peak: 3020.5, BW_average: 3019.12, MsgRate: 0.048306 });
  });
});
