/** Protocol stacks alone: a TCP stream between two of them over an ideal wire, with large packets and without. Alone: `npx tsx bench/net.ts`. */
import { pathToFileURL } from 'node:url';
import { DEFAULT_NET_COSTS } from '../src/net/index.ts';
import { MS, US, World } from '../test/net/world.ts';
import type { BenchRow } from './types.ts';

const MIN_MEGABYTES = 100;
const MIN_PACKETS = 20_000;

export async function measure(): Promise<readonly BenchRow[]> {
  // The first is for the compiler.
  await stream(true, 50e6);
  return [await stream(true, 400e6), await stream(false, 100e6)];
}

/** A stream of `bytes`, in segments of 1448 bytes, at 32 Gb/s and 20 us each way. */
async function stream(gso: boolean, bytes: number): Promise<BenchRow> {
  let packets = 0;
  const features = { checksum: gso, gso };
  const onPacket = () => {
    packets++;
  };
  const world = new World({ delayPs: 20 * US, psPerByte: 250, features, costs: DEFAULT_NET_COSTS, onPacket });
  world.start(world.b, async ({ net }) => {
    const socket = await (await net.tcp.listen({ port: 1 })).accept();
    while ((await socket.recv(65_536)).length > 0);
  });
  const data = new Uint8Array(65_536);
  world.start(
    world.a,
    async ({ net }) => {
      const socket = await net.tcp.connect({ host: 'b', port: 1 });
      for (let sent = 0; sent < bytes; sent += data.length) await socket.send(data);
      await socket.shutdown();
      await socket.recv();
    },
    MS,
  );
  const since = process.cpuUsage();
  const endPs = await world.run();
  const { user, system } = process.cpuUsage(since);
  const cpuSeconds = (user + system) / 1e6;
  const megabytesPerCpuSecond = bytes / 1e6 / cpuSeconds;
  const packetsPerCpuSecond = packets / cpuSeconds;
  return {
    name: `net/tcp-stream ${gso ? 'in large packets' : 'in segments, checksums in software'}`,
    packetHopsPerCpuSecond: null,
    eventsPerPacketHop: null,
    cpuSeconds,
    peakMiB: null,
    figures: { megabytesPerCpuSecond, packetsPerCpuSecond, simulatedGbps: (bytes * 8000) / endPs },
    target: gso ? `>= ${MIN_MEGABYTES} MB per CPU s` : `>= ${MIN_PACKETS} packets per CPU s`,
    ok: gso ? megabytesPerCpuSecond >= MIN_MEGABYTES : packetsPerCpuSecond >= MIN_PACKETS,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(await measure());
