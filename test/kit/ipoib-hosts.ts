/**
 * Every rank's host has an IPoIB device; no protocol stack, packets are made here by hand. Rank 0 asks by broadcast ARP for rank 1, which answers; rank 0 sends it echo requests, which
 * rank 1 answers; and rank 0 sends to a multicast group, of which ranks of even number are members. Arguments: the address book as JSON, mode, echo requests, bytes of each.
 * The result is what the device received, and its counters.
 */
import { program } from 'heddle';
import { subnetAccessOf } from '../../src/cluster/subnet-access.ts';
import { writeArp } from '../../src/net/arp.ts';
import { internetChecksum, writeU16, writeU32 } from '../../src/net/bytes.ts';
import { IpoibDevice, type IpoibMode } from '../../src/net/ipoib/index.ts';
import { BareKernelCpu } from '../../src/sim/kernel-cpu.ts';
import { openKernelContext } from '../../src/verbs/kernel-context.ts';
import { readDirectory } from './directory-argument.ts';

const NETWORK = 0x0a000000;
const GROUP = 0xef010203;
const ARP = 0x0806;
const IPV4 = 0x0800;

export interface Talked {
  /** `arp`, `echo request 100`, `echo reply 100`, `group 100` in order. */
  readonly heard: readonly string[];
  readonly address: string;
  readonly broadcastAddress: string;
  readonly counters: Readonly<Record<string, number>>;
  /** Round-trip times of echoes in ps. */
  readonly echoPs: readonly number[];
}

function ipv4(from: number, to: number, protocol: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(20 + payload.length);
  packet.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol]);
  writeU16(packet, 2, packet.length);
  writeU32(packet, 12, from);
  writeU32(packet, 16, to);
  writeU16(packet, 10, internetChecksum(packet, 0, 20));
  packet.set(payload, 20);
  return packet;
}

function echo(type: number, sequence: number, length: number): Uint8Array {
  const message = new Uint8Array(8 + length);
  message[0] = type;
  writeU16(message, 4, 77);
  writeU16(message, 6, sequence);
  message.fill(0x41, 8);
  writeU16(message, 2, internetChecksum(message, 0, message.length));
  return message;
}

function datagram(length: number): Uint8Array {
  const message = new Uint8Array(8 + length).fill(0x61);
  writeU16(message, 0, 5000);
  writeU16(message, 2, 5001);
  writeU16(message, 4, message.length);
  writeU16(message, 6, 0);
  return message;
}

export default program(async ({ ctx, rank, size, sim, args, peers }): Promise<Talked> => {
  const [directory, mode = 'datagram', echoes = '3', bytes = '56'] = args as [string, ...string[]];
  const subnet = subnetAccessOf(readDirectory(directory));
  const { hca } = ctx;
  const cpu = new BareKernelCpu(hca.loop, hca.entity, { interruptPs: 2_000_000, timerPs: 500_000 });
  const context = openKernelContext(hca as never, cpu);
  const heard: string[] = [];
  const echoPs: number[] = [];
  const own = NETWORK + rank + 1;
  let device!: IpoibDevice;
  let sent = 0;
  let sentPs = 0;
  const transmit = (destination: Uint8Array, protocol: number, data: Uint8Array) =>
    device.transmit({
      destination,
      source: device.address,
      protocol,
      data,
      gso: null,
      checksumBlank: false,
      checksumVerified: true,
    });
  const askEcho = (link: Uint8Array) => {
    if (sent === Number(echoes)) {
      transmit(device.multicastAddress(GROUP), IPV4, ipv4(own, GROUP, 17, datagram(100)));
      return;
    }
    sentPs = cpu.nowPs;
    transmit(link, IPV4, ipv4(own, NETWORK + 2, 1, echo(8, sent++, Number(bytes))));
  };
  const links = new Map<number, Uint8Array>();
  const answerArp = (data: Uint8Array) => {
    heard.push('arp');
    const sender = data.slice(8, 28);
    const view = new DataView(data.buffer, data.byteOffset);
    links.set(view.getUint32(28), sender);
    if (view.getUint32(52) !== own) return;
    if (view.getUint16(6) === 2) {
      askEcho(sender);
      return;
    }
    const reply = {
      hardware: 32,
      operation: 2,
      senderLink: device.address,
      senderIp: own,
      targetLink: sender,
      targetIp: view.getUint32(28),
    };
    transmit(sender, ARP, writeArp(reply));
  };
  const onIpv4 = (data: Uint8Array) => {
    const from = new DataView(data.buffer, data.byteOffset).getUint32(12);
    const what = data[9] === 17 ? 'group' : data[20] === 8 ? 'echo request' : 'echo reply';
    heard.push(`${what} ${data.length}`);
    const link = links.get(from) as Uint8Array;
    if (what === 'echo request')
      transmit(
        link,
        IPV4,
        ipv4(own, from, 1, echo(0, new DataView(data.buffer, data.byteOffset).getUint16(26), data.length - 28)),
      );
    if (what !== 'echo reply') return;
    echoPs.push(cpu.nowPs - sentPs);
    askEcho(link);
  };
  cpu.exec(0, 'boot', () => {
    device = new IpoibDevice({ name: 'ib0', context: context as never, cpu, subnet, mode: mode as IpoibMode, receiveRing: 32 });
    device.onReceive = ({ protocol, data }) => (protocol === ARP ? answerArp(data) : onIpv4(data));
    device.onCarrier = () => {
      if (rank % 2 === 0) device.setMulticast(GROUP, true);
    };
    device.open();
  });
  await sim.sleep(1_000_000);
  await peers.barrier();
  if (rank === 0)
    cpu.exec(0, 'ask', () => {
      const targetLink = new Uint8Array(20);
      const ask = { hardware: 32, operation: 1, senderLink: device.address, senderIp: own, targetLink, targetIp: NETWORK + 2 };
      transmit(device.broadcastAddress, ARP, writeArp(ask));
    });
  await sim.sleep(3_000_000);
  const hex = (address: Uint8Array) => Buffer.from(address).toString('hex');
  if (device.isUp !== true || size < 2) throw new Error('the device did not come up');
  return {
    heard,
    address: hex(device.address),
    broadcastAddress: hex(device.broadcastAddress),
    counters: { ...device.counters },
    echoPs,
  };
});
