/**
 * Putting fragments of IPv4 datagrams together (RFC 791, RFC 815). A datagram whose fragments overlap is given up, as RFC 5722 asks for IPv6 and as is safe here;
 * so is one that is not whole after 30 s. How much may wait is limited.
 */
import type { KernelCpu, Ps } from '../sim/index.ts';
import { IPV4_MAX_BYTES, type Ipv4Packet, writeHeaderChecksum } from './ipv4.ts';
import { writeU16 } from './bytes.ts';

/** Linux's ipfrag_time. */
export const REASSEMBLY_TIMEOUT_PS: Ps = 30e12;
/** Linux's ipfrag_high_thresh. */
const MAX_HELD_BYTES = 4 << 20;

interface Partial {
  readonly key: string;
  pieces: Ipv4Packet[];
  bytes: number;
  /** Payload bytes of the whole, once the last fragment is there. */
  total: number | null;
  timer: number;
}

export class Reassembler {
  readonly #cpu: KernelCpu;
  readonly #onTimeout: (first: Ipv4Packet) => void;
  readonly #partials = new Map<string, Partial>();
  #heldBytes = 0;
  /** Datagrams given up: overlap, time, memory. */
  failed = 0;

  /** `onTimeout` gets the first fragment of a datagram whose time is up, if that is there: the sender is told (ICMP time exceeded, code 1). */
  constructor(cpu: KernelCpu, onTimeout: (first: Ipv4Packet) => void) {
    this.#cpu = cpu;
    this.#onTimeout = onTimeout;
  }

  /** Bytes of fragments that wait. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Takes a fragment; the whole packet (as if it had never been cut) when it was the last that was missing. */
  add(piece: Ipv4Packet): Uint8Array | null {
    const payload = piece.totalBytes - piece.headerBytes;
    const end = piece.fragmentOffset + payload;
    if (payload === 0 || end > IPV4_MAX_BYTES - piece.headerBytes || (piece.moreFragments && payload % 8 !== 0)) return null;
    const partial = this.#partialOf(piece);
    if (partial.pieces.some((other) => sameRange(other, piece))) return null;
    if (partial.pieces.some((other) => overlaps(other, piece)) || contradicts(partial, piece, end)) {
      this.#giveUp(partial);
      return null;
    }
    partial.pieces.push(piece);
    partial.bytes += payload;
    this.#heldBytes += payload;
    if (!piece.moreFragments) partial.total = end;
    if (partial.bytes === partial.total) return this.#join(partial);
    this.#makeRoom(partial);
    return null;
  }

  #partialOf(piece: Ipv4Packet): Partial {
    const key = `${piece.source} ${piece.destination} ${piece.protocol} ${piece.id}`;
    const known = this.#partials.get(key);
    if (known !== undefined) return known;
    const partial: Partial = { key, pieces: [], bytes: 0, total: null, timer: 0 };
    partial.timer = this.#cpu.setTimer(this.#cpu.nowPs + REASSEMBLY_TIMEOUT_PS, () => {
      const first = partial.pieces.find(({ fragmentOffset }) => fragmentOffset === 0);
      this.#giveUp(partial);
      if (first !== undefined) this.#onTimeout(first);
    });
    this.#partials.set(key, partial);
    return partial;
  }

  #join(partial: Partial): Uint8Array {
    this.#forget(partial);
    partial.pieces.sort((a, b) => a.fragmentOffset - b.fragmentOffset);
    const first = partial.pieces[0] as Ipv4Packet;
    const { headerBytes } = first;
    const whole = new Uint8Array(headerBytes + partial.bytes);
    whole.set(first.data.subarray(0, headerBytes));
    for (const piece of partial.pieces)
      whole.set(piece.data.subarray(piece.headerBytes, piece.totalBytes), headerBytes + piece.fragmentOffset);
    writeU16(whole, 2, whole.length);
    writeU16(whole, 6, 0);
    writeHeaderChecksum(whole, headerBytes);
    return whole;
  }

  /** Gives up the oldest others while too much waits. */
  #makeRoom(keep: Partial): void {
    for (const partial of this.#partials.values()) {
      if (this.#heldBytes <= MAX_HELD_BYTES) return;
      if (partial !== keep) this.#giveUp(partial);
    }
  }

  #giveUp(partial: Partial): void {
    this.failed++;
    this.#forget(partial);
  }

  #forget(partial: Partial): void {
    this.#cpu.clearTimer(partial.timer);
    this.#partials.delete(partial.key);
    this.#heldBytes -= partial.bytes;
  }
}

const endOf = (piece: Ipv4Packet) => piece.fragmentOffset + piece.totalBytes - piece.headerBytes;

/** A duplicate of the network: nothing to complain about. */
function sameRange(a: Ipv4Packet, b: Ipv4Packet): boolean {
  return a.fragmentOffset === b.fragmentOffset && endOf(a) === endOf(b) && a.moreFragments === b.moreFragments;
}

function overlaps(a: Ipv4Packet, b: Ipv4Packet): boolean {
  return a.fragmentOffset < endOf(b) && b.fragmentOffset < endOf(a);
}

/** Two last fragments, or something beyond the last. */
function contradicts(partial: Partial, piece: Ipv4Packet, end: number): boolean {
  if (partial.total !== null) return !piece.moreFragments || end > partial.total;
  return !piece.moreFragments && partial.pieces.some((other) => endOf(other) > end);
}
