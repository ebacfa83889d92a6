/** The hypervisor's console: what was printed, the last 16 KiB of it, as `xl dmesg` shows. */

const SIZE = 16_384;

export class HypervisorConsole {
  #kept = new Uint8Array(0);

  write(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#kept.length + bytes.length);
    all.set(this.#kept);
    all.set(bytes, this.#kept.length);
    this.#kept = all.subarray(Math.max(0, all.length - SIZE));
  }

  /** The bytes that are kept. */
  get bytes(): Uint8Array {
    return this.#kept;
  }

  clear(): void {
    this.#kept = new Uint8Array(0);
  }
}
