/**
 * IPoIB devices over a wire that loses packets of all kinds, while devices come and go: whatever happens, packets arrive at most once, where they were sent,
 * unchanged; when the wire is good again everybody reaches everybody; and devices that are closed leave nothing on their adapters.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RandomStream } from '../../src/sim/index.ts';
import { addDevice, at, ipoibNet, type Node, packetTo, US } from './ipoib-kit.ts';

const MS = 1000 * US;
const SECOND = 1000 * MS;
const HOSTS = 3;
const RING = 16;

/** A packet that says who sent it to whom, and which it is. */
function tagged(from: number, to: number, n: number, length: number): Uint8Array {
  const data = new Uint8Array(length).fill(n * 31 + from);
  data.set([0x60, from, to, n >> 8, n & 255]);
  return data;
}

interface Chaos {
  readonly seed: number;
  readonly lossPercent: number;
  readonly connected: readonly boolean[];
  readonly operations: number;
}

function run({ seed, lossPercent, connected, operations }: Chaos): void {
  const random = new RandomStream(seed, 'chaos');
  const devices = connected.map((isConnected) => ({
    mode: isConnected ? ('connected' as const) : ('datagram' as const),
    sendRing: RING,
    receiveRing: 32,
  }));
  const { wire, nodes } = ipoibNet({ hosts: HOSTS, devices });
  let isLossy = true;
  wire.filter = () => !isLossy || random.below(100) >= lossPercent;
  const sent = new Map<string, Uint8Array>();
  let count = 0;
  const key = (data: Uint8Array) => Buffer.from(data.subarray(1, 5)).toString('hex');
  const send = (from: number, to: number, length: number): boolean => {
    const data = tagged(from, to, count++, length);
    sent.set(key(data), data);
    return (nodes[from] as Node).device.transmit(
      packetTo((nodes[from] as Node).device, (nodes[to] as Node).device.address, data),
    );
  };
  const reopen = (index: number) => {
    const node = nodes[index] as Node;
    node.device.close();
    expect(node.context.counts).toEqual({ pd: 0, cq: 0, qp: 0, srq: 0, mr: 0, ah: 0 });
    addDevice(node, devices[index] as object);
  };
  let time = MS;
  for (let i = 0; i < operations; i++) {
    time += random.below(4) === 0 ? random.below(3000) * MS : random.below(50 * US);
    const from = random.below(HOSTS);
    const to = (from + 1 + random.below(HOSTS - 1)) % HOSTS;
    const what = random.below(20);
    at(nodes[from] as Node, time, () => {
      if (what === 0) reopen(from);
      else if (what === 1) (nodes[from] as Node).device.flush();
      else send(from, to, what < 15 ? 100 : 2044);
    });
  }
  // The wire is good again, and time enough has passed for every retry that was under way.
  const calm = time + 200 * SECOND;
  at(nodes[0] as Node, calm, () => {
    isLossy = false;
  });
  const last: string[] = [];
  for (const [from, node] of nodes.entries())
    for (let to = 0; to < HOSTS; to++) {
      if (to === from) continue;
      // The first sends what is left of old connections into the open; then the address is fresh.
      at(node, calm + SECOND, () => void send(from, to, 100));
      at(node, calm + 20 * SECOND, () => void send(from, to, 100));
      for (let i = 0; i < RING; i++)
        at(node, calm + (40 + i) * SECOND, () => {
          send(from, to, 1000);
          last.push(key(tagged(from, to, count - 1, 5)));
        });
    }
  wire.run();
  const seen = new Set<string>();
  for (const [index, { received }] of nodes.entries())
    for (const { packet } of received) {
      const name = key(packet.data);
      expect(seen.has(name)).toBe(false);
      seen.add(name);
      expect(packet.data[2]).toBe(index);
      expect(Buffer.compare(packet.data, sent.get(name) as Uint8Array)).toBe(0);
    }
  expect(last.filter((name) => !seen.has(name))).toEqual([]);
  for (const node of nodes) at(node, wire.loop.nowPs, () => node.device.close());
  wire.run();
  for (const { context } of nodes) expect(context.counts).toEqual({ pd: 0, cq: 0, qp: 0, srq: 0, mr: 0, ah: 0 });
}

it('devices survive loss, each other, and themselves', () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.nat(1_000_000),
        lossPercent: fc.constantFrom(0, 2, 20, 60),
        connected: fc.array(fc.boolean(), { minLength: HOSTS, maxLength: HOSTS }),
        operations: fc.integer({ min: 5, max: 80 }),
      }),
      run,
    ),
    { numRuns: 20, seed: 7 },
  );
});
