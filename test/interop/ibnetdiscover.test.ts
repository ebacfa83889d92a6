/**
 * The exports against the tools whose formats they are: the real ibsim reads the file, the real `ibnetdiscover` walks that fabric, and what
 * it prints must load as the fabric that was exported. Needs Debian's ibsim-utils, libumad2sim0 and infiniband-diags.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { exportTopology, loadTopology, loadTopologyText, type Topology } from '../../src/topology/index.ts';

const folder = fileURLToPath(new URL('../../topologies/', import.meta.url));
const run = promisify(execFile);
let runs = 0;

/** What a wire and its ends tell: names, GUIDs, ports, width and speed, in an order of its own. */
function wire({ nodes, switches, links }: Topology) {
  const port = (end: Topology['links'][number]['ends'][0]) =>
    end.kind === 'switch' ? `${switches[end.switch]!.guid} ${end.port}` : `${nodes[end.node]!.hcas[end.hca]!.guid} ${end.port}`;
  return {
    switches: switches.map((one) => [one.name, one.guid, one.systemImageGuid, one.portCount, one.enhancedPort0].join(' ')).sort(),
    hcas: nodes
      .flatMap((node) =>
        node.hcas.map((hca) =>
          [node.name, hca.name, hca.guid, hca.systemImageGuid, ...hca.ports.map((one) => one.guid)].join(' '),
        ),
      )
      .sort(),
    links: links.map((link) => `${link.ends.map(port).sort().join(' ')} ${link.width}${link.speed}`).sort(),
  };
}

/** Waits until ibsim says that it is ready; rejects with its log where it ends before. */
function ready(ibsim: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = '';
    const read = (data: Buffer) => {
      log += data;
      if (log.includes('simulator ready')) resolve();
    };
    ibsim.stdout!.on('data', read);
    ibsim.stderr!.on('data', read);
    ibsim.on('error', reject);
    ibsim.on('exit', () => reject(new Error(`ibsim ended: ${log}`)));
  });
}

/** The text that the real `ibnetdiscover` prints of an ibsim file, seen from the node with that id. */
async function discover(net: string, id: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-ibsim-'));
  const socket = `heddle-${process.pid}-d${runs++}`;
  writeFileSync(join(directory, 'fabric.net'), net);
  const options = { cwd: directory, env: { ...process.env, IBSIM_SOCKNAME: socket, SIM_HOST: id } };
  const ibsim = spawn('ibsim', ['-s', '-N', '4000', '-S', '400', '-P', '40000', 'fabric.net'], {
    ...options,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  try {
    await ready(ibsim);
    const { stdout } = await run('ibnetdiscover', [], {
      ...options,
      env: { ...options.env, LD_PRELOAD: preload() },
      maxBuffer: 1 << 26,
      timeout: 60_000,
    });
    return stdout;
  } finally {
    ibsim.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

function preload(): string {
  const places = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'].map(
    (path) => `${path}/umad2sim/libumad2sim.so`,
  );
  const found = places.find((path) => existsSync(path));
  if (found === undefined) throw new Error('libumad2sim.so is not installed; scripts/setup-interop installs it');
  return found;
}

// ibsim 0.10 knows speeds up to HDR; a switch alone is no fabric to walk.
test.each([
  ['exadata-rack.yaml', 'db1'],
  ['processor-io.yaml', 'cpu1'],
  ['dragonfly.yaml', 'node1'],
  ['ring-5.yaml', 'node1'],
  ['tree-648.yaml', 'node1'],
  ['cluster-96.ibnetdiscover', 'n001'],
])('%s, exported for ibsim, is what ibnetdiscover finds there', async (file, id) => {
  const topology = loadTopology(folder + file);
  const found = loadTopologyText(await discover(exportTopology(topology, 'ibsim'), id), 'found.txt');
  expect(wire(found)).toEqual(wire(topology));
});

test.each([
  ['lab.net', 'head'],
  ['cluster-96.ibnetdiscover', 'H-e41d2d0300910000'],
])('%s is read by ibsim as it is, and by us alike', async (file, id) => {
  const found = loadTopologyText(await discover(readFileSync(folder + file, 'utf8'), id), 'found.txt');
  expect(wire(found)).toEqual(wire(loadTopology(folder + file)));
});
