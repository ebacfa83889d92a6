/** The stack below the transports: ARP, ICMP, fragments, routing with proxy ARP, path MTU, UDP, and what it answers to whom. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readArp, writeArp } from '../../src/net/arp.ts';
import { fragmentIpv4, readIpv4, withLowerTtl, writeIpv4 } from '../../src/net/ipv4.ts';
import {
  createSockets,
  FREE_NET_COSTS,
  foldSum,
  internetChecksum,
  type LinkPacket,
  NetStack,
  parseIpv4,
  SocketError,
  sumWords,
} from '../../src/net/index.ts';
import { BareKernelCpu, ConfigError, EventLoop, inMacrotask, RandomStream, SimThread } from '../../src/sim/index.ts';
import { wire } from '../kit/net-wire.ts';
import { checkPacket, onesSum, wordsOf } from './packet-checker.ts';
import { HOSTS, MS, pattern, SECOND, US, World } from './world.ts';

const ip = (text: string) => parseIpv4(text) as number;
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error) => (error instanceof SocketError ? error.code : String(error)),
  );

/** a - router - b: the router's near ends are 10.0.1.1 and 10.0.2.1; on the second link the MTU may be smaller. */
function routed(
  options: {
    readonly mtu?: number;
    readonly proxyArp?: boolean;
    readonly gso?: boolean;
    readonly onFar?: (packet: LinkPacket) => void;
  } = {},
) {
  const loop = new EventLoop();
  const names = ['a', 'router', 'b'];
  const cpus = names.map((_, entity) => new BareKernelCpu(loop, entity, { interruptPs: 0, timerPs: 0 }));
  const features = { checksum: options.gso === true, gso: options.gso === true };
  const near = wire(
    loop,
    [
      { entity: 0, cpu: cpus[0]!, name: 'eth0' },
      { entity: 1, cpu: cpus[1]!, name: 'near' },
    ],
    { delayPs: US, features },
  );
  const far = wire(
    loop,
    [
      { entity: 1, cpu: cpus[1]!, name: 'far' },
      { entity: 2, cpu: cpus[2]!, name: 'eth0' },
    ],
    {
      delayPs: US,
      mtu: options.mtu ?? 1500,
      onPacket: (_at, _side, packet) => options.onFar?.(packet),
    },
  );
  const stacks = names.map(
    (name, n) => new NetStack({ cpu: cpus[n]!, costs: FREE_NET_COSTS, random: new RandomStream(1, name), name }),
  );
  const [a, router, b] = stacks as [NetStack, NetStack, NetStack];
  router.forwarding = true;
  if (options.proxyArp === true) {
    // All in one network, as guests behind dom0: the router answers for who is on its other side.
    a.addDevice(near[0], { address: '10.0.0.1', prefixLength: 24 });
    b.addDevice(far[1], { address: '10.0.0.2', prefixLength: 24 });
    router.addDevice(near[1], { address: '10.0.0.254', prefixLength: 32, proxyArp: true });
    router.addDevice(far[0], { address: '10.0.0.254', prefixLength: 32, proxyArp: true });
    router.addRoute({ destination: '10.0.0.1', device: 'near' });
    router.addRoute({ destination: '10.0.0.2', device: 'far' });
  } else {
    a.addDevice(near[0], { address: '10.0.1.2' });
    b.addDevice(far[1], { address: '10.0.2.2' });
    router.addDevice(near[1], { address: '10.0.1.1' });
    router.addDevice(far[0], { address: '10.0.2.1' });
    a.addRoute({ gateway: '10.0.1.1' });
    b.addRoute({ gateway: '10.0.2.1' });
  }
  const hosts = {
    a: ip(options.proxyArp === true ? '10.0.0.1' : '10.0.1.2'),
    b: ip(options.proxyArp === true ? '10.0.0.2' : '10.0.2.2'),
  };
  const threads: SimThread[] = [];
  const start = <T>(stack: NetStack, entity: number, body: (net: ReturnType<typeof createSockets>) => Promise<T>) => {
    const thread = new SimThread(loop, entity, stack.name);
    const net = createSockets(stack, thread, hosts);
    threads.push(thread);
    thread.start(0, () => body(net));
    return {
      get value() {
        return thread.outcome?.value as T;
      },
    };
  };
  const run = () =>
    inMacrotask(() => {
      loop.limitPs = 1000 * SECOND;
      while (threads.some(({ outcome }) => outcome === null) && loop.step());
      for (const { outcome } of threads) if (outcome?.error !== undefined) throw outcome.error;
    });
  return { a, b, router, start, run };
}

