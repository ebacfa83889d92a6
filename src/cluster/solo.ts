/**
 * A run whose fabric lives in a worker thread, beside the first group of nodes: what a pool is on a machine that has no core for the fabric alone.
 *
 * With a single group of nodes nothing runs in parallel that could pay for crossing threads in every window. With as many groups as cores, a thread of its own for the
 * fabric would take turns with them and double the crossings. This thread only shows lines and progress, and ends the worker when a program never waits. The result is
 * the same as in any other placement.
 */
import { Worker } from 'node:worker_threads';
import { ConfigError, DeadlockError, InvariantError, ProgramError } from '../sim/index.ts';
import type { ProgramSource } from './program-loader.ts';
import type { DomainSample, OutputLine, RunOptions, RunProgress, RunResult } from './types.ts';
import { endlessLoopMessage } from './worker-group.ts';
import { workerUrl } from './worker-url.ts';

const LOOK_MS = 100;

/** What the worker is started with. Callbacks stay here. */
export interface SoloInput {
  readonly options: Omit<RunOptions, 'onLine' | 'onProgress' | 'onDomains'>;
  readonly source: ProgramSource;
  /** Groups of nodes in all; one is a whole run in the worker. */
  readonly groups: number;
  /** Two cells, see `setRunMarker` of sim. */
  readonly marker: SharedArrayBuffer;
}

/** What the worker says. */
export type SoloMessage =
  | { readonly kind: 'lines'; readonly lines: readonly OutputLine[] }
  | { readonly kind: 'domains'; readonly sample: DomainSample }
  | { readonly kind: 'progress'; readonly progress: RunProgress }
  | { readonly kind: 'result'; readonly result: RunResult }
  | { readonly kind: 'error'; readonly error: PlainError };

/** An error as data. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Of a `ConfigError`. */
  readonly issues?: ConfigError['issues'];
  /** Of a `ProgramError`. */
  readonly node?: string;
}

export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: '' };
  const { name, message, stack = '' } = error;
  if (error instanceof ConfigError) return { name, message, stack, issues: error.issues };
  if (error instanceof ProgramError) return { name, message, stack, node: error.node };
  return { name, message, stack };
}

/** The error again, of its own class. */
export function reviveError(error: PlainError): Error {
  if (error.issues !== undefined) return new ConfigError(error.issues);
  if (error.node !== undefined) return new ProgramError(error.node, error.message.replace(`node ${error.node}: `, ''));
  if (error.name === 'DeadlockError') return new DeadlockError(error.message);
  return new InvariantError(error.stack === '' ? error.message : error.stack);
}

/** Runs in a worker, with further workers for all groups but the first. Throws as `run` does. */
export async function runSolo(
  options: RunOptions,
  source: ProgramSource,
  groups: number,
  watchdogMs: number,
): Promise<RunResult> {
  const { onLine, onProgress, onDomains, ...plain } = options;
  const marker = new Int32Array(new SharedArrayBuffer(8));
  const input: SoloInput = { options: plain, source, groups, marker: marker.buffer as SharedArrayBuffer };
  const worker = new Worker(workerUrl('solo-worker'), { workerData: input, name: 'heddle-run' });
  let watch: NodeJS.Timeout | undefined;
  try {
    return await new Promise<RunResult>((resolve, reject) => {
      worker.on('message', (message: SoloMessage) => {
        if (message.kind === 'lines') for (const line of message.lines) onLine?.(line);
        else if (message.kind === 'domains') onDomains?.(message.sample);
        else if (message.kind === 'progress') onProgress?.(message.progress);
        else if (message.kind === 'result') resolve(message.result);
        else reject(reviveError(message.error));
      });
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new InvariantError(`the worker thread ended by itself, code ${code}`)));
      watch = watchPrograms(marker, watchdogMs, (entity) =>
        reject(new ProgramError(options.topology.nodes[entity]?.name ?? `${entity}`, endlessLoopMessage(watchdogMs))),
      );
    });
  } finally {
    clearInterval(watch);
    await worker.terminate();
  }
}

/** Calls `tooLong` when one and the same resumption of a program lasts `limitMs`. */
function watchPrograms(marker: Int32Array, limitMs: number, tooLong: (entity: number) => void): NodeJS.Timeout {
  let resumptions = -1;
  let waitedMs = 0;
  return setInterval(() => {
    const running = Atomics.load(marker, 0);
    const now = Atomics.load(marker, 1);
    waitedMs = running !== 0 && now === resumptions ? waitedMs + LOOK_MS : 0;
    resumptions = now;
    if (waitedMs >= limitMs) tooLong(running - 1);
  }, LOOK_MS);
}
