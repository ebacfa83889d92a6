/** IPoIB's connected mode: connections by the connection manager, what goes by them and what does not, ends and new beginnings. */
import { describe, expect, it } from 'vitest';
import { SLOT_BYTES, W_DEST_QP, W_SLOT } from '../../src/fabric/index.ts';
import {
  CM_DREP,
  CM_DREQ,
  CM_REJ,
  CM_REP,
  CM_REQ,
  CM_RTU,
  type CmRepRepr,
  type CmReqRepr,
  parseCmMad,
} from '../../src/wire/index.ts';
import type { TestWire } from '../hca/wire.ts';
import { at, ipoibNet, type Node, numbered, packetTo, US } from './ipoib-kit.ts';

const START = 1000 * US;
const MS = 1000 * US;
const SECOND = 1000 * MS;
const numbers = (node: Node) => node.received.map(({ packet }) => packet.data[1]);
const NAMES: Record<number, string> = {
  [CM_REQ]: 'REQ',
  [CM_REP]: 'REP',
  [CM_RTU]: 'RTU',
  [CM_REJ]: 'REJ',
  [CM_DREQ]: 'DREQ',
  [CM_DREP]: 'DREP',
};

interface Seen {
  readonly from: number;
  readonly name: string;
  readonly fields: unknown;
}

/** Notes CM datagrams; `mayPass` says of each packet whether it gets through. */
function watch(wire: TestWire, mayPass: (isCm: boolean, from: number) => boolean = () => true): Seen[] {
  const seen: Seen[] = [];
  wire.filter = ({ words, at: word, from }) => {
    const isCm = ((words[word + W_DEST_QP] as number) & 0xffffff) === 1;
    if (isCm) {
      const slot = (words[word + W_SLOT] as number) - 1;
      const mad = parseCmMad(wire.pool.bytes.slice(slot * SLOT_BYTES, slot * SLOT_BYTES + 256));
      if (typeof mad === 'string') throw new Error(mad);
      seen.push({ from, name: NAMES[mad.message.attribute] ?? '?', fields: mad.message.fields });
    }
    return mayPass(isCm, from);
  };
  return seen;
}

const names = (seen: readonly Seen[]) => seen.map(({ from, name }) => `${from}:${name}`);

function connected(more: Parameters<typeof ipoibNet>[0] = {}) {
  const net = ipoibNet({ device: { mode: 'connected' }, ...more });
  const [a, b] = net.nodes as [Node, Node];
  const send = (from: Node, to: Node, n: number, length = 100) =>
    from.device.transmit(packetTo(from.device, to.device.address, numbered(n, length)));
  return { ...net, a, b, send };
}

