/**
 * What our stacks put on an Ethernet, read by tshark: no checksum or length that it complains of, no sequence number that it can not explain, and retransmissions
 * where packets were lost, and only there.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LinkPacket } from '../../src/net/index.ts';
import { type CapturedFrame, ethernetPcap } from '../kit/ethernet-capture.ts';
import { MS, pattern, readAll, SECOND, US, World, type WorldOptions } from '../net/world.ts';
import { tshark } from './tshark-tools.ts';

const VERIFY = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum'].flatMap((name) => ['-o', `${name}:TRUE`]);

/** One row a frame: the fields asked for. */
function dissect(frames: readonly CapturedFrame[], fields: readonly string[], filter = ''): string[][] {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-net-'));
  try {
    const path = join(folder, 'net.pcap');
    writeFileSync(path, ethernetPcap(frames));
    const args = ['-r', path, ...VERIFY, ...(filter === '' ? [] : ['-Y', filter]), '-T', 'fields', '-E', 'separator=|'];
    const text = tshark([...args, ...fields.flatMap((field) => ['-e', field])]);
    return text === ''
      ? []
      : text
          .replace(/\n$/, '')
          .split('\n')
          .map((row) => row.split('|'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What passes the first host's end of the wire, both ways, in the order of its own clock: lost packets are not seen there when they come from the other side. */
function recorder(delayPs: number) {
  const frames: CapturedFrame[] = [];
  const onPacket = (atPs: number, side: number, packet: LinkPacket, isLost: boolean) => {
    if (side === 0) frames.push({ atPs, packet });
    else if (!isLost) frames.push({ atPs: atPs + delayPs, packet });
  };
  return { onPacket, sorted: () => frames.toSorted((a, b) => a.atPs - b.atPs) };
}

async function stream(bytes: number, options: WorldOptions): Promise<World> {
  const world = new World(options);
  world.start(world.b, async ({ net }) => {
    const listener = await net.tcp.listen({ port: 5001 });
    const socket = await listener.accept();
    const data = await readAll(socket);
    await socket.send(data.subarray(0, 1000));
    await socket.close();
  });
  world.start(
    world.a,
    async ({ net }) => {
      const socket = await net.tcp.connect({ host: 'b', port: 5001 });
      await socket.send(pattern(bytes));
      await socket.shutdown();
      expect((await readAll(socket)).length).toBe(1000);
      await socket.close();
    },
    MS,
  );
  await world.run();
  await world.settle(world.loop.nowPs + SECOND);
  return world;
}

const COMPLAINTS =
  '_ws.malformed || _ws.expert.severity == error || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0';
const flagged = 'tcp.analysis.flags && !tcp.analysis.window_update';

describe('tshark', () => {
  it('has nothing to say of an undisturbed stream', async () => {
    const tap = recorder(100 * US);
    await stream(400_000, { delayPs: 100 * US, psPerByte: 8000, onPacket: tap.onPacket });
    const frames = tap.sorted();
    expect(dissect(frames, ['frame.number', 'frame.protocols'], COMPLAINTS)).toEqual([]);
    expect(dissect(frames, ['frame.number', '_ws.col.Info'], flagged)).toEqual([]);
    const good = dissect(frames, ['frame.number'], 'tcp.checksum.status == 1');
    expect(good.length).toBeGreaterThan(280);
    const [syn] = dissect(
      frames,
      ['tcp.options.mss_val', 'tcp.options.wscale.shift', 'tcp.options.sack_perm', 'tcp.len'],
      'tcp.flags.syn == 1 && tcp.flags.ack == 0',
    );
    expect(syn!.slice(0, 2)).toEqual(['1460', '7']);
    const [total] = dissect(frames, ['tcp.ack'], 'tcp.srcport == 5001 && tcp.flags.fin == 1');
    expect(total).toEqual(['400002']);
  });

  it('finds retransmissions where packets were lost, and only there', async () => {
    const tap = recorder(MS);
    let data = 0;
    const lost = new Set([40, 42, 90]);
    const fate = (_i: number, side: number, packet: LinkPacket) =>
      side === 0 && packet.data.length > 500 && lost.has(++data) ? [] : [0];
    await stream(400_000, { delayPs: MS, psPerByte: 8000, onPacket: tap.onPacket, fate });
    const frames = tap.sorted();
    expect(dissect(frames, ['frame.number'], COMPLAINTS)).toEqual([]);
    // Of two in one round trip, tshark calls the second out of order: it can not know better.
    const again = dissect(frames, ['tcp.seq', 'tcp.len'], 'tcp.analysis.retransmission || tcp.analysis.out_of_order');
    const sent = dissect(frames, ['tcp.seq', 'tcp.len'], 'tcp.srcport != 5001 && tcp.len > 0');
    expect(again).toEqual([39, 41, 89].map((n) => sent[n]));
    expect(dissect(frames, ['frame.number'], 'tcp.analysis.spurious_retransmission')).toEqual([]);
    expect(dissect(frames, ['frame.number'], 'tcp.options.sack_le').length).toBeGreaterThan(3);
    const explained = ['retransmission', 'out_of_order', 'duplicate_ack'].map((name) => ` && !tcp.analysis.${name}`).join('');
    expect(dissect(frames, ['_ws.col.Info'], `${flagged}${explained}`)).toEqual([]);
  });

  it('sees the window shut, asked after, and opened', async () => {
    const tap = recorder(MS);
    const world = new World({ delayPs: MS, onPacket: tap.onPacket });
    world.start(world.b, async ({ net, sleep }) => {
      const socket = await (await net.tcp.listen({ port: 5001, receiveBuffer: 20_000 })).accept();
      await sleep(2 * SECOND);
      await readAll(socket);
    });
    world.start(
      world.a,
      async ({ net }) => {
        const socket = await net.tcp.connect({ host: 'b', port: 5001, sendBuffer: 100_000 });
        await socket.send(pattern(60_000));
        await socket.close();
      },
      MS,
    );
    await world.run();
    await world.settle(world.loop.nowPs + SECOND);
    const frames = tap.sorted();
    expect(dissect(frames, ['frame.number'], COMPLAINTS)).toEqual([]);
    expect(dissect(frames, ['frame.number'], 'tcp.analysis.zero_window').length).toBeGreaterThan(0);
    expect(dissect(frames, ['frame.number'], 'tcp.analysis.keep_alive || tcp.analysis.zero_window_probe').length).toBeGreaterThan(
      1,
    );
    expect(dissect(frames, ['frame.number'], 'tcp.analysis.window_update').length).toBeGreaterThan(0);
    expect(dissect(frames, ['frame.number'], 'tcp.analysis.retransmission')).toEqual([]);
  });

  it('reads ARP, echo, fragments, UDP and errors', async () => {
    const tap = recorder(US);
    const world = new World({ delayPs: US, onPacket: tap.onPacket });
    world.start(world.b, async ({ net }) => {
      const socket = await net.udp({ port: 9000 });
      const { data, from } = await socket.recv();
      await socket.send(data, { host: from.address, port: from.port });
    });
    world.start(world.a, async ({ net }) => {
      const echo = await net.icmp();
      await echo.send('b', 1, pattern(4000));
      await echo.recv();
      const socket = await net.udp();
      await socket.send(pattern(5000), { host: 'b', port: 9000 });
      expect((await socket.recv()).data).toEqual(pattern(5000));
      await socket.send(pattern(10), { host: 'b', port: 9001 });
    });
    await world.run();
    await world.settle(world.loop.nowPs + SECOND);
    const frames = tap.sorted();
    expect(dissect(frames, ['frame.number', '_ws.col.Info'], COMPLAINTS)).toEqual([]);
    expect(dissect(frames, ['arp.opcode', 'arp.src.proto_ipv4'], 'arp')).toEqual([
      ['1', '10.0.0.1'],
      ['2', '10.0.0.2'],
    ]);
    expect(dissect(frames, ['icmp.type', 'data.len'], 'icmp.type == 8 || icmp.type == 0')).toEqual([
      ['8', '4000'],
      ['0', '4000'],
    ]);
    expect(dissect(frames, ['udp.length'], 'udp && ip.fragments')).toEqual([['5008'], ['5008']]);
    expect(dissect(frames, ['icmp.code'], 'icmp.type == 3')).toEqual([['3']]);
  });

  it('agrees with segments cut from large packets', async () => {
    const tap = recorder(100 * US);
    const features = { checksum: false, gso: false };
    await stream(1_000_000, { delayPs: 100 * US, psPerByte: 800, features, onPacket: tap.onPacket, mtu: 9000 });
    const frames = tap.sorted();
    expect(dissect(frames, ['frame.number'], `${COMPLAINTS} || (${flagged})`)).toEqual([]);
    const lengths = dissect(frames, ['tcp.len'], 'tcp.dstport == 5001 && tcp.len > 0').map(([length]) => Number(length));
    expect(Math.max(...lengths)).toBe(9000 - 52);
    expect(lengths.reduce((a, b) => a + b)).toBe(1_000_000);
  });
});
