/**
 * Where the command line prints. A reader that goes away (`heddle list | head -1`) ends heddle quietly.
 */
export interface Terminal {
  /** To standard output: what the user asked for. */
  out(text: string): void;
  /** To standard error: warnings, errors, progress, and the closing lines of a run. */
  err(text: string): void;
  /** Whether standard error is a terminal, so that a progress line may be drawn over. */
  readonly drawsProgress: boolean;
  /** Width for help texts. */
  readonly columns: number;
}

/** The terminal of this process. Call once: it takes over what happens when a reader is gone. */
export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    drawsProgress: process.stderr.isTTY === true,
    columns: Math.min(process.stdout.columns ?? 100, 120),
  };
}
