/**
 * A run record: one file that holds everything a run depended on (the resolved topology, the bundled program, options, seed, versions) and the hash of what came out,
 * so that it can be run again anywhere and compared.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { ConfigError } from '../sim/index.ts';
import type { Topology } from '../topology/index.ts';
import { packValue, unpackValue } from './messages.ts';
import { type ProgramSource, prepareProgram } from './program-loader.ts';
import { runPrepared } from './run.ts';
import type { RunOptions, RunResult, RunSummary } from './types.ts';
import { VERSION } from './version.ts';

const FORMAT = 'heddle run record 1';

interface RunRecord {
  readonly format: typeof FORMAT;
  readonly version: string;
  readonly node: string;
  readonly topology: Topology;
  readonly program: ProgramSource;
  /** The options that have an influence on the result. */
  readonly options: Pick<
    RunOptions,
    'topologyFile' | 'programArgs' | 'nodes' | 'client' | 'server' | 'seed' | 'faults' | 'allowCycles' | 'untilPs'
  >;
  readonly hash: string;
}

/** What a replay found. */
export interface ReplayResult {
  readonly matches: boolean;
  /** The hash in the record and the one of the replay. */
  readonly expected: string;
  readonly found: string;
  /** The command line that would run the same again from the files. */
  readonly command: string;
  /** What differs between then and now, such as another version of heddle, which may well give another hash. */
  readonly remarks: readonly string[];
  readonly run: RunSummary;
}

/** Writes the record of a run that has ended. */
export async function writeRunRecord(file: string, options: RunOptions, result: RunResult): Promise<void> {
  const { topology, topologyFile, programArgs, nodes, client, server, seed, faults, allowCycles, untilPs } = options;
  const record: RunRecord = {
    format: FORMAT,
    version: VERSION,
    node: process.version,
    topology,
    program: await prepareProgram(options.program),
    options: JSON.parse(JSON.stringify({ topologyFile, programArgs, nodes, client, server, seed, faults, allowCycles, untilPs })),
    hash: result.run.hash,
  };
  writeFileSync(file, packValue(record));
}

/** Runs a record again, in any placement, and compares the hash. Throws `ConfigError` where the file is no run record. */
export async function replay(
  file: string,
  how: Pick<RunOptions, 'placement' | 'workers' | 'onLine' | 'onProgress'> = {},
): Promise<ReplayResult> {
  const record = readRecord(file);
  const program =
    record.program.kind === 'builtin'
      ? { kind: 'builtin' as const, name: record.program.name }
      : { kind: 'file' as const, path: record.program.name };
  const result = await runPrepared({ ...record.options, topology: record.topology, program, ...how }, record.program);
  return {
    matches: result.run.hash === record.hash,
    expected: record.hash,
    found: result.run.hash,
    command: ['heddle run', record.options.topologyFile, record.program.name, ...record.options.programArgs].join(' '),
    remarks: remarksOn(record),
    run: result.run,
  };
}

function remarksOn(record: RunRecord): string[] {
  const remarks: string[] = [];
  if (record.version !== VERSION) remarks.push(`recorded by heddle ${record.version}, replayed by ${VERSION}`);
  if (record.node !== process.version) remarks.push(`recorded on Node ${record.node}, replayed on ${process.version}`);
  return remarks;
}

function readRecord(file: string): RunRecord {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new ConfigError([{ file, path: '', message: `can not be read (${(error as NodeJS.ErrnoException).code ?? error})` }]);
  }
  let value: unknown;
  try {
    value = unpackValue(bytes);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || (value as RunRecord).format !== FORMAT)
    throw new ConfigError([{ file, path: '', message: `is not a run record; accepted: a file written by --record (${FORMAT})` }]);
  return value as RunRecord;
}
