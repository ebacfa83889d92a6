/**
 * The physical parameters of an adapter and of the host around it: latencies, rates, sizes. One flat record of numbers a product; nothing in it is a
 * measured result of a whole operation. `PARAMETERS` says of each what it is, its unit, default, range and where the default comes from;
 * `docs/model-hca.md` is that table with prose. The named products are in `profiles.ts`.
 *
 * The path of a message, and which parameter is paid where:
 *   post (CPU) → doorbell → WQE fetch → payload read → transmit pipeline → wire → receive pipeline → [receive WQE] → payload write → CQE write → poll
 */
import type { Issue } from '../sim/index.ts';

/** One documented parameter. */
export interface Parameter {
  readonly unit: 'ps' | 'ps/B' | 'B' | 'count' | 'code';
  readonly meaning: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** Where the default comes from; what a named profile changes is fitted to the measurements that `docs/validation.md` names. */
  readonly source: string;
}

const US = 1_000_000;
const SECOND = 10 ** 12;

type Row = readonly [unit: Parameter['unit'], value: number, min: number, max: number, meaning: string, source: string];

const ESTIMATE = 'estimate, fitted per profile';
const IBA = 'IBA vol. 1';
const DRIVER = 'ibv_devinfo of mlx4 and mlx5 devices';

