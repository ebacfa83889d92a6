/** Byte streams over wires of all kinds: what is sent arrives, in order, once, whatever the wire does. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_NET_COSTS } from '../../src/net/index.ts';
import { RandomStream } from '../../src/sim/index.ts';
import { checkPacket } from './packet-checker.ts';
import { MS, pattern, readAll, US, World, type WorldOptions } from './world.ts';

/** Sends `bytes` from a to b and as many back; throws unless both arrive whole. */
async function transfer(options: WorldOptions, bytes: number, writeBytes = 8192): Promise<World> {
  const world = new World(options);
  const data = pattern(bytes);
  const server = world.start(world.b, async ({ net }) => {
    const listener = await net.tcp.listen({ port: 5001 });
    const socket = await listener.accept();
    const received = await readAll(socket);
    await socket.send(received);
    await socket.close();
    return received;
  });
  const client = world.start(
    world.a,
    async ({ net }) => {
      const socket = await net.tcp.connect({ host: 'b', port: 5001 });
      for (let at = 0; at < bytes; at += writeBytes) await socket.send(data.subarray(at, Math.min(at + writeBytes, bytes)));
      await socket.shutdown();
      const back = await readAll(socket);
      await socket.close();
      return back;
    },
    MS,
  );
  await world.run();
  expect(Buffer.compare(server.value!, data)).toBe(0);
  expect(Buffer.compare(client.value!, data)).toBe(0);
  return world;
}

describe('a stream arrives as it was sent', () => {
  it.each([0, 1, 1447, 1448, 1449, 65_536, 300_001])('%i bytes', async (bytes) => {
    await transfer({ delayPs: 20 * US, psPerByte: 8000 }, bytes);
  });

  it('with costs, and every packet has right checksums', async () => {
    let packets = 0;
    const onPacket = (_at: number, _side: number, packet: Parameters<typeof checkPacket>[0]) => {
      checkPacket(packet);
      packets++;
    };
    await transfer({ delayPs: 20 * US, psPerByte: 8000, costs: DEFAULT_NET_COSTS, onPacket }, 200_000);
    expect(packets).toBeGreaterThan(280);
  });

  it('with offload, in large packets', async () => {
    let largest = 0;
    const onPacket = (_at: number, _side: number, packet: Parameters<typeof checkPacket>[0]) => {
      checkPacket(packet);
      largest = Math.max(largest, packet.data.length);
    };
    await transfer({ delayPs: 20 * US, psPerByte: 100, features: { checksum: true, gso: true }, onPacket }, 2_000_000, 65_536);
    expect(largest).toBeGreaterThan(60_000);
    expect(largest).toBeLessThanOrEqual(65_535);
  });

  const misfortune = fc.record({
    seed: fc.nat(),
    loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
    duplicate: fc.double({ min: 0, max: 0.2, noNaN: true }),
    reorder: fc.double({ min: 0, max: 0.5, noNaN: true }),
    latePs: fc.integer({ min: 0, max: 30 * MS }),
    damage: fc.double({ min: 0, max: 0.05, noNaN: true }),
    bytes: fc.integer({ min: 1, max: 120_000 }),
    writeBytes: fc.integer({ min: 100, max: 40_000 }),
    gso: fc.boolean(),
    sack: fc.boolean(),
    timestamps: fc.boolean(),
    windowScaling: fc.boolean(),
    congestion: fc.constantFrom('reno' as const, 'cubic' as const),
  });

  it('through loss, duplication, reordering and damage, with any set of options', async () => {
    await fc.assert(
      fc.asyncProperty(misfortune, async (m) => {
        const random = new RandomStream(m.seed, 'wire');
        const fate = (_i: number, _side: number, packet: { protocol: number }) => {
          // Three lost questions of ARP in a row are an unreachable host, rightly.
          if (packet.protocol === 0x0806) return [0];
          if (random.float() < m.loss) return [];
          const late = random.float() < m.reorder ? Math.floor(random.float() * m.latePs) : 0;
          return random.float() < m.duplicate ? [late, late + Math.floor(random.float() * m.latePs)] : [late];
        };
        const damage = (_i: number, _side: number, packet: Parameters<typeof checkPacket>[0]) => {
          if (random.float() >= m.damage || packet.protocol !== 0x0800) return packet;
          const data = packet.data.slice();
          const at = random.below(data.length);
          data[at]! ^= 1 << random.below(8);
          return { ...packet, data };
        };
        const tcp = { sack: m.sack, timestamps: m.timestamps, windowScaling: m.windowScaling, synRetries: 30, retries: 100 };
        const features = { checksum: false, gso: m.gso };
        const stack = { tcp, congestion: m.congestion };
        await transfer({ delayPs: MS, psPerByte: 8000, fate, damage, features, stack, seed: m.seed }, m.bytes, m.writeBytes);
      }),
      { numRuns: 60 },
    );
  });
});
