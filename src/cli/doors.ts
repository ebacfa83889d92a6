/**
 * The doors of the rooms that do the work, opened when a command needs them: a help text must not wait for a simulator to load.
 * The interfaces name what the commands use of each room; a test puts stand-ins here.
 */
import type {
  ListEntry,
  ReplayResult,
  RunOptions,
  RunResult,
  TopologyCheck,
  TrafficOptions,
  TrafficResult,
} from '../cluster/index.ts';
import type { Topology } from '../topology/index.ts';

/** What the commands use of `cluster`. */
export interface ClusterDoor {
  /** A file, or a generator specification such as `fat-tree:k=4,levels=3`. Throws `ConfigError`. */
  loadTopologyFile(source: string): Topology;
  run(options: RunOptions): Promise<RunResult>;
  runTraffic(options: TrafficOptions): Promise<TrafficResult>;
  checkTopology(topology: Topology, options: { readonly allowCycles?: boolean }): TopologyCheck | Promise<TopologyCheck>;
  /** Names of the switches that the routing engine finds as its roots by itself. */
  findRoutingRoots(topology: Topology): readonly string[];
  writeRunRecord(file: string, options: RunOptions, result: RunResult): void | Promise<void>;
  replay(file: string, how: Pick<RunOptions, 'placement' | 'workers' | 'onProgress'>): Promise<ReplayResult>;
  hcaProfiles(): readonly ListEntry[];
  switchModels(): readonly ListEntry[];
  programs(): readonly ListEntry[];
  generators(): readonly ListEntry[];
}

export const EXPORT_FORMATS = ['yaml', 'json', 'ibnetdiscover', 'ibsim'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What the commands use of `topology`. */
export interface TopologyDoor {
  /** Counts, levels, diameter, bisection links, in lines. */
  describeTopology(topology: Topology, roots?: readonly string[]): readonly string[];
  /** A drawing as SVG. */
  drawTopology(topology: Topology): Promise<string>;
  exportTopology(topology: Topology, format: ExportFormat): string;
  /** The names that `cpu[1-4]` stands for, or what is wrong with it. */
  expandNames(pattern: string): { readonly names: readonly string[] } | { readonly error: string };
}

export interface Doors {
  cluster(): Promise<ClusterDoor>;
  topology(): Promise<TopologyDoor>;
}

/** The real rooms. */
export const rooms: Doors = {
  cluster: () => import('../cluster/index.ts'),
  topology: () => import('../topology/index.ts'),
};
