/**
 * A file written through a buffer of fixed size, synchronously: memory stays bounded however fast records come.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { ConfigError } from '../sim/index.ts';

export class BufferedFile {
  readonly path: string;
  /** The buffer; write where `reserve` says. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #file: number;
  #used = 0;
  #open = true;

  /** Creates the file, or empties it. Throws `ConfigError` when that cannot be done. */
  constructor(path: string, bufferBytes: number) {
    this.path = path;
    this.bytes = new Uint8Array(bufferBytes);
    this.view = new DataView(this.bytes.buffer);
    this.#file = this.#attempt(() => openSync(path, 'w'));
  }

  /** Makes room for `count` bytes (at most the buffer's size), and gives their place in the buffer. Throws `ConfigError` when the file cannot be written. */
  reserve(count: number): number {
    if (this.#used + count > this.bytes.length) this.flush();
    if (count > this.bytes.length) throw new RangeError(`${count} bytes do not fit a buffer of ${this.bytes.length}`);
    const at = this.#used;
    this.#used += count;
    return at;
  }

  /** Hands what is in memory to the file. */
  flush(): void {
    let done = 0;
    while (done < this.#used) done += this.#attempt(() => writeSync(this.#file, this.bytes, done, this.#used - done));
    this.#used = 0;
  }

  /** Writes the rest and closes the file. A second call does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.flush();
    } finally {
      closeSync(this.#file);
    }
  }

  #attempt<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      throw new ConfigError([{ file: this.path, path: '', message: `cannot write the file: ${(error as Error).message}` }]);
    }
  }
}
