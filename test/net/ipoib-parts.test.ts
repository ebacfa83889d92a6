/** Parts of an IPoIB device alone: rings of buffers, the connection's messages, the table of neighbours. */
import { describe, expect, it } from 'vitest';
import { linkAddress, mgidPkey, broadcastMgid, multicastMgid } from '../../src/net/index.ts';
import { connectionData, readConnectionData, serviceId } from '../../src/net/ipoib/connection-messages.ts';
import { ReceiveRing } from '../../src/net/ipoib/receive-ring.ts';
import { TransmitRing } from '../../src/net/ipoib/transmit-ring.ts';
import { at, ipoibNet, type Node, numbered, packetTo, US } from './ipoib-kit.ts';

const START = 1000 * US;

describe('rings', () => {
  it('receive buffers are pages that follow each other, slot after slot', () => {
    const { wire, nodes } = ipoibNet({ hosts: 1 });
    const [node] = nodes as [Node];
    let checked = 0;
    at(node, START, () => {
      const pd = node.context.allocPd();
      const ring = new ReceiveRing(pd, 3, 65_536, 100, 16);
      const pieces = ring.requests.flatMap((request) => request.sge ?? []);
      expect(pieces.map(({ length }) => length)).toEqual(Array.from({ length: 48 }, () => 4096));
      const first = pieces[0] as { addr: number };
      expect(pieces.map(({ addr }) => addr - first.addr)).toEqual(pieces.map((_, i) => i * 4096));
      expect(ring.requests.map(({ wrId }) => wrId)).toEqual([100, 101, 102]);
      expect(ring.bytes.length).toBe(3 * 65_536);
      // Fewer pieces are larger ones, of whole pages; the last is what is left.
      const coarse = new ReceiveRing(pd, 1, 65_536, 0, 3);
      expect(coarse.request(0).sge?.map(({ length }) => length)).toEqual([24_576, 24_576, 16_384]);
      checked++;
    });
    wire.run();
    expect(checked).toBe(1);
  });

  it('a transmit slot holds header and packet, and comes back when its send is reaped', () => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    let ring!: TransmitRing;
    at(a, START, () => {
      const { context } = a;
      const pd = context.allocPd();
      const cq = context.createCq({ cqe: 4 });
      ring = new TransmitRing(pd, cq, 4, 100);
      const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq });
      qp.activate({ qkey: 5 });
      const slots = [0, 1, 2].map((n) => ring.fill(packetTo(a.device, b.device.address, numbered(n, 90 + n))));
      expect(ring.free).toBe(1);
      expect(slots.map((slot) => ring.packetIn(slot))).toEqual([0, 1, 2].map((n) => numbered(n, 90 + n)));
      const ah = pd.createAh({ dlid: wire.lid(1) });
      for (const slot of slots) qp.postSend(ring.address(slot, ah, 9, 5));
      expect(ring.reap()).toBe(0);
    });
    at(a, START + 100 * US, () => {
      expect(ring.reap(2)).toBe(2);
      expect([ring.free, ring.reap(), ring.free, ring.errors]).toEqual([3, 1, 4, 0]);
    });
    wire.run();
    expect(ring.free).toBe(4);
  });
});

describe('messages of a connection', () => {
  it('name queue pair and size', () => {
    expect(serviceId(0x123456).toString(16)).toBe('1000000000123456');
    expect([...connectionData(0x123456)]).toEqual([0, 0x12, 0x34, 0x56, 0, 0, 0xff, 0xf4]);
    expect(readConnectionData(Uint8Array.from([0x80, 0, 1, 2, 0, 0, 8, 0, 99]))).toEqual({ qpn: 0x102, receiveBytes: 2048 });
  });
});

describe('multicast GIDs', () => {
  it('tell their partition', () => {
    expect(mgidPkey(broadcastMgid(0x1234))).toBe(0x9234);
    expect(mgidPkey(multicastMgid(0xffff, 0xe0000001))).toBe(0xffff);
    // IPv6's, and one of nobody's.
    expect(mgidPkey(Uint8Array.from([0xff, 0x12, 0x60, 0x1b, 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]))).toBe(0x8001);
    expect(mgidPkey(Uint8Array.from([0xff, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]))).toBeUndefined();
  });
});

describe('the table of neighbours', () => {
  it('is bounded; the one unused for longest goes', () => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    const gid = b.device.address.subarray(4);
    const send = (qpn: number) => a.device.transmit(packetTo(a.device, linkAddress(0, qpn, gid), numbered(1)));
    const queries = () => a.device.counters.pathQueries;
    for (let qpn = 100; qpn < 1124; qpn++) at(a, START + qpn * 10 * US, () => void send(qpn));
    at(a, START + 20_000 * US, () => {
      expect([a.device.neighbours, queries()]).toEqual([1024, 1024]);
      send(100);
      send(2000);
      expect([a.device.neighbours, queries()]).toEqual([1024, 1025]);
      send(100);
      expect(queries()).toBe(1025);
      send(101);
      expect(queries()).toBe(1026);
    });
    wire.run();
    expect(queries()).toBe(1026);
  });

  it('is emptied by an event that may change paths', () => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    const send = () => a.device.transmit(packetTo(a.device, b.device.address, numbered(1)));
    at(a, START, () => void send());
    at(a, START + 100 * US, () => {
      a.device.flush();
      expect(a.device.neighbours).toBe(0);
      send();
    });
    wire.run();
    expect([a.device.counters.pathQueries, b.received.length]).toEqual([2, 2]);
  });

  it('tells two addresses apart that agree in all that its hash looks at', () => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    const twin = b.device.address.slice();
    twin[4] = 0xfd;
    at(a, START, () => {
      a.device.transmit(packetTo(a.device, b.device.address, numbered(1)));
      a.device.transmit(packetTo(a.device, twin, numbered(2)));
      expect(a.device.neighbours).toBe(2);
    });
    wire.run();
    expect(a.device.counters.pathQueries).toBe(2);
  });
});
