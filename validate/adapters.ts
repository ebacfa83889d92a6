/**
 * Adapters against published perftest measurements: the same programs with the same options on the same set-up, on simulated time.
 * `npm run validate -- adapters`.
 */
import { bandwidth, latencyUs } from './perftest.ts';
import {
  CONNECTX2,
  CONNECTX2_FETCH_ADD_MOPS,
  CONNECTX3,
  CONNECTX4_UD,
  CONNECTX6_VF,
  INFINIHOST,
  type PublishedRow,
} from './published.ts';
import { compare, type ValidationRow, type ValidationTable } from './types.ts';

/** One measured product: where it is measured, and how far each figure may be off. */
export interface Adapter {
  readonly name: string;
  readonly source: string;
  readonly topology: string;
  readonly published: readonly PublishedRow[];
  /** Latency: each point, and the median of all points, in per cent. */
  readonly eachPercent: number;
  readonly medianPercent: number;
  /** From this size on a bandwidth counts as its plateau. */
  readonly plateauBytes: number;
  /** Further options of the programs. */
  readonly args?: readonly string[];
}

export const ADAPTERS: readonly Adapter[] = [
  {
    name: 'ConnectX-2 QDR, InfiniScale IV switch',
    source:
      'perftest between two of four hosts, MTU 4096, PCIe 2.0 x8; latency t_typical (READ of 1 and 4 MiB: t_min), bandwidth average',
    topology: 'topologies/connectx2-switch.yaml',
    published: CONNECTX2,
    eachPercent: 8,
    medianPercent: 3,
    plateauBytes: 65_536,
  },
  {
    name: 'ConnectX-3 at 40 Gb/s',
    source: 'perftest, MTU 2048, firmware 2.42, PCIe 3.0 x8',
    topology: 'topologies/connectx3-switch.yaml',
    published: CONNECTX3,
    eachPercent: 10,
    medianPercent: 5,
    plateauBytes: 65_536,
  },
  {
    name: 'ConnectX-4 EDR back to back, UD',
    source: 'line through perftest measurements, MTU 4096, PCIe 3.0 x16',
    topology: 'back-to-back:speed=EDR,profile=connectx4-edr',
    published: CONNECTX4_UD,
    eachPercent: 10,
    medianPercent: 5,
    plateauBytes: 65_536,
    args: ['-c', 'UD'],
  },
  {
    name: 'ConnectX-6 HDR, SR-IOV virtual function in a virtual machine',
    source: 'perftest, one switch',
    topology: 'topologies/connectx6-vf-switch.yaml',
    published: CONNECTX6_VF,
    eachPercent: 10,
    medianPercent: 5,
    plateauBytes: 8_192,
  },
];

const PLATEAU_PERCENT = 5;
export const OPERATIONS = ['write', 'send', 'read'] as const;
type Measured = (typeof OPERATIONS)[number];

/** Latency rows of the sizes that `wanted` takes. */
export async function latencyRows(
  adapter: Adapter,
  operation: Measured,
  wanted = (_: number): boolean => true,
): Promise<ValidationRow[]> {
  const rows: ValidationRow[] = [];
  for (const { bytes, [`${operation}Us` as const]: published } of adapter.published) {
    if (published === undefined || !wanted(bytes)) continue;
    const ours = await latencyUs(adapter.topology, operation, bytes, adapter.args);
    rows.push(compare(`${operation} ${bytes} B`, published, ours, adapter.eachPercent));
  }
  return rows;
}

/** Bandwidth rows of the sizes that `wanted` takes, in Gb/s. */
export async function bandwidthRows(
  adapter: Adapter,
  operation: Measured,
  wanted = (_: number): boolean => true,
): Promise<ValidationRow[]> {
  const rows: ValidationRow[] = [];
  for (const { bytes, [`${operation}Gbps` as const]: published } of adapter.published) {
    if (published === undefined || !wanted(bytes)) continue;
    const { gbps } = await bandwidth(adapter.topology, operation, bytes, adapter.args);
    const row = compare(`${operation} ${bytes} B`, published, gbps, PLATEAU_PERCENT);
    rows.push(bytes >= adapter.plateauBytes ? row : { ...row, tolerance: 'none set', ok: true });
  }
  return rows;
}

/** 1 + the median distance of the ratios from 1, as a row of its own. */
export function medianRow(rows: readonly ValidationRow[], percent: number): ValidationRow {
  const off = rows.map((row) => Math.abs(row.ratio - 1)).sort((a, b) => a - b);
  return compare('1 + median of |ratio - 1|', 1, 1 + (off[off.length >> 1] as number), percent);
}

async function tablesOf(adapter: Adapter): Promise<ValidationTable[]> {
  const { name, source } = adapter;
  const latency: ValidationRow[] = [];
  const rates: ValidationRow[] = [];
  for (const operation of OPERATIONS) {
    latency.push(...(await latencyRows(adapter, operation)));
    rates.push(...(await bandwidthRows(adapter, operation)));
  }
  const tables = [
    { title: `Latency: ${name}`, source, unit: 'us', rows: [...latency, medianRow(latency, adapter.medianPercent)] },
  ];
  if (rates.length > 0) tables.push({ title: `Bandwidth: ${name}`, source, unit: 'Gb/s', rows: rates });
  return tables;
}

async function infiniHostTables(): Promise<ValidationTable[]> {
  const topology = 'star:hosts=2,speed=SDR,profile=infinihost-sdr';
  const source = 'Liu, Mamidala, Vishnu, Panda: Performance evaluation of InfiniBand with PCI Express, 2004; one port, MTU 2048';
  const us = await latencyUs(topology, 'send', 4, ['-m', '2048']);
  const { gbps } = await bandwidth(topology, 'write', 2 ** 20, ['-m', '2048']);
  return [
    { title: 'Latency: InfiniHost III Ex SDR', source, unit: 'us', rows: [compare('send 4 B', INFINIHOST.smallUs, us, 10)] },
    {
      title: 'Bandwidth: InfiniHost III Ex SDR',
      source,
      unit: 'MB/s',
      rows: [compare('write 1048576 B', INFINIHOST.largeMBps, (gbps / 8) * 1000, PLATEAU_PERCENT)],
    },
  ];
}

async function atomicTable(): Promise<ValidationTable> {
  const { mpps } = await bandwidth('topologies/connectx2-switch.yaml', 'atomic', 8);
  return {
    title: 'Atomic operations: ConnectX-2',
    source: 'perftest, fetch-and-add, 16 under way',
    unit: 'millions a second',
    rows: [compare('fetch-and-add', CONNECTX2_FETCH_ADD_MOPS, mpps, PLATEAU_PERCENT)],
  };
}

export async function rows(): Promise<readonly ValidationTable[]> {
  const tables: ValidationTable[] = [];
  for (const adapter of ADAPTERS) tables.push(...(await tablesOf(adapter)));
  return [...tables, await atomicTable(), ...(await infiniHostTables())];
}