const ROWS = {
  // What the CPU pays.
  postPs: [
    'ps',
    150_000,
    0,
    SECOND,
    'CPU time of posting one send work request, up to the doorbell write',
    'Zambre et al. 2020: 175 ns with the copy of 64 B',
  ],
  postInlinePsPerByte: ['ps/B', 500, 0, US, 'CPU time of copying a byte of inline data into the work queue entry', ESTIMATE],
  postNextPs: ['ps', 40_000, 0, SECOND, 'CPU time of each further work request of a list posted in one call', ESTIMATE],
  recvPostPs: ['ps', 40_000, 0, SECOND, 'CPU time of posting one receive work request', ESTIMATE],
  pollPs: ['ps', 60_000, 0, SECOND, 'CPU time of a poll that takes one completion', 'Zambre et al. 2020: 62 ns'],
  pollNextPs: ['ps', 20_000, 0, SECOND, 'CPU time of each further completion taken by the same poll', ESTIMATE],
  pollEmptyPs: ['ps', 10_000, 0, SECOND, 'CPU time of a poll that finds nothing', ESTIMATE],
  memoryPollPs: ['ps', 60_000, 0, SECOND, 'from a byte being visible in memory to a program that spins on it going on', ESTIMATE],
  interruptPs: [
    'ps',
    4 * US,
    0,
    SECOND,
    'from a completion event to the waiting thread running: interrupt, event channel, scheduler',
    ESTIMATE,
  ],
  armPs: ['ps', 60_000, 0, SECOND, 'CPU time of requesting a completion notification', ESTIMATE],
  controlPs: ['ps', 5 * US, 0, SECOND, 'CPU time of a control call (create, modify, query, destroy)', ESTIMATE],
  registerPs: ['ps', 20 * US, 0, SECOND, 'CPU time of registering a memory region, apart from its pages', ESTIMATE],
  registerPagePs: ['ps', 100_000, 0, SECOND, 'CPU time of pinning and translating one page of 4096 bytes', ESTIMATE],
  // Doorbell and work queue entries.
  doorbellPs: [
    'ps',
    150_000,
    0,
    SECOND,
    'from the CPU ringing the doorbell to the adapter seeing it',
    'Zambre et al. 2020: 137 ns across PCIe',
  ],
  doorbellPsPerByte: [
    'ps/B',
    500,
    0,
    US,
    'bus time a byte of a work queue entry that is written with the doorbell (BlueFlame)',
    ESTIMATE,
  ],
  blueFlame: [
    'code',
    2,
    0,
    3,
    'which entries are written with the doorbell, and so need no fetch, when posted alone: 0 none, 1 with inline data, 2 also those that gather nothing (READ, atomic, empty), 3 all',
    ESTIMATE,
  ],
  wqeFetchPs: [
    'ps',
    260_000,
    0,
    SECOND,
    'reading a send work queue entry across the host bus',
    'pcie-bench: 560 ns for 64 B, less what prefetching hides',
  ],
  recvWqeFetchPs: ['ps', 40_000, 0, SECOND, 'what prefetching leaves of reading a receive work queue entry', ESTIMATE],
  // Host bus.
  hostReadLatencyPs: [
    'ps',
    480_000,
    0,
    SECOND,
    'reading payload across the host bus, apart from its bytes',
    'pcie-bench: 560 ns for 64 B',
  ],
  hostReadPsPerByte: ['ps/B', 294, 0, US, 'bus time a byte of payload read', 'PCIe 2.0 x8'],
  hostReadGapPs: ['ps', 0, 0, SECOND, 'bus time that a payload read takes besides that of its bytes', ESTIMATE],
  messageReadPsPerByte: [
    'ps/B',
    0,
    0,
    US,
    'the same for the first bytes of a message that finds the bus idle, where that is slower: reads overlap less than in a steady stream',
    ESTIMATE,
  ],
  readAheadBytes: ['B', 24_576, 1, 2 ** 31, 'bytes of a message after which its reads overlap as in a steady stream', ESTIMATE],
  readResponsePsPerByte: [
    'ps/B',
    0,
    0,
    US,
    'the same for the response to a READ, where that is slower: the responder keeps fewer reads in flight',
    ESTIMATE,
  ],
  hostWriteLatencyPs: [
    'ps',
    200_000,
    0,
    SECOND,
    'from payload or a CQE leaving the adapter to being visible in memory, apart from its bytes',
    'Zambre et al. 2020: 137 ns PCIe and 241 ns root complex to memory, 8 B',
  ],
  hostWritePsPerByte: ['ps/B', 294, 0, US, 'bus time a byte of payload written', 'PCIe 2.0 x8'],
  cqeWritePs: ['ps', 40_000, 0, SECOND, 'making and writing a completion queue entry after the payload', ESTIMATE],
  // Pipelines.
  txPipelinePs: [
    'ps',
    100_000,
    1_000,
    SECOND,
    'from a packet being complete in the adapter to its first bit entering the port',
    ESTIMATE,
  ],
  rxPipelinePs: ['ps', 100_000, 1_000, SECOND, 'from the last bit of a packet to its headers being checked', ESTIMATE],
  loopbackPs: [
    'ps',
    50_000,
    0,
    SECOND,
    'from transmit to receive pipeline for a packet to the own port, in place of the wire',
    ESTIMATE,
  ],
  txMessageGapPs: ['ps', 119_000, 0, SECOND, 'least time between the starts of two messages in the transmit engine', ESTIMATE],
  txPacketGapPs: ['ps', 20_000, 0, SECOND, 'least time between two packets in the transmit engine', ESTIMATE],
  rxPacketGapPs: ['ps', 20_000, 0, SECOND, 'least time between two packets in the receive engine', ESTIMATE],
  rxMessageGapPs: [
    'ps',
    0,
    0,
    SECOND,
    'extra time of the receive engine for a message that takes a receive work queue entry',
    ESTIMATE,
  ],
  readGapPs: [
    'ps',
    0,
    0,
    SECOND,
    'extra time of the transmit engine for starting a READ request or the response to one',
    ESTIMATE,
  ],
  atomicGapPs: [
    'ps',
    400_000,
    0,
    SECOND,
    'least time between two atomic operations in the responder: the read-modify-write is serial',
    ESTIMATE,
  ],
  txBufferBytes: [
    'B',
    32_768,
    8_192,
    2 ** 30,
    'wire bytes of a port and virtual lane that may be in the adapter between payload read and the wire',
    ESTIMATE,
  ],
  // QP contexts.
  contextCacheEntries: [
    'count',
    128,
    1,
    2 ** 24,
    'queue pair contexts that the adapter keeps on chip',
    'fit of rdma_bench, ConnectX-3',
  ],
  contextMissPs: [
    'ps',
    800_000,
    0,
    SECOND,
    'time an engine waits for a queue pair context that is not on chip',
    'fit of rdma_bench, ConnectX-3',
  ],
  // Virtual functions (SR-IOV), on top of what the physical function pays.
  vfTransmitPs: [
    'ps',
    180_000,
    0,
    SECOND,
    "from a virtual function's doorbell being seen to its entry being worked on: lookup of the function, and the translation of the entry's address by the IOMMU",
    'fit of Zhang, Lu, Panda 2016, ConnectX-3: the sum of both, 290 ns; the split is assumed',
  ],
  vfReceivePs: [
    'ps',
    110_000,
    0,
    SECOND,
    'a write of a virtual function to memory being visible later: the translation of its address by the IOMMU',
    'fit of Zhang, Lu, Panda 2016, ConnectX-3: the sum of both, 290 ns; the split is assumed',
  ],
  // Transport.
  ackCoalescePs: [
    'ps',
    300_000,
    0,
    SECOND,
    'least time between two acknowledges of a queue pair; those asked for in between become one',
    ESTIMATE,
  ],
  ackRequestPackets: [
    'count',
    64,
    1,
    2 ** 22,
    'a message asks for an acknowledge at least every so many packets, besides its last',
    ESTIMATE,
  ],
  endToEndCredits: [
    'code',
    1,
    0,
    1,
    '1: a responder without SRQ counts its receive work queue entries in acknowledges, and the requester heeds them',
    `${IBA}, 9.7.7.2`,
  ],
  ackTimeoutFactor: [
    'count',
    1,
    1,
    4,
    'the retry timer runs so many times the local ACK timeout',
    `${IBA}, 9.7.6.1.3: between T and 4 T`,
  ],
  // Sizes.
  maxQp: ['count', 262_144, 2, 2 ** 24 - 2, 'queue pairs', DRIVER],
  maxQpWr: ['count', 16_384, 1, 2 ** 20, 'work requests a queue holds', DRIVER],
  maxSge: ['count', 32, 1, 255, 'scatter/gather elements of a work request', DRIVER],
  maxInlineData: ['B', 928, 0, 4_096, 'inline data of a work request', DRIVER],
  maxCq: ['count', 65_408, 1, 2 ** 24, 'completion queues', DRIVER],
  maxCqe: ['count', 4_194_303, 1, 2 ** 24, 'entries of a completion queue', DRIVER],
  maxMr: ['count', 524_032, 1, 2 ** 23, 'memory regions and windows', DRIVER],
  maxPd: ['count', 32_764, 1, 2 ** 24, 'protection domains', DRIVER],
  maxSrq: ['count', 65_472, 0, 2 ** 24, 'shared receive queues', DRIVER],
  maxSrqWr: ['count', 16_383, 1, 2 ** 20, 'work requests a shared receive queue holds', DRIVER],
  maxAh: ['count', 65_536, 1, 2 ** 31, 'address handles', DRIVER],
  maxMcastGroups: ['count', 8_192, 0, 2 ** 14, 'multicast groups', DRIVER],
  maxMcastQpAttach: ['count', 248, 0, 2 ** 20, 'queue pairs attached to one multicast group', DRIVER],
  maxQpRdAtomic: ['count', 16, 1, 128, 'READ and atomic requests a queue pair can have outstanding as responder', DRIVER],
  maxQpInitRdAtomic: ['count', 128, 1, 128, 'the same as requester', DRIVER],
} as const satisfies Record<string, Row>;

