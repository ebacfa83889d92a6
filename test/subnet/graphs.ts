/**
 * Small fabrics for the tests of this room, built by hand rather than by the topology room's generators,
 * so that a fault there cannot hide one here.
 */
import fc from 'fast-check';
import type { AdapterPort, GraphLink, LinkEnd, SubnetGraph, SwitchNode } from '../../src/subnet/index.ts';

/** Builds a graph by name; ports are handed out from 1 upward. */
export class GraphBuilder {
  readonly switches: SwitchNode[] = [];
  readonly adapters: AdapterPort[] = [];
  readonly links: GraphLink[] = [];
  readonly #nextPort: number[] = [];

  switch(name: string, portCount: number, extra: Partial<SwitchNode> = {}): number {
    this.switches.push({ guid: 0x200000n + BigInt(this.switches.length), name, portCount, ...extra });
    return this.#nextPort.push(1) - 1;
  }

  host(on: number, name = `h${this.adapters.length}`, extra: Partial<AdapterPort> = {}): number {
    const nodeGuid = 0x100000n + 2n * BigInt(this.adapters.length);
    const index = this.adapters.push({ guid: nodeGuid + 1n, nodeGuid, name, port: 1, ...extra }) - 1;
    this.links.push({ a: { kind: 'adapter', index }, b: this.#end(on) });
    return index;
  }

  join(a: number, b: number, rateGbps?: number): void {
    const link = { a: this.#end(a), b: this.#end(b) };
    this.links.push(rateGbps === undefined ? link : { ...link, rateGbps });
  }

  #end(index: number): LinkEnd {
    return { kind: 'switch', index, port: this.#nextPort[index]!++ };
  }

  build(): SubnetGraph {
    return { switches: this.switches, adapters: this.adapters, links: this.links };
  }
}

/** `n` switches in a ring with `hosts` hosts each; port 1 … hosts are hosts. */
export function ring(n: number, hosts = 1): SubnetGraph {
  const g = new GraphBuilder();
  for (let s = 0; s < n; s++) g.switch(`sw${s}`, hosts + 2, { coordinates: [s] });
  for (let s = 0; s < n; s++) for (let h = 0; h < hosts; h++) g.host(s);
  for (let s = 0; s < n; s++) g.join(s, (s + 1) % n);
  return g.build();
}

/** Two levels: `leaves` leaf switches of `down` hosts, each with `parallel` links to each of `spines` spines. */
export function tree2(
  leaves: number,
  down: number,
  spines: number,
  parallel = 1,
  present: (host: number) => boolean = () => true,
): SubnetGraph {
  const g = new GraphBuilder();
  for (let l = 0; l < leaves; l++) g.switch(`leaf${l}`, down + spines * parallel, { level: 0 });
  for (let s = 0; s < spines; s++) g.switch(`spine${s}`, leaves * parallel, { level: 1 });
  for (let l = 0; l < leaves; l++) for (let h = 0; h < down; h++) if (present(l * down + h)) g.host(l);
  for (let l = 0; l < leaves; l++) for (let s = 0; s < spines; s++) for (let p = 0; p < parallel; p++) g.join(l, leaves + s);
  return g.build();
}

/** The three-level tree of k-port switches: k pods of k/2 leaves and k/2 middle switches, (k/2)² roots, k³/4 hosts. */
export function tree3(k: number, present: (host: number) => boolean = () => true): SubnetGraph {
  const g = new GraphBuilder();
  const m = k / 2;
  const leaf = (pod: number, i: number) => pod * k + i;
  const middle = (pod: number, i: number) => pod * k + m + i;
  for (let pod = 0; pod < k; pod++) {
    for (let i = 0; i < m; i++) g.switch(`leaf${pod}.${i}`, k, { level: 0 });
    for (let i = 0; i < m; i++) g.switch(`mid${pod}.${i}`, k, { level: 1 });
  }
  for (let c = 0; c < m * m; c++) g.switch(`root${c}`, k, { level: 2 });
  for (let pod = 0; pod < k; pod++)
    for (let i = 0; i < m; i++) for (let h = 0; h < m; h++) if (present((pod * m + i) * m + h)) g.host(leaf(pod, i));
  for (let pod = 0; pod < k; pod++) for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) g.join(leaf(pod, i), middle(pod, j));
  for (let pod = 0; pod < k; pod++)
    for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) g.join(middle(pod, i), k * k + i * m + j);
  return g.build();
}

/** A mesh or, with `wrap`, a torus; coordinates in the order of `radix`, one host a switch. */
export function grid(radix: readonly number[], wrap: boolean, hosts = 1): SubnetGraph {
  const g = new GraphBuilder();
  const total = radix.reduce((product, r) => product * r, 1);
  const coordinates = (s: number) => radix.map((r, d) => Math.floor(s / radix.slice(0, d).reduce((p, x) => p * x, 1)) % r);
  for (let s = 0; s < total; s++)
    g.switch(`n${coordinates(s).join('.')}`, hosts + 2 * radix.length, { coordinates: coordinates(s) });
  for (let s = 0; s < total; s++) for (let h = 0; h < hosts; h++) g.host(s);
  let step = 1;
  radix.forEach((r, d) => {
    for (let s = 0; s < total; s++) {
      const c = coordinates(s)[d]!;
      if (c + 1 < r) g.join(s, s + step);
      else if (wrap && r > 2) g.join(s, s - (r - 1) * step);
    }
    step *= r;
  });
  return g.build();
}

/** Any connected graph of 1 … 12 switches with up to 20 extra links (parallel ones too) and 1 … 20 hosts. */
export const connectedGraph: fc.Arbitrary<SubnetGraph> = fc
  .record({
    parents: fc.array(fc.nat(1000), { maxLength: 11 }),
    extra: fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 20 }),
    hosts: fc.array(fc.nat(11), { minLength: 1, maxLength: 20 }),
    guids: fc.uniqueArray(fc.bigInt(0x1000000n, 0xffffffffffffn), { minLength: 12, maxLength: 12 }),
  })
  .map(({ parents, extra, hosts, guids }) => {
    const g = new GraphBuilder();
    const n = parents.length + 1;
    for (let s = 0; s < n; s++) g.switch(`s${s}`, 80, { guid: guids[s]! });
    for (const [i, parent] of parents.entries()) g.join(i + 1, parent % (i + 1));
    for (const [a, b] of extra) if (a % n !== b % n) g.join(a % n, b % n);
    for (const h of hosts) g.host(h % n);
    return g.build();
  });

/** A ring of 4 … 9 switches with up to six chords, one host a switch: about half of them have a dependency cycle under min-hop. */
export const ringWithChords: fc.Arbitrary<SubnetGraph> = fc
  .record({ n: fc.integer({ min: 4, max: 9 }), chords: fc.array(fc.tuple(fc.nat(8), fc.nat(8)), { maxLength: 6 }) })
  .map(({ n, chords }) => {
    const g = new GraphBuilder();
    for (let s = 0; s < n; s++) g.switch(`s${s}`, 30);
    for (let s = 0; s < n; s++) g.host(s);
    for (let s = 0; s < n; s++) g.join(s, (s + 1) % n);
    for (const [a, b] of chords) if (a % n !== b % n) g.join(a % n, b % n);
    return g.build();
  });
