/** `xen` and `ipoib` blocks: defaults, ranges, mistakes with their places, and the way out into a file again. */
import { describe, expect, it } from 'vitest';
import { checkTopologyText, exportTopology, loadTopologyText, type TopologyXen } from '../../src/topology/index.ts';

const OPTIONS = {
  catalog: { profiles: ['connectx2'], parameters: [] },
  xen: { versions: { 'xen-3.0': ['sedf', 'bvt'], 'xen-4.17': ['credit2', 'credit'] }, costs: ['hypercallPs', 'copyPsPerByte'] },
};
const file = (xen: string, more = '') => `heddle: 1
defaults: { node: { hca: { profile: connectx2 } }, link: { speed: QDR } }
nodes:
  a: { ${more} xen: ${xen} }
  b: {}
links: [a -> b]
`;
const load = (xen: string) => loadTopologyText(file(xen), 'x.yaml', OPTIONS);
const problems = (xen: string, more = '') =>
  checkTopologyText(file(xen, more), 'x.yaml', OPTIONS).map(({ path, message }) => `${path}: ${message}`);

describe('xen', () => {
  it('fills in what is not said', () => {
    const [a, b] = load('{ guests: { "g[1-2]": { vif: [{}], ib: [{ mode: bypass }] } } }').nodes;
    const xen = a?.xen as TopologyXen;
    expect(b).not.toHaveProperty('xen');
    expect(xen).toMatchObject({ version: 'xen-4.17', cpus: 4, memoryMiB: 16_384, costs: {}, configs: [] });
    expect(xen.dom0).toEqual({ memoryMiB: 1024, vcpus: 1 });
    expect(xen.guests.map((guest) => guest.name)).toEqual(['g1', 'g2']);
    expect(xen.guests[1]).toEqual({
      name: 'g2',
      memoryMiB: 512,
      vcpus: 1,
      vifs: [{}],
      ib: [{ mode: 'bypass', hca: 0, port: 1 }],
      load: 'idle',
    });
  });

  it('takes settings of scheduler, domains and loads', () => {
    const xen = load(`{ version: xen-3.0, scheduler: { name: sedf, timeslice: 5ms }, cpus: 1, costs: { hypercallPs: 1000 },
      dom0: { weight: 512 }, guests: { g: { cap: 40, period: 20ms, slice: 5ms, load: { busy: 100us, every: 10ms } } } }`).nodes[0]
      ?.xen;
    expect(xen?.scheduler).toEqual({ name: 'sedf', timeslicePs: 5e9 });
    expect(xen?.guests[0]).toMatchObject({ cap: 40, periodPs: 20e9, slicePs: 5e9, load: { busyPs: 1e8, everyPs: 1e10 } });
  });

  it.each([
    ['{ version: xen-9 }', 'nodes.a.xen.version: found "xen-9"'],
    ['{ version: xen-3.0, scheduler: credit }', 'nodes.a.xen.scheduler: found "credit"; xen-3.0 has sedf or bvt'],
    ['{ costs: { hypercal: 1 } }', 'nodes.a.xen.costs.hypercal: is no cost'],
    ['{ costs: { hypercallPs: 0.5 } }', 'nodes.a.xen.costs.hypercallPs: found 0.5; expected whole picoseconds'],
    ['{ scheduler: { name: credit2, boost: true } }', 'nodes.a.xen.scheduler.boost: changes nothing'],
    ['{ guests: { g: { ib: [{ mode: bypass, hca: 3 }] } } }', 'nodes.a.xen.guests.g.ib[0].hca: there is no HCA 3'],
    ['{ guests: { "g[1-2]": { vif: [{ ip: 10.0.0.1 }] } } }', 'belongs to one alone'],
    ['{ guests: { "g[1-2]": {}, g2: {} } }', 'the name "g2" is taken'],
    ['{ guests: { g: { load: { busy: 2ms, every: 1ms } } } }', 'is longer than every'],
    ['{ guests: { g: { vif: [{ ip: 10.0.0.256 }] } } }', 'an IPv4 address'],
    ['{ gests: {} }', 'gests'],
  ])('%s is refused', (xen, message) => expect(problems(xen).join('\n')).toContain(message));

  it('comes back from an export', () => {
    const topology = load(
      `{ scheduler: credit, guests: { g: { vif: [{ ip: 10.0.0.9, rate: 10Mb/s }], load: busy, cpus: "1" } }, configs: [web.cfg] }`,
    );
    for (const format of ['yaml', 'json'] as const) {
      const again = loadTopologyText(exportTopology(topology, format), `x.${format}`, OPTIONS);
      expect(again.nodes[0]?.xen).toEqual(topology.nodes[0]?.xen);
    }
  });
});

describe('ipoib', () => {
  const nodes = (ipoib: string) => loadTopologyText(file('{}', `ipoib: ${ipoib},`), 'x.yaml', OPTIONS).nodes;

  it('is a mode on a port', () => {
    expect(nodes('{}')[0]?.ipoib).toEqual({ mode: 'datagram', hca: 0, port: 1 });
    expect(nodes('{ mode: connected, address: 10.1.2.3 }')[0]?.ipoib).toEqual({
      mode: 'connected',
      hca: 0,
      port: 1,
      address: '10.1.2.3',
    });
  });

  it('must be on a port that is there', () => {
    expect(problems('{}', 'ipoib: { port: 2 },')).toEqual([expect.stringContaining('nodes.a.ipoib.port: mlx4_0 has no port 2')]);
  });
});
