/** The body of the worker thread that holds the fabric and the first group of nodes, or a whole run (`solo.ts`). */
import { parentPort, workerData } from 'node:worker_threads';
import { runHere } from './run.ts';
import { plainError, type SoloInput, type SoloMessage } from './solo.ts';
import type { OutputLine } from './types.ts';

const { options, source, groups, marker } = workerData as SoloInput;

function say(message: SoloMessage): void {
  parentPort?.postMessage(message);
}

let lines: OutputLine[] = [];

/** Lines go out in batches: one a slice, not one a line. */
function flushLines(): void {
  if (lines.length > 0) say({ kind: 'lines', lines });
  lines = [];
}

runHere({
  options: {
    ...options,
    ...(groups === 1 ? { placement: 'inline' as const } : {}),
    onLine: (line) => lines.push(line),
    onDomains: (sample) => say({ kind: 'domains', sample }),
    onProgress: (progress) => {
      flushLines();
      say({ kind: 'progress', progress });
    },
  },
  source,
  marker: new Int32Array(marker),
  firstHere: true,
}).then(
  (result) => {
    flushLines();
    say({ kind: 'result', result });
  },
  (error: unknown) => {
    flushLines();
    say({ kind: 'error', error: plainError(error) });
  },
);
