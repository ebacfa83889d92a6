/** TCP against closed forms: window over round trip, rate less headers, Mathis' law, RFC 6298's timer, and repairs by SACK within a round trip. */
import { describe, expect, it } from 'vitest';
import { RandomStream } from '../../src/sim/index.ts';
import { createCongestion, Cubic, initialWindow, Reno } from '../../src/net/tcp-congestion.ts';
import { DEFAULT_TCP_PARAMS } from '../../src/net/tcp-params.ts';
import { RttEstimator } from '../../src/net/tcp-rtt.ts';
import { Scoreboard } from '../../src/net/tcp-scoreboard.ts';
import { DEFAULT_NET_COSTS, type LinkPacket, type TcpInfo } from '../../src/net/index.ts';
import { MS, SECOND, US, World, type WorldOptions } from './world.ts';

interface Flow {
  /** Bytes a second that the reader got, between the first and the last byte. */
  readonly goodput: number;
  readonly info: TcpInfo;
  readonly world: World;
}

/** A stream of `bytes` from a to b, with socket buffers of a given size. */
async function flow(options: WorldOptions, bytes: number, buffer?: number): Promise<Flow> {
  const world = new World(options);
  const sizes = buffer === undefined ? {} : { sendBuffer: 4 * buffer, receiveBuffer: buffer };
  const server = world.start(world.b, async ({ net, thread }) => {
    const listener = await net.tcp.listen({ port: 5001, ...sizes });
    const socket = await listener.accept();
    const first = await socket.recv(65_536);
    const startPs = thread.nowPs;
    let received = first.length;
    for (;;) {
      const data = await socket.recv(65_536);
      if (data.length === 0) break;
      received += data.length;
    }
    return { bytes: received - first.length, ps: thread.nowPs - startPs, total: received };
  });
  const client = world.start(
    world.a,
    async ({ net }) => {
      const socket = await net.tcp.connect({ host: 'b', port: 5001, ...sizes });
      const data = new Uint8Array(32_768);
      for (let sent = 0; sent < bytes; sent += data.length) await socket.send(data);
      await socket.shutdown();
      await socket.recv();
      return socket.info();
    },
    MS,
  );
  await world.run();
  expect(server.value!.total).toBe(Math.ceil(bytes / 32_768) * 32_768);
  return { goodput: (server.value!.bytes / server.value!.ps) * SECOND, info: client.value!, world };
}

const isData = (packet: LinkPacket) => packet.protocol === 0x0800 && packet.data.length > 500;

describe('throughput', () => {
  it.each([16_384, 65_536, 262_144])('is window over round trip: %i bytes', async (window) => {
    const { goodput } = await flow({ delayPs: 5 * MS, stack: { tcp: { delayedAckPs: MS } } }, window * 40, window);
    expect(goodput).toBeGreaterThan(0.8 * (window / 0.01));
    expect(goodput).toBeLessThan(1.03 * (window / 0.01));
  });

  it.each([
    [1500, true],
    [1500, false],
    [9000, false],
  ])('is the rate less headers: MTU %i, gso %s', async (mtu, gso) => {
    const { goodput } = await flow({ delayPs: 50 * US, psPerByte: 8000, mtu, features: { checksum: gso, gso } }, 6_000_000);
    const payload = mtu - 52;
    const law = (125e6 * payload) / (mtu + 14);
    expect(goodput).toBeGreaterThan(0.97 * law);
    expect(goodput).toBeLessThanOrEqual(1.002 * law);
  });

  it('of Reno with random loss follows Mathis: 1.22 MSS / (RTT sqrt p)', async () => {
    const rates = await Promise.all(
      [0.01, 0.0025].map(async (p) => {
        const random = new RandomStream(7, `loss ${p}`);
        let data = 0;
        // The 60th ends slow start, which the law does not speak of.
        const fate = (_i: number, side: number, packet: LinkPacket) =>
          side === 0 && isData(packet) && (++data === 60 || random.float() < p) ? [] : [0];
        const stack = { congestion: 'reno' as const, tcp: { softwareGso: false } };
        return (await flow({ delayPs: 10 * MS, psPerByte: 800, fate, stack }, 10_000_000, 4_000_000)).goodput;
      }),
    );
    const law = (p: number) => (Math.sqrt(3 / 2) * 1448) / (0.02 * Math.sqrt(p));
    expect(rates[0]! / law(0.01)).toBeGreaterThan(0.6);
    expect(rates[0]! / law(0.01)).toBeLessThan(1.4);
    expect(rates[1]! / law(0.0025)).toBeGreaterThan(0.6);
    expect(rates[1]! / law(0.0025)).toBeLessThan(1.4);
  });

  it('is limited by the CPU where that is slower than the wire', async () => {
    const { goodput } = await flow(
      { psPerByte: 1, delayPs: US, costs: DEFAULT_NET_COSTS, features: { checksum: true, gso: true } },
      20_000_000,
    );
    // 500 ps a byte on either side, at the same time.
    expect(goodput).toBeLessThan(2e9);
    expect(goodput).toBeGreaterThan(0.5 * 2e9);
  });
});