describe('a connected device', () => {
  it('says so in its address, and takes packets of 65,520 bytes', () => {
    const { a } = connected();
    expect(a.device.address[0]).toBe(0x80);
    expect(a.device.mtu).toBe(65_520);
    expect(a.device.features).toEqual({ checksum: false, gso: false });
  });

  it('asks for a connection one way, with the service and private data of RFC 4755', () => {
    const { wire, a, b, send } = connected();
    const seen = watch(wire);
    at(a, START, () => {
      for (let i = 0; i < 3; i++) send(a, b, i);
    });
    wire.run();
    expect(names(seen)).toEqual(['0:REQ', '1:REP', '0:RTU']);
    expect(numbers(b)).toEqual([0, 1, 2]);
    const req = seen[0]?.fields as CmReqRepr;
    const rep = seen[1]?.fields as CmRepRepr;
    const [, ...qpnBytes] = [...b.device.address.subarray(0, 4)];
    expect(req.serviceId.toString(16)).toBe(`1000000000${Buffer.from(qpnBytes).toString('hex')}`);
    // Own queue pair of datagrams, and 65,524 bytes, in network order.
    const own = (node: Node) => `00${Buffer.from(node.device.address.subarray(1, 4)).toString('hex')}0000fff4`;
    expect(Buffer.from(req.privateData.subarray(0, 8)).toString('hex')).toBe(own(a));
    expect(Buffer.from(rep.privateData.subarray(0, 8)).toString('hex')).toBe(own(b));
    expect(req).toMatchObject({ srq: true, retryCount: 0, rnrRetryCount: 0, endToEndFlowControl: false });
    expect(rep.srq).toBe(true);
    expect(a.device.counters).toMatchObject({ connectionsMade: 1, txPackets: 3, pathQueries: 1 });
    expect([a.device.receiveConnections, b.device.receiveConnections]).toEqual([0, 1]);
    // The sender's whole address is known from the connection.
    expect(b.received[0]?.packet.source).toEqual(a.device.address);
  });

  it('moves the largest packet whole', () => {
    const { wire, a, b, send } = connected();
    at(a, START, () => void send(a, b, 1, 65_520));
    at(a, START + MS, () => void send(a, b, 2, 1));
    wire.run();
    expect(b.received.map(({ packet }) => packet.data)).toEqual([numbered(1, 65_520), numbered(2, 1)]);
  });

  it('both ask at once: two connections, one for each way', () => {
    const { wire, a, b, send } = connected();
    const seen = watch(wire);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      at(from, START, () => {
        for (let i = 0; i < 3; i++) send(from, to, i);
      });
    wire.run();
    expect(names(seen).sort()).toEqual(['0:REP', '0:REQ', '0:RTU', '1:REP', '1:REQ', '1:RTU']);
    expect([numbers(a), numbers(b)]).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    expect([a.device.receiveConnections, b.device.receiveConnections]).toEqual([1, 1]);
  });

  it('groups and ARP go by datagrams, and keep to their MTU', () => {
    const { wire, a, b } = connected({ hosts: 3 });
    const seen = watch(wire);
    const { device } = a;
    at(a, START, () => {
      device.transmit(packetTo(device, b.device.address, numbered(1, 56), { protocol: 0x0806 }));
      device.transmit(packetTo(device, device.broadcastAddress, numbered(2, 56), { protocol: 0x0806 }));
      device.transmit(packetTo(device, device.broadcastAddress, numbered(3, 2045)));
    });
    wire.run();
    // Its address asks for a connection all the same, as in Linux; what had to wait did not wait for that.
    expect(names(seen)).toEqual(['0:REQ', '1:REP', '0:RTU']);
    expect(numbers(b).sort()).toEqual([1, 2]);
    expect(device.counters.txDropped).toBe(1);
  });

  it('talks datagrams with a neighbour in datagram mode, whose MTU holds', () => {
    const { wire, a, b, send } = connected({ devices: [{ mode: 'connected' }, {}] });
    const seen = watch(wire);
    const tooLong: number[] = [];
    a.device.onTooLong = (_packet, mtu) => tooLong.push(mtu);
    at(a, START, () => {
      send(a, b, 1);
      send(a, b, 2, 4000);
    });
    at(b, START, () => void send(b, a, 3));
    wire.run();
    expect([seen, numbers(a), numbers(b), tooLong]).toEqual([[], [3], [1], [2044]]);
  });

  it('a full ring says no and comes back, over a connection too', () => {
    const { wire, a, b, send } = connected({ device: { mode: 'connected', sendRing: 4 } });
    let sent = 0;
    const pump = () => {
      while (sent < 40 && send(a, b, sent, 20_000)) sent++;
    };
    a.device.onWritable = pump;
    at(a, START, () => void send(a, b, 99));
    at(a, START + MS, pump);
    wire.run();
    expect(numbers(b)).toEqual([99, ...Array.from({ length: 40 }, (_, i) => i)]);
  });
});

it('what waited for a connection goes as far as the ring has room', () => {
  const { wire, a, b, send } = connected({ device: { mode: 'connected', sendRing: 2 } });
  at(a, START, () => {
    for (let i = 0; i < 3; i++) expect(send(a, b, i)).toBe(true);
  });
  at(a, START + MS, () => void send(a, b, 3));
  wire.run();
  expect(numbers(b)).toEqual([0, 1, 3]);
  expect(a.device.counters).toMatchObject({ txPackets: 3, txDropped: 1 });
});

