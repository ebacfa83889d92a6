/** IPoIB devices on the hosts of the adapter tests' wire, with a subnet that answers after a while, and what came in by host. */
import { type EventLoop, BareKernelCpu } from '../../src/sim/index.ts';
import { type IpoibOptions, IpoibDevice, type LinkPacket, mgidPkey, type SubnetAccess } from '../../src/net/index.ts';
import { type Context, gidGuid, openKernelContext, type PathRecord } from '../../src/verbs/index.ts';
import { TestWire, type WireOptions } from '../hca/wire.ts';

export const US = 1_000_000;
export const QKEY = 0x0b1b;

export interface Received {
  readonly atPs: number;
  readonly packet: LinkPacket;
}

export interface Node {
  readonly cpu: BareKernelCpu;
  readonly context: Context;
  device: IpoibDevice;
  readonly received: Received[];
  readonly subnet: TestSubnet;
}

/** Answers as a subnet administrator would; `paths` may say no, `latencyPs` later. */
export class TestSubnet implements SubnetAccess {
  latencyPs = 20 * US;
  /** GUIDs that no path leads to. */
  readonly lost = new Set<bigint>();
  readonly asked: string[] = [];
  groupMtu = 4;
  refusesGroups = false;
  readonly #wire: TestWire;

  constructor(wire: TestWire) {
    this.#wire = wire;
  }

  queryPath(
    sgid: Uint8Array,
    dgid: Uint8Array,
    pkey: number,
    atPs: number,
    reply: (path: PathRecord | null, atPs: number) => void,
  ) {
    this.asked.push('path');
    const lid = (gid: Uint8Array) =>
      this.#wire.lid(this.#wire.hosts.findIndex(({ hca }) => hca.config.ports[0]?.portGuid === gidGuid(gid)));
    const common = { sgid, dgid, sl: 0, pkey, mtu: 4, rate: 0, packetLifeTime: 1 } as const;
    reply(this.lost.has(gidGuid(dgid)) ? null : { ...common, slid: lid(sgid), dlid: lid(dgid) }, atPs + this.latencyPs);
  }

  join(
    mgid: Uint8Array,
    _portGid: Uint8Array,
    sendOnly: boolean,
    atPs: number,
    reply: (group: never, atPs: number) => void,
  ): void {
    this.asked.push(sendOnly ? 'send-only' : 'join');
    const mlid = 0xc000 + ((mgid[15] as number) & 15);
    const group = { mgid, mlid, qkey: QKEY, mtu: this.groupMtu, rate: 0, sl: 0, pkey: mgidPkey(mgid) ?? 0xffff };
    reply((this.refusesGroups ? null : group) as never, atPs + this.latencyPs);
  }

  leave(): void {
    this.asked.push('leave');
  }
}

export interface NetOptions extends WireOptions {
  readonly device?: Partial<IpoibOptions>;
  /** Instead of the options for all. */
  readonly devices?: readonly Partial<IpoibOptions>[];
  readonly interruptPs?: number;
  /** Code of the groups' MTU, default 4 (2048). */
  readonly groupMtu?: number;
}

/** Hosts whose devices are up at 1 ms. */
export function ipoibNet(options: NetOptions = {}): { wire: TestWire; loop: EventLoop; nodes: Node[] } {
  const wire = new TestWire(options);
  const nodes = wire.hosts.map(({ hca }, i): Node => {
    const cpu = new BareKernelCpu(wire.loop, i, { interruptPs: options.interruptPs ?? 2 * US, timerPs: 500_000 });
    const context = openKernelContext(hca, cpu);
    const node = { cpu, context, received: [], subnet: new TestSubnet(wire), device: null as never };
    node.subnet.groupMtu = options.groupMtu ?? 4;
    cpu.exec(0, 'boot', () => addDevice(node, options.devices?.[i] ?? options.device ?? {}));
    return node;
  });
  wire.run(1000 * US);
  return { wire, loop: wire.loop, nodes };
}

/** A device on a node, opened; within an item. Collects what it receives. */
export function addDevice(node: Node, options: Partial<IpoibOptions>): void {
  const { cpu, context, subnet, received } = node;
  node.device = new IpoibDevice({ name: 'ib0', context, cpu, subnet, ...options });
  node.device.onReceive = (packet) => received.push({ atPs: cpu.nowPs, packet });
  node.device.open();
}

/** A packet from one device for a link address. */
export function packetTo(
  from: IpoibDevice,
  destination: Uint8Array,
  data: Uint8Array,
  more: Partial<LinkPacket> = {},
): LinkPacket {
  return {
    destination,
    source: from.address,
    protocol: 0x0800,
    data,
    gso: null,
    checksumBlank: false,
    checksumVerified: false,
    ...more,
  };
}

/** Bytes that say which packet it is. */
export function numbered(n: number, length = 100): Uint8Array {
  const data = new Uint8Array(length);
  for (let i = 0; i < length; i++) data[i] = (n * 7 + i * 13) & 0xff;
  data[0] = 0x60;
  data[1] = n;
  return data;
}

/** Runs `work` in an item of a node at a time. */
export function at(node: Node, ps: number, work: () => void): void {
  node.cpu.setTimer(ps, work);
}
