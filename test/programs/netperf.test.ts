/** netperf: its output against texts of the real one, and its figures against what the wire carries. */
import { describe, expect, it } from 'vitest';
import { netperfBanner, tcpStreamLines, transactionLines, udpStreamLines } from '../../src/programs/netperf-format.ts';
import netperf from '../../src/programs/netperf.ts';
import { readNetperfOptions } from '../../src/programs/netperf-options.ts';
import type { ProgramContext } from '../../src/verbs/index.ts';
import { runNetworkProgram } from './network-world.ts';

const US = 1e6;
/** 1 Gb/s, 20 us each way. */
const GIGABIT = { psPerByte: 8000, delayPs: 20 * US };

describe('output as of netperf 2.7', () => {
  it('TCP_STREAM', () => {
    const figures = { receiveSocket: 87_380, sendSocket: 16_384, sendSize: 16_384, seconds: 10, throughput: 941.532 };
    expect([netperfBanner('TCP_STREAM', '192.168.10.20', '192.168.10.20', false), ...tcpStreamLines(figures)].join('\n')).toBe(
      [
        'MIGRATED TCP STREAM TEST from 0.0.0.0 (0.0.0.0) port 0 AF_INET to 192.168.10.20 () port 0 AF_INET',
        'Recv   Send    Send                          ',
        'Socket Socket  Message  Elapsed              ',
        'Size   Size    Size     Time     Throughput  ',
        'bytes  bytes   bytes    secs.    10^6bits/sec  ',
        '',
        ' 87380  16384  16384    10.00     941.53   ',
      ].join('\n'),
    );
  });

  it('TCP_RR', () => {
    const sizes = { localSend: 16_384, localReceive: 87_380, remoteSend: 16_384, remoteReceive: 87_380 };
    const lines = transactionLines({ ...sizes, requestSize: 1, responseSize: 1, seconds: 10, rate: 10_481.21 });
    expect(netperfBanner('TCP_RR', 'db', '1.2.3.4', true)).toBe(
      'MIGRATED TCP REQUEST/RESPONSE TEST from 0.0.0.0 (0.0.0.0) port 0 AF_INET to db (1.2.3.4) port 0 AF_INET : nodelay : first burst 0',
    );
    expect(lines).toEqual([
      'Local /Remote',
      'Socket Size   Request  Resp.   Elapsed  Trans.',
      'Send   Recv   Size     Size    Time     Rate         ',
      'bytes  Bytes  bytes    bytes   secs.    per sec   ',
      '',
      '16384  87380  1        1       10.00    10481.21   ',
      '16384  87380 ',
    ]);
  });

  it('UDP_STREAM', () => {
    const sizes = { sendSocket: 212_992, receiveSocket: 212_992, sendSize: 65_507, seconds: 10 };
    const counts = { sent: 18_192, errors: 0, received: 18_192, sentThroughput: 953.349, receivedThroughput: 953.349 };
    expect(udpStreamLines({ ...sizes, ...counts })).toEqual([
      'Socket  Message  Elapsed      Messages                ',
      'Size    Size     Time         Okay Errors   Throughput',
      'bytes   bytes    secs            #      #   10^6bits/sec',
      '',
      '212992   65507   10.00       18192      0     953.35',
      '212992           10.00       18192            953.35',
      '',
    ]);
  });
});

describe('figures', () => {
  it('a TCP stream fills the wire but for its headers', async () => {
    const { value, lines } = await runNetworkProgram(netperf, '-l 0.05', GIGABIT);
    // 1448 bytes of payload in 1514 bytes of frame; the start and the end of the connection take some of 50 ms.
    expect((value as { throughput: number }).throughput).toBeGreaterThan(0.98 * 1000 * (1448 / 1514));
    expect((value as { throughput: number }).throughput).toBeLessThanOrEqual(1000 * (1448 / 1514));
    expect(lines).toHaveLength(7);
  });

  it('a transaction takes a round trip', async () => {
    const { value } = await runNetworkProgram(netperf, '-t TCP_RR -l -100', GIGABIT);
    const { transactions, meanNs } = value as { transactions: number; meanNs: number };
    expect(transactions).toBe(100);
    // Two frames of 14 + 20 + 32 + 1 bytes, twice 20 us.
    expect(meanNs).toBeGreaterThanOrEqual(2 * (20_000 + 67 * 8));
    // The first of the hundred follows the last segment of the handshake, and its answer an update of the window: 66 bytes each.
    expect(meanNs).toBeCloseTo(2 * (20_000 + 67 * 8) + (2 * 66 * 8) / 100, 3);
  });

  it('UDP transactions too', async () => {
    const { value } = await runNetworkProgram(netperf, '-t UDP_RR -l 0.01 -- -r 100,200', GIGABIT);
    // The first waits for ARP.
    const { meanNs, transactions } = value as { meanNs: number; transactions: number };
    expect(meanNs).toBeGreaterThan(40_000 + (142 + 242) * 8);
    expect(meanNs).toBeLessThan(40_000 + (142 + 242) * 8 + 100_000 / transactions);
  });

  it('a UDP stream is held back by the device, and arrives', async () => {
    const { value } = await runNetworkProgram(netperf, '-t UDP_STREAM -l 0.02 -- -m 1472', GIGABIT);
    const { sent, received, receivedThroughput } = value as { sent: number; received: number; receivedThroughput: number };
    expect(received).toBe(sent);
    // What is in the queue of the device at the end still arrives: a megabyte and a half at most.
    expect(receivedThroughput).toBeGreaterThan(1000 * (1472 / 1514));
  });
});

describe('options', () => {
  const read = (args: string) =>
    readNetperfOptions({
      args: args.split(' '),
      peers: { names: ['a', 'b'] },
      log: () => undefined,
    } as unknown as ProgramContext);

  it('before and after --', () => {
    const options = read('-H x -l 2.5 -t udp_rr -- -m 100 -M 200 -s 70000 -S 80000 -r 32,1024 -D -K reno');
    expect(options).toEqual({
      host: 'x',
      seconds: 2.5,
      test: 'UDP_RR',
      sendSize: 100,
      receiveSize: 200,
      localSocket: 70_000,
      remoteSocket: 80_000,
      requestSize: 32,
      responseSize: 1024,
      noDelay: true,
      congestion: 'reno',
    });
  });

  it.each(['-l 0', '-l x', '-t FTP', '-- -r 0', '-- -r 1,2,3', '-- -K vegas', '-- -m 0', '-D 1'])('refuses %s', (args) => {
    expect(() => read(args)).toThrow(/found|refused/);
  });
});
