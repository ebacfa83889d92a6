/** Packets that no honest sender makes: nothing throws, nothing stops, and a connection beside them lives. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LinkPacket } from '../../src/net/index.ts';
import { fillChecksum } from '../../src/net/offload.ts';
import { inMacrotask } from '../../src/sim/index.ts';
import { HOSTS, MS, pattern, SECOND, US, World } from './world.ts';

const garbage = fc.record({
  protocol: fc.constantFrom(0x0800, 0x0806, 0x86dd, 0x1234),
  data: fc.uint8Array({ maxLength: 200 }),
  gso: fc.option(fc.record({ type: fc.constant('tcpv4' as const), size: fc.nat(2000) }), { nil: null }),
  blank: fc.boolean(),
});

/** An IPv4 packet whose header is right, or nearly, so that what is wrong is found further up. */
const crafted = fc.record({
  protocol: fc.constantFrom(1, 6, 17, 47),
  source: fc.constantFrom(HOSTS.a, HOSTS.b, 0, 0xffffffff, 0xe0000001, 0x7f000001),
  destination: fc.constantFrom(HOSTS.b, HOSTS.b, 0x0a0000ff, 0xe0000001, 0x7f000001, 0x01020304),
  fragment: fc.constantFrom(0, 0, 0, 0x2000, 0x2001, 0x1fff, 0x4000),
  ports: fc.constantFrom([5001, 40_000], [40_000, 5001], [9, 5001], [0, 0]),
  sequence: fc.constantFrom('next', 'near', 'random'),
  flags: fc.nat(255),
  ttl: fc.nat(255),
  offset: fc.nat(15),
  body: fc.uint8Array({ maxLength: 120 }),
  gso: fc.option(fc.record({ type: fc.constant('tcpv4' as const), size: fc.nat(100) }), { nil: null }),
  random: fc.nat(0xffffffff),
});

type Crafted = typeof crafted extends fc.Arbitrary<infer T> ? T : never;

/** Bytes of a crafted packet; TCP numbers near those of the connection, when they are asked for. */
function build(c: Crafted, world: World): Uint8Array {
  const tcb = world.b.stack.tcp.connections[0];
  const data = new Uint8Array(40 + c.body.length);
  const view = new DataView(data.buffer);
  data[0] = 0x45;
  view.setUint16(2, data.length);
  view.setUint16(6, c.fragment);
  data[8] = c.ttl;
  data[9] = c.protocol;
  view.setUint32(12, c.source);
  view.setUint32(16, c.destination);
  const [sourcePort, destinationPort] = tcb === undefined || c.random % 2 === 0 ? c.ports : [tcb.remotePort, tcb.localPort];
  view.setUint16(20, sourcePort!);
  view.setUint16(22, destinationPort!);
  const base = tcb === undefined || c.sequence === 'random' ? c.random : tcb.rcvNxt >>> 0;
  view.setUint32(24, (base + (c.sequence === 'near' ? (c.random % 100_000) - 50_000 : 0)) >>> 0);
  view.setUint32(28, tcb === undefined || c.random % 3 === 0 ? c.random : tcb.sndNxt >>> 0);
  data[32] = c.offset << 4;
  // A reset in the window ends a connection rightly, and so do data and FIN in place of the peer's own: those are not for the connection that must live.
  data[33] = c.flags;
  view.setUint16(34, c.random & 0xffff);
  data.set(c.body, 40);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(10, ~sum & 0xffff);
  fillChecksum(data);
  return data;
}

/** Gives packets to host b as if they came from the wire. */
function inject(
  world: World,
  packets: readonly (Omit<LinkPacket, 'destination' | 'source'> & { readonly make?: () => Uint8Array })[],
): void {
  for (const { make, ...packet } of packets)
    world.b.cpu.interrupt('test', () => {
      const data = make === undefined ? packet.data : make();
      world.b.device.onReceive?.({ ...packet, data, destination: world.b.device.address, source: world.a.device.address });
    });
}

describe('hostile packets', () => {
  it('of random bytes do no harm to a connection', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(garbage, { minLength: 50, maxLength: 200 }), async (packets) => {
        const world = new World({ delayPs: US });
        const b = world.start(world.b, async ({ net, sleep }) => {
          const socket = await (await net.tcp.listen({ port: 5001 })).accept();
          const first = await socket.recvExactly(5000);
          inject(
            world,
            packets.map(({ protocol, data, gso, blank }) => ({
              protocol,
              data,
              gso,
              checksumBlank: blank,
              checksumVerified: false,
            })),
          );
          await sleep(MS);
          return Buffer.concat([first, await socket.recvExactly(5000)]);
        });
        world.start(
          world.a,
          async ({ net, sleep }) => {
            const socket = await net.tcp.connect({ host: 'b', port: 5001 });
            await socket.send(pattern(10_000).subarray(0, 5000));
            await sleep(2 * MS);
            await socket.send(pattern(10_000).subarray(5000));
          },
          US,
        );
        await world.run();
        expect(Buffer.compare(b.value!, pattern(10_000))).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('that look like the connection never break the stack', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(crafted, { minLength: 20, maxLength: 150 }), async (packets) => {
        const world = new World({ delayPs: US });
        world.b.stack.forwarding = true;
        world.start(world.b, async ({ net, sleep }) => {
          const listener = await net.tcp.listen({ port: 5001 });
          await net.udp({ port: 9 });
          const socket = await listener.accept();
          inject(
            world,
            packets.map((c) => ({
              protocol: 0x0800,
              data: new Uint8Array(0),
              make: () => build(c, world),
              gso: c.gso,
              checksumBlank: false,
              checksumVerified: false,
            })),
          );
          await sleep(MS);
          await socket.send(new Uint8Array(100)).catch(() => undefined);
          // Whatever became of that one: another can be made.
          const other = await listener.accept();
          return (await other.recvExactly(10)).length;
        });
        world.start(
          world.a,
          async ({ net, sleep }) => {
            const socket = await net.tcp.connect({ host: 'b', port: 5001 });
            await socket.send(new Uint8Array(100)).catch(() => undefined);
            await sleep(5 * MS);
            const other = await net.tcp.connect({ host: 'b', port: 5001 });
            await other.send(new Uint8Array(10));
          },
          US,
        );
        await world.run();
        await inMacrotask(() => world.loop.runUntil(world.loop.nowPs + 10 * SECOND));
      }),
      { numRuns: 60 },
    );
  });
});
