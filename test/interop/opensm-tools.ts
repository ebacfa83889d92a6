/**
 * Runs the real OpenSM on a graph of ours: the graph as an ibsim `.net` file, ibsim (Debian `ibsim-utils`) as the fabric
 * without data plane, `opensm` with libumad2sim preloaded for one sweep, then its dumps, read back.
 * Each run has a scratch directory and an abstract socket name of its own and ends its processes by their ids.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LinkEnd, SubnetGraph } from '../../src/subnet/index.ts';

/** What OpenSM made of a graph. */
export interface OpenSmResult {
  /** By port GUID of an adapter, or GUID of a switch. */
  readonly lids: Map<bigint, number>;
  /** By GUID of a switch: the port and the hops of each LID; LIDs without a path are absent. */
  readonly tables: Map<bigint, Map<number, { port: number; hops: number }>>;
  readonly log: string;
  /** ibdmchk's text on these tables. */
  readonly check: string;
}

/** The file `ibsim` reads. Node names must be unique; a port GUID must be its node's GUID + port number. */
export function toNetFile(graph: SubnetGraph): string {
  const rows = new Map<string, string[]>();
  const owner = (end: LinkEnd) => (end.kind === 'switch' ? graph.switches[end.index]!.name : graph.adapters[end.index]!.name);
  const port = (end: LinkEnd) => (end.kind === 'switch' ? end.port : graph.adapters[end.index]!.port);
  for (const { a, b } of graph.links) {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      if (!rows.has(owner(from))) rows.set(owner(from), []);
      rows.get(owner(from))!.push(`[${port(from)}]\t"${owner(to)}"[${port(to)}]`);
    }
  }
  const parts = graph.switches.map(
    (s) => `switchguid=0x${s.guid.toString(16)}\nSwitch ${s.portCount} "${s.name}"\n${(rows.get(s.name) ?? []).join('\n')}\n`,
  );
  for (const adapter of graph.adapters) {
    parts.push(
      `caguid=0x${adapter.nodeGuid.toString(16)}\nHca 1 "${adapter.name}"\n${(rows.get(adapter.name) ?? []).join('\n')}\n`,
    );
  }
  return parts.join('\n');
}

let runs = 0;

/** One sweep of `opensm -R engine`, run on the first adapter's node. */
export async function runOpenSm(
  graph: SubnetGraph,
  engine: string,
  options: { lmc?: number; roots?: readonly bigint[] } = {},
): Promise<OpenSmResult> {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-osm-'));
  const socket = `heddle-${process.pid}-${runs++}`;
  const env = {
    ...process.env,
    IBSIM_SOCKNAME: socket,
    SIM_HOST: graph.adapters[0]!.name,
    OSM_CACHE_DIR: dir,
    OSM_TMP_DIR: dir,
    LD_PRELOAD: umadLibrary(),
  };
  writeFileSync(join(dir, 'fabric.net'), toNetFile(graph));
  const { LD_PRELOAD: _, ...bare } = env;
  const ibsim = spawn('ibsim', ['-n', '-s', 'fabric.net'], { cwd: dir, env: bare, stdio: 'ignore' });
  try {
    await listening(ibsim, socket);
    const args = ['-o', '-f', 'osm.log', '-D', '0x43', '-R', engine];
    if (options.lmc !== undefined) args.push('-l', String(options.lmc));
    if (options.roots !== undefined) {
      writeFileSync(join(dir, 'roots'), options.roots.map((guid) => `0x${guid.toString(16)}\n`).join(''));
      args.push('-a', 'roots');
    }
    const sm = spawn('opensm', args, { cwd: dir, env, stdio: 'ignore' });
    const code = await ended(sm, 60_000);
    if (code !== 0) throw new Error(`opensm ended with ${code}: ${tail(join(dir, 'osm.log'))}`);
    return readResult(dir, options.lmc ?? 0);
  } finally {
    ibsim.kill('SIGKILL');
    await ended(ibsim, 5_000);
    rmSync(dir, { recursive: true, force: true });
  }
}

function umadLibrary(): string {
  const listed = spawnSync('dpkg', ['-L', 'libumad2sim0'], { encoding: 'utf8' }).stdout ?? '';
  const path = listed.split('\n').find((line) => line.endsWith('/libumad2sim.so'));
  if (path === undefined) throw new Error('libumad2sim0 is not installed: run scripts/setup-interop');
  return path;
}

/** Waits until ibsim's control socket exists; a client that came earlier would sleep two seconds. */
async function listening(ibsim: ChildProcess, socket: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (ibsim.exitCode !== null) throw new Error(`ibsim ended with ${ibsim.exitCode}`);
    if (readFileSync('/proc/net/unix', 'utf8').includes(`@${socket}:ctl`)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('ibsim did not open its socket in 5 s');
}

/** The exit code, or −1 after a signal; kills the process when `limitMs` is over. */
function ended(child: ChildProcess, limitMs: number): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode ?? -1);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      resolve(code ?? -1);
    });
  });
}

function tail(path: string): string {
  return readFileSync(path, 'utf8').split('\n').slice(-5).join('\n');
}

function readResult(dir: string, lmc: number): OpenSmResult {
  const lids = new Map<bigint, number>();
  for (const match of readFileSync(join(dir, 'guid2lid'), 'utf8').matchAll(/^0x([0-9a-f]+) 0x([0-9a-f]+) /gm))
    lids.set(BigInt(`0x${match[1]}`), Number.parseInt(match[2]!, 16));
  const tables: OpenSmResult['tables'] = new Map();
  let table = new Map<number, { port: number; hops: number }>();
  for (const line of readFileSync(join(dir, 'opensm.fdbs'), 'utf8').split('\n')) {
    const owner = /Switch 0x([0-9a-f]+)/.exec(line);
    if (owner !== null) {
      table = new Map();
      tables.set(BigInt(`0x${owner[1]}`), table);
    }
    const entry = /^0x([0-9A-Fa-f]+) : (\d+)\s+: (\d+)/.exec(line);
    if (entry !== null) table.set(Number.parseInt(entry[1]!, 16), { port: Number(entry[2]), hops: Number(entry[3]) });
  }
  const check = spawnSync('ibdmchk', ['-s', 'opensm-subnet.lst', '-f', 'opensm.fdbs', '-m', 'opensm.mcfdbs', '-l', String(lmc)], {
    cwd: dir,
    encoding: 'utf8',
  }).stdout;
  return { lids, tables, log: readFileSync(join(dir, 'osm.log'), 'utf8'), check };
}
