/**
 * Direct networks: torus, mesh, hypercube, dragonfly; and the two smallest fabrics. Ports are laid out so that dimension-order
 * routing needs no search: grids have plus on port 2d+1 and minus on 2d+2 for dimension d, hosts after them.
 */
import { type FabricPlan, PlanBuilder } from './plan.ts';

/** Two hosts and a cable. */
export function backToBack(): FabricPlan {
  const plan = new PlanBuilder();
  const [a, b] = [plan.addHost(), plan.addHost()];
  plan.links.push([
    { index: a, port: 1, host: true },
    { index: b, port: 1, host: true },
  ]);
  return plan.finish({ kind: 'back-to-back', parameters: {} });
}

/** One switch. */
export function star(hosts: number): FabricPlan {
  const plan = new PlanBuilder();
  plan.addSwitch({ name: 'switch1', ports: hosts, level: 0 });
  for (let port = 1; port <= hosts; port++) plan.attachHost(0, port);
  return plan.finish({ kind: 'star', parameters: { hosts } });
}

/** A grid of switches. `wrap` closes each dimension of more than two into a ring; with two the one link is both ways round. */
export function grid(dimensions: readonly number[], hosts: number, wrap: boolean): FabricPlan {
  const plan = new PlanBuilder();
  const count = dimensions.reduce((product, size) => product * size, 1);
  const strides = dimensions.map((_, d) => dimensions.slice(d + 1).reduce((product, size) => product * size, 1));
  const firstHostPort = 2 * dimensions.length + 1;
  for (let i = 0; i < count; i++) {
    const coordinates = dimensions.map((size, d) => Math.floor(i / strides[d]!) % size);
    plan.addSwitch({ name: `sw-${coordinates.join('-')}`, ports: 2 * dimensions.length + hosts, coordinates });
    for (let host = 0; host < hosts; host++) plan.attachHost(i, firstHostPort + host);
  }
  for (let i = 0; i < count; i++) {
    dimensions.forEach((size, d) => {
      const at = Math.floor(i / strides[d]!) % size;
      if (at + 1 < size) plan.join(i, 2 * d + 1, i + strides[d]!, 2 * d + 2);
      else if (wrap && size > 2) plan.join(i, 2 * d + 1, i - at * strides[d]!, 2 * d + 2);
    });
  }
  const longest = Math.max(...dimensions);
  const perRow = wrap && longest > 2 ? 2 : 1;
  return plan.finish({
    kind: wrap ? 'torus' : 'mesh',
    parameters: { dimensions, hosts },
    // The cut across the longest dimension is the least even one where that dimension has an even middle (Dally and Towles, 5.2).
    ...(longest % 2 === 0 && { bisectionLinks: (perRow * count) / longest }),
  });
}

/** 2^dimension switches; port b+1 leads to the one that differs in bit b. */
export function hypercube(dimension: number, hosts: number): FabricPlan {
  const plan = new PlanBuilder();
  const count = 2 ** dimension;
  for (let i = 0; i < count; i++) {
    const coordinates = Array.from({ length: dimension }, (_, bit) => (i >> bit) & 1);
    plan.addSwitch({ name: `sw${i}`, ports: dimension + hosts, coordinates });
    for (let host = 0; host < hosts; host++) plan.attachHost(i, dimension + host + 1);
  }
  for (let i = 0; i < count; i++)
    for (let bit = 0; bit < dimension; bit++) if ((i & (1 << bit)) === 0) plan.join(i, bit + 1, i | (1 << bit), bit + 1);
  return plan.finish({ kind: 'hypercube', parameters: { dimension, hosts }, bisectionLinks: count / 2 });
}

/**
 * The canonical dragonfly (Kim, Dally, Scott and Abts 2008): groups of `a` routers, all joined; `p` hosts and `h` global links a
 * router; one link between each two groups, in the absolute arrangement (global port j of group g leads to the j-th other group).
 * With fewer than a*h+1 groups the last global ports stay free. Ports: hosts, then the group, then global.
 */
export function dragonfly(a: number, p: number, h: number, groups: number): FabricPlan {
  const plan = new PlanBuilder();
  const globalPort = (j: number) => p + (a - 1) + (j % h) + 1;
  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < a; r++) {
      const router = plan.addSwitch({
        name: `g${g + 1}-r${r + 1}`,
        ports: p + a - 1 + h,
        coordinates: [g, r],
        group: `g${g + 1}`,
      });
      for (let host = 1; host <= p; host++) plan.attachHost(router, host);
    }
    for (let r = 0; r < a; r++) for (let s = r + 1; s < a; s++) plan.join(g * a + r, p + s, g * a + s, p + r + 1);
  }
  for (let g = 0; g < groups; g++) {
    for (let other = g + 1; other < groups; other++) {
      const [j, back] = [other - 1, g];
      plan.join(g * a + Math.floor(j / h), globalPort(j), other * a + Math.floor(back / h), globalPort(back));
    }
  }
  return plan.finish({ kind: 'dragonfly', parameters: { a, p, h, groups } });
}
