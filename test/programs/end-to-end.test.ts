import { describe, expect, it } from 'vitest';
import type { BandwidthResult, LatencyDurationResult, LatencyResult } from '../../src/programs/perftest/statistics.ts';
import { benchProfile, runBench } from './harness.ts';

interface Report<T> {
  readonly test_info: Record<string, unknown>;
  readonly results: readonly T[];
  readonly outputFiles?: readonly { name: string; text: string }[];
}

/** Runs a two-sided program; fails if either side did. */
async function run<T>(program: string, args = '') {
  const { values, lines, errors } = await runBench({ program, args });
  expect(errors.filter((error) => error !== undefined)).toEqual([]);
  return {
    server: values[0] as Report<T>,
    client: values[1] as Report<T>,
    lines: lines as [string[], string[]],
  };
}

async function latency(program: string, args: string): Promise<LatencyResult> {
  return (await run<LatencyResult>(program, args)).client.results[0] as LatencyResult;
}

async function rate(program: string, args: string): Promise<BandwidthResult> {
  return (await run<BandwidthResult>(program, args)).client.results[0] as BandwidthResult;
}

const profile = benchProfile();

describe('latency tests', () => {
  it.each([
    ['ib_send_lat', '-n 50'],
    ['ib_send_lat', '-n 50 -c UC -s 300'],
    ['ib_send_lat', '-n 50 -c UD -s 64'],
    ['ib_send_lat', '-n 50 --use-srq --send_with_imm'],
    ['ib_send_lat', '-n 50 -r 4 -x 0 --tclass 3 --flow_label 7'],
    ['ib_write_lat', '-n 300 -s 4096'],
    ['ib_write_lat', '-n 50 -c UC'],
    ['ib_write_lat', '-n 50 --write_with_imm -e'],
    ['ib_read_lat', '-n 50 -o 1'],
    ['ib_atomic_lat', '-n 50 -A CMP_AND_SWAP'],
  ])('%s %s', async (program, args) => {
    const { client, server, lines } = await run<LatencyResult>(program, args);
    const [r] = client.results;
    expect(r?.t_min).toBeGreaterThan(0.5);
    // An ideal star has no jitter; only reposting receives, or an interrupt, makes iterations differ.
    expect((r?.t_max as number) / (r?.t_min as number)).toBeLessThan(1.5);
    expect(lines[1].at(-1)).toMatch(/^-{87}$/);
    expect(lines[1].at(-2)).toMatch(/^ \d+ /);
    if (server.results[0] !== undefined) expect(server.results[0].t_typical).toBeCloseTo(r?.t_typical as number, 1);
  });

  it('sweep all sizes with -a, growing by the host bus rate for large messages', async () => {
    const { client } = await run<LatencyResult>('ib_write_lat', '-a -n 5');
    expect(client.results.map((r) => r.MsgSize)).toEqual(Array.from({ length: 23 }, (_, i) => 2 ** (i + 1)));
    const [half, whole] = client.results.slice(-2) as [LatencyResult, LatencyResult];
    const psPerByte = ((whole.t_typical - half.t_typical) * 1e6) / 2 ** 22;
    const busPsPerByte = profile.hostReadPsPerByte + profile.hostReadGapPs / 4096;
    expect(psPerByte).toBeGreaterThanOrEqual(busPsPerByte);
    expect(psPerByte).toBeLessThan(busPsPerByte * 1.01);
  });

  it('stop at the MTU with -a over UD', async () => {
    const { client } = await run<LatencyResult>('ib_send_lat', '-a -n 5 -c UD -m 1024');
    expect(client.results.map((r) => r.MsgSize)).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
    expect(client.test_info.Mtu).toBe(1024);
  });

  it('add exactly the latency gap, and twice nothing for reads', async () => {
    const exact = async (args: string) => Math.round((await latency('ib_write_lat', args)).t_typical * 1e6);
    expect((await exact('-n 20 --latency_gap 10')) - (await exact('-n 20'))).toBe(10_000_000);
    const read = async (args: string) => Math.round((await latency('ib_read_lat', args)).t_typical * 1e6);
    expect((await read('-n 20 --latency_gap 3')) - (await read('-n 20'))).toBe(3_000_000);
  });

  it('step by the payload read where inline ends', async () => {
    const below = await latency('ib_write_lat', '-n 20 -s 220');
    const above = await latency('ib_write_lat', '-n 20 -s 224');
    expect((above.t_typical - below.t_typical) * 1e6).toBeGreaterThan(profile.hostReadLatencyPs / 2);
    const never = await latency('ib_write_lat', '-n 20 -s 220 -I 0');
    expect(never.t_typical).toBeCloseTo(above.t_typical, 1);
  });

  it('sleep longer on events, by an interrupt', async () => {
    const polled = await latency('ib_read_lat', '-n 20');
    const slept = await latency('ib_read_lat', '-n 20 -e');
    const extra = (slept.t_typical - polled.t_typical) * 1e6;
    expect(extra).toBeGreaterThanOrEqual(profile.interruptPs);
    expect(extra).toBeLessThan(profile.interruptPs + 4 * (profile.armPs + profile.pollPs));
  });

  it('give the same by iterations and by time', async () => {
    for (const program of ['ib_write_lat', 'ib_read_lat']) {
      const counted = await latency(program, '-n 100');
      const { client, lines } = await run<LatencyDurationResult>(program, '-D 0.0004 -f 0.0001');
      const [timed] = client.results;
      expect(Math.abs((timed?.t_avg as number) / counted.t_avg - 1)).toBeLessThan(0.02);
      expect(lines[1].at(-2)).toMatch(/^ 2 {13}\d+ {2,}/);
    }
    await run('ib_send_lat', '-D 0.0004');
    await run('ib_write_lat', '-D 0.0004 --write_with_imm');
  });

  it('print samples, perftest statistics, cycles and one number when asked', async () => {
    const { lines } = await run('ib_send_lat', '-n 20 -H -U --compat perftest');
    expect(lines[1].filter((line) => line === '#, usec')).toHaveLength(2);
    expect(lines[1].filter((line) => /^\d+, /.test(line))).toHaveLength(19 + 17);
    const cycles = await latency('ib_send_lat', '-n 20 -C');
    expect(cycles.t_typical).toBeCloseTo((await latency('ib_send_lat', '-n 20')).t_typical * 1000, 6);
    const single = await run('ib_send_lat', '-n 20 --output=latency');
    expect(single.lines[1]).toEqual([expect.stringMatching(/^\d+\.\d{6}$/)]);
  });

  it('give perftest its json file', async () => {
    const { client } = await run<LatencyResult>('ib_send_lat', '-n 20 --out_json --out_json_file lat.json');
    expect(client.outputFiles?.[0]?.name).toBe('lat.json');
    expect(JSON.parse(client.outputFiles?.[0]?.text ?? '').results.MsgSize).toBe(2);
  });
});

