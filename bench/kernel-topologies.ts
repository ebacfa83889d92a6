/**
 * Fabrics for measuring the kernel, made without the topology room: a k-ary three-level fat tree with d-mod-k routing, a star, a chain.
 */
import type { FabricSpec, HostPortSpec, LinkSpec, SwitchSpec, TrafficSpec } from '../src/fabric/index.ts';

export interface TreeOptions {
  readonly k: number;
  readonly dataVls?: number;
  readonly bufferBlocks?: number;
  readonly psPerByte?: number;
  readonly propagationPs?: number;
  readonly latencyPs?: number;
  readonly model?: 'voq' | 'fifo';
  readonly traffic?: TrafficSpec;
  readonly seed?: number;
}

/** k pods of k/2 edge and k/2 aggregation switches, (k/2)² core switches, k³/4 hosts with LIDs 1 …. */
export function threeLevelTree(options: TreeOptions): FabricSpec {
  const { k } = options;
  const half = k / 2;
  const edges = k * half;
  const cores = half * half;
  const hosts = edges * half;
  const dataVls = options.dataVls ?? 2;
  const bufferBlocks = options.bufferBlocks ?? 128;
  const cable = { psPerByte: options.psPerByte ?? 80, propagationPs: options.propagationPs ?? 50_000 };
  const switches: SwitchSpec[] = [];
  const add = (name: string, portTo: (destination: number) => number): void => {
    const lft = new Uint8Array(hosts + 1).fill(255);
    for (let d = 0; d < hosts; d++) lft[d + 1] = portTo(d) + 1;
    switches.push({
      name,
      portCount: k,
      model: options.model ?? 'voq',
      latencyPs: options.latencyPs ?? 100_000,
      bufferBlocks,
      dataVls,
      lft,
    });
  };
  const edgeOf = (d: number): number => Math.floor(d / half);
  const podOf = (d: number): number => Math.floor(d / half / half);
  for (let e = 0; e < edges; e++) add(`edge${e}`, (d) => (edgeOf(d) === e ? d % half : half + (d % half)));
  for (let a = 0; a < edges; a++)
    add(`aggregation${a}`, (d) => (podOf(d) === Math.floor(a / half) ? edgeOf(d) % half : half + (edgeOf(d) % half)));
  for (let c = 0; c < cores; c++) add(`core${c}`, podOf);
  const links: LinkSpec[] = [];
  const join = (a: number, aPort: number, b: number, bPort: number): void => {
    links.push({ a: { kind: 'switch', index: a, port: aPort + 1 }, b: { kind: 'switch', index: b, port: bPort + 1 }, ...cable });
  };
  for (let pod = 0; pod < k; pod++)
    for (let i = 0; i < half; i++) {
      const edge = pod * half + i;
      for (let p = 0; p < half; p++) {
        links.push({
          a: { kind: 'switch', index: edge, port: p + 1 },
          b: { kind: 'host', index: edge * half + p, port: 1 },
          ...cable,
        });
        join(edge, half + p, edges + pod * half + p, i);
        join(edges + edge, half + p, 2 * edges + i * half + p, pod);
      }
    }
  return {
    seed: options.seed ?? 7,
    switches,
    hostPorts: Array.from({ length: hosts }, (_, h) => hostPort(h, dataVls, bufferBlocks)),
    links,
    ...(options.traffic === undefined ? {} : { traffic: options.traffic }),
  };
}

function hostPort(h: number, dataVls: number, bufferBlocks: number): HostPortSpec {
  return { name: `host${h}`, node: h, lid: h + 1, dataVls, bufferBlocks };
}

export interface StarOptions {
  readonly hosts: number;
  readonly dataVls?: number;
  readonly bufferBlocks?: number;
  readonly psPerByte?: number;
  readonly propagationPs?: number;
  readonly latencyPs?: number;
  readonly seed?: number;
  readonly traffic?: TrafficSpec;
  /** Overrides of the one switch and of each host port. */
  readonly sw?: Partial<SwitchSpec>;
  readonly host?: (h: number) => Partial<HostPortSpec>;
  readonly link?: (h: number) => Partial<LinkSpec>;
}

/** One switch; host h with LID h + 1 at port h + 1. */
export function star(options: StarOptions): FabricSpec {
  const { hosts } = options;
  const dataVls = options.dataVls ?? 1;
  const bufferBlocks = options.bufferBlocks ?? 128;
  const sw: SwitchSpec = {
    name: 'switch',
    portCount: hosts,
    model: 'voq',
    latencyPs: options.latencyPs ?? 100_000,
    bufferBlocks,
    dataVls,
    lft: Uint8Array.from({ length: hosts + 1 }, (_, lid) => (lid === 0 ? 255 : lid)),
    ...options.sw,
  };
  return {
    seed: options.seed ?? 1,
    switches: [sw],
    hostPorts: Array.from({ length: hosts }, (_, h) => ({ ...hostPort(h, dataVls, bufferBlocks), ...options.host?.(h) })),
    links: Array.from({ length: hosts }, (_, h) => ({
      a: { kind: 'switch' as const, index: 0, port: h + 1 },
      b: { kind: 'host' as const, index: h, port: 1 },
      psPerByte: options.psPerByte ?? 80,
      propagationPs: options.propagationPs ?? 50_000,
      ...options.link?.(h),
    })),
    ...(options.traffic === undefined ? {} : { traffic: options.traffic }),
  };
}