describe('slow start', () => {
  it('begins with ten segments and doubles in each round trip', async () => {
    const sentAt: number[] = [];
    const onPacket = (atPs: number, side: number, packet: LinkPacket) => {
      if (side === 0 && isData(packet)) sentAt.push(atPs);
    };
    await flow({ delayPs: 50 * MS, onPacket, stack: { tcp: { softwareGso: false } } }, 300_000, 1_000_000);
    const rounds = new Map<number, number>();
    for (const at of sentAt) rounds.set(Math.round(at / (100 * MS)), (rounds.get(Math.round(at / (100 * MS))) ?? 0) + 1);
    expect([...rounds.values()].slice(0, 4)).toEqual([10, 20, 40, 80]);
  });

  it('of RFC 6928', () => {
    expect(initialWindow(1460, 10)).toBe(14_600);
    expect(initialWindow(1448, 10)).toBe(14_480);
    expect(initialWindow(9000, 10)).toBe(18_000);
    expect(initialWindow(2000, 10)).toBe(14_600);
    expect(createCongestion('reno', 1000, 10_000)).toBeInstanceOf(Reno);
  });
});

describe('the retransmission timeout (RFC 6298)', () => {
  const estimator = () => new RttEstimator({ ...DEFAULT_TCP_PARAMS, minRtoPs: 1 });

  it('by hand', () => {
    const rtt = estimator();
    expect(rtt.rtoPs).toBe(SECOND);
    rtt.sample(100 * MS);
    // RTTVAR = R/2, RTO = R + 4 R/2.
    expect(rtt.rtoPs).toBe(300 * MS);
    rtt.sample(200 * MS);
    // RTTVAR = 3/4 50 + 1/4 100 = 62.5; SRTT = 7/8 100 + 1/8 200 = 112.5.
    expect(rtt.rtoPs).toBe(362.5 * MS);
    rtt.backOff();
    rtt.backOff();
    expect(rtt.rtoPs).toBe(1450 * MS);
    for (let i = 0; i < 10; i++) rtt.backOff();
    expect(rtt.rtoPs).toBe(DEFAULT_TCP_PARAMS.maxRtoPs);
    rtt.sample(112.5 * MS);
    expect(rtt.rtoPs).toBeLessThan(362.5 * MS);
  });

  it('is never below its least, nor above its most', () => {
    const rtt = new RttEstimator(DEFAULT_TCP_PARAMS);
    rtt.sample(10);
    expect(rtt.rtoPs).toBe(DEFAULT_TCP_PARAMS.minRtoPs);
    rtt.sample(1e15);
    expect(rtt.rtoPs).toBe(DEFAULT_TCP_PARAMS.maxRtoPs);
  });

  it('doubles for a SYN that nobody answers, until the connection fails', async () => {
    const times: number[] = [];
    const fate = (_i: number, _side: number, packet: LinkPacket) => (packet.protocol === 0x0806 ? [0] : []);
    const world = new World({
      fate,
      onPacket: (at, _side, packet) => {
        if (packet.protocol === 0x0800) times.push(at / SECOND);
      },
    });
    const client = world.start(world.a, ({ net }) => net.tcp.connect({ host: 'b', port: 1 }).catch((error) => error.code));
    const endPs = await world.run();
    expect(client.value).toBe('ETIMEDOUT');
    expect(times).toEqual([0, 1, 3, 7, 15, 31, 63]);
    expect(endPs / SECOND).toBe(127);
  });
});

