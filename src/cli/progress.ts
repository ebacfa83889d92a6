/**
 * The progress line of a run that takes longer than a second: on a terminal only, on standard error, gone when the run ends.
 * The library is loaded with the first line drawn. Wall time is allowed here; nothing of it reaches the simulation.
 */
import type { SingleBar } from 'cli-progress';
import type { RunProgress } from '../cluster/index.ts';
import { formatPs, type Ps } from '../sim/index.ts';
import type { Terminal } from './terminal.ts';

const QUIET_MS = 1000;

export class Progress {
  readonly #terminal: Terminal;
  readonly #untilPs: Ps | undefined;
  readonly #startMs = performance.now();
  #bar: SingleBar | undefined;
  #drawn = false;
  #loading = false;
  #stopped = false;

  /** `untilPs`: where the run is known to end, so that the line can show how much is done. */
  constructor(terminal: Terminal, untilPs?: Ps) {
    this.#terminal = terminal;
    this.#untilPs = untilPs;
  }

  /** Shows how far the run is; cheap, and nothing at all away from a terminal. */
  update(progress: RunProgress): void {
    const elapsedMs = performance.now() - this.#startMs;
    if (!this.#terminal.drawsProgress || this.#stopped || elapsedMs < QUIET_MS) return;
    if (this.#bar === undefined) {
      if (!this.#loading) void this.#load(progress);
      return;
    }
    const payload = { text: progressText(progress, elapsedMs) };
    if (this.#drawn) this.#bar.update(this.#done(progress), payload);
    else this.#bar.start(this.#untilPs ?? 1, this.#done(progress), payload);
    this.#drawn = true;
  }

  /** Takes the line away, so that other text can be printed; the next `update` draws it again. */
  clear(): void {
    if (this.#drawn) this.#bar?.stop();
    this.#drawn = false;
  }

  stop(): void {
    this.#stopped = true;
    this.clear();
  }

  async #load(progress: RunProgress): Promise<void> {
    this.#loading = true;
    const { default: library } = await import('cli-progress');
    const format = this.#untilPs === undefined ? '{text}' : '{bar} {percentage} %  {text}';
    // Ctrl-C kills heddle on the spot, whatever a busy thread does. So the library must neither catch it (gracefulExit)
    // nor change the terminal in a way that only it would undo (hideCursor; linewrap false).
    const harmless = { gracefulExit: false, hideCursor: false, linewrap: true };
    const options = { format, clearOnComplete: true, barsize: 16, stream: process.stderr, ...harmless };
    this.#bar = new library.SingleBar(options, library.Presets.shades_classic);
    this.update(progress);
  }

  #done(progress: RunProgress): number {
    return this.#untilPs === undefined ? 0 : Math.min(progress.simulatedPs, this.#untilPs);
  }
}

/** `2.5 ms simulated, 12.3 M packet-hops, 4.1 M/s`. */
export function progressText(progress: RunProgress, elapsedMs: number): string {
  const millions = (value: number): string => `${(value / 1e6).toFixed(1)} M`;
  const simulated = formatPs(Number(progress.simulatedPs.toPrecision(4)));
  return `${simulated} simulated, ${millions(progress.packetHops)} packet-hops, ${millions((1000 * progress.packetHops) / elapsedMs)}/s`;
}
