/**
 * Runs a program on a few nodes in one thread, with the real adapters and, in place of a fabric, an ideal star: each host port sends at its link's rate,
 * a packet's last byte arrives a fixed time after it was sent, nothing queues or is lost. So what a run measures has a closed form.
 */
import { NodeGroup } from '../../src/cluster/node-group.ts';
import { prepareProgram } from '../../src/cluster/program-loader.ts';
import type { PeerMessage } from '../../src/cluster/messages.ts';
import {
  PayloadPool,
  RECORD_TX_FREED,
  RecordBatch,
  recordWireBytes,
  W_LENGTH,
  W_LIDS,
  W_PORT,
  W_SLOT,
} from '../../src/fabric/index.ts';
import { inMacrotask } from '../../src/sim/index.ts';
import { type HcaConfig, type HcaProfile, PROFILES } from '../../src/hca/index.ts';

export interface BenchOptions {
  /** A name of the registry, or a path that ends with `.ts`. */
  readonly program: string;
  readonly args?: string;
  readonly nodes?: number;
  readonly profile?: Partial<HcaProfile>;
  readonly mtuBytes?: number;
  readonly seed?: number;
}

export interface BenchResult {
  /** What each rank returned. */
  readonly values: readonly unknown[];
  /** What each rank printed. */
  readonly lines: readonly string[][];
  readonly errors: readonly (string | undefined)[];
}

/** QDR 4x: 32 Gb/s. */
export const PS_PER_BYTE = 250;
export const WIRE_PS = 100_000;

function hcaConfig(rank: number, options: BenchOptions): HcaConfig {
  return {
    nodeName: `host${rank + 1}`,
    deviceName: 'mlx4_0',
    index: 0,
    nodeGuid: 0x0002c90300000100n + BigInt(rank),
    profile: { ...benchProfile(), ...options.profile },
    seed: options.seed ?? 1,
    ports: [
      {
        portNumber: 1,
        hostPort: rank,
        portGuid: 0x0002c90300000200n + BigInt(rank),
        gidPrefix: 0xfe80000000000000n,
        lid: rank + 1,
        lmc: 0,
        mtuBytes: options.mtuBytes ?? 4096,
        pkeys: [0xffff],
        dataVls: 1,
        linkPsPerByte: PS_PER_BYTE,
        activeWidth: 2,
        activeSpeed: 4,
        widthName: '4X',
        speedName: 'QDR',
        state: 4,
        smLid: 1,
        smSl: 0,
        subnetTimeout: 18,
      },
    ],
  };
}

/** The profile that the programs run on here: ConnectX-2. */
export function benchProfile(): HcaProfile {
  return PROFILES.find((p) => p.name === 'connectx2-qdr') as HcaProfile;
}

/** Runs the program to its end and returns what every node printed and returned. */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const count = options.nodes ?? 2;
  const outbox = new RecordBatch(256);
  const pool = PayloadPool.create(1, 8192);
  const names = Array.from({ length: count }, (_, rank) => `host${rank + 1}`);
  const hcas = names.map((_, rank) => hcaConfig(rank, options));
  const group = await NodeGroup.create(
    {
      group: 0,
      nodes: names.map((name, rank) => ({
        entity: rank,
        name,
        hcas: [hcas[rank] as HcaConfig],
        runs: [{ rank, guest: null, name }],
        host: null,
      })),
      pool: pool.share,
      program: await prepareProgram(
        options.program.endsWith('.ts') ? { kind: 'file', path: options.program } : { kind: 'builtin', name: options.program },
      ),
      args: options.args === undefined || options.args === '' ? [] : options.args.split(' '),
      seed: options.seed ?? 1,
      ranks: names,
      addresses: {},
      sampleEveryPs: 0,
      network: { latencyPs: 20_000_000, psPerByte: 8_000 },
      directory: {
        ports: hcas.map((hca, rank) => ({
          node: hca.nodeName,
          device: hca.deviceName,
          portNum: 1,
          ip: `10.0.0.${rank + 1}`,
          guid: hca.ports[0]?.portGuid,
          lid: rank + 1,
          mtuBytes: options.mtuBytes ?? 4096,
          rate: 7,
          switchIndex: -1,
        })),
        guests: [],
        lidsPerPort: 1,
        coreMtuBytes: 4096,
        coreRate: 0,
        sls: null,
        switches: 0,
      },
      breakdown: false,
      toGroupPs: benchProfile().rxPipelinePs,
    },
    outbox,
  );
  const star = new Star(count, pool);
  return inMacrotask(() => drive(group, star, outbox, names.length));
}

