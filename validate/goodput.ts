/**
 * What follows from packets and their overhead: the knee of the latency curve at one MTU, and the goodput of a link whose hosts are faster than it is.
 * `npm run validate -- goodput`.
 */
import { dataRateGbps, type SpeedName } from '../src/wire/index.ts';
import { bandwidth, latencyUs } from './perftest.ts';
import { compare, type ValidationRow, type ValidationTable } from './types.ts';

/** LRH, BTH, ICRC and VCRC of a packet in the middle of a message. */
const OVERHEAD_BYTES = 26;
const CONNECTX2 = 'topologies/connectx2-switch.yaml';

/** Sizes of a latency curve in MTUs: the knee can be found at any of them but the first and the last two. */
const SIZES_IN_MTU = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 4];

/** Where the slope of the latency falls most, and the slopes (ns/B) below and above. */
export async function findKnee(mtu: number): Promise<{ kneeBytes: number; below: number; above: number }> {
  const points: [bytes: number, us: number][] = [];
  for (const x of SIZES_IN_MTU) points.push([x * mtu, await latencyUs(CONNECTX2, 'write', x * mtu, ['-m', String(mtu)])]);
  const slopes = points.slice(1).map(([bytes, us], i) => {
    const [before, beforeUs] = points[i] as [number, number];
    return ((us - beforeUs) / (bytes - before)) * 1e3;
  });
  const falls = slopes.slice(1).map((slope, i) => (slopes[i] as number) - slope);
  const knee = falls.indexOf(Math.max(...falls));
  return { kneeBytes: (points[knee + 1] as [number, number])[0], below: slopes[0] as number, above: slopes.at(-1) as number };
}

async function kneeTable(): Promise<ValidationTable> {
  const rows: ValidationRow[] = [];
  for (const mtu of [4096, 2048, 1024]) {
    const { kneeBytes, below, above } = await findKnee(mtu);
    rows.push(compare(`MTU ${mtu}: size at which the slope falls most, bytes`, mtu, kneeBytes, 0));
    if (mtu !== 4096) continue;
    rows.push(compare('MTU 4096: slope below the knee, ns/B', 0.82, below, 8));
    rows.push(compare('MTU 4096: slope above the knee, ns/B', 0.29, above, 8));
  }
  return {
    title: 'Knee of the latency curve: ConnectX-2, WRITE',
    source:
      'up to one MTU a message is one packet, stored whole by both adapters; published slopes at MTU 4096, 0.82 and 0.29 ns/B',
    rows,
  };
}

interface Pair {
  readonly speed: SpeedName;
  readonly profile: string;
  readonly mtu: number;
}

/** Pairs of adapters whose host buses are faster than the link. */
export const PAIRS: readonly Pair[] = [
  { speed: 'SDR', profile: 'infinihost-sdr', mtu: 2048 },
  { speed: 'FDR', profile: 'connect-ib-fdr', mtu: 4096 },
  { speed: 'EDR', profile: 'connectx4-edr', mtu: 4096 },
  { speed: 'HDR', profile: 'connectx6-hdr', mtu: 4096 },
  { speed: 'HDR', profile: 'connectx6-hdr', mtu: 1024 },
  { speed: 'NDR', profile: 'connectx7-ndr', mtu: 4096 },
];

/** MB/s of large messages beside rate × MTU / (MTU + 26). */
export async function goodputRow({ speed, profile, mtu }: Pair, operation: 'write' | 'send'): Promise<ValidationRow> {
  const { num, den } = dataRateGbps(speed, 4);
  const law = ((num / den / 8) * 1000 * mtu) / (mtu + OVERHEAD_BYTES);
  const { gbps } = await bandwidth(`back-to-back:speed=${speed},profile=${profile}`, operation, 2 ** 20, ['-m', String(mtu)]);
  return compare(`${speed}, MTU ${mtu}, ${operation}`, law, (gbps / 8) * 1000, 0, 3.5);
}

async function goodputTable(): Promise<ValidationTable> {
  const rows: ValidationRow[] = [];
  for (const pair of PAIRS) for (const operation of ['write', 'send'] as const) rows.push(await goodputRow(pair, operation));
  return {
    title: 'Goodput of a link',
    source: 'rate × MTU / (MTU + 26), 1 MiB messages on one RC queue pair; measured elsewhere: SDR 985.0, HDR 24,696 MB/s',
    unit: 'MB/s',
    rows,
  };
}

export async function rows(): Promise<readonly ValidationTable[]> {
  return [await kneeTable(), await goodputTable()];
}
