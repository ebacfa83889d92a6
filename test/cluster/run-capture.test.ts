/** Captures of whole runs, read back: what passed which port when, the same in every placement, and targets that are refused. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CaptureTarget, loadTopologyFile, type ProgramReference, run, type RunOptions } from '../../src/cluster/index.ts';
import { type PcapRecord, readPcap } from '../../src/report/index.ts';
import { ConfigError } from '../../src/sim/index.ts';
import { aethKind, aethValue, type Packet, parsePacket } from '../../src/wire/index.ts';
import { type Expected, expectedPackets } from '../kit/operations-packets.ts';
import type { Side } from '../kit/operations.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-run-capture-'));
afterAll(() => rmSync(folder, { recursive: true }));
const OPERATIONS: ProgramReference = { kind: 'file', path: 'test/kit/operations.ts' };
const WRITE_LAT: ProgramReference = { kind: 'builtin', name: 'ib_write_lat' };
let files = 0;

async function capture(
  source: string,
  program: ProgramReference,
  more: Partial<RunOptions> = {},
  captureFile = join(folder, `${files++}.pcap`),
) {
  const options = { topology: loadTopologyFile(source), topologyFile: source, program, programArgs: [] };
  const result = await run({ ...options, placement: 'inline', captureFile, ...more });
  return { result, file: captureFile };
}

const target = (text: string): CaptureTarget => {
  const [name, port] = text.split(':');
  return { name: name as string, port: Number(port) };
};

const records = (file: string): readonly PcapRecord[] => readPcap(readFileSync(file)).records;

function packetOf(record: PcapRecord): Packet {
  const parsed = parsePacket(record.frame);
  if (!parsed.ok) throw new Error(`packet at ${record.timePs} ps: ${parsed.fault}`);
  return parsed.packet;
}

/** What the expectation says of a packet, said of the packet itself. */
function found({ lrh, grh, bth, extensions: x, payload }: Packet, wanted: Expected, clientLid: number): Expected {
  const syndrome = x.AETH?.syndrome;
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  const all: Expected = {
    fromClient: lrh.slid === clientLid,
    opcode: bth.opcode,
    destQp: bth.destQp,
    psn: bth.psn,
    bytes: payload.length,
    syndrome: wanted.syndrome === 'credits' && syndrome !== undefined && aethKind(syndrome) === 0 ? 'credits' : syndrome,
    msn: x.AETH?.msn,
    immediate: x.ImmDt?.immediate,
    virtualAddress: Number(x.RETH?.virtualAddress ?? x.AtomicETH?.virtualAddress),
    rKey: x.RETH?.rKey ?? x.AtomicETH?.rKey,
    dmaLength: x.RETH?.dmaLength,
    swapOrAdd: x.AtomicETH?.swapOrAdd,
    compare: x.AtomicETH?.compare,
    original: x.AtomicAckETH?.original,
    qKey: x.DETH?.qKey,
    sourceQp: x.DETH?.sourceQp,
    gids: grh && [hex(grh.sgid), hex(grh.dgid)],
  } as Expected;
  return Object.fromEntries(Object.keys(wanted).map((key) => [key, all[key as keyof Expected]])) as unknown as Expected;
}

