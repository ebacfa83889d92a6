/** Which engine routes a fabric, and that traffic goes out with the SLs that it needs. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkTopology, findRoutingRoots, loadTopologyFile, run, runTraffic } from '../../src/cluster/index.ts';
import { readPcap } from '../../src/report/index.ts';
import { DeadlockError } from '../../src/sim/index.ts';
import { loadTopologyText, type Topology } from '../../src/topology/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-routing-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the engine of a generated fabric', () => {
  it.each([
    ['star:hosts=3', { engine: 'min-hop' }],
    ['back-to-back', { engine: 'min-hop' }],
    ['fat-tree:k=4,levels=2', { engine: 'fat-tree', roots: [] }],
    ['fat-tree:k=4,levels=3', { engine: 'fat-tree', roots: [] }],
    ['k-ary-n-tree:k=2,n=3', { engine: 'fat-tree', roots: [] }],
    ['mesh:dimensions=6x3', { engine: 'dor', datelines: false }],
    ['hypercube:dimension=4', { engine: 'dor', datelines: false }],
    ['torus:dimensions=4x4', { engine: 'dor', datelines: false }],
    ['torus:dimensions=3x5', { engine: 'dor', datelines: true }],
    ['torus:dimensions=3x5,vls=1', { engine: 'up-down', roots: [] }],
    ['torus:dimensions=2x2x2x2x5', { engine: 'up-down', roots: [] }],
    ['dragonfly:a=2,p=1,h=1', { engine: 'up-down', roots: [] }],
  ])('%s is routed by %j, and cannot deadlock', (spec, routing) => {
    const topology = loadTopologyFile(spec);
    expect(topology.routing).toEqual(routing);
    expect(checkTopology(topology, {}).findings.at(-1)).toMatch(/^no set of routes can block/);
  });

  it('finds roots: the spines of a tree, the middle of a star of switches', () => {
    expect(findRoutingRoots(loadTopologyFile('fat-tree:k=4,levels=2'))).toEqual(['spine1', 'spine2']);
    expect(findRoutingRoots(loadTopologyFile('topologies/exadata-rack.yaml'))).toEqual([]);
    expect(findRoutingRoots(loadTopologyFile('star:hosts=2'))).toEqual([]);
  });
});

const ring = (routing: string, vls = 2, size = 5): Topology =>
  loadTopologyText(
    `heddle: 1
generate: { kind: torus, dimensions: [${size}] }
defaults:
  node: { hca: { profile: connectx2-qdr } }
  link: { speed: QDR }
  qos: { operationalVls: ${vls} }
routing: ${routing}`,
    'ring.yaml',
  );

describe('datelines', () => {
  const plain = '{ engine: dor }';
  const datelines = '{ engine: dor, datelines: true }';

  it('make a ring of five free of deadlock', () => {
    expect(() => checkTopology(ring(plain), {})).toThrow(/can deadlock/);
    expect(checkTopology(ring(datelines), {}).findings).toContain(
      'dor routing with datelines (an SL for each path, 2 VLs) reaches all of the 20 ordered pairs of adapter ports',
    );
    expect(() => checkTopology(ring(datelines, 1), {})).toThrow(
      'ring.yaml: routing.datelines: needs 2 data VLs on every switch; sw-0 has 1 (qos.operationalVls)',
    );
  });

  /** SL and VL of each request that comes in at the port of the client's switch. */
  async function levels(client: string, server: string, program: string, programArgs: string[] = []) {
    const captureFile = join(folder, `${client}-${server}-${program}.pcap`);
    const topology = ring(datelines);
    const captures = topology.switches.map(({ name }) => ({ name, port: 1 })).slice(4); // sw-4, plus direction: the seam
    const result = await run({
      topology,
      topologyFile: 'ring.yaml',
      program: { kind: 'builtin', name: program },
      programArgs: ['-n', '5', ...programArgs],
      client,
      server,
      placement: 'inline',
      captures,
      captureFile,
    });
    const slid = topology.nodes.findIndex(({ name }) => name === client) + 1;
    const requests = readPcap(readFileSync(captureFile)).records.filter(
      ({ frame }) => ((frame[6] ?? 0) << 8) + (frame[7] ?? 0) === slid,
    );
    const seen = new Set(requests.map(({ frame }) => `SL ${(frame[1] ?? 0) >> 4} VL ${(frame[0] ?? 0) >> 4}`));
    return { seen: [...seen], lines: result.lines.map(({ text }) => text) };
  }

  it.each([
    ['ib_send_lat', []],
    ['ib_write_bw', []],
    ['ib_write_lat', ['-c', 'UC']],
    ['ib_send_lat', ['-c', 'UD']],
    ['ib_send_lat', ['-R']],
    ['ibv_rc_pingpong', []],
    ['ibv_ud_pingpong', []],
  ] as const)('%s %j crosses the seam on VL 1 at the SL of the path', async (program, args) => {
    expect((await levels('node5', 'node1', program, [...args])).seen).toEqual(['SL 1 VL 1']);
  });

  it('other paths stay on VL 0, and an SL that contradicts the path is warned of', async () => {
    expect((await levels('node4', 'node2', 'ib_send_lat')).seen).toEqual([]);
    const { seen, lines } = await levels('node5', 'node1', 'ib_send_lat', ['-S', '0']);
    expect(seen).toEqual(['SL 0 VL 0']);
    expect(lines.filter((line) => /Warning: -S 0, but the path record asks for SL 1/.test(line))).toHaveLength(2);
    expect((await levels('node5', 'node1', 'ib_send_lat', ['-S', '1'])).lines.join()).not.toMatch(/Warning/);
  });

  const traffic = (topology: Topology) =>
    runTraffic({
      topology,
      topologyFile: 'ring.yaml',
      allowCycles: true,
      pattern: 'uniform',
      messageBytes: 2048,
      load: 1,
      warmupPs: 1e9,
      durationPs: 200e6,
    });

  it('keep a loaded ring of seven moving, which stands still without them', async () => {
    expect((await traffic(ring(plain, 2, 7))).messages).toBe(0);
    expect((await traffic(ring(datelines, 2, 7))).acceptedLoad).toBeGreaterThan(0.8);
  });

  it('traffic that stands still for ever ends with the circle', async () => {
    const topology = ring(plain, 2, 7);
    const switches = topology.switches.map((one) => ({ ...one, packetLifetime: 20, qos: { ...one.qos, headOfQueueLife: 20 } }));
    const forever = { ...topology, switches };
    const error = await traffic(forever).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DeadlockError);
    const lines = (error as DeadlockError).message.split('\n');
    expect(lines[0]).toMatch(/^nothing can move at \d+ ps$/);
    expect(lines.filter((line) => /^ {2}sw-\d\/1 VL0: /.test(line) || /^ {2}sw-\d\/2 VL0: /.test(line))).toHaveLength(7);
  });
});