describe('bytes', () => {
  it('the checksum is the one of RFC 1071, in parts or whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(50), (bytes, cut) => {
        const even = Math.min(cut * 2, bytes.length & ~1);
        const sum = sumWords(bytes, even, bytes.length, sumWords(bytes, 0, even));
        expect(foldSum(sum) % 0xffff).toBe(onesSum(wordsOf(bytes)) % 0xffff);
        expect(internetChecksum(bytes, 0, bytes.length) % 0xffff).toBe((~onesSum(wordsOf(bytes)) & 0xffff) % 0xffff);
      }),
    );
  });

  it('a lowered TTL has a right checksum', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.integer({ min: 1, max: 255 }), fc.nat(255), fc.nat(), (id, ttl, protocol, address) => {
        const data = new Uint8Array(20);
        writeIpv4(data, id, 0, ttl, protocol, address, 0x0a000001);
        const read = readIpv4(withLowerTtl(data));
        expect(read).toMatchObject({ ttl: ttl - 1, id });
      }),
    );
  });

  it('ARP of 6 and of 20 bytes reads as written', () => {
    for (const [length, hardware] of [
      [6, 1],
      [20, 32],
    ] as const) {
      const packet = {
        hardware,
        operation: 2,
        senderLink: pattern(length),
        senderIp: 1,
        targetLink: pattern(length, 2),
        targetIp: 2,
      };
      const bytes = writeArp(packet);
      expect(bytes.length).toBe(length === 6 ? 28 : 56);
      expect(readArp(bytes, hardware, length)).toEqual(packet);
      expect(readArp(bytes, hardware + 1, length)).toBeNull();
    }
  });
});

describe('fragments', () => {
  it('put together give the packet, in any order, with duplicates', () => {
    const run = fc.asyncProperty(
      fc.integer({ min: 0, max: 30_000 }),
      fc.integer({ min: 68, max: 2000 }),
      fc.nat(),
      async (bytes, mtu, seed) => {
        const random = new RandomStream(seed, 'order');
        const held: LinkPacket[] = [];
        const world = new World({ mtu: 65_535, delayPs: US });
        const b = world.start(world.b, async ({ net }) => (await (await net.udp({ port: 9 })).recv()).data);
        // Cut by hand, shuffled, some twice.
        const data = new Uint8Array(28 + bytes);
        writeIpv4(data, 77, 0, 64, 17, HOSTS.a, HOSTS.b);
        new DataView(data.buffer).setUint16(22, 9);
        new DataView(data.buffer).setUint16(24, 8 + bytes);
        data.set(pattern(bytes), 28);
        const pieces = fragmentIpv4(data, mtu);
        for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(mtu);
        const order = random.shuffle([...pieces, ...pieces.filter(() => random.float() < 0.2)]);
        const { device } = world.b;
        for (const piece of order)
          held.push({
            destination: device.address,
            source: world.a.device.address,
            protocol: 0x0800,
            data: piece,
            gso: null,
            checksumBlank: false,
            checksumVerified: false,
          });
        world.b.cpu.setTimer(MS, () => {
          for (const packet of held) device.onReceive?.(packet);
        });
        await world.run();
        expect(b.value).toEqual(pattern(bytes));
      },
    );
    return fc.assert(run, { numRuns: 25 });
  });

  it('that never become whole are given up, and the sender is told', async () => {
    let errors = 0;
    const fate = (_i: number, side: number, packet: LinkPacket) => {
      if (side === 1 && packet.protocol === 0x0800 && packet.data[20] === 11) errors++;
      return side === 0 && packet.data.length < 1000 && packet.protocol === 0x0800 ? [] : [0];
    };
    const world = new World({ fate });
    world.start(world.a, async ({ net }) => {
      await (await net.udp()).send(pattern(3200), { host: 'b', port: 9 });
    });
    await world.run();
    await world.settle(60 * SECOND);
    expect(errors).toBe(1);
  });
});

