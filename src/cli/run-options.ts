/**
 * From the words of `heddle run` to the options of a run. What contradicts itself or has no effect is refused.
 */
import { existsSync } from 'node:fs';
import type { CaptureTarget, ListEntry, Placement, ProgramReference, RunOptions, ServeOptions } from '../cluster/index.ts';
import { ConfigError } from '../sim/index.ts';
import type { Call, CommandOption } from './command.ts';
import type { ClusterDoor, Doors } from './doors.ts';
import { didYouMean } from './near.ts';
import { defined, type OptionValues } from './option-values.ts';

const PLACEMENTS = ['inline', 'pool', 'dedicated'] as const;
const SHOWS = ['all', 'client'] as const;
const MAX_WATCHDOG_SECONDS = 86_400;
const MAX_WORKERS = 1024;

export const MACHINE = 'How it runs here (never changes a result):';
/** Of every command that runs programs. */
export const PLACEMENT_OPTIONS: Readonly<Record<string, CommandOption>> = {
  placement: {
    value: 'inline|pool|dedicated',
    describe: 'nodes in this thread, shared out over workers, or one worker each (default pool)',
    group: MACHINE,
  },
  workers: { value: 'N', describe: 'worker threads of the pool (default: CPU cores - 1)', group: MACHINE },
};

/** Where the results go, once the run is over. */
export interface RunOutputs {
  /** `-` is standard output, which then holds nothing else. */
  readonly json: string | undefined;
  readonly record: string | undefined;
  readonly show: 'all' | 'client' | undefined;
}

/** What `heddle run` was asked for. Throws `ConfigError`. */
export async function readRun(
  call: Call,
  cluster: ClusterDoor,
  doors: Doors,
): Promise<{ options: RunOptions; outputs: RunOutputs }> {
  const { options, positionals } = call;
  const outputs: RunOutputs = {
    json: options.outputFile('json', true),
    record: options.outputFile('record'),
    show: options.oneOf('show', SHOWS),
  };
  const settings = defined({
    client: options.text('client'),
    server: options.text('server'),
    nodes: await readNodes(options, doors),
    seed: options.whole('seed', 0),
    ...readPlacement(options),
    faults: options.given('fault') ? options.texts('fault') : undefined,
    allowCycles: options.flag('allow-cycles') || undefined,
    breakdown: options.flag('breakdown') || undefined,
    counters: options.flag('counters') || undefined,
    domains: options.flag('domains') || undefined,
    captures: options.given('capture') ? readCaptures(options) : undefined,
    captureFile: options.outputFile('pcap'),
    untilPs: options.timePs('until'),
    serve: readServe(options),
    watchdogMs: readWatchdog(options),
  });
  checkEffects(options, outputs);
  options.finish();
  const program = readProgram(positionals.program!, cluster.programs());
  const topology = cluster.loadTopologyFile(positionals.topology!);
  return { options: { topology, topologyFile: positionals.topology!, program, programArgs: call.rest, ...settings }, outputs };
}

/** `--xenstore-socket`, `--hypercall-socket` and what goes with them. */
function readServe(options: OptionValues): ServeOptions | undefined {
  const isServed = options.given('xenstore-socket') || options.given('hypercall-socket');
  options.needs('hold', isServed, 'without --xenstore-socket or --hypercall-socket');
  options.needs('socket-node', isServed, 'without --xenstore-socket or --hypercall-socket');
  const serve = defined({
    node: options.text('socket-node'),
    xenstore: options.text('xenstore-socket'),
    hypercalls: options.text('hypercall-socket'),
    holds: options.flag('hold') || undefined,
  });
  return isServed ? serve : undefined;
}

function checkEffects(options: OptionValues, outputs: RunOutputs): void {
  options.needs('capture', options.given('pcap'), 'without --pcap FILE');
  options.needs('client', !options.given('nodes'), 'with --nodes, whose second node is the client');
  options.needs('server', !options.given('nodes'), 'with --nodes, whose first node is the server');
  options.needs('show', outputs.json !== '-', 'with --json -, which prints nothing else');
}

/** `--placement` and `--workers`. */
export function readPlacement(options: OptionValues): { placement?: Placement; workers?: number } {
  const placement = options.oneOf('placement', PLACEMENTS);
  const workers = options.whole('workers', 1, MAX_WORKERS);
  options.needs('workers', (placement ?? 'pool') === 'pool', `with --placement ${placement}`);
  return defined({ placement, workers });
}

function readWatchdog(options: OptionValues): number | undefined {
  const seconds = options.positive('watchdog', MAX_WATCHDOG_SECONDS);
  return seconds === undefined ? undefined : Math.ceil(seconds * 1000);
}

/** `cpu1,cpu[3-5]` as names, in the order given. */
export async function readNodes(options: OptionValues, doors: Doors): Promise<readonly string[] | undefined> {
  const text = options.text('nodes');
  if (text === undefined) return undefined;
  if (!text.includes('[')) return text.split(',').map((name) => name.trim());
  const { expandNames } = await doors.topology();
  return text.split(/,(?![^[]*\])/).flatMap((pattern) => {
    const expansion = expandNames(pattern.trim());
    if ('names' in expansion) return expansion.names;
    options.fail('nodes', `${pattern}: ${expansion.error}`);
    return [];
  });
}

/** `NODE:PORT` or `SWITCH:PORT`, each. */
function readCaptures(options: OptionValues): readonly CaptureTarget[] {
  return options.texts('capture').flatMap((text) => {
    const match = /^(.+):(\d{1,3})$/.exec(text);
    if (match !== null) return [{ name: match[1]!, port: Number(match[2]) }];
    options.fail('capture', `found ${JSON.stringify(text)}, expected NODE:PORT or SWITCH:PORT, such as cpu1:1 or leaf1:3`);
    return [];
  });
}

/** A program is a file if it looks like one, else one of those that ship with heddle. Throws `ConfigError`. */
export function readProgram(text: string, builtins: readonly ListEntry[]): ProgramReference {
  if (/[/\\]|\.[mc]?[jt]s$/.test(text)) {
    if (existsSync(text)) return { kind: 'file', path: text };
    throw new ConfigError([{ file: text, path: '', message: 'no such file' }]);
  }
  const names = builtins.map((entry) => entry.name);
  if (names.includes(text)) return { kind: 'builtin', name: text };
  const message = `no such program${didYouMean(text, names)} (heddle list programs names them; a file of yours ends in .ts, .js or .mjs)`;
  throw new ConfigError([{ file: text, path: '', message }]);
}
