/**
 * A port of an adapter: its addresses, and the transmit buffer between payload read and the wire.
 *
 * The buffer is counted per virtual lane. Room comes free when the fabric reports that a packet has left (`RECORD_TX_FREED`); such a report takes
 * effect at its own time and is looked at lazily, so nothing happens while there is room.
 */
import { lidMatches, makeGid, pKeysMatch } from '../wire/index.ts';
import type { QpContext } from './queue-pair.ts';
import type { HcaPortConfig } from './types.ts';

const LANES = 16;

/** Reports of freed room that have not taken effect: a ring of (time, bytes). */
class FreedRing {
  #times = new Float64Array(16);
  #bytes = new Int32Array(16);
  #head = 0;
  #tail = 0;

  push(timePs: number, bytes: number): void {
    if (this.#head - this.#tail === this.#times.length) this.#grow();
    const slot = this.#head++ & (this.#times.length - 1);
    this.#times[slot] = timePs;
    this.#bytes[slot] = bytes;
  }

  /** Time of the oldest report; Infinity if there is none. */
  nextPs(): number {
    return this.#head === this.#tail ? Number.POSITIVE_INFINITY : this.#times[this.#tail & (this.#times.length - 1)];
  }

  /** Bytes of all reports up to `nowPs`, which are taken out. */
  mature(nowPs: number): number {
    const mask = this.#times.length - 1;
    let bytes = 0;
    while (this.#head !== this.#tail && this.#times[this.#tail & mask] <= nowPs) bytes += this.#bytes[this.#tail++ & mask];
    return bytes;
  }

  #grow(): void {
    const size = this.#times.length;
    const times = new Float64Array(size * 2);
    const bytes = new Int32Array(size * 2);
    for (let i = 0; i < size; i++) {
      times[i] = this.#times[(this.#tail + i) & (size - 1)];
      bytes[i] = this.#bytes[(this.#tail + i) & (size - 1)];
    }
    this.#times = times;
    this.#bytes = bytes;
    this.#tail = 0;
    this.#head = size;
  }
}

export class PortState {
  readonly config: HcaPortConfig;
  readonly index: number;
  readonly hostPort: number;
  readonly lid: number;
  readonly lmc: number;
  readonly gid: Uint8Array;
  readonly pkeys: Int32Array;
  readonly vlOfSl = new Uint8Array(16);
  /** Queue pair 1 of this port. */
  gsi: QpContext | null = null;
  /** Attached queue pairs by multicast LID. */
  readonly multicast = new Map<number, { gid: Uint8Array; qp: QpContext }[]>();
  /** Queue pairs that wait for room, by lane, and how many there are in all lanes. */
  readonly blocked: QpContext[][] = Array.from({ length: LANES }, () => []);
  blockedCount = 0;
  /** The lane's wake event is pending. */
  readonly wakePending = new Uint8Array(LANES);
  readonly #used = new Int32Array(LANES);
  /** By lane; made when the lane is first used. */
  readonly #freed: (FreedRing | null)[] = Array.from({ length: LANES }, () => null);
  readonly #bufferBytes: number;

  constructor(config: HcaPortConfig, index: number, bufferBytes: number) {
    this.config = config;
    this.index = index;
    this.hostPort = config.hostPort;
    this.lid = config.lid;
    this.lmc = config.lmc;
    this.gid = makeGid(config.gidPrefix, config.portGuid);
    this.pkeys = Int32Array.from(config.pkeys);
    this.#bufferBytes = bufferBytes;
    for (let sl = 0; sl < 16; sl++) this.vlOfSl[sl] = config.slToVl?.[sl] ?? sl % config.dataVls;
  }

  /** Whether `lid` is one of this port's own. */
  owns(lid: number): boolean {
    return lidMatches(lid, this.lid, this.lmc);
  }

  /** Whether a packet of `wireBytes` fits in the lane's buffer at `nowPs`. A packet always fits in an empty one. */
  hasRoom(vl: number, wireBytes: number, nowPs: number): boolean {
    const freed = this.#freed[vl];
    if (freed !== null) this.#used[vl] -= freed.mature(nowPs);
    return this.#used[vl] === 0 || this.#used[vl] + wireBytes <= this.#bufferBytes;
  }

  /** A packet goes into the buffer. */
  occupy(vl: number, wireBytes: number): void {
    this.#used[vl] += wireBytes;
  }

  /** The fabric reports room that is free from `timePs` on. */
  free(vl: number, wireBytes: number, timePs: number): void {
    let freed = this.#freed[vl];
    if (freed === null) {
      freed = new FreedRing();
      this.#freed[vl] = freed;
    }
    freed.push(timePs, wireBytes);
  }

  /** When the next room known of comes free; Infinity if none is known. */
  nextFreePs(vl: number): number {
    return this.#freed[vl]?.nextPs() ?? Number.POSITIVE_INFINITY;
  }

  /** Whether a queue pair waits for room of which no report has come yet. */
  get waitsForRoom(): boolean {
    if (this.blockedCount === 0) return false;
    for (let vl = 0; vl < LANES; vl++) {
      if (this.blocked[vl].length > 0 && this.nextFreePs(vl) === Number.POSITIVE_INFINITY) return true;
    }
    return false;
  }

  /** Bytes in the buffers, freed ones included that have not taken effect: 0 at the end of a clean run. */
  bytesInFlight(): number {
    let bytes = 0;
    for (let vl = 0; vl < LANES; vl++) {
      this.#used[vl] -= this.#freed[vl]?.mature(Number.POSITIVE_INFINITY) ?? 0;
      bytes += this.#used[vl];
    }
    return bytes;
  }

  /** Index of the first P_Key of the table that matches `pkey` (base equal, one of the two a full member); −1 if none does. */
  pkeyIndexOf(pkey: number): number {
    for (let i = 0; i < this.pkeys.length; i++) if (pKeysMatch(this.pkeys[i], pkey)) return i;
    return -1;
  }
}