describe('recovery', () => {
  it.each([1, 3, 10])('of %i segments lost in one window takes a round trip, without a timeout', async (count) => {
    const lost: number[] = [];
    const again: number[] = [];
    let data = 0;
    const seen = new Set<number>();
    const fate = (_i: number, side: number, packet: LinkPacket) => {
      if (side !== 0 || !isData(packet)) return [0];
      data++;
      return data >= 200 && data < 200 + 2 * count && data % 2 === 0 ? [] : [0];
    };
    const onPacket = (at: number, side: number, packet: LinkPacket, isLost: boolean) => {
      if (side !== 0 || !isData(packet)) return;
      const sequence = new DataView(packet.data.buffer).getUint32(24);
      if (isLost) lost.push(at);
      if (seen.has(sequence)) again.push(at);
      seen.add(sequence);
    };
    const stack = { tcp: { softwareGso: false } };
    const { info } = await flow({ delayPs: 10 * MS, psPerByte: 800, fate, onPacket, stack }, 1_500_000, 1_000_000);
    expect(lost).toHaveLength(count);
    expect(info.timeouts).toBe(0);
    expect(info.retransmits).toBe(count);
    expect(again).toHaveLength(count);
    // Noticed a round trip after the loss, and all sent again within the next.
    expect(again[0]! - lost[0]!).toBeLessThan(22 * MS);
    expect(again.at(-1)! - again[0]!).toBeLessThan(20 * MS);
  });

  it('without SACK takes a round trip for each (NewReno)', async () => {
    let data = 0;
    const fate = (_i: number, side: number, packet: LinkPacket) => {
      if (side !== 0 || !isData(packet)) return [0];
      data++;
      return data === 200 || data === 202 || data === 204 ? [] : [0];
    };
    const stack = { tcp: { softwareGso: false, sack: false } };
    const { info } = await flow({ delayPs: 10 * MS, psPerByte: 800, fate, stack }, 1_500_000, 1_000_000);
    expect(info.timeouts).toBe(0);
    expect(info.retransmits).toBe(3);
  });

  it('of the last segment needs the timer', async () => {
    let data = 0;
    const fate = (_i: number, side: number, packet: LinkPacket) => (side === 0 && isData(packet) && ++data === 23 ? [] : [0]);
    const { info } = await flow({ delayPs: MS, fate, stack: { tcp: { softwareGso: false } } }, 32_768);
    expect(info.timeouts).toBe(1);
    expect(info.retransmits).toBeGreaterThanOrEqual(1);
  });
});

describe('the scoreboard', () => {
  it('counts what is lost and what is missing (RFC 6675)', () => {
    const board = new Scoreboard();
    expect(board.lostEdge(10)).toBe(0);
    expect(board.add(110, 120)).toBe(true);
    expect(board.add(130, 140)).toBe(true);
    expect(board.add(110, 115)).toBe(false);
    expect(board.lostEdge(10)).toBe(0);
    board.add(150, 160);
    // Three ranges above: what lies below the first of them is lost.
    expect(board.lostEdge(10)).toBe(110);
    board.add(160, 175);
    // More than two segments in the last range alone.
    expect(board.lostEdge(10)).toBe(150);
    expect(board.missing(100, 180)).toBe(10 + 10 + 10 + 5);
    expect(board.nextHole(100, 180)).toEqual({ start: 100, end: 110 });
    expect(board.nextHole(112, 135)).toEqual({ start: 120, end: 130 });
    expect(board.nextHole(150, 175)).toBeNull();
    board.advance(135);
    expect(board.bytes).toBe(5 + 25);
    board.add(140, 150);
    expect(board.missing(135, 175)).toBe(0);
  });
});

describe('congestion control', () => {
  it('Reno halves, and grows by a segment in a round trip', () => {
    const reno = new Reno(1000, 10_000);
    reno.onLoss(20_000);
    expect(reno.cwnd).toBe(10_000);
    for (let i = 0; i < 10; i++) reno.onAck(1000, 0, 1);
    expect(reno.cwnd).toBe(11_000);
    reno.onTimeout(11_000);
    expect([reno.cwnd, reno.ssthresh]).toEqual([1000, 5500]);
  });

  it('CUBIC keeps 0.7, and is back at its old window after K (RFC 9438)', () => {
    const mss = 1000;
    const cubic = new Cubic(mss, 1000 * mss);
    cubic.onLoss(1000 * mss);
    expect(cubic.cwnd).toBeCloseTo(700 * mss, 3);
    const k = Math.cbrt((1000 * 0.3) / 0.4);
    const rtt = 0.1;
    let atK = 0;
    for (let t = 0; t < k + rtt; t += rtt / 10) {
      if (t < k) atK = cubic.cwnd;
      cubic.onAck(cubic.cwnd / 10, t * SECOND, rtt * SECOND);
    }
    expect(atK / mss).toBeGreaterThan(990);
    expect(atK / mss).toBeLessThan(1005);
  });

  it('CUBIC is as fast as Reno where Reno is faster', () => {
    const mss = 1000;
    const cubic = new Cubic(mss, 10 * mss);
    cubic.onLoss(10 * mss);
    const before = cubic.cwnd;
    for (let t = 0; t < 100; t++) for (let i = 0; i < 10; i++) cubic.onAck(cubic.cwnd / 10, t * MS, MS);
    // 3 (1 − 0.7) / (1 + 0.7) of a segment in a round trip until the old window, then one.
    expect(cubic.cwnd - before).toBeGreaterThan(80 * mss);
    expect(cubic.cwnd - before).toBeLessThan(101 * mss);
  });
});
