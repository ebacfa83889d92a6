/** IPoIB's datagram mode between adapters: unicast, groups, paths, limits, partitions. */
import { describe, expect, it } from 'vitest';
import { W_DEST_QP, W_LIDS, W_SLOT, W_X0, SLOT_BYTES } from '../../src/fabric/index.ts';
import { IpoibDevice } from '../../src/net/index.ts';
import { VerbsError } from '../../src/verbs/index.ts';
import { addDevice, at, ipoibNet, type Node, numbered, packetTo, QKEY, US } from './ipoib-kit.ts';

const START = 1000 * US;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const numbers = (node: Node) => node.received.map(({ packet }) => packet.data[1]);

describe('a datagram device', () => {
  it('has the addresses of RFC 4391 and the MTU of its link', () => {
    const { nodes } = ipoibNet();
    const { device } = nodes[0] as Node;
    expect(device.isUp).toBe(true);
    expect(device.mtu).toBe(2044);
    // Flags 0, the queue pair, fe80::1:0000.
    expect(hex(device.address)).toMatch(/^00[0-9a-f]{6}fe800000000000000000000000010000$/);
    expect(hex(device.broadcastAddress)).toBe('00ffffffff12401bffff000000000000ffffffff');
    // 224.0.0.251 and 239.255.255.250 keep 28 bits.
    expect(hex(device.multicastAddress(0xe00000fb))).toBe('00ffffffff12401bffff000000000000000000fb');
    expect(hex(device.multicastAddress(0xeffffffa))).toBe('00ffffffff12401bffff0000000000000ffffffa');
    expect(hex(device.multicastAddress(0x0aff00ff))).toBe(hex(device.broadcastAddress));
    expect(device.features).toEqual({ checksum: true, gso: true });
  });

  it('has the MTU of the broadcast group, of the link, or its own limit, whichever is least', () => {
    expect(ipoibNet({ mtuBytes: 4096 }).nodes[0]?.device.mtu).toBe(2044);
    expect(ipoibNet({ mtuBytes: 4096, groupMtu: 5 }).nodes[0]?.device.mtu).toBe(4092);
    expect(ipoibNet({ mtuBytes: 1024, groupMtu: 5 }).nodes[0]?.device.mtu).toBe(1020);
    expect(ipoibNet({ mtuBytes: 4096, groupMtu: 5, device: { mtu: 1500 } }).nodes[0]?.device.mtu).toBe(1500);
  });

  it('sends a packet as header and data to the neighbour alone, after asking once for its path', () => {
    const { wire, nodes } = ipoibNet({ hosts: 3 });
    const [a, b, c] = nodes as [Node, Node, Node];
    const seen: { bytes: string; lid: number; qpn: number; qkey: number }[] = [];
    wire.filter = ({ words, at: word }) => {
      const slot = (words[word + W_SLOT] as number) - 1;
      seen.push({
        bytes: hex(wire.pool.bytes.slice(slot * SLOT_BYTES, slot * SLOT_BYTES + 104)),
        lid: (words[word + W_LIDS] as number) & 0xffff,
        qpn: (words[word + W_DEST_QP] as number) & 0xffffff,
        qkey: words[word + W_X0] as number,
      });
      return true;
    };
    at(a, START, () => {
      for (let i = 0; i < 3; i++) expect(a.device.transmit(packetTo(a.device, b.device.address, numbered(i)))).toBe(true);
    });
    wire.run();
    expect(numbers(b)).toEqual([0, 1, 2]);
    expect(c.received).toEqual([]);
    expect(a.subnet.asked.filter((what) => what === 'path')).toEqual(['path']);
    // EtherType 0800, reserved zero, the packet.
    expect(seen[1]).toEqual({ bytes: `08000000${hex(numbered(1))}`, lid: wire.lid(1), qpn: qpnOf(b.device), qkey: QKEY });
    const { packet } = b.received[0] as { packet: { source: Uint8Array; destination: Uint8Array; protocol: number } };
    expect(packet.protocol).toBe(0x0800);
    expect(hex(packet.source)).toBe(`${hex(a.device.address).slice(0, 8)}${'0'.repeat(32)}`);
    expect(packet.destination).toBe(b.device.address);
  });

  it('holds three packets for a path that is not known yet', () => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    at(a, START, () => {
      for (let i = 0; i < 5; i++) a.device.transmit(packetTo(a.device, b.device.address, numbered(i)));
    });
    at(a, START + 100 * US, () => void a.device.transmit(packetTo(a.device, b.device.address, numbered(9))));
    wire.run();
    expect(numbers(b)).toEqual([0, 1, 2, 9]);
    expect(a.device.counters.txDropped).toBe(2);
    expect((b.received[0] as { atPs: number }).atPs).toBeGreaterThan(START + a.subnet.latencyPs);
  });

  it('forgets a neighbour without a path, and asks again for the next packet', () => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    a.subnet.lost.add(0x10010n);
    at(a, START, () => void a.device.transmit(packetTo(a.device, b.device.address, numbered(1))));
    at(a, START + 200 * US, () => {
      expect(a.device.neighbours).toBe(0);
      a.subnet.lost.clear();
      a.device.transmit(packetTo(a.device, b.device.address, numbered(2)));
    });
    wire.run();
    expect(numbers(b)).toEqual([2]);
    expect(a.device.counters).toMatchObject({ txDropped: 1, pathQueries: 2, txPackets: 1 });
  });

  it('broadcasts to every other host, and to no own stack', () => {
    const { wire, nodes } = ipoibNet({ hosts: 4 });
    const [a, ...others] = nodes as [Node, ...Node[]];
    at(a, START, () => {
      const { device } = a;
      device.transmit(packetTo(device, device.broadcastAddress, numbered(3), { protocol: 0x0806 }));
    });
    wire.run();
    for (const node of others) {
      expect(numbers(node)).toEqual([3]);
      const { packet } = node.received[0] as { packet: { source: Uint8Array; destination: Uint8Array } };
      // With a GRH the sender's whole address is known.
      expect(hex(packet.source)).toBe(hex(a.device.address));
      expect(packet.destination).toBe(node.device.broadcastAddress);
    }
    expect(a.received).toEqual([]);
  });

  it('delivers a multicast group to its members; senders join by themselves', () => {
    const { wire, nodes } = ipoibNet({ hosts: 4 });
    const [a, b, c, d] = nodes as [Node, Node, Node, Node];
    const group = 0xe0000105;
    at(b, START, () => b.device.setMulticast(group, true));
    at(c, START, () => c.device.setMulticast(group, true));
    const send = (n: number) => a.device.transmit(packetTo(a.device, a.device.multicastAddress(group), numbered(n)));
    at(a, START + 100 * US, () => void send(1));
    at(c, START + 200 * US, () => c.device.setMulticast(group, false));
    at(a, START + 300 * US, () => void send(2));
    // A sender that becomes a member.
    at(a, START + 400 * US, () => a.device.setMulticast(group, true));
    at(b, START + 500 * US, () => void b.device.transmit(packetTo(b.device, b.device.multicastAddress(group), numbered(3))));
    wire.run();
    expect([numbers(a), numbers(b), numbers(c), numbers(d)]).toEqual([[3], [1, 2], [1], []]);
    expect(a.subnet.asked).toEqual(['join', 'send-only', 'join']);
    expect(hex((b.received[0] as never as { packet: { destination: Uint8Array } }).packet.destination)).toBe(
      hex(a.device.multicastAddress(group)),
    );
  });

  it('drops what is longer than its MTU, and says so', () => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    const tooLong: number[] = [];
    a.device.onTooLong = (_packet, mtu) => tooLong.push(mtu);
    at(a, START, () => {
      a.device.transmit(packetTo(a.device, b.device.address, numbered(1, 2044)));
      a.device.transmit(packetTo(a.device, b.device.address, numbered(2, 2045)));
      a.device.transmit(packetTo(a.device, a.device.broadcastAddress, numbered(3, 2045)));
    });
    wire.run();
    expect(b.received.map(({ packet }) => packet.data)).toEqual([numbered(1, 2044)]);
    expect(tooLong).toEqual([2044, 2044]);
    expect(a.device.counters.txDropped).toBe(2);
  });

  it('a full ring says no, then onWritable, and nothing is lost', () => {
    const { wire, nodes } = ipoibNet({ device: { sendRing: 8 } });
    const [a, b] = nodes as [Node, Node];
    let sent = 0;
    let refused = 0;
    const pump = () => {
      while (sent < 100) {
        if (!a.device.transmit(packetTo(a.device, b.device.address, numbered(sent, 1500)))) {
          refused++;
          return;
        }
        sent++;
      }
    };
    a.device.onWritable = pump;
    at(a, START, () => void a.device.transmit(packetTo(a.device, b.device.address, numbered(200))));
    at(a, START + 100 * US, pump);
    wire.run();
    expect(numbers(b)).toEqual([200, ...Array.from({ length: 100 }, (_, i) => i)]);
    expect(refused).toBeGreaterThan(1);
    expect(sent).toBe(100);
  });

  it('takes few interrupts for a burst', () => {
    const { wire, nodes } = ipoibNet({ interruptPs: 7 * US });
    const [a, b] = nodes as [Node, Node];
    at(a, START, () => void a.device.transmit(packetTo(a.device, b.device.address, numbered(255))));
    at(a, START + 100 * US, () => {
      for (let i = 0; i < 60; i++) a.device.transmit(packetTo(a.device, b.device.address, numbered(i, 60)));
    });
    wire.run();
    expect(b.received.length).toBe(61);
    // 61 interrupts would be 427 us.
    expect(b.cpu.usedPs.get('verbs')).toBeLessThan(300 * US);
  });

  it('is down without a broadcast group, and drops', () => {
    const { wire, nodes } = ipoibNet({ hosts: 1 });
    const [a] = nodes as [Node];
    a.subnet.refusesGroups = true;
    at(a, START, () => {
      addDevice(a, { name: 'ib0.8001', pkey: 0xffff });
      expect(a.device.transmit(packetTo(a.device, a.device.broadcastAddress, numbered(1)))).toBe(true);
    });
    wire.run();
    expect(a.device.isUp).toBe(false);
    expect(a.device.counters.txDropped).toBe(1);
  });

  it('gives everything back when it is closed', () => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    at(a, START, () => void a.device.transmit(packetTo(a.device, b.device.address, numbered(1))));
    at(b, START, () => b.device.setMulticast(0xe0000105, true));
    at(a, START + 100 * US, () => {
      a.device.transmit(packetTo(a.device, b.device.address, numbered(2)));
      a.device.close();
      expect(a.device.isUp).toBe(false);
      expect(a.context.counts).toEqual({ pd: 0, cq: 0, qp: 0, srq: 0, mr: 0, ah: 0 });
    });
    at(b, START + 200 * US, () => {
      b.device.close();
      expect(b.context.users).toBe(0);
    });
    wire.run();
    // What was with the adapter when its queue pair went is lost.
    expect(numbers(b)).toEqual([1]);
  });
});