describe('the end of a connection', () => {
  it('a device that closes tells its peers, and a new one is connected to anew', () => {
    const { wire, a, b, send } = connected();
    const seen = watch(wire);
    at(a, START, () => void send(a, b, 1));
    at(b, START + MS, () => void send(b, a, 2));
    at(b, START + 10 * MS, () => {
      b.device.close();
      expect(b.context.counts).toEqual({ pd: 0, cq: 0, qp: 0, srq: 0, mr: 0, ah: 0 });
    });
    wire.run(START + 500 * MS);
    expect(names(seen).slice(6).sort()).toEqual(['0:DREP', '0:DREP', '1:DREQ', '1:DREQ']);
    expect([a.device.neighbours, a.device.receiveConnections]).toEqual([0, 0]);
    expect(a.device.counters.connectionsLost).toBe(1);
    seen.length = 0;
    at(b, START + 600 * MS, () => b.cpu.exec(0, 'boot', () => undefined));
    wire.run();
    expect(a.context.counts).toMatchObject({ qp: 1, ah: 1 });
  });

  it('a peer that falls silent: the send fails, the next packet connects again', () => {
    const { wire, a, b, send } = connected();
    let isCut = false;
    const seen = watch(wire, () => !isCut);
    at(a, START, () => void send(a, b, 1));
    at(a, START + MS, () => {
      isCut = true;
      send(a, b, 2);
    });
    at(a, START + 2 * SECOND, () => {
      isCut = false;
      expect(a.device.neighbours).toBe(0);
      expect(a.device.counters).toMatchObject({ connectionsLost: 1, txErrors: 1 });
      send(a, b, 3);
    });
    wire.run();
    expect(numbers(b)).toEqual([1, 3]);
    expect(names(seen).filter((name) => name === '0:REQ').length).toBe(2);
    expect(a.device.counters.connectionsMade).toBe(2);
    expect(a.context.counts.qp).toBe(2);
  });

  it('a peer without the service refuses; what waits is dropped and the next packet tries again', () => {
    const { wire, a, b, send } = connected({ devices: [{ mode: 'connected' }, {}] });
    const seen = watch(wire);
    // An address that promises what its device does not do; another program of that host has brought its connection manager up.
    const address = b.device.address.slice();
    address[0] = 0x80;
    const { device } = a;
    let accepted: boolean | null = null;
    at(b, START, () => void send(b, a, 5));
    at(a, START, () => {
      accepted = device.transmit(packetTo(device, address, numbered(1)));
    });
    wire.run(START + 100 * SECOND);
    expect(accepted).toBe(true);
    expect(names(seen).every((name) => name === '0:REQ' || name === '1:REJ')).toBe(true);
    expect(device.counters.connectionsMade).toBe(0);
    expect(numbers(b)).toEqual([]);
  });

  it('closing while a connection is being made leaves nothing behind', () => {
    for (const delay of [0, 5, 25, 30, 35, 40, 50, 60, 80, 100]) {
      const { wire, a, b, send } = connected();
      at(a, START, () => void send(a, b, 1));
      at(a, START + delay * US, () => a.device.close());
      wire.run();
      expect(a.context.counts).toEqual({ pd: 0, cq: 0, qp: 0, srq: 0, mr: 0, ah: 0 });
      expect(b.device.receiveConnections).toBe(0);
      expect(b.context.counts.qp).toBe(1);
    }
  });

  it('and the same with the side that is asked', () => {
    for (const delay of [0, 25, 30, 35, 40, 50, 60, 80, 100]) {
      const { wire, a, b, send } = connected();
      at(a, START, () => void send(a, b, 1));
      at(b, START + delay * US, () => b.device.close());
      wire.run(START + 100 * SECOND);
      expect(b.context.counts).toEqual({ pd: 0, cq: 0, qp: 0, srq: 0, mr: 0, ah: 0 });
      expect(a.device.neighbours).toBe(0);
      expect(a.context.counts).toMatchObject({ qp: 1, ah: 1 });
    }
  });
});
