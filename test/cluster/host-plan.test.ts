/** Places on nodes and in guests, and the addresses that hosts and guests get. */
import { describe, expect, it } from 'vitest';
import { formatIpv4, parseIpv4, planHosts } from '../../src/cluster/host-plan.ts';
import { defaultPlacesOf, findPlace, placesOf } from '../../src/cluster/places.ts';
import { chooseRanks } from '../../src/cluster/ranks.ts';
import { loadTopologyText, type Topology } from '../../src/topology/index.ts';

const file = (nodes: string) =>
  loadTopologyText(
    `heddle: 1
defaults: { node: { hca: { profile: connectx2 } }, link: { speed: QDR } }
switches: { s: { ports: 8 } }
nodes: ${nodes}
links: ["a -> s", "b -> s", "c -> s"]
`,
    'x.yaml',
  );
const XEN = file(`
  a: { xen: { guests: { "g[1-2]": { vif: [{}] }, hog: { load: busy } } } }
  b: { xen: { guests: { g1: { vif: [{ ip: 10.9.0.1, mac: "00:16:3e:00:00:99" }] } } } }
  c: {}`);
const PROGRAM = { kind: 'builtin', name: 'x' } as const;
const ranks = (topology: Topology, twoSided: boolean, more = {}) =>
  chooseRanks(topology, twoSided, { topology, topologyFile: 'x.yaml', program: PROGRAM, programArgs: [], ...more });

describe('places', () => {
  it('are nodes and guests by name', () => {
    expect(XEN.nodes.flatMap(placesOf).map(({ name }) => name)).toEqual(['a', 'a/g1', 'a/g2', 'a/hog', 'b', 'b/g1', 'c']);
    expect(findPlace(XEN, 'a/g2')).toEqual({ node: 0, guest: 'g2', name: 'a/g2' });
    expect(findPlace(XEN, 'c')).toEqual({ node: 2, guest: null, name: 'c' });
    for (const name of ['a/g3', 'c/g1', 'd', 'd/g1', 'a/']) expect(findPlace(XEN, name)).toBeUndefined();
  });

  it('where programs run by default are idle guests, or the node', () => {
    expect(XEN.nodes.flatMap(defaultPlacesOf).map(({ name }) => name)).toEqual(['a/g1', 'a/g2', 'b/g1', 'c']);
    expect(ranks(XEN, false).map(({ name }) => name)).toEqual(['a/g1', 'a/g2', 'b/g1', 'c']);
    // Server and client on different nodes.
    expect(ranks(XEN, true).map(({ name }) => name)).toEqual(['b/g1', 'a/g1']);
    expect(ranks(XEN, true, { server: 'a/g2' }).map(({ name }) => name)).toEqual(['a/g2', 'b/g1']);
    expect(ranks(XEN, true, { server: 'a', client: 'a/g1' }).map(({ name }) => name)).toEqual(['a', 'a/g1']);
    expect(() => ranks(XEN, true, { server: 'a/g7' })).toThrow('found a/g7; the nodes are a, a/g1');
  });
});

describe('hosts', () => {
  const plan = (topology: Topology, network = false) =>
    planHosts({ topology, topologyFile: 'x.yaml' }, ranks(topology, false), network);

  it('get addresses in order, and their guests', () => {
    const { ofNode, addresses, isQuiet } = plan(XEN);
    expect(isQuiet).toBe(false);
    expect(ofNode.map((host) => host?.ipoib?.address ?? null)).toEqual([parseIpv4('10.0.0.1'), parseIpv4('10.0.0.2'), null]);
    expect(Object.fromEntries(Object.entries(addresses).map(([name, ip]) => [name, formatIpv4(ip)]))).toEqual({
      a: '10.0.0.1',
      'a/g1': '10.1.0.1',
      'a/g2': '10.1.0.2',
      g2: '10.1.0.2',
      b: '10.0.0.2',
      'b/g1': '10.9.0.1',
    });
    expect(ofNode[0]?.xen?.guests[1]?.vifs).toEqual([{ ip: parseIpv4('10.1.0.2'), mac: '00:16:3e:00:00:02' }]);
    expect(ofNode[1]?.xen?.guests[0]?.vifs[0]?.mac).toBe('00:16:3e:00:00:99');
  });

  it('have no network unless somebody asks for it', () => {
    const plain = file('{ a: {}, b: {}, c: {} }');
    expect(plan(plain)).toMatchObject({ ofNode: [null, null, null], addresses: {}, isQuiet: true });
    expect(Object.keys(plan(plain, true).addresses)).toEqual(['a', 'b', 'c']);
    expect(Object.keys(plan(file('{ a: { ipoib: {} }, b: {}, c: {} }')).addresses)).toEqual(['a']);
  });

  it('cannot share an address', () => {
    const twice = file('{ a: { ipoib: { address: 10.0.0.2 } }, b: { ipoib: {} }, c: {} }');
    expect(() => plan(twice)).toThrow('nodes.b.ipoib.address: the address 10.0.0.2 is also that of nodes.a.ipoib.address');
  });
});