describe('bandwidth tests', () => {
  it.each([
    ['ib_send_bw', '-n 200 -s 2 -b -q 2'],
    ['ib_send_bw', '-n 300 -s 1024 -c UD'],
    ['ib_send_bw', '-n 100 -c UC'],
    ['ib_send_bw', '-n 300 -s 512 --use-srq -q 4'],
    ['ib_send_bw', '-n 300 -s 64 -r 8'],
    ['ib_send_bw', '-n 300 -s 64 --recv_post_list 10 -l 10'],
    ['ib_send_bw', '-n 200 -s 4096 -e'],
    ['ib_send_bw', '-n 100 -s 4096 -e -b'],
    ['ib_write_bw', '-n 550 -s 64 -q 3'],
    ['ib_write_bw', '-n 200 -s 4096 --write_with_imm'],
    ['ib_write_bw', '-n 100 -s 4096 --mr_per_qp -q 2 -N'],
    ['ib_write_bw', '-n 100 -b --report-both --report_gbits'],
    ['ib_read_bw', '-n 100 -s 512 -b --perform_warm_up'],
    ['ib_atomic_bw', '-n 200 -q 2'],
  ])('%s %s', async (program, args) => {
    const { client, server } = await run<BandwidthResult>(program, args);
    const [r] = client.results;
    const qps = Number(/-q (\d)/.exec(args)?.[1] ?? 1);
    expect(r?.n_iterations).toBe(Number(/-n (\d+)/.exec(args)?.[1]) * qps);
    expect(r?.BW_average).toBeGreaterThan(0);
    if (!args.includes('-N')) expect(r?.BW_peak).toBeGreaterThanOrEqual((r?.BW_average as number) * 0.999);
    expect(server.results).toHaveLength(1);
  });

  it('reach what the host bus carries', async () => {
    const { hostReadPsPerByte, readResponsePsPerByte, hostReadGapPs } = profile;
    const busMiBOf = (psPerByte: number): number => 1e12 / (psPerByte + hostReadGapPs / 4096) / 2 ** 20;
    const busMiB = busMiBOf(hostReadPsPerByte);
    for (const [program, most] of [
      ['ib_send_bw', busMiB],
      ['ib_write_bw', busMiB],
      ['ib_read_bw', busMiBOf(readResponsePsPerByte)],
    ] as const) {
      const { BW_average } = await rate(program, '-n 100');
      expect(BW_average / most).toBeGreaterThan(0.99);
      expect(BW_average / most).toBeLessThanOrEqual(1);
    }
    const both = await rate('ib_write_bw', '-n 100 -b');
    expect(both.BW_average / busMiB).toBeGreaterThan(1.98);
  });

  it('hold a rate limit', async () => {
    const r = await rate('ib_write_bw', '-n 400 -s 4096 --rate_limit 5 --burst_size 1 --report_gbits');
    // The last message ends a transfer after the 399th gap.
    expect(r.BW_average).toBeGreaterThan(5 * 0.99);
    expect(r.BW_average).toBeLessThan(5 * (400 / 399));
    const messages = await rate('ib_write_bw', '-n 400 -s 64 --rate_limit 1000000 --rate_units p --burst_size 4');
    expect(messages.MsgRate).toBeGreaterThan(0.97);
    expect(messages.MsgRate).toBeLessThan(400 / 396);
  });

  it('send the other way with --reversed', async () => {
    const { client, server } = await run<BandwidthResult>('ib_send_bw', '-n 100 -s 4096 --reversed');
    expect([server.test_info.TX_depth, client.test_info.TX_depth]).toEqual([100, undefined]);
    expect(server.results[0]?.BW_peak).toBeGreaterThan(0);
  });

  it('end with the duration', async () => {
    const counted = await rate('ib_write_bw', '-n 400 -s 4096 -N');
    for (const args of [
      'ib_write_bw -s 4096',
      'ib_send_bw -s 4096',
      'ib_send_bw -s 64 -c UD',
      'ib_send_bw -s 4096 -b',
      'ib_read_bw -s 4096',
    ]) {
      const [program, ...rest] = args.split(' ') as [string, ...string[]];
      const { client } = await run<BandwidthResult>(program, [...rest, '-D', '0.0008', '-Q', '4'].join(' '));
      if (args === 'ib_write_bw -s 4096')
        expect(Math.abs((client.results[0]?.BW_average as number) / counted.BW_average - 1)).toBeLessThan(0.05);
    }
  });

  it('fail below a limit', async () => {
    expect((await runBench({ program: 'ib_write_bw', args: '-n 50 -s 64 -w 100000' })).errors[1]).toContain(
      'BW result is below bw limit',
    );
    expect((await runBench({ program: 'ib_write_bw', args: '-n 50 -s 64 -w 1 -y 0.1' })).errors).toEqual([undefined, undefined]);
  });
});