describe('partitions', () => {
  it('a child interface is a link of its own', () => {
    const pkeys = [
      [0xffff, 0x8001],
      [0xffff, 0x8001],
      [0xffff, 0x8002],
    ];
    const { wire, nodes } = ipoibNet({ hosts: 3, pkeys });
    const [a, b, c] = nodes as [Node, Node, Node];
    const parents = nodes.map(({ device }) => device);
    expect(parents[0]?.childName(1)).toBe('ib0.8001');
    at(a, START, () => addDevice(a, { name: 'ib0.8001', pkey: 0x8001 }));
    at(b, START, () => addDevice(b, { name: 'ib0.8001', pkey: 0x0001 }));
    at(c, START, () => addDevice(c, { name: 'ib0.8002', pkey: 0x8002 }));
    at(a, START + 2000 * US, () => {
      expect(hex(a.device.broadcastAddress)).toBe('00ffffffff12401b8001000000000000ffffffff');
      a.device.transmit(packetTo(a.device, a.device.broadcastAddress, numbered(1)));
      a.device.transmit(packetTo(a.device, b.device.address, numbered(2)));
      // To a queue pair of another partition: the adapter there drops it.
      a.device.transmit(packetTo(a.device, c.device.address, numbered(3)));
      parents[0]?.transmit(packetTo(parents[0], parents[0].broadcastAddress, numbered(4)));
    });
    wire.run();
    expect(nodes.map(numbers).map((list) => list.sort())).toEqual([[], [1, 2, 4], [4]]);
    expect(c.context.hca.counters.pkeyViolations).toBeGreaterThan(0);
  });

  it('a limited member reaches full members only; a partition that the port has not is refused', () => {
    const { wire, nodes } = ipoibNet({
      hosts: 3,
      pkeys: [
        [0xffff, 0x0003],
        [0xffff, 0x8003],
        [0xffff, 0x0003],
      ],
    });
    const [a, b, c] = nodes as [Node, Node, Node];
    for (const node of nodes) at(node, START, () => addDevice(node, { name: 'ib0.8003', pkey: 0x8003 }));
    at(a, START + 2000 * US, () => {
      a.device.transmit(packetTo(a.device, b.device.address, numbered(1)));
      a.device.transmit(packetTo(a.device, c.device.address, numbered(2)));
      const { context, cpu, subnet } = a;
      expect(() => new IpoibDevice({ name: 'ib0.8009', context, cpu, subnet, pkey: 0x8009 })).toThrow(VerbsError);
    });
    wire.run();
    expect([numbers(b), numbers(c)]).toEqual([[1], []]);
  });
});

function qpnOf({ address }: IpoibDevice): number {
  return ((address[1] as number) << 16) | ((address[2] as number) << 8) | (address[3] as number);
}
