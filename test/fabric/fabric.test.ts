import { expect, test } from 'vitest';
import { star } from '../../bench/kernel-topologies.ts';
import {
  createFabric,
  RECORD_TX_FREED,
  RECORD_WORDS,
  recordFlags,
  recordWireBytes,
  W_LENGTH,
  W_LIDS,
  W_NUMBER,
  W_PORT,
} from '../../src/fabric/index.ts';

const words = new Int32Array(RECORD_WORDS);
const times = new Float64Array(words.buffer);

function record(timePs: number, from: number, dlid: number, wireBytes: number, number: number): void {
  words.fill(0);
  times[0] = timePs;
  words[W_PORT] = from;
  words[W_LIDS] = dlid;
  words[W_LENGTH] = wireBytes;
  words[W_NUMBER] = number;
}

test('one packet through one switch takes exactly the sum of its parts', () => {
  const fabric = createFabric(star({ hosts: 2, latencyPs: 100_000, propagationPs: 50_000, psPerByte: 80 }));
  record(1_000, 0, 2, 2074, 5);
  fabric.inject(words, times, 0);
  expect(fabric.nextPs()).toBe(1_000);
  fabric.runUntil(1_000_000);
  const batch = fabric.out[0];
  expect(batch.count).toBe(2);
  const rows = [0, 1].map((i) => ({
    timePs: batch.times[i * 8],
    port: batch.words[i * 16 + W_PORT],
    flags: recordFlags(batch.words, i * 16),
    bytes: recordWireBytes(batch.words, i * 16),
    number: batch.words[i * 16 + W_NUMBER],
  }));
  expect(rows).toEqual([
    { timePs: 1_000 + 2074 * 80, port: 0, flags: RECORD_TX_FREED, bytes: 2074, number: 5 },
    { timePs: 1_000 + 50_000 + 100_000 + 2074 * 80 + 50_000, port: 1, flags: 0, bytes: 2074, number: 5 },
  ]);
  expect(fabric.nextPs()).toBe(Number.POSITIVE_INFINITY);
  fabric.assertDrained();
});