describe('all programs', () => {
  it('give the same twice, and other PSNs with another seed', async () => {
    const once = await runBench({ program: 'ib_send_bw', args: '-n 50 -s 512 -b' });
    expect(await runBench({ program: 'ib_send_bw', args: '-n 50 -s 512 -b' })).toEqual(once);
    const other = await runBench({ program: 'ib_send_bw', args: '-n 50 -s 512 -b', seed: 2 });
    expect(other.lines).not.toEqual(once.lines);
  });

  it('name a device, port, table entry or limit that is not there', async () => {
    const error = async (args: string) => (await runBench({ program: 'ib_write_lat', args })).errors[1] ?? '';
    expect(await error('-d mthca0')).toContain('-d: found mthca0, accepted mlx4_0');
    expect(await error('-i 2')).toContain('-i: mlx4_0 has 1 port(s); found 2');
    expect(await error('-x 1')).toContain('-x: found 1, accepted 0 to 0');
    expect(await error('-I 1024')).toContain('-I: found 1024, accepted 0 to');
    expect(await error('-n 1')).toContain('-n: Iteration num should be between 5 and 4294967296; found 1');
  });

  it('show their help', async () => {
    const { lines } = await runBench({ program: 'ib_send_lat', args: '-h' });
    expect(lines[1]?.[0]).toBe('Usage: heddle run TOPOLOGY ib_send_lat [options]');
    expect(lines[0]).toEqual([]);
    expect((await runBench({ program: 'ib_send_lat', args: '-V' })).lines[1]).toEqual(['Version: 6.29']);
  });
});

