/** What a run costs in CPU time of all threads, apart from what every run of that kind costs to begin and end. */
import { loadTopologyFile, type ProgramReference, type RunOptions, type RunResult, run } from '../src/cluster/index.ts';

/** One kind of run. Its last argument, a count, says how long it is. */
export interface RunCase {
  readonly topology: string;
  readonly program: ProgramReference;
  /** Arguments for a run of this length. */
  readonly args: (count: number) => readonly string[];
  readonly options: Pick<RunOptions, 'placement' | 'workers' | 'nodes'>;
}

/** What the long run did and cost. */
export interface RunCost {
  readonly result: RunResult;
  /** CPU time of all threads, of the whole long run. */
  readonly cpuSeconds: number;
  /** The same without what the short run costs: building the cluster, starting threads, connecting, compiling code. */
  readonly marginalCpuSeconds: number;
  /** Packet-hops of the long run that the short one has not. */
  readonly packetHops: number;
  readonly packets: number;
}

async function runOnce({ topology, program, args, options }: RunCase, count: number) {
  const loaded = loadTopologyFile(topology);
  const before = process.cpuUsage();
  const result = await run({ topology: loaded, topologyFile: topology, program, programArgs: args(count), ...options });
  const { user, system } = process.cpuUsage(before);
  return { result, cpuSeconds: (user + system) / 1e6 };
}

/** The median of `repeats` pairs of a short and a long run, by marginal cost. */
export async function costOf(one: RunCase, short: number, long: number, repeats = 3): Promise<RunCost> {
  const costs: RunCost[] = [];
  for (let i = 0; i < repeats; i++) {
    const base = await runOnce(one, short);
    const { result, cpuSeconds } = await runOnce(one, long);
    costs.push({
      result,
      cpuSeconds,
      marginalCpuSeconds: cpuSeconds - base.cpuSeconds,
      packetHops: result.run.packetHops - base.result.run.packetHops,
      packets: result.run.packets - base.result.run.packets,
    });
  }
  costs.sort((a, b) => a.marginalCpuSeconds - b.marginalCpuSeconds);
  return costs[costs.length >> 1]!;
}
