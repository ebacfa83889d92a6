/** ping: its lines against texts of iputils, and its times against the wire's. */
import { describe, expect, it } from 'vitest';
import ping from '../../src/programs/ping.ts';
import { pingError, pingHeader, pingReply, pingStatistics, pingTime, summarizeRtt } from '../../src/programs/ping-format.ts';
import { runNetworkProgram } from './network-world.ts';

const US = 1e6;

describe('output as of iputils', () => {
  it.each([
    [0, ' time=0.000 ms'],
    [45, ' time=0.045 ms'],
    [999, ' time=0.999 ms'],
    [1000, ' time=1.00 ms'],
    [7068, ' time=7.07 ms'],
    [12_345, ' time=12.3 ms'],
    [123_456, ' time=123 ms'],
  ])('%i us', (us, text) => expect(pingTime(us)).toBe(text));

  it('lines', () => {
    expect(pingHeader('10.200.0.1', '10.200.0.1', 56)).toBe('PING 10.200.0.1 (10.200.0.1) 56(84) bytes of data.');
    expect(pingReply('10.200.0.1', 64, 2, 64, 358, false)).toBe('64 bytes from 10.200.0.1: icmp_seq=2 ttl=64 time=0.358 ms');
    expect(pingReply('b (10.0.0.2)', 64, 3, 63, null, true)).toBe('64 bytes from b (10.0.0.2): icmp_seq=3 ttl=63 (DUP!)');
    const error = { kind: 'unreachable' as const, code: 1, mtu: 0 };
    expect(pingError('10.0.0.1', 1, error)).toBe('From 10.0.0.1 icmp_seq=1 Destination Host Unreachable');
    expect(pingError('10.0.0.1', 1, { ...error, code: 4, mtu: 1400 })).toMatch(/Frag needed and DF set \(mtu = 1400\)$/);
    expect(pingError('10.0.0.9', 4, { kind: 'time-exceeded', code: 0, mtu: 0 })).toMatch(/ Time to live exceeded$/);
  });

  it('statistics', () => {
    const counts = { host: 'b', transmitted: 2, received: 2, duplicates: 0, errors: 0, elapsedMs: 999, pipe: 1 };
    expect(pingStatistics({ ...counts, rttUs: [61, 74] })).toEqual([
      '',
      '--- b ping statistics ---',
      '2 packets transmitted, 2 received, 0% packet loss, time 999ms',
      'rtt min/avg/max/mdev = 0.061/0.067/0.074/0.006 ms',
    ]);
    const lost = { ...counts, transmitted: 3, received: 0, errors: 3, elapsedMs: 2047, pipe: 3, rttUs: [] };
    expect(pingStatistics(lost).slice(2)).toEqual([
      '3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2047ms',
      'pipe 3',
    ]);
    expect(pingStatistics({ ...counts, transmitted: 3, rttUs: [1] })[2]).toContain('33.3333% packet loss');
    expect(summarizeRtt([1, 3, 5])).toEqual({ minUs: 1, avgUs: 3, maxUs: 5, mdevUs: 1 });
  });
});

describe('a run', () => {
  it('measures the round trip', async () => {
    const { lines, value } = await runNetworkProgram(ping, '-c 3 -i 0.2', { delayPs: 100 * US, psPerByte: 8000 });
    expect(lines[0]).toBe('PING a (10.0.0.1) 56(84) bytes of data.');
    expect(lines.slice(1, 4).map((line) => line.replace(/time=.*/, ''))).toEqual(
      [1, 2, 3].map((n) => `64 bytes from a (10.0.0.1): icmp_seq=${n} ttl=64 `),
    );
    const { rttNs } = value as { rttNs: { min: number } };
    // 98 bytes of frame each way.
    expect(rttNs.min).toBeCloseTo(2 * (100_000 + 98 * 8), 3);
    expect(lines[6]).toBe('3 packets transmitted, 3 received, 0% packet loss, time 400ms');
  });

  it('in fragments, and without time stamps', async () => {
    const big = await runNetworkProgram(ping, '-c 1 -s 20000 -n', { delayPs: 100 * US });
    // ARP, then the echo.
    expect(big.lines[1]).toMatch(/^20008 bytes from 10\.0\.0\.1: icmp_seq=1 ttl=64 time=0\.400 ms$/);
    const small = await runNetworkProgram(ping, '-c 1 -s 8', { delayPs: 100 * US });
    expect(small.lines[1]).toBe('16 bytes from a (10.0.0.1): icmp_seq=1 ttl=64');
    expect(small.lines.at(-1)).toBe('');
  });

  it('counts what is lost and what comes twice', async () => {
    const fate = (index: number, side: number) =>
      side === 1 && index === 2 ? [] : side === 0 && index === 2 ? [0, 5 * US] : [0];
    const { lines } = await runNetworkProgram(ping, '-c 4 -i 0.1 -W 0.5 -q', { delayPs: 100 * US, fate });
    expect(lines).toHaveLength(5);
    expect(lines[3]).toMatch(/^4 packets transmitted, 3 received, \+1 duplicates, 25% packet loss, time /);
  });

  it('says who cannot be reached', async () => {
    const { lines } = await runNetworkProgram(ping, '-c 1 10.0.0.77', {});
    expect(lines[1]).toBe('From 10.0.0.2 icmp_seq=1 Destination Host Unreachable');
    expect((await runNetworkProgram(ping, '-c 1 172.16.0.1', {})).lines[1]).toBe('ping: connect: Network is unreachable');
    expect((await runNetworkProgram(ping, '-c 1 nobody', {})).lines[0]).toBe('ping: nobody: Name or service not known');
  });
});
