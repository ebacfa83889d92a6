/** Runs of the perftest programs, on simulated time: one size at a time, with few iterations, since nothing varies between them once the pipes are full. */
import { loadTopologyFile, run } from '../src/cluster/index.ts';

export type Operation = 'write' | 'send' | 'read' | 'atomic';

async function perftest<T>(topology: string, program: string, args: readonly string[]): Promise<T> {
  const { results } = await run({
    topology: loadTopologyFile(topology),
    topologyFile: topology,
    program: { kind: 'builtin', name: program },
    programArgs: args,
    placement: 'inline',
  });
  return (results as T[])[0] as T;
}

/** `t_typical` in us. `args` are further options of the program. */
export async function latencyUs(
  topology: string,
  operation: Operation,
  bytes: number,
  args: readonly string[] = [],
): Promise<number> {
  const iterations = bytes >= 65_536 ? 6 : 30;
  const options = [...(operation === 'atomic' ? [] : ['-s', String(bytes)]), '-n', String(iterations), ...args];
  const { t_typical } = await perftest<{ t_typical: number }>(topology, `ib_${operation}_lat`, options);
  return t_typical;
}

/** Average bandwidth in Gb/s and message rate in millions a second; so many iterations that filling the pipe does not count. */
export async function bandwidth(
  topology: string,
  operation: Operation,
  bytes: number,
  args: readonly string[] = [],
): Promise<{ gbps: number; mpps: number }> {
  const iterations = Math.max(10, Math.min(1000, Math.floor((20 * 2 ** 20) / bytes)));
  const size = operation === 'atomic' ? [] : ['-s', String(bytes)];
  const options = [...size, '-n', String(iterations), '--report_gbits', ...args];
  const { BW_average, MsgRate } = await perftest<{ BW_average: number; MsgRate: number }>(
    topology,
    `ib_${operation}_bw`,
    options,
  );
  return { gbps: BW_average, mpps: MsgRate };
}
