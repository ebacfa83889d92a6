/** Small helpers: sending single packets through a fabric and reading what comes out. */
import {
  type Fabric,
  RECORD_TX_FREED,
  RECORD_WORDS,
  recordFlags,
  recordWireBytes,
  W_BTH,
  W_LENGTH,
  W_LIDS,
  W_NUMBER,
  W_PORT,
  W_SLOT,
} from '../../src/fabric/index.ts';

export interface Sent {
  readonly timePs?: number;
  readonly from: number;
  readonly dlid: number;
  readonly wireBytes?: number;
  readonly sl?: number;
  readonly vl15?: boolean;
  readonly pkey?: number;
  /** Payload slot + 1. */
  readonly slot?: number;
  readonly number?: number;
}

export function send(fabric: Fabric, p: Sent): void {
  const words = new Int32Array(RECORD_WORDS);
  const times = new Float64Array(words.buffer);
  times[0] = p.timePs ?? fabric.nowPs;
  words[W_PORT] = p.from;
  words[W_LIDS] = p.dlid;
  words[W_LENGTH] = (p.wireBytes ?? 2074) | ((p.sl ?? 0) << 16) | (p.vl15 === true ? 15 << 20 : 0);
  words[W_BTH] = (p.pkey ?? 0xffff) << 16;
  words[W_SLOT] = p.slot ?? 0;
  words[W_NUMBER] = p.number ?? 0;
  fabric.inject(words, times, 0);
}

export interface Got {
  readonly timePs: number;
  readonly port: number;
  readonly freed: boolean;
  readonly wireBytes: number;
  readonly vl: number;
  readonly number: number;
}

/** Everything in the batches, sorted by time; empties them. */
export function take(fabric: Fabric): Got[] {
  const all: Got[] = [];
  for (const batch of fabric.out) {
    for (let i = 0; i < batch.count; i++)
      all.push({
        timePs: batch.times[i * 8],
        port: batch.words[i * 16 + W_PORT],
        freed: (recordFlags(batch.words, i * 16) & RECORD_TX_FREED) !== 0,
        wireBytes: recordWireBytes(batch.words, i * 16),
        vl: (batch.words[i * 16 + W_LENGTH] >> 20) & 15,
        number: batch.words[i * 16 + W_NUMBER],
      });
    batch.count = 0;
  }
  return all.sort((a, b) => a.timePs - b.timePs || a.number - b.number);
}

export const delivered = (fabric: Fabric): Got[] => take(fabric).filter((g) => !g.freed);
