/** The bridge: who gets which packet, for how long it remembers, and whom it does not take. */
import { describe, expect, it } from 'vitest';
import {
  BRIDGE_AGEING_PS,
  Bridge,
  createSockets,
  DEFAULT_NET_COSTS,
  type DeviceFeatures,
  ethernetMulticast,
  FREE_NET_COSTS,
  type LinkPacket,
  NetStack,
  parseIpv4,
  parseMac,
  readEthernet,
  writeEthernet,
} from '../../src/net/index.ts';
import { BareKernelCpu, ConfigError, EventLoop, inMacrotask, RandomStream, SimThread } from '../../src/sim/index.ts';
import { wire } from '../kit/net-wire.ts';
import { checkPacket } from './packet-checker.ts';
import { pattern, readAll, SECOND, US } from './world.ts';

const ip = (text: string) => parseIpv4(text) as number;

/** A host with a bridge of three ports, a guest behind each, and a stack of its own on it. */
function bridged(features: readonly DeviceFeatures[] = []) {
  const loop = new EventLoop();
  const dom0 = new BareKernelCpu(loop, 0, { interruptPs: 0, timerPs: 0 });
  const bridge = new Bridge({ cpu: dom0, costs: FREE_NET_COSTS, name: 'xenbr0', address: Uint8Array.of(2, 0, 0, 0, 0, 99) });
  const seen: LinkPacket[][] = [[], [], []];
  const guests = [1, 2, 3].map((n) => {
    const cpu = new BareKernelCpu(loop, n, { interruptPs: 0, timerPs: 0 });
    const offload = features[n - 1] ?? { checksum: true, gso: true };
    const ends = [
      { entity: 0, cpu: dom0, name: `vif${n}.0` },
      { entity: n, cpu, name: 'eth0' },
    ];
    const [vif, eth0] = wire(loop, ends, {
      delayPs: US,
      features: offload,
      onPacket: (_at, side, packet) => void (side === 0 && seen[n - 1]!.push(packet)),
    });
    eth0.address[4] = n;
    vif.address[4] = n;
    bridge.addPort(vif);
    const stack = new NetStack({ cpu, costs: FREE_NET_COSTS, random: new RandomStream(1, `guest ${n}`), name: `guest${n}` });
    stack.addDevice(eth0, { address: `10.0.0.${n}` });
    return { cpu, stack, eth0, vif };
  });
  const host = new NetStack({ cpu: dom0, costs: FREE_NET_COSTS, random: new RandomStream(1, 'dom0'), name: 'dom0' });
  host.addDevice(bridge, { address: '10.0.0.254' });
  const stacks = [host, ...guests.map(({ stack }) => stack)];
  const run = (bodies: Readonly<Record<number, (net: ReturnType<typeof createSockets>) => Promise<unknown>>>) =>
    inMacrotask(() => {
      const threads = Object.entries(bodies).map(([n, body]) => {
        const thread = new SimThread(loop, Number(n), `guest${n}`);
        const net = createSockets(stacks[Number(n)]!, thread, {});
        thread.start(loop.nowPs, () => body(net));
        return thread;
      });
      loop.limitPs = loop.nowPs + 1000 * SECOND;
      while (threads.some(({ outcome }) => outcome === null) && loop.step());
      for (const { outcome } of threads) if (outcome?.error !== undefined) throw outcome.error;
      return threads.map(({ outcome }) => outcome?.value);
    });
  return { loop, bridge, guests, seen, run, dom0 };
}

const echoTo = (address: string) => async (net: ReturnType<typeof createSockets>) => {
  const echo = await net.icmp();
  await echo.send(address, 1, new Uint8Array(8));
  return (await echo.recv({ timeoutNs: 1e9 })).kind;
};

