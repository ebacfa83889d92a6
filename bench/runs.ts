/**
 * Whole runs, transport and all: 2 GiB by RC writes over the tree of 1024 hosts, with and without payload, and writes of 1 MiB between two nodes.
 */
import { costOf, type RunCost } from './run-cost.ts';
import type { BenchRow } from './types.ts';

const MIB = 2 ** 20;
const MESSAGES = 2;
const MAX_SECONDS_PER_GIB = 2;
const WRITES = { short: 20, long: 1020 };
const MAX_US_PER_PACKET = 3;

/** 2 GiB: each of 1024 hosts writes 2 MiB to another. */
async function permutation(payload: 'payload' | 'payload-free', repeats: number): Promise<BenchRow> {
  const cost = await costOf(
    {
      topology: 'topologies/fat-tree-k16.yaml',
      program: { kind: 'file', path: 'bench/programs/permutation.ts' },
      args: (count) => [`${count}`, `${MIB}`, payload],
      options: { placement: 'inline' },
    },
    0,
    MESSAGES,
    repeats,
  );
  const cpuSecondsPerGiB = cost.marginalCpuSeconds / ((MESSAGES * 1024 * MIB) / 2 ** 30);
  return row(`1024 hosts, RC permutation, ${payload}`, cost, {
    figures: { cpuSecondsPerGiB },
    ...(payload === 'payload'
      ? {}
      : { target: `<= ${MAX_SECONDS_PER_GIB} s of CPU per GiB`, ok: cpuSecondsPerGiB <= MAX_SECONDS_PER_GIB }),
  });
}

/** 1 MiB writes between two hosts; packets with data are counted, not their ACKs. */
async function twoHosts(mtu: 2048 | 4096): Promise<BenchRow> {
  const cost = await costOf(
    {
      topology: 'topologies/two-hosts.yaml',
      program: { kind: 'builtin', name: 'ib_write_bw' },
      args: (count) => ['-s', `${MIB}`, '-n', `${count}`, '-m', `${mtu}`],
      options: { placement: 'inline' },
    },
    WRITES.short,
    WRITES.long,
  );
  const usPerPacket = (cost.marginalCpuSeconds * 1e6) / ((WRITES.long - WRITES.short) * (MIB / mtu));
  return row(`two hosts, 1 MiB writes, MTU ${mtu}`, cost, {
    figures: { usPerPacket },
    target: `<= ${MAX_US_PER_PACKET} us of CPU per data packet`,
    ok: usPerPacket <= MAX_US_PER_PACKET,
  });
}

function row(name: string, cost: RunCost, judged: Pick<BenchRow, 'figures' | 'target' | 'ok'>): BenchRow {
  return {
    name: `runs/${name}`,
    packetHopsPerCpuSecond: cost.packetHops / cost.marginalCpuSeconds,
    eventsPerPacketHop: cost.result.run.events / cost.result.run.packetHops,
    cpuSeconds: cost.cpuSeconds,
    peakMiB: null,
    ...judged,
  };
}

export async function measure(): Promise<readonly BenchRow[]> {
  return [await twoHosts(2048), await twoHosts(4096), await permutation('payload-free', 3), await permutation('payload', 1)];
}
