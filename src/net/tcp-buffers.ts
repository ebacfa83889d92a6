/**
 * Where the bytes of a TCP connection wait: sent and not acknowledged (or not sent yet) on one side, received and not read on the other.
 * Positions are sequence numbers that do not wrap: they go on counting beyond 2^32, and only the wire has 32 bits of them.
 */

const SMALLEST_RING = 4096;

/** A ring of bytes that grows to what is needed. */
export class SendBuffer {
  /** Sequence number of the first byte. */
  #start: number;
  #length = 0;
  #ring = new Uint8Array(0);
  /** Where the first byte is in the ring. */
  #head = 0;

  constructor(start: number) {
    this.#start = start;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#start + this.#length;
  }

  get length(): number {
    return this.#length;
  }

  /** Adds `data[from … to)` at the end. */
  append(data: Uint8Array, from: number, to: number): void {
    const count = to - from;
    if (this.#length + count > this.#ring.length) this.#grow(this.#length + count);
    const size = this.#ring.length;
    const at = (this.#head + this.#length) % size;
    const first = Math.min(count, size - at);
    this.#ring.set(data.subarray(from, from + first), at);
    if (first < count) this.#ring.set(data.subarray(from + first, to), 0);
    this.#length += count;
  }

  /** Copies `count` bytes from `sequence` on to `target` at `at`. */
  copy(sequence: number, count: number, target: Uint8Array, at: number): void {
    const size = this.#ring.length;
    const from = (this.#head + sequence - this.#start) % size;
    const first = Math.min(count, size - from);
    target.set(this.#ring.subarray(from, from + first), at);
    if (first < count) target.set(this.#ring.subarray(0, count - first), at + first);
  }

  /** Forgets what lies before `sequence`. */
  dropTo(sequence: number): void {
    const count = Math.min(sequence - this.#start, this.#length);
    if (count <= 0) return;
    this.#start += count;
    this.#length -= count;
    this.#head = this.#length === 0 ? 0 : (this.#head + count) % this.#ring.length;
  }

  #grow(need: number): void {
    let size = Math.max(SMALLEST_RING, this.#ring.length * 2);
    while (size < need) size *= 2;
    const ring = new Uint8Array(size);
    if (this.#length > 0) this.copy(this.#start, this.#length, ring, 0);
    this.#ring = ring;
    this.#head = 0;
  }
}

interface Piece {
  readonly start: number;
  readonly data: Uint8Array;
}

const endOf = ({ start, data }: Piece) => start + data.length;

/** Pieces out of order that may wait: a sender of single bytes must not fill memory. */
const MAX_PIECES = 4096;

/** What was received: bytes in order for the reader, and pieces beyond a gap. */
export class ReceiveBuffer {
  /** Sequence number of the next byte in order. */
  next: number;
  #ready: Uint8Array[] = [];
  #head = 0;
  #available = 0;
  /** Beyond `next`, sorted, without overlap. */
  #pieces: Piece[] = [];
  /** The same as ranges, the latest first: SACK's order (RFC 2018 4). */
  #ranges: { start: number; end: number }[] = [];

  constructor(next: number) {
    this.next = next;
  }

  /** Bytes that can be read. */
  get available(): number {
    return this.#available;
  }

  get hasGap(): boolean {
    return this.#pieces.length > 0;
  }

  /** Edges of the ranges beyond the first gap, as 32-bit numbers, at most `blocks` pairs. */
  sackEdges(blocks: number): number[] {
    return this.#ranges.slice(0, blocks).flatMap(({ start, end }) => [start >>> 0, end >>> 0]);
  }

  /** Takes `data` that begins at `start`; what is there already is passed over. Returns by how much `next` rose. */
  add(start: number, data: Uint8Array): number {
    const before = this.next;
    if (start > before) {
      this.#addPiece(start, data);
      return 0;
    }
    const skip = before - start;
    if (skip >= data.length) return 0;
    this.#push(skip === 0 ? data : data.subarray(skip));
    if (this.#pieces.length > 0) this.#takePieces();
    return this.next - before;
  }

  /** Removes up to `max` bytes for the reader. */
  read(max: number): Uint8Array {
    const count = Math.min(max, this.#available);
    const out = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      const chunk = this.#ready[this.#head] as Uint8Array;
      const part = Math.min(chunk.length, count - at);
      out.set(part === chunk.length ? chunk : chunk.subarray(0, part), at);
      at += part;
      if (part === chunk.length) this.#head++;
      else this.#ready[this.#head] = chunk.subarray(part);
    }
    this.#available -= count;
    if (this.#available === 0 || this.#head > 256) {
      this.#ready = this.#ready.slice(this.#head);
      this.#head = 0;
    }
    return out;
  }

  #push(data: Uint8Array): void {
    this.#ready.push(data);
    this.#available += data.length;
    this.next += data.length;
  }

  /** Inserts the parts of `data` that are not there yet. */
  #addPiece(start: number, data: Uint8Array): void {
    if (data.length === 0 || this.#pieces.length >= MAX_PIECES) return;
    const end = start + data.length;
    let i = 0;
    while (i < this.#pieces.length && endOf(this.#pieces[i] as Piece) <= start) i++;
    let at = start;
    const added: Piece[] = [];
    let j = i;
    for (; j < this.#pieces.length && (this.#pieces[j] as Piece).start < end; j++) {
      const there = this.#pieces[j] as Piece;
      if (at < there.start) added.push({ start: at, data: data.subarray(at - start, there.start - start) });
      added.push(there);
      at = Math.max(at, endOf(there));
    }
    if (at < end) added.push({ start: at, data: data.subarray(at - start) });
    this.#pieces.splice(i, j - i, ...added);
    this.#addRange(start, end);
  }

  #addRange(start: number, end: number): void {
    const joined = { start, end };
    this.#ranges = this.#ranges.filter((range) => {
      if (range.end < joined.start || range.start > joined.end) return true;
      joined.start = Math.min(joined.start, range.start);
      joined.end = Math.max(joined.end, range.end);
      return false;
    });
    this.#ranges.unshift(joined);
  }

  /** The gap is filled: what lay behind it is in order now. */
  #takePieces(): void {
    let taken = 0;
    for (const piece of this.#pieces) {
      if (piece.start > this.next) break;
      taken++;
      const skip = this.next - piece.start;
      if (skip < piece.data.length) this.#push(skip === 0 ? piece.data : piece.data.subarray(skip));
    }
    if (taken > 0) this.#pieces.splice(0, taken);
    this.#ranges = this.#ranges.filter(({ end }) => end > this.next);
  }
}