describe('a bridge', () => {
  it('floods what it does not know, and learns', async () => {
    const { run, seen, bridge, guests } = bridged();
    expect(await run({ 1: echoTo('10.0.0.2') })).toEqual(['reply']);
    // The third saw the question of ARP alone.
    expect(seen[2]!.map(({ protocol }) => protocol)).toEqual([0x0806]);
    expect(bridge.portOf(guests[0]!.eth0.address)).toBe(guests[0]!.vif);
    expect(bridge.portOf(guests[2]!.eth0.address)).toBeNull();
  });

  it('is a device for the host that it is on', async () => {
    const { run, seen } = bridged();
    expect(await run({ 1: echoTo('10.0.0.254'), 0: echoTo('10.0.0.3') })).toEqual(['reply', 'reply']);
    expect(seen[1]!.every(({ protocol }) => protocol === 0x0806)).toBe(true);
  });

  it('forgets after its ageing time, and a port that goes at once', async () => {
    const { run, bridge, guests, loop } = bridged();
    await run({ 1: echoTo('10.0.0.2') });
    const [first, second] = guests;
    bridge.removePort(second!.vif);
    expect(bridge.portOf(second!.eth0.address)).toBeNull();
    loop.limitPs = loop.nowPs + BRIDGE_AGEING_PS + SECOND;
    await inMacrotask(() => {
      first!.cpu.setTimer(loop.limitPs - 1, () => undefined);
      loop.runUntil(loop.limitPs);
    });
    expect(bridge.portOf(first!.eth0.address)).toBeNull();
    expect(bridge.ports).toHaveLength(2);
  });

  it('follows an address that moves', async () => {
    const { run, bridge, guests, dom0, loop } = bridged();
    await run({ 1: echoTo('10.0.0.2') });
    const moved = {
      destination: bridge.address,
      source: guests[0]!.eth0.address,
      protocol: 0x9999,
      data: pattern(46),
      gso: null,
      checksumBlank: false,
      checksumVerified: true,
    };
    dom0.exec(0, 'test', () => guests[2]!.vif.onReceive?.(moved));
    await inMacrotask(() => loop.runUntil(loop.nowPs + US));
    expect(bridge.portOf(guests[0]!.eth0.address)).toBe(guests[2]!.vif);
  });

  it('hands large packets on whole where they are taken, and cuts them where not', async () => {
    const plain = { checksum: false, gso: false };
    const { run, seen } = bridged([{ checksum: true, gso: true }, { checksum: true, gso: true }, plain]);
    const serve = (expected: number) => async (net: ReturnType<typeof createSockets>) => {
      const socket = await (await net.tcp.listen({ port: 5 })).accept();
      const data = await readAll(socket);
      await socket.close();
      expect(data).toEqual(pattern(expected));
    };
    const send = (address: string) => async (net: ReturnType<typeof createSockets>) => {
      const socket = await net.tcp.connect({ host: address, port: 5 });
      await socket.send(pattern(300_000));
      await socket.shutdown();
      await socket.recv();
    };
    await run({ 2: serve(300_000), 1: send('10.0.0.2') });
    await run({ 3: serve(300_000), 1: send('10.0.0.3') });
    expect(seen[1]!.some(({ gso, checksumBlank }) => gso !== null && checksumBlank)).toBe(true);
    expect(seen[2]!.every(({ gso, checksumBlank }) => gso === null && !checksumBlank)).toBe(true);
    for (const packet of seen[2]!) checkPacket(packet);
  });

  it('costs CPU time for each port that a packet goes out of', () => {
    const loop = new EventLoop();
    const cpu = new BareKernelCpu(loop, 0, { interruptPs: 0, timerPs: 0 });
    const bridge = new Bridge({ cpu, costs: DEFAULT_NET_COSTS, name: 'br', address: Uint8Array.of(2, 0, 0, 0, 0, 1) });
    for (const n of [1, 2, 3]) {
      const [vif] = wire(loop, [
        { entity: 0, cpu, name: `vif${n}` },
        { entity: 0, cpu, name: 'peer' },
      ]);
      bridge.addPort(vif);
    }
    const packet = {
      destination: bridge.broadcastAddress,
      source: bridge.address,
      protocol: 0x0806,
      data: pattern(28),
      gso: null,
      checksumBlank: false,
      checksumVerified: true,
    };
    cpu.exec(0, 'test', () => bridge.transmit(packet));
    loop.runUntil(SECOND);
    expect(cpu.usedPs.get('bridge')).toBe(3 * DEFAULT_NET_COSTS.bridgePs);
  });

  it('does not take IPoIB, and says why', () => {
    const { bridge, loop, dom0 } = bridged();
    const ends = [
      { entity: 0, cpu: dom0, name: 'ib0' },
      { entity: 1, cpu: dom0, name: 'ib0' },
    ];
    const [ib0] = wire(loop, ends, { linkType: 'ipoib' });
    expect(() => bridge.addPort(ib0)).toThrow(ConfigError);
    expect(() => bridge.addPort(ib0)).toThrow(/xenbr0: ib0: .*IPoIB is not Ethernet.*20 bytes.*vif-route with proxy ARP/);
    expect(() => bridge.addPort(bridge.ports[0]!)).toThrow(/already/);
  });
});

describe('Ethernet', () => {
  it('frames and addresses', () => {
    const source = parseMac('00:16:3e:00:00:01') as Uint8Array;
    const packet = { destination: ethernetMulticast(ip('239.129.2.3')), source, protocol: 0x0800, data: pattern(46) };
    expect([...packet.destination]).toEqual([1, 0, 0x5e, 1, 2, 3]);
    expect(readEthernet(writeEthernet(packet))).toEqual(packet);
    expect(readEthernet(new Uint8Array(13))).toBeNull();
    // An IEEE 802.3 length.
    expect(readEthernet(writeEthernet({ ...packet, protocol: 46 }))).toBeNull();
    expect(parseMac('00:16:3e:00:00')).toBeNull();
  });
});
