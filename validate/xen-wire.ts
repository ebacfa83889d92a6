/** Two adapters joined by one switch's worth of wire, and a thread on each: for what no topology file describes yet. */
import {
  PayloadPool,
  RECORD_TX_FREED,
  RECORD_WORDS,
  RecordBatch,
  recordWireBytes,
  W_LENGTH,
  W_PORT,
} from '../src/fabric/index.ts';
import { Hca, type HcaFunctionConfig, type HcaPortConfig, NodeMemory, resolveProfile } from '../src/hca/index.ts';
import { EventLoop, type Ps } from '../src/sim/index.ts';

export interface Wire {
  readonly loop: EventLoop;
  readonly adapters: readonly [Hca, Hca];
  /** Runs until nothing is left to do. */
  run(): void;
}

/** `profile` on both sides, `functions` virtual functions each; `fixedPs` from the first bit sent to the first bit arriving. */
export function joined(profile: string, functions: number, psPerByte: number, fixedPs: Ps): Wire {
  const loop = new EventLoop();
  const pool = PayloadPool.create(2, 4096);
  const outboxes = [new RecordBatch(16), new RecordBatch(16)] as const;
  const make = (i: 0 | 1) => adapter(i, profile, functions, psPerByte, { loop, pool, outbox: outboxes[i] });
  const adapters = [make(0), make(1)] as const;
  const freePs = [0, 0];
  const one = new RecordBatch(4);
  const hand = (to: number, from: RecordBatch, at: number, timePs: Ps, change: (words: Int32Array) => void) => {
    one.clear();
    one.reserve();
    one.times[0] = timePs;
    for (let i = 2; i < RECORD_WORDS; i++) one.words[i] = from.words[at + i] as number;
    change(one.words);
    (adapters[to] as Hca).deliver(one, 0);
  };
  const carry = () => {
    outboxes.forEach((outbox, from) => {
      for (let i = 0; i < outbox.count; i++) {
        const at = i * RECORD_WORDS;
        const bytes = recordWireBytes(outbox.words, at);
        const sentPs = Math.max(outbox.times[at / 2] as number, freePs[from] as number) + Math.ceil(bytes * psPerByte);
        freePs[from] = sentPs;
        hand(from, outbox, at, sentPs, (words) => {
          words[W_LENGTH] = ((words[W_LENGTH] as number) & 0xffffff) | (RECORD_TX_FREED << 24);
        });
        hand(1 - from, outbox, at, sentPs + fixedPs, (words) => {
          words[W_PORT] = 1 - from;
        });
      }
      outbox.clear();
    });
  };
  const { txPipelinePs, rxPipelinePs } = adapters[0].profile;
  const run = () => {
    for (let next = loop.nextPs(); next < Number.POSITIVE_INFINITY; next = loop.nextPs()) {
      loop.runUntil(next + Math.min(txPipelinePs, rxPipelinePs));
      carry();
    }
  };
  return { loop, adapters, run };
}

interface Shared {
  readonly loop: EventLoop;
  readonly pool: PayloadPool;
  readonly outbox: RecordBatch;
}

function adapter(index: 0 | 1, profileName: string, functions: number, psPerByte: number, shared: Shared): Hca {
  const { profile } = resolveProfile(profileName);
  if (profile === undefined) throw new Error(`no profile ${profileName}`);
  const port: HcaPortConfig = {
    ...{ portNumber: 1, hostPort: index, portGuid: BigInt(16 + index), gidPrefix: 0xfe80n << 48n, lid: index + 1, lmc: 0 },
    ...{ mtuBytes: 2048, pkeys: [0xffff], dataVls: 1, linkPsPerByte: psPerByte, activeWidth: 2, activeSpeed: 16 },
    ...{ widthName: '4X', speedName: 'FDR', state: 4, smLid: 1, smSl: 0, subnetTimeout: 18 },
  };
  const virtual = (f: number): HcaFunctionConfig => ({
    deviceName: `mlx4_${f + 1}`,
    nodeGuid: BigInt(256 * (index + 1) + f),
    portGuids: [BigInt(4096 * (index + 1) + f)],
  });
  const config = {
    ...{ nodeName: `n${index}`, deviceName: 'mlx4_0', index: 0, nodeGuid: BigInt(index + 1), profile, ports: [port], seed: 1 },
    functions: Array.from({ length: functions }, (_, f) => virtual(f)),
  };
  return new Hca({ ...shared, entity: index, memory: new NodeMemory(), arena: index, config });
}
