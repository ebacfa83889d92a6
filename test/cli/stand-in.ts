/** A terminal that keeps what is printed, and rooms that note what they are asked for. */
import type { OutputLine, RunOptions, RunResult, TopologyCheck, TrafficOptions, TrafficResult } from '../../src/cluster/index.ts';
import { type ClusterDoor, runCommandLine, type TopologyDoor } from '../../src/cli/index.ts';
import { ConfigError } from '../../src/sim/index.ts';
import type { Topology } from '../../src/topology/index.ts';

export const SUMMARY = {
  hash: '0123456789abcdef',
  seed: 1,
  version: '0.1.0',
  simulatedPs: 2_500_000,
  packets: 20,
  packetHops: 40,
  events: 55,
  wallMs: 120,
  cpuMs: 100,
  placement: 'pool' as const,
  workers: 1,
};

export const LINES: readonly OutputLine[] = [
  { timePs: 1, rank: 0, node: 'cpu1', role: 'server', text: 'server line' },
  { timePs: 1, rank: 1, node: 'cpu2', role: 'client', text: 'client line' },
];

export const RESULT: RunResult = {
  program: 'ib_send_lat',
  options: { iterations: 1000 },
  results: [{ MsgSize: 2 }],
  perNode: {},
  lines: LINES,
  breakdown: [{ messageBytes: 2, reportedPs: 1500, divisor: 2, stages: [{ name: 'post', where: 'cpu2', durationPs: 3000 }] }],
  warnings: ['something odd'],
  run: SUMMARY,
};

const topologyWarning = { file: 'net.yaml', line: 3, column: 5, path: 'links[0]', message: 'is loose' };

export const TOPOLOGY = { name: 'stand-in', warnings: [] } as unknown as Topology;

/** What a command line did. */
export interface Outcome {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  readonly runs: RunOptions[];
  readonly traffic: TrafficOptions[];
  readonly records: string[];
  readonly checks: unknown[];
  readonly replays: object[];
}

export interface StandIn {
  /** What `run` does instead of printing LINES and giving RESULT. */
  readonly run?: (options: RunOptions) => Promise<RunResult>;
  readonly lines?: readonly OutputLine[];
  readonly traffic?: Partial<TrafficResult>;
  readonly check?: TopologyCheck;
  readonly matches?: boolean;
  readonly warn?: boolean;
}

/** Runs `heddle WORDS` with stand-ins behind it. */
export async function heddle(words: string | readonly string[], standIn: StandIn = {}): Promise<Outcome> {
  const outcome = { exitCode: -1, out: '', err: '', runs: [], traffic: [], records: [], checks: [], replays: [] } as Outcome & {
    exitCode: number;
    out: string;
    err: string;
  };
  const list = (name: string) => [
    { name: `${name}-1`, summary: 'the first' },
    { name: `${name}-22`, summary: 'the second' },
  ];
  const cluster: ClusterDoor = {
    loadTopologyFile(source) {
      if (source === 'bad.yaml') {
        const issue = { file: source, path: 'nodes' };
        throw new ConfigError([
          { ...issue, line: 2, column: 1, message: 'is empty' },
          { ...issue, line: 9, column: 4, path: 'links[0].speed', message: 'found "QDX", expected SDR … NDR' },
        ]);
      }
      return standIn.warn === true ? ({ ...TOPOLOGY, warnings: [topologyWarning] } as Topology) : TOPOLOGY;
    },
    async run(options) {
      outcome.runs.push(options);
      if (standIn.run !== undefined) return standIn.run(options);
      for (const line of standIn.lines ?? LINES) options.onLine?.(line);
      return options.breakdown === true ? RESULT : { ...RESULT, breakdown: [] };
    },
    async runTraffic(options) {
      outcome.traffic.push(options);
      return { ...TRAFFIC, ...standIn.traffic };
    },
    findRoutingRoots: () => [],
    async checkTopology(_topology, options) {
      outcome.checks.push(options);
      return standIn.check ?? { findings: ['all nodes reach each other'], warnings: ['a warning'] };
    },
    writeRunRecord: (file) => void outcome.records.push(file),
    async replay(file, how) {
      outcome.replays.push(how);
      const matches = standIn.matches ?? true;
      return {
        matches,
        expected: 'aaaa',
        found: matches ? 'aaaa' : 'bbbb',
        command: `recorded in ${file}`,
        remarks: ['another version'],
        run: SUMMARY,
      };
    },
    programs: () => [
      { name: 'ib_send_lat', summary: 'latency of sends' },
      { name: 'ib_write_bw', summary: 'bandwidth of writes' },
    ],
    hcaProfiles: () => list('profile'),
    switchModels: () => list('switch'),
    generators: () => list('generator'),
  };
  const topology: TopologyDoor = {
    describeTopology: (given) => [`describes ${given.name}`],
    drawTopology: async () => '<svg/>\n',
    exportTopology: (_given, format) => `as ${format}\n`,
    expandNames: (pattern) => {
      if (pattern === 'cpu[1-3]') return { names: ['cpu1', 'cpu2', 'cpu3'] };
      return pattern.includes('[') ? { error: 'runs backwards' } : { names: [pattern] };
    },
  };
  outcome.exitCode = await runCommandLine(typeof words === 'string' ? words.split(' ').filter((word) => word !== '') : words, {
    terminal: {
      out: (text) => {
        outcome.out += text;
      },
      err: (text) => {
        outcome.err += text;
      },
      drawsProgress: false,
      columns: 100,
    },
    doors: { cluster: async () => cluster, topology: async () => topology },
    version: '0.1.0',
  });
  return outcome;
}

export const TRAFFIC: TrafficResult = {
  options: {},
  warnings: [],
  run: SUMMARY,
  pattern: 'uniform',
  hosts: 16,
  offeredLoad: 0.9,
  acceptedLoad: 0.85,
  bytesPerSecond: 1e10,
  messages: 1000,
  latencyPs: { min: 1e6, mean: 2e6, p50: 2e6, p90: 3e6, p99: 4e6, p999: 5e6, max: 6e6 },
  latencySamples: [[2_000_000, 1000]],
  fairness: { jain: 0.99, leastOfMean: 0.9, greatestOfMean: 1.1 },
  links: [
    { name: 'a:1 -> b:1', use: 0.5, wait: 0.1 },
    { name: 'b:1 -> a:1', use: 0.4, wait: 0.1 },
  ],
};