describe('over rdma_cm', () => {
  it.each([
    ['ib_send_lat', '-R -n 20'],
    ['ib_write_bw', '-R -n 100 -q 2 -s 4096'],
    ['ib_read_lat', '-R -n 20 -s 4096'],
  ])('%s %s', async (program, args) => {
    const { client, lines } = await run<LatencyResult>(program, args);
    expect(client.test_info).toMatchObject({ rdma_cm_QPs: 'ON', Data_ex_method: 'rdma_cm' });
    expect(lines[0]).toContain(' rdma_cm QPs\t : ON');
    expect(client.results).toHaveLength(1);
  });

  it('rping', async () => {
    const { values, lines, errors } = await runBench({ program: 'rping', args: '-v -V -C 3 -S 40' });
    expect(errors).toEqual([undefined, undefined]);
    const data = [
      'rdma-ping-0: ABCDEFGHIJKLMNOPQRSTUVWXYZ',
      'rdma-ping-1: BCDEFGHIJKLMNOPQRSTUVWXYZ[',
      'rdma-ping-2: CDEFGHIJKLMNOPQRSTUVWXYZ[\\',
    ];
    expect(lines[1]).toEqual([...data.map((text) => `ping data: ${text}`), 'client DISCONNECT EVENT...']);
    expect(lines[0]).toEqual([...data.map((text) => `server ping data: ${text}`), 'server DISCONNECT EVENT...']);
    expect(values[1]).toEqual({ pings: 3, size: 40 });
  });
});

describe('device information', () => {
  it('is that of the node', async () => {
    const stat = await runBench({ program: 'ibstat', nodes: 1 });
    expect(stat.lines[0]?.slice(0, 1)).toEqual(["CA 'mlx4_0'"]);
    expect(stat.lines[0]).toContain('\t\tRate: 40');
    expect(stat.lines[0]).toContain('\t\tPort GUID: 0x0002c90300000200');
    const info = await runBench({ program: 'ibv_devinfo', args: '-v', nodes: 1 });
    expect(info.lines[0]).toContain('\t\t\tGID[  0]:\t\tfe80:0000:0000:0000:0002:c903:0000:0200');
    expect(
      info.lines[0]?.filter((line) => line.includes('undefined') || line.includes('NaN') || line.includes('invalid')),
    ).toEqual([]);
    expect((await runBench({ program: 'ibv_devinfo', args: '-l', nodes: 1 })).lines[0]).toEqual(['1 HCA found:', '\tmlx4_0', '']);
  });
});

describe('the ping-pongs of libibverbs', () => {
  it.each([
    ['ibv_rc_pingpong', '-n 50'],
    ['ibv_rc_pingpong', '-n 50 -e -s 100 -m 4096'],
    ['ibv_uc_pingpong', '-n 50 -g 0 -r 10'],
    ['ibv_ud_pingpong', '-n 50 -c'],
  ])('%s %s', async (program, args) => {
    const { values, lines, errors } = await runBench({ program, args });
    expect(errors).toEqual([undefined, undefined]);
    const [address, remote, bytes, iterations] = lines[1] as [string, string, string, string];
    expect(address).toMatch(/^ {2}local address: {2}LID 0x0002, QPN 0x[0-9a-f]{6}, PSN 0x[0-9a-f]{6}[,:] GID (::|fe80::)/);
    expect(remote).toMatch(/^ {2}remote address: LID 0x0001, QPN/);
    expect(bytes).toMatch(/^\d+ bytes in \d+\.\d\d seconds = \d+\.\d\d Mbit\/sec$/);
    expect(iterations).toMatch(/^50 iters in \d+\.\d\d seconds = \d+\.\d\d usec\/iter$/);
    const { bytes: count, iters, seconds, usecPerIter } = values[1] as Record<string, number>;
    expect(count).toBe((/-s 100/.test(args) ? 100 : program.includes('ud') ? 1024 : 4096) * 2 * 50);
    expect(usecPerIter).toBeCloseTo(((seconds as number) * 1e6) / (iters as number), 6);
  });
});
