/**
 * A capture under way: the fabric's capture hook on one side, a capture file on the other.
 *
 * The kernel reports packets port by port, not strictly in the order of time, so they wait here, as bytes, until nothing earlier can come;
 * `flushUntil` says when. What goes to the file is sorted by time, then port, then direction: the same for any placement of the nodes.
 */
import { type PayloadPool, SLOT_BYTES, W_SLOT } from '../fabric/index.ts';
import { type CaptureWriter, encodeCaptured, openCapture } from '../report/index.ts';
import { InvariantError } from '../sim/index.ts';
import { captureRecord } from './capture.ts';

/** One port whose packets are written. */
export interface CapturePoint {
  /** As the file names it: `cpu1:1`, `leaf1:3`. */
  readonly name: string;
  /** The fabric's handle of the port. */
  readonly portHandle: number;
}

interface Waiting {
  readonly timePs: number;
  readonly point: number;
  readonly transmitted: boolean;
  readonly damaged: boolean;
  readonly frame: Uint8Array;
}

export class CaptureTap {
  readonly #writer: CaptureWriter;
  readonly #points: ReadonlyMap<number, number>;
  readonly #pool: PayloadPool | undefined;
  #waiting: Waiting[] = [];
  #earliestPs = Number.POSITIVE_INFINITY;

  /** Opens the file; see `openCapture` for its kinds and errors. `pool` holds the payloads; without it they are zeros. */
  constructor(path: string, points: readonly CapturePoint[], pool?: PayloadPool) {
    this.#points = new Map(points.map(({ portHandle }, i) => [portHandle, i]));
    this.#pool = pool;
    this.#writer = openCapture(
      path,
      points.map(({ name }) => name),
    );
  }

  /** Packets written to the file so far. */
  get packets(): number {
    return this.#writer.packets;
  }

  /** The fabric's capture hook: a packet passed a port. The record at `words[at …]` is read here and now; it is not kept. */
  readonly packet = (
    portHandle: number,
    transmitted: boolean,
    timePs: number,
    words: Int32Array,
    at: number,
    vl: number,
  ): void => {
    const point = this.#points.get(portHandle);
    if (point === undefined) throw new InvariantError(`capture of port ${portHandle}, which nobody asked for`);
    const captured = captureRecord(words, at, this.#slot(words[at + W_SLOT] - 1), timePs, point);
    captured.packet.lrh.vl = vl;
    this.#earliestPs = Math.min(this.#earliestPs, timePs);
    this.#waiting.push({ timePs, point, transmitted, damaged: captured.damaged, frame: encodeCaptured(captured) });
  };

  /** Writes what passed before `timePs`. The caller promises that no packet earlier than that will be reported any more. */
  flushUntil(timePs: number): void {
    if (this.#earliestPs >= timePs) return;
    const ready = this.#waiting.filter((waiting) => waiting.timePs < timePs);
    this.#waiting = this.#waiting.filter((waiting) => waiting.timePs >= timePs);
    this.#earliestPs = this.#waiting.reduce((earliest, waiting) => Math.min(earliest, waiting.timePs), Number.POSITIVE_INFINITY);
    ready.sort(byTime);
    for (const { timePs: time, point, damaged, frame } of ready) this.#writer.writeFrame(time, point, damaged, frame);
  }

  /** Hands what was written to the operating system: whole packets only, so that a run which is stopped leaves a file that can be read. */
  flush(): void {
    this.#writer.flush();
  }

  /** Writes the rest and closes the file. A second call does nothing. */
  close(): void {
    this.flushUntil(Number.POSITIVE_INFINITY);
    this.#writer.close();
  }

  #slot(slot: number): Uint8Array | undefined {
    if (slot < 0 || this.#pool === undefined) return undefined;
    return this.#pool.bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
  }
}

/** A packet comes in before it can go out: at one time and port, received before transmitted. */
function byTime(a: Waiting, b: Waiting): number {
  return a.timePs - b.timePs || a.point - b.point || Number(a.transmitted) - Number(b.transmitted);
}