describe('ARP', () => {
  it('asks three times, then gives up, and asks again when needed', async () => {
    let questions = 0;
    const world = new World({ onPacket: (_at, _side, packet) => void (packet.protocol === 0x0806 && questions++) });
    const a = world.start(world.a, async ({ net, thread }) => {
      const first = await codeOf(net.tcp.connect({ host: '10.0.0.9', port: 1 }));
      return [first, thread.nowPs / SECOND];
    });
    await world.run();
    expect(a.value).toEqual(['EHOSTUNREACH', 3]);
    expect(questions).toBe(3);
  });

  it('works with addresses of 20 bytes', async () => {
    const world = new World({ linkType: 'ipoib' });
    const a = world.start(world.a, async ({ net }) => {
      const echo = await net.icmp();
      await echo.send('b', 1, pattern(10));
      return (await echo.recv()).data;
    });
    await world.run();
    expect(a.value).toEqual(pattern(10));
    expect(world.a.stack.interfaces[0]!.neighbours.entries()).toEqual([{ ip: HOSTS.b, link: world.b.device.address }]);
  });

  it('an announcement changes what others believe', async () => {
    const world = new World();
    world.start(world.a, async ({ net }) => {
      const echo = await net.icmp();
      await echo.send('b', 1, new Uint8Array(0));
      await echo.recv();
    });
    await world.run();
    world.b.device.address[0] = 6;
    world.b.cpu.exec(0, 'arp', () => world.b.stack.interfaces[0]!.neighbours.announce(HOSTS.b));
    await world.settle();
    expect(world.a.stack.interfaces[0]!.neighbours.entries()[0]!.link[0]).toBe(6);
  });
});

describe('a router', () => {
  it('passes packets on, and says when their time is up', async () => {
    const { a, start, run } = routed();
    const result = start(a, 0, async (net) => {
      const echo = await net.icmp();
      await echo.send('b', 1, new Uint8Array(0), { ttl: 1 });
      const expired = await echo.recv();
      await echo.send('b', 2, new Uint8Array(0), { ttl: 2 });
      const answered = await echo.recv();
      return [expired.kind, expired.from, expired.sequence, answered.kind, answered.ttl];
    });
    await run();
    expect(result.value).toEqual(['time-exceeded', '10.0.1.1', 1, 'reply', 63]);
  });

  it('has no way to some', async () => {
    const { a, start, run } = routed();
    const result = start(a, 0, async (net) => {
      const echo = await net.icmp();
      await echo.send('192.168.0.1', 1, new Uint8Array(0));
      const reply = await echo.recv();
      return [reply.kind, reply.code, await codeOf(net.tcp.connect({ host: '192.168.0.1', port: 1 }))];
    });
    await run();
    expect(result.value).toEqual(['unreachable', 0, 'ENETUNREACH']);
  });

  it.each([false, true])('with a smaller MTU behind it: TCP finds the path, UDP is cut; large packets %s', async (gso) => {
    const sizes: number[] = [];
    const onFar = (packet: LinkPacket) => {
      checkPacket(packet);
      sizes.push(packet.data.length);
      expect(packet.gso).toBeNull();
    };
    const { a, b, start, run } = routed({ mtu: 1000, onFar, gso });
    const server = start(b, 2, async (net) => {
      const socket = await (await net.tcp.listen({ port: 5 })).accept();
      const parts: Uint8Array[] = [];
      for (let part = await socket.recv(); part.length > 0; part = await socket.recv()) parts.push(part);
      const udp = await net.udp({ port: 6 });
      await socket.close();
      return [new Uint8Array(Buffer.concat(parts)), (await udp.recv()).data];
    });
    start(a, 0, async (net) => {
      const socket = await net.tcp.connect({ host: 'b', port: 5 });
      await socket.send(pattern(100_000));
      expect(socket.info().timeouts).toBe(0);
      await socket.shutdown();
      await socket.recv();
      await (await net.udp()).send(pattern(5000), { host: 'b', port: 6 });
    });
    await run();
    expect(server.value).toEqual([pattern(100_000), pattern(5000)]);
    expect(Math.max(...sizes)).toBe(1000);
  });

  it('with proxy ARP joins two links into one network', async () => {
    const { a, b, start, run } = routed({ proxyArp: true });
    const server = start(b, 2, async (net) => {
      const socket = await (await net.tcp.listen({ port: 5 })).accept();
      return [(await socket.recv()).length, socket.remote.address];
    });
    start(a, 0, async (net) => {
      await (await net.tcp.connect({ host: 'b', port: 5 })).send(new Uint8Array(100));
    });
    await run();
    expect(server.value).toEqual([100, '10.0.0.1']);
  });
});

