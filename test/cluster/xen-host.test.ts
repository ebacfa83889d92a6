/** Whole runs on Xen hosts: guests boot, talk over their networks and adapters, and the result is the same in every placement. */
import { describe, expect, it } from 'vitest';
import { run, type RunOptions, type RunResult } from '../../src/cluster/index.ts';
import { HCA_CATALOG, XEN_CATALOG } from '../../src/cluster/load.ts';
import { loadTopologyText } from '../../src/topology/index.ts';

const OPTIONS = { catalog: HCA_CATALOG, xen: XEN_CATALOG };

/** Two Xen hosts back to back, alike. */
function hosts(xen: string) {
  const text = `heddle: 1
defaults: { node: { hca: { profile: connectx2-qdr } }, link: { speed: QDR, mtu: 2048 } }
nodes: { "cpu[1-2]": { xen: ${xen} } }
links: [cpu1 -> cpu2]
`;
  return loadTopologyText(text, 'x.yaml', OPTIONS);
}

const PLAIN = hosts('{ cpus: 4, guests: { "g[1-2]": { vif: [{}], ib: [{ mode: bypass }] } } }');

function start(program: string, args: readonly string[], options: Partial<RunOptions> = {}): Promise<RunResult> {
  return run({
    topology: PLAIN,
    topologyFile: 'x.yaml',
    program: { kind: 'builtin', name: program },
    programArgs: args,
    placement: 'inline',
    ...options,
  });
}

const text = (result: RunResult) => result.lines.map((line) => line.text).join('\n');

describe('guests', () => {
  it('ping each other over netfront, netback, routing and IPoIB', async () => {
    const result = await start('ping', ['-c', '3'], { breakdown: true });
    expect(text(result)).toContain('3 packets transmitted, 3 received, 0% packet loss');
    const [path] = result.breakdown;
    const names = new Set(path?.stages.map(({ name }) => name));
    for (const name of ['netfront', 'grant copy', 'netback', 'route', 'IPoIB', 'upcall', 'wait for vCPU', 'cable'])
      expect(names).toContain(name);
    expect(path?.stages.reduce((sum, { durationPs }) => sum + durationPs, 0)).toBe(path?.reportedPs);
  });

  it('and over a bridge of their host', async () => {
    const topology = hosts('{ guests: { "g[1-2]": { vif: [{ bridge: xenbr0 }] } } }');
    const inside = await start('ping', ['-c', '2'], { topology, nodes: ['cpu1/g2', 'cpu1/g1'], breakdown: true });
    expect(text(inside)).toContain('2 packets transmitted, 2 received');
    expect(inside.breakdown[0]?.stages.map(({ name }) => name)).toContain('bridge');
    expect(inside.run.packets).toBe(0);
    const across = await start('ping', ['-c', '2'], { topology, nodes: ['cpu2/g1', 'cpu1/g1'] });
    expect(text(across)).toContain('2 packets transmitted, 2 received');
  });

  it.each(['xen-3.0', 'xen-3.0.4', 'xen-4.17'])('of %s stream TCP', async (version) => {
    const topology = hosts(`{ version: ${version}, guests: { g: { vif: [{}] } } }`);
    const result = await start('netperf', ['-t', 'TCP_STREAM', '-l', '0.02'], { topology });
    const throughput = Number(text(result).trim().split('\n').at(-1)?.trim().split(/\s+/).at(-1));
    expect(throughput).toBeGreaterThan(100);
  });

  it('use the adapter at native speed', async () => {
    const bare = loadTopologyText(
      'heddle: 1\ndefaults: { node: { hca: { profile: connectx2-qdr } }, link: { speed: QDR, mtu: 2048 } }\nnodes: { a: {}, b: {} }\nlinks: [a -> b]\n',
      'x.yaml',
      OPTIONS,
    );
    for (const program of ['ib_write_lat', 'ib_read_lat'])
      expect((await start(program, ['-n', '50'])).results).toEqual(
        (await start(program, ['-n', '50'], { topology: bare })).results,
      );
  });

  it('have what they were given, and nothing else', async () => {
    const topology = hosts('{ guests: { g: {} } }');
    await expect(start('ib_write_lat', ['-n', '5'], { topology })).rejects.toThrow(/ENODEV/);
    expect(text(await start('ping', ['-c', '1'], { topology }))).toContain('Name or service not known');
  });

  it('have virtual functions, which cost more than bypass', async () => {
    const vf = hosts('{ guests: { g: { ib: [{ mode: vf }] } } }');
    const [slow, fast] = await Promise.all([
      start('ib_send_lat', ['-n', '50', '-s', '8'], { topology: vf }),
      start('ib_send_lat', ['-n', '50', '-s', '8']),
    ]);
    const typical = (result: RunResult) => (result.results as { t_typical: number }[])[0]?.t_typical as number;
    expect(typical(slow)).toBeGreaterThan(typical(fast) + 0.2);
  });
});

describe('accounts of domains', () => {
  it('add up: running, runnable, blocked and offline are all the time there was', async () => {
    const samples: number[] = [];
    const result = await start('ping', ['-c', '2'], {
      domains: true,
      sampleEveryPs: 100e9,
      onDomains: ({ atPs, domains }) => {
        samples.push(atPs);
        for (const { runningPs, runnablePs, blockedPs, offlinePs, vcpus, domid } of domains)
          if (domid === 0) expect(runningPs + runnablePs + blockedPs + offlinePs).toBe(atPs * vcpus);
      },
    });
    expect(samples).toEqual(samples.map((_, i) => (i + 1) * 100e9));
    expect(samples.length).toBeGreaterThan(9);
    expect(result.domains?.map(({ place }) => place)).toEqual(['cpu1', 'cpu1/g1', 'cpu1/g2', 'cpu2', 'cpu2/g1', 'cpu2/g2']);
    const guest = result.domains?.[1];
    expect(guest?.vifs.txPackets).toBeGreaterThan(1);
    expect(Object.values(guest?.usedPs ?? {}).reduce((sum, ps) => sum + ps, 0)).toBeLessThanOrEqual(guest?.runningPs ?? 0);
  });
});

describe('one result in every placement', () => {
  const busy = hosts(
    '{ cpus: 2, scheduler: credit, guests: { g: { vif: [{}], ib: [{ mode: bypass }] }, "hog[1-2]": { load: busy } } }',
  );
  it.each([
    ['ping', ['-c', '3']],
    ['netperf', ['-t', 'TCP_RR', '-l', '0.01']],
    ['ib_send_lat', ['-e', '-n', '30']],
  ])('%s %j beside busy neighbours', async (program, args) => {
    const placements: Partial<RunOptions>[] = [
      {},
      { placement: 'pool', workers: 1 },
      { placement: 'pool', workers: 2 },
      { placement: 'dedicated' },
    ];
    const runs = [];
    for (const placement of placements) runs.push(await start(program, args, { topology: busy, ...placement }));
    const seen = runs.map(({ run: { hash, simulatedPs, packets, packetHops, events } }) => ({
      hash,
      simulatedPs,
      packets,
      packetHops,
      events,
    }));
    for (const one of seen) expect(one).toEqual(seen[0]);
  });
});