describe('capture of a run', () => {
  it('has every packet of every operation as the program asked for it', async () => {
    const { result, file } = await capture('topologies/connectx2-switch.yaml', OPERATIONS, { captures: [target('node1:1')] });
    const [server, client] = [result.perNode.node2, result.perNode.node1] as [Side, Side];
    expect(client.status).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10]);
    const wanted = expectedPackets(client, server);
    const packets = records(file).map(packetOf);
    expect(packets.map((packet, i) => found(packet, wanted[i] as Expected, client.lid))).toEqual(wanted);
    for (const { lrh, payload, bth } of packets) {
      expect([lrh.slid, lrh.dlid].sort()).toEqual([client.lid, server.lid].sort());
      // First packets carry the beginning of the client's memory: what it sends and writes, and then reads back.
      if (![0x00, 0x06, 0x0d, 0x20].includes(bth.opcode)) continue;
      expect([...payload]).toEqual(Array.from({ length: 2048 }, (_, i) => 0x5a + ((i + 1) % 7)));
    }
  });

  it('shows the RNR timer between NAK and retry', async () => {
    const { file } = await capture('topologies/two-hosts.yaml', OPERATIONS, { captures: [target('node1:1')] });
    const all = records(file);
    const at = all.findIndex((record) => aethKind(packetOf(record).extensions.AETH?.syndrome ?? 0) === 1);
    expect(aethValue(packetOf(all[at] as PcapRecord).extensions.AETH?.syndrome as number)).toBe(3);
    const waited = (all[at + 1] as PcapRecord).timePs - (all[at] as PcapRecord).timePs;
    expect(waited).toBeGreaterThanOrEqual(30e6); // code 3: 0.03 ms
    expect(waited).toBeLessThan(32e6);
  });

  it('is the same file in every placement', async () => {
    const placements: Partial<RunOptions>[] = [
      { placement: 'inline' },
      { placement: 'pool', workers: 1 },
      { placement: 'pool', workers: 2 },
      { placement: 'dedicated' },
    ];
    const captures = ['node1:1', 'switch1:1', 'switch1:2'].map(target);
    const found: string[] = [];
    for (const placement of placements) {
      const { file } = await capture('topologies/connectx2-switch.yaml', OPERATIONS, { captures, ...placement });
      found.push(readFileSync(file).toString('base64'));
    }
    expect(new Set(found).size).toBe(1);
    expect(found[0]?.length).toBeGreaterThan(10_000);
  });

  it('follows a packet through a switch: cable and switch latency, to the picosecond', async () => {
    const captures = ['node1:1', 'switch1:1', 'switch1:2', 'node2:1'].map(target);
    const { file } = await capture('topologies/connectx2-switch.yaml', WRITE_LAT, {
      captures,
      programArgs: ['-s', '4096', '-n', '5'],
    });
    const all = records(file);
    expect(all.length % 4).toBe(0);
    // 3 m at 5 ns; an InfiniScale IV takes 100 ns; the same rate on both sides
    const times = all.filter((_, i) => i < 4).map((record) => [record.interface, record.erfTimePs - (all[0]?.erfTimePs ?? 0)]);
    const [sender, first, second, receiver] = packetOf(all[0] as PcapRecord).lrh.slid === 1 ? [0, 1, 2, 3] : [3, 2, 1, 0];
    const near = (ps: number) => expect.closeTo(ps / 1000, 0);
    expect(times.map(([point, ps]) => [point, (ps as number) / 1000])).toEqual([
      [sender, near(0)],
      [first, near(15_000)],
      [second, near(115_000)],
      [receiver, near(130_000)],
    ]);
    for (let i = 1; i < all.length; i++) expect(all[i]?.timePs).toBeGreaterThanOrEqual(all[i - 1]?.timePs as number);
  });

  it('takes the ports of the nodes that run the program when none is named', async () => {
    const file = join(folder, 'default.pcapng');
    await capture('topologies/connectx2-switch.yaml', WRITE_LAT, { programArgs: ['-n', '5'], server: 'node3' }, file);
    const text = readFileSync(file).toString('latin1');
    expect([...text.matchAll(/node\d:1/g)].map(([name]) => name)).toEqual(['node1:1', 'node3:1']);
  });

  it('has packets that bit errors hit, at the receiving port only', async () => {
    const { file } = await capture('topologies/two-hosts.yaml', WRITE_LAT, {
      programArgs: ['-s', '4096', '-n', '200'],
      faults: ['link node1 ber 1e-6 at 1ps'],
    });
    const all = records(file);
    const damaged = all.filter((record) => record.damaged);
    expect(damaged.length).toBeGreaterThan(3);
    for (const { frame, interface: point } of damaged) {
      expect(parsePacket(frame)).toMatchObject({ ok: false, fault: 'vcrc' });
      // bytes 6 and 7 are the SLID: the sender's own port never sees the damage
      expect(point).toBe(((frame[6] as number) << 8) + (frame[7] as number) === 1 ? 1 : 0);
    }
    // every packet that left one port came in at the other, whole or not
    const atPort = (point: number, fromPoint: number) =>
      all.filter(
        ({ frame, interface: i }) => i === point && ((frame[6] as number) << 8) + (frame[7] as number) === fromPoint + 1,
      );
    for (const from of [0, 1]) expect(atPort(1 - from, from).length).toBe(atPort(from, from).length);
  });
});

describe('targets of a capture', () => {
  const refused = async (source: string, names: string[]): Promise<string> => {
    const error = await capture(source, WRITE_LAT, { captures: names.map(target) }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  };

  it('are refused all at once, with what was found and what there is', async () => {
    const names = ['nobody:1', 'node1:2', 'switch1:37', 'switch1:36', 'node1/mlx4_7:1'];
    expect((await refused('topologies/connectx2-switch.yaml', names)).split('\n')).toEqual([
      '--capture: found nobody:1; nodes are node1, node2, node3, node4, switches are switch1',
      '--capture: found node1:2; ports of node1 are node1:1',
      '--capture: found switch1:37; switch switch1 has ports 1 to 36',
      '--capture: found switch1:36; nothing is connected to that port',
      '--capture: found node1/mlx4_7:1; ports of node1 are node1:1',
    ]);
  });

  it('name the adapter where a node has several', async () => {
    expect(await refused('topologies/dual-rail.yaml', ['gpu1:1'])).toBe(
      '--capture: found gpu1:1; ports of gpu1 are gpu1/mlx5_0:1, gpu1/mlx5_1:1',
    );
    const { file } = await capture('topologies/dual-rail.yaml', WRITE_LAT, {
      programArgs: ['-n', '5'],
      captures: ['gpu1/mlx5_0:1', 'gpu1/mlx5_1:1'].map(target),
    });
    expect(new Set(records(file).map((record) => record.interface))).toEqual(new Set([0]));
  });

  it('are refused twice, and when pcap cannot tell them apart', async () => {
    expect(await refused('topologies/connectx2-switch.yaml', ['node1:1', 'node1:1'])).toBe('--capture: node1:1 is named twice');
    const five = ['node1:1', 'node2:1', 'node3:1', 'node4:1', 'switch1:1'];
    expect(await refused('topologies/connectx2-switch.yaml', five)).toMatch(/pcap tells 4 capture points apart, here are 5/);
  });
});