/** Runs nodes and star in turn, a window at a time, until every program has ended. */
function drive(group: NodeGroup, star: Star, outbox: RecordBatch, count: number): BenchResult {
  const values = new Array<unknown>(count);
  const errors = new Array<string | undefined>(count);
  const lines = Array.from({ length: count }, (): string[] => []);
  const window = Math.min(benchProfile().txPipelinePs, benchProfile().rxPipelinePs);
  let finished = 0;
  let inbox = new RecordBatch(256);
  let peers: PeerMessage[] = [];
  while (finished < count) {
    const next = Math.min(group.nextPs(), star.nextPs(inbox, peers));
    if (next === Number.POSITIVE_INFINITY) throw new Error(`the programs stand still: ${JSON.stringify(group.report().nodes)}`);
    group.run(next + window, inbox, peers);
    inbox = star.carry(outbox);
    outbox.clear();
    peers = [];
    for (const message of group.takeMessages()) {
      if (message.kind === 'peer') peers.push(message);
      else if (message.kind === 'line') lines[message.rank]?.push(message.text);
      else if (message.kind === 'finished') {
        finished++;
        values[message.rank] = message.value;
        errors[message.rank] = message.error;
      }
    }
  }
  return { values, lines, errors };
}

/** The fabric: one output queue per host port, then a fixed time to any other. */
class Star {
  readonly #freePs: Float64Array;
  readonly #pool: PayloadPool;

  constructor(ports: number, pool: PayloadPool) {
    this.#freePs = new Float64Array(ports);
    this.#pool = pool;
  }

  nextPs(inbox: RecordBatch, peers: readonly PeerMessage[]): number {
    let next = Number.POSITIVE_INFINITY;
    for (let i = 0; i < inbox.count; i++) next = Math.min(next, inbox.times[i * 8] as number);
    for (const message of peers) next = Math.min(next, message.arrivalPs);
    return next;
  }

  carry(outbox: RecordBatch): RecordBatch {
    const arrivals = new RecordBatch(64);
    const order = Array.from({ length: outbox.count }, (_, i) => i).sort(
      (a, b) => (outbox.times[a * 8] as number) - (outbox.times[b * 8] as number),
    );
    for (const i of order) this.#send(outbox, i * 16, arrivals);
    return arrivals;
  }

  #send(outbox: RecordBatch, at: number, arrivals: RecordBatch): void {
    const { words } = outbox;
    const from = words[at + W_PORT] as number;
    const start = Math.max(outbox.times[at >> 1] as number, this.#freePs[from] as number);
    const end = start + recordWireBytes(words, at) * PS_PER_BYTE;
    this.#freePs[from] = end;
    const freed = arrivals.reserve();
    for (let i = 0; i < 16; i++) arrivals.words[freed + i] = words[at + i] as number;
    arrivals.words[freed + W_LENGTH] = (words[at + W_LENGTH] as number) | (RECORD_TX_FREED << 24);
    arrivals.times[freed >> 1] = end;
    const dlid = (words[at + W_LIDS] as number) & 0xffff;
    const isGroup = dlid >= 0xc000;
    const targets = isGroup ? [...this.#freePs.keys()].filter((port) => port !== from) : [dlid - 1];
    const slot = words[at + W_SLOT] as number;
    if (slot > 0 && targets.length > 1) this.#pool.retain(slot - 1, targets.length - 1);
    for (const port of targets) {
      const copy = arrivals.reserve();
      for (let i = 0; i < 16; i++) arrivals.words[copy + i] = words[at + i] as number;
      arrivals.words[copy + W_PORT] = port;
      arrivals.times[copy >> 1] = end + WIRE_PS;
    }
  }
}
