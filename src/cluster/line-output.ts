/** The lines that programs print, brought into the order (time, rank) and given out as soon as no earlier one can come. */
import type { LineMessage } from './messages.ts';
import type { OutputLine } from './types.ts';

export class LineOutput {
  /** All lines given out so far, in order. */
  readonly lines: OutputLine[] = [];
  readonly #describe: (rank: number) => { node: string; role: string };
  readonly #onLine: ((line: OutputLine) => void) | undefined;

  constructor(describe: (rank: number) => { node: string; role: string }, onLine?: (line: OutputLine) => void) {
    this.#describe = describe;
    this.#onLine = onLine;
  }

  /** Takes the lines before `beforePs` out of `pending`, sorts them and gives them out. */
  flush(pending: LineMessage[], beforePs: number): void {
    if (pending.length === 0) return;
    const ready = pending.filter((line) => line.timePs < beforePs);
    if (ready.length === 0) return;
    const rest = pending.filter((line) => line.timePs >= beforePs);
    pending.length = 0;
    pending.push(...rest);
    ready.sort((a, b) => a.timePs - b.timePs || a.rank - b.rank || a.sequence - b.sequence);
    for (const { timePs, rank, text } of ready) {
      const line = { timePs, rank, ...this.#describe(rank), text };
      this.lines.push(line);
      this.#onLine?.(line);
    }
  }
}
