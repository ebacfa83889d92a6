/** The protocol stack over IPoIB between adapters: streams in both modes, and what a round trip and a stream come to with the default costs. */
import { describe, expect, it } from 'vitest';
import { answerTooLong, createSockets, DEFAULT_NET_COSTS, type IpoibMode, type Net, NetStack } from '../../src/net/index.ts';
import { inMacrotask, RandomStream, SimThread } from '../../src/sim/index.ts';
import { ipoibNet, type NetOptions, type Node, US } from './ipoib-kit.ts';
import { pattern, readAll } from './world.ts';

const START = 1000 * US;
const ADDRESSES = { n0: 0x0a000001, n1: 0x0a000002 };

interface Talk {
  readonly net: Net;
  readonly thread: SimThread;
}

/** Runs a program on each of two hosts, which have addresses 10.0.0.1 and 10.0.0.2 on `ib0`. */
async function talk<A, B>(
  options: NetOptions,
  client: (talk: Talk) => Promise<A>,
  server: (talk: Talk) => Promise<B>,
): Promise<{ client: A; server: B; nodes: Node[] }> {
  const { wire, nodes } = ipoibNet(options);
  const threads = nodes.map((node, i) => {
    const { cpu, device } = node;
    const name = `n${i}`;
    const stack = new NetStack({ cpu, costs: DEFAULT_NET_COSTS, random: new RandomStream(1, name), name });
    cpu.exec(0, 'boot', () => {
      answerTooLong(device, stack);
      stack.addDevice(device, { address: 0x0a000001 + i, prefixLength: 24 });
    });
    const thread = new SimThread(wire.loop, i, name);
    const net = createSockets(stack, thread, ADDRESSES);
    const body: (talk: Talk) => Promise<unknown> = i === 0 ? client : server;
    thread.start(START + (1 - i) * 1000 * US, async () => body({ net, thread }));
    return thread;
  });
  await inMacrotask(() => {
    for (let limit = START; threads.some(({ outcome }) => outcome === null) && limit < 10 ** 13; limit += START) wire.run(limit);
  });
  const values = threads.map(({ outcome, nodeName, waitingFor }) => {
    if (outcome?.error !== undefined) throw outcome.error;
    if (outcome === null) throw new Error(`${nodeName} stands still: ${waitingFor.call(threads)}`);
    return outcome.value;
  });
  return { client: values[0] as A, server: values[1] as B, nodes };
}

const modes: readonly IpoibMode[] = ['datagram', 'connected'];

/** Half of a request and response of one byte, in us. */
async function halfRoundTrip(mode: IpoibMode): Promise<number> {
  const rounds = 20;
  const { client } = await talk(
    { device: { mode } },
    async ({ net, thread }) => {
      const socket = await net.tcp.connect({ host: 'n1', port: 5001 });
      const byte = new Uint8Array(1);
      const ask = async () => {
        await socket.send(byte);
        await socket.recv(1);
      };
      await ask();
      const began = thread.nowPs;
      for (let i = 0; i < rounds; i++) await ask();
      const took = thread.nowPs - began;
      await socket.close();
      return took / rounds / 2 / US;
    },
    async ({ net }) => {
      const socket = await (await net.tcp.listen({ port: 5001 })).accept();
      for (let data = await socket.recv(1); data.length > 0; data = await socket.recv(1)) await socket.send(data);
      await socket.close();
    },
  );
  return client;
}

/** A stream's rate in Gb/s. */
async function streamRate(mode: IpoibMode, { device }: Pick<NetOptions, 'device'> = {}, bytes = 3_000_000): Promise<number> {
  const { server } = await talk(
    { device: { mode, ...device } },
    async ({ net }) => {
      const socket = await net.tcp.connect({ host: 'n1', port: 5001 });
      const chunk = new Uint8Array(65_536);
      for (let sent = 0; sent < bytes; sent += chunk.length) await socket.send(chunk);
      await socket.close();
    },
    async ({ net, thread }) => {
      const socket = await (await net.tcp.listen({ port: 5001 })).accept();
      let received = (await socket.recv()).length;
      const began = thread.nowPs;
      for (let part = await socket.recv(); part.length > 0; part = await socket.recv()) received += part.length;
      return (received * 8 * 1000) / (thread.nowPs - began);
    },
  );
  return server;
}

describe('TCP over IPoIB', () => {
  it.each(modes)('%s: a stream arrives as it was sent, both ways', async (mode) => {
    const data = pattern(300_001);
    const { client, server, nodes } = await talk(
      { device: { mode } },
      async ({ net }) => {
        const socket = await net.tcp.connect({ host: 'n1', port: 5001 });
        await socket.send(data);
        await socket.shutdown();
        return readAll(socket);
      },
      async ({ net }) => {
        const socket = await (await net.tcp.listen({ port: 5001 })).accept();
        const all = await readAll(socket);
        await socket.send(all);
        await socket.close();
        return all;
      },
    );
    expect(Buffer.compare(server, data)).toBe(0);
    expect(Buffer.compare(client, data)).toBe(0);
    for (const { device } of nodes) expect(device.counters).toMatchObject({ txErrors: 0, rxErrors: 0, txDropped: 0 });
    expect(nodes.map(({ device }) => device.counters.connectionsMade)).toEqual(mode === 'connected' ? [1, 1] : [0, 0]);
  });

  it('connected to a host in datagram mode: long packets are refused, and the path gets its MTU', async () => {
    const data = pattern(200_000);
    const { server, nodes } = await talk(
      { devices: [{ mode: 'connected' }, {}] },
      async ({ net }) => {
        const socket = await net.tcp.connect({ host: 'n1', port: 5001 });
        await socket.send(data);
        await socket.close();
      },
      async ({ net }) => readAll(await (await net.tcp.listen({ port: 5001 })).accept()),
    );
    expect(Buffer.compare(server, data)).toBe(0);
    const { counters, receiveConnections } = (nodes[0] as Node).device;
    expect([counters.connectionsMade, receiveConnections]).toEqual([0, 0]);
    // TCP's peer tells its segment size at the start; UDP learns from the answer, and is cut into fragments from then on.
    const datagrams = await talk(
      { devices: [{ mode: 'connected' }, {}] },
      async ({ net, thread }) => {
        const socket = await net.udp();
        for (let i = 0; i < 3; i++) {
          await socket.send(pattern(9000, i), { host: 'n1', port: 5002 });
          await thread.sleep(1000 * US);
        }
        await socket.close();
      },
      async ({ net }) => {
        const socket = await net.udp({ port: 5002 });
        const got = [await socket.recv(), await socket.recv()];
        await socket.close();
        return got.map((each) => each.data);
      },
    );
    expect(datagrams.server).toEqual([pattern(9000, 1), pattern(9000, 2)]);
    expect(datagrams.nodes[0]?.device.counters.txDropped).toBe(1);
  });

  it.each(modes)('%s: half a round trip takes ten to twenty microseconds', async (mode) => {
    const us = await halfRoundTrip(mode);
    expect(us).toBeGreaterThan(10);
    expect(us).toBeLessThan(20);
  });

  it('streams: connected mode within 2x of the 6.4 Gb/s published for it; faster than datagrams, and these than without offload', async () => {
    const connected = await streamRate('connected');
    const datagram = await streamRate('datagram');
    const plain = await streamRate('datagram', { device: { checksumOffload: false } });
    expect(connected).toBeGreaterThan(3.2);
    expect(connected).toBeLessThan(12.8);
    expect(datagram).toBeGreaterThan(plain * 1.1);
    expect(connected).toBeGreaterThan(datagram * 1.2);
  });
});
