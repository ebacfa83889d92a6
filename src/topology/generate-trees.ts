/**
 * Trees: the fat trees that clusters are cabled as, and the k-ary n-trees of the literature (Petrini and Vanneschi 1997).
 * Down ports come first on every switch, in the order of what hangs on them; up ports follow.
 */
import { type FabricPlan, PlanBuilder } from './plan.ts';

/** The split of a leaf's `k` ports at `taper` hosts per uplink: as many ports as give that ratio exactly, or `undefined`. */
export function leafSplit(k: number, taper: number): { down: number; up: number } | undefined {
  for (let up = Math.floor(k / (1 + taper)); up >= 1; up--) {
    const down = Math.round(up * taper);
    if (Math.abs(down - up * taper) < 1e-9 && down + up <= k) return { down, up };
  }
  return undefined;
}

/** Two levels: every leaf has one link to every spine. k = 36 gives 648 hosts. */
export function twoLevelTree(k: number, split: { down: number; up: number }, leaves: number, taper: number): FabricPlan {
  const plan = new PlanBuilder();
  for (let i = 0; i < leaves; i++) plan.addSwitch({ name: `leaf${i + 1}`, ports: k, level: 0, coordinates: [i] });
  for (let i = 0; i < split.up; i++) plan.addSwitch({ name: `spine${i + 1}`, ports: k, level: 1, coordinates: [i] });
  for (let leaf = 0; leaf < leaves; leaf++) {
    for (let port = 1; port <= split.down; port++) plan.attachHost(leaf, port);
    for (let spine = 0; spine < split.up; spine++) plan.join(leaf, split.down + spine + 1, leaves + spine, leaf + 1);
  }
  return plan.finish({
    kind: 'fat-tree',
    parameters: { k, levels: 2, taper, leaves },
    ...(leaves % 2 === 0 && { bisectionLinks: (split.up * leaves) / 2 }),
  });
}

/**
 * Three levels: pods of k/2 leaves and `up` spines, joined by core switches that have one link to each pod.
 * k = 16 gives 1024 hosts on 320 switches.
 */
export function threeLevelTree(k: number, split: { down: number; up: number }, pods: number, taper: number): FabricPlan {
  const plan = new PlanBuilder();
  const half = k / 2;
  const podSize = half + split.up;
  for (let pod = 0; pod < pods; pod++) {
    const group = `pod${pod + 1}`;
    for (let i = 0; i < half; i++)
      plan.addSwitch({ name: `${group}-leaf${i + 1}`, ports: k, level: 0, coordinates: [pod, i], group });
    for (let i = 0; i < split.up; i++)
      plan.addSwitch({ name: `${group}-spine${i + 1}`, ports: k, level: 1, coordinates: [pod, i], group });
  }
  const cores = split.up * half;
  for (let i = 0; i < cores; i++)
    plan.addSwitch({ name: `core${i + 1}`, ports: k, level: 2, coordinates: [Math.floor(i / half), i % half] });
  for (let pod = 0; pod < pods; pod++) {
    const first = pod * podSize;
    for (let leaf = 0; leaf < half; leaf++) {
      for (let port = 1; port <= split.down; port++) plan.attachHost(first + leaf, port);
      for (let spine = 0; spine < split.up; spine++)
        plan.join(first + leaf, split.down + spine + 1, first + half + spine, leaf + 1);
    }
    for (let spine = 0; spine < split.up; spine++)
      for (let j = 0; j < half; j++) plan.join(first + half + spine, half + j + 1, pods * podSize + spine * half + j, pod + 1);
  }
  return plan.finish({
    kind: 'fat-tree',
    parameters: { k, levels: 3, taper, pods },
    ...(pods % 2 === 0 && { bisectionLinks: (pods / 2) * cores }),
  });
}

/**
 * The k-ary n-tree: k^n hosts, n levels of k^(n-1) switches with k ports down and, below the roots, k up.
 * A switch of level l joins those of level l+1 that differ from it in digit l alone.
 */
export function karyTree(k: number, n: number): FabricPlan {
  const plan = new PlanBuilder();
  const perLevel = k ** (n - 1);
  for (let level = 0; level < n; level++) {
    for (let w = 0; w < perLevel; w++) {
      plan.addSwitch({ name: `l${level}-s${w}`, ports: level === n - 1 ? k : 2 * k, level, coordinates: digitsOf(w, k, n - 1) });
    }
  }
  for (let leaf = 0; leaf < perLevel; leaf++) for (let port = 1; port <= k; port++) plan.attachHost(leaf, port);
  for (let level = 0; level + 1 < n; level++) {
    const weight = k ** level;
    for (let w = 0; w < perLevel; w++) {
      const digit = Math.floor(w / weight) % k;
      for (let up = 0; up < k; up++) {
        const above = w + (up - digit) * weight;
        plan.join(level * perLevel + w, k + up + 1, (level + 1) * perLevel + above, digit + 1);
      }
    }
  }
  return plan.finish({ kind: 'k-ary-n-tree', parameters: { k, n }, ...(k % 2 === 0 && { bisectionLinks: k ** n / 2 }) });
}

/** Least significant digit first. */
function digitsOf(value: number, base: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor(value / base ** i) % base);
}