describe('configuration', () => {
  it('mistakes are said as such', () => {
    const world = new World();
    const { stack, device } = world.a;
    expect(() => stack.addDevice(device)).toThrow(ConfigError);
    expect(() => stack.addAddress('eth0', '10.0.0.300', 24)).toThrow(/10\.0\.0\.300/);
    expect(() => stack.addAddress('eth0', '10.0.0.3', 33)).toThrow(/accepted 0 to 32/);
    expect(() => stack.addRoute({ gateway: '172.16.0.1' })).toThrow(/on no network/);
    expect(() => stack.addRoute({ device: 'eth7' })).toThrow(/there are eth0/);
  });

  it('a device that goes takes its routes with it', async () => {
    const world = new World();
    world.a.stack.removeDevice('eth0');
    const a = world.start(world.a, async ({ net }) => [
      net.interfaces().length,
      await codeOf(net.tcp.connect({ host: 'b', port: 1 })),
    ]);
    await world.run();
    expect(a.value).toEqual([1, 'ENETUNREACH']);
  });

  it('a device that goes while others wait for it lets them know', async () => {
    // The wire carries nothing, so that ARP waits.
    const world = new World({ fate: () => [] });
    const a = world.start(world.a, async ({ net, sleep, thread }) => {
      const echo = await net.icmp();
      await echo.send('10.0.0.9', 1, new Uint8Array(10));
      await sleep(2 * MS);
      world.a.stack.removeDevice('eth0');
      return [await codeOf(net.tcp.connect({ host: 'b', port: 1 })), thread.nowPs < SECOND];
    });
    await world.run();
    await world.settle();
    expect(a.value).toEqual(['ENETUNREACH', true]);
    expect(world.a.device.onReceive).toBeNull();
  });

  it('a node without a network has no sockets', async () => {
    const loop = new EventLoop();
    const thread = new SimThread(loop, 0, 'bare');
    const net = createSockets(null, thread, HOSTS);
    expect(net.interfaces()).toEqual([]);
    expect(net.resolve('a')).toBe('10.0.0.1');
    expect(await codeOf(net.udp())).toBe('ENETDOWN');
  });

  it('what an interface counted can be read', async () => {
    const world = new World();
    const a = world.start(world.a, async ({ net }) => {
      const echo = await net.icmp();
      await echo.send('b', 1, new Uint8Array(100));
      await echo.recv();
      return net.interfaces()[1];
    });
    await world.run();
    expect(a.value).toMatchObject({
      name: 'eth0',
      address: '10.0.0.1',
      prefixLength: 24,
      mtu: 1500,
      rxPackets: 2,
      txPackets: 2,
      rxBytes: 28 + 128,
    });
  });
});
