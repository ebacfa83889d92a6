/**
 * A batch of 64-byte records (`packet-record.ts`) that one side of the cut fills and the other empties: it grows in ordinary memory, or is fixed over shared memory.
 */
import { InvariantError } from '../sim/index.ts';
import { RECORD_BYTES, RECORD_WORDS } from './packet-record.ts';

export class RecordBatch {
  /** Word view; record i starts at word 16 i. Replaced when the batch grows, so read it anew after `reserve`. */
  words: Int32Array;
  /** Time view; the time of record i is at index 8 i. */
  times: Float64Array;
  /** Records filled. */
  count = 0;
  readonly #growable: boolean;

  /** `memory` fixes the size (shared memory); without it the batch starts at `records` and doubles as needed. */
  constructor(records: number, memory?: ArrayBufferLike) {
    const buffer = memory ?? new ArrayBuffer(records * RECORD_BYTES);
    this.words = new Int32Array(buffer);
    this.times = new Float64Array(buffer);
    this.#growable = memory === undefined;
  }

  /** Adds a record and returns its first word's index. The words hold what an earlier use left; write every word that counts. */
  reserve(): number {
    const word = this.count * RECORD_WORDS;
    if (word === this.words.length) this.#grow();
    this.count++;
    return word;
  }

  /** Adds a copy of the record at `word` of `from`. */
  append(from: RecordBatch, word: number): void {
    const at = this.reserve();
    const words = this.words;
    const source = from.words;
    for (let i = 0; i < RECORD_WORDS; i++) words[at + i] = source[word + i] as number;
  }

  /** Empties the batch. */
  clear(): void {
    this.count = 0;
  }

  #grow(): void {
    if (!this.#growable) throw new InvariantError(`a batch of ${this.count} records in shared memory is full`);
    const buffer = new ArrayBuffer(this.words.byteLength * 2);
    const words = new Int32Array(buffer);
    words.set(this.words);
    this.words = words;
    this.times = new Float64Array(buffer);
  }
}