export type ParameterName = keyof typeof ROWS;

/** Every parameter, in the order of the documentation. */
export const PARAMETERS: Readonly<Record<ParameterName, Parameter>> = Object.fromEntries(
  Object.entries(ROWS).map(([name, [unit, value, min, max, meaning, source]]) => [
    name,
    { unit, default: value, min, max, meaning, source },
  ]),
) as unknown as Record<ParameterName, Parameter>;

/** What a product is called by the tools; none of it has an effect on time. */
export interface HcaIdentity {
  /** Name of the profile, as in a topology file. */
  readonly name: string;
  readonly product: string;
  /** Devices of a node are called `<deviceStem>_0`, `_1` … */
  readonly deviceStem: string;
  readonly firmware: string;
  readonly vendorId: number;
  readonly vendorPartId: number;
  readonly hwVer: number;
  readonly boardId: string;
  /** Fastest link of the product: a speed name of `src/wire`. */
  readonly speed: string;
}

/** A complete set of parameters. */
export type HcaProfile = HcaIdentity & { readonly [P in ParameterName]: number };

/** Parameters that a node's description may override. */
export type HcaOverrides = { readonly [P in ParameterName]?: number };

/** Time of `bytes` at a rate in ps a byte, in whole picoseconds, rounded up. */
export function bytesPs(bytes: number, psPerByte: number): number {
  return Math.ceil(bytes * psPerByte);
}

/** Bus time a byte of a READ response. */
export function responseReadPsPerByte(p: HcaProfile): number {
  return p.readResponsePsPerByte > p.hostReadPsPerByte ? p.readResponsePsPerByte : p.hostReadPsPerByte;
}

/** Makes a profile of an identity, the defaults, and what the product changes. */
export function makeProfile(identity: HcaIdentity, changes: HcaOverrides): HcaProfile {
  const values = Object.fromEntries(Object.entries(PARAMETERS).map(([name, parameter]) => [name, parameter.default]));
  return Object.freeze({ ...identity, ...values, ...changes }) as HcaProfile;
}

/** Checks overrides by name, kind and range. `path` is where they stand in the user's file. */
export function checkOverrides(overrides: Readonly<Record<string, unknown>>, file = '', path = ''): Issue[] {
  const issues: Issue[] = [];
  for (const [name, value] of Object.entries(overrides)) {
    const message = overrideProblem(name, value);
    if (message !== undefined) issues.push({ file, path: path === '' ? name : `${path}.${name}`, message });
  }
  return issues;
}

export function overrideProblem(name: string, value: unknown): string | undefined {
  if (!Object.hasOwn(PARAMETERS, name)) return `unknown parameter; known are ${Object.keys(PARAMETERS).join(', ')}`;
  const { unit, min, max } = PARAMETERS[name as ParameterName];
  if (typeof value !== 'number' || !Number.isFinite(value))
    return `found ${JSON.stringify(value)}; a number of ${unit} is wanted`;
  if (unit !== 'ps/B' && !Number.isInteger(value)) return `found ${value}; a whole number of ${unit} is wanted`;
  if (value < min || value > max) return `found ${value}; ${min} … ${max} ${unit} is accepted`;
  return undefined;
}
