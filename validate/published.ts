/**
 * Published measurements that the adapters' profiles are compared with. The profiles hold physical parameters (latencies, rates, sizes), never these tables.
 * Latency is t_typical in us as perftest prints it (half of the round trip for SEND and WRITE, all of it for READ); bandwidth as the column says.
 */

export interface PublishedRow {
  readonly bytes: number;
  readonly writeUs?: number;
  readonly sendUs?: number;
  readonly readUs?: number;
  readonly writeGbps?: number;
  readonly sendGbps?: number;
  readonly readGbps?: number;
}

const row = (
  bytes: number,
  writeUs: number,
  sendUs: number,
  readUs: number,
  writeGbps: number,
  sendGbps: number,
  readGbps: number,
): PublishedRow => ({
  bytes,
  writeUs,
  sendUs,
  readUs,
  writeGbps,
  sendGbps,
  readGbps,
});

/** InfiniHost III Ex with one port on PCI Express: latency of a small SEND in us, and MB/s of large messages (Liu et al., Hot Interconnects 2004). */
export const INFINIHOST = { smallUs: 3.8, largeMBps: 968 } as const;

/** ConnectX-2 QDR, PCIe 2.0 x8, one InfiniScale IV switch, MTU 4096; perftest, 1000 iterations (5000 for write bandwidth). Latency of READ at 1 and 4 MiB is t_min. */
export const CONNECTX2: readonly PublishedRow[] = [
  row(2, 0.89, 0.97, 1.74, 0.071, 0.074, 0.065),
  row(8, 0.89, 1.0, 1.76, 0.54, 0.47, 0.34),
  row(64, 0.97, 1.06, 1.76, 4.29, 3.66, 2.61),
  row(128, 1.1, 1.18, 1.8, 7.97, 8.39, 5.23),
  row(256, 1.84, 1.92, 1.94, 17.0, 12.71, 10.4),
  row(512, 2.09, 2.15, 2.16, 21.15, 16.85, 21.73),
  row(1024, 2.51, 2.59, 2.59, 24.28, 21.28, 23.56),
  row(2048, 3.35, 3.43, 3.42, 25.93, 23.98, 23.57),
  row(4096, 5.03, 5.09, 5.18, 25.0, 25.44, 23.95),
  row(8192, 6.2, 6.28, 6.36, 25.56, 26.48, 24.19),
  row(16384, 8.51, 8.63, 8.68, 25.04, 26.71, 24.14),
  row(32768, 13.14, 13.82, 13.75, 25.26, 27.11, 24.34),
  row(65536, 23.09, 23.39, 23.4, 25.38, 27.23, 24.28),
  row(131072, 42.34, 42.45, 42.08, 25.27, 27.26, 24.53),
  row(262144, 80.68, 80.73, 80.12, 25.15, 27.28, 24.35),
  row(1048576, 310.33, 310.62, 308.26, 25.14, 27.32, 24.3),
  row(4194304, 1229.79, 1229.76, 1267.23, 25.21, 27.33, 24.3),
];

/** The same cards: millions of fetch-and-adds a second, 16 under way. */
export const CONNECTX2_FETCH_ADD_MOPS = 2.221;

const MIB_PER_S_TO_GBPS = (2 ** 20 * 8) / 1e9;
const writes = (
  latency: readonly (readonly [number, number])[],
  mibPerS: readonly (readonly [number, number])[],
): PublishedRow[] => [
  ...latency.map(([bytes, writeUs]) => ({ bytes, writeUs })),
  ...mibPerS.map(([bytes, rate]) => ({ bytes, writeGbps: rate * MIB_PER_S_TO_GBPS })),
];

/** ConnectX-3 (firmware 2.42) at 40 Gb/s, MTU 2048, 20,000 iterations: RDMA WRITE. */
export const CONNECTX3: readonly PublishedRow[] = writes(
  [
    [2, 0.98],
    [64, 1.09],
    [128, 1.22],
    [256, 1.84],
    [512, 2.04],
    [1024, 2.42],
    [2048, 3.18],
    [4096, 3.74],
    [8192, 4.82],
    [16384, 7.08],
    [32768, 11.33],
    [65536, 19.97],
    [131072, 36.95],
    [1048576, 275.4],
  ],
  [
    [2, 9.8],
    [64, 315],
    [256, 1292],
    [512, 2542],
    [1024, 3442],
    [2048, 3557],
    [4096, 3612],
    [65536, 3636],
    [1048576, 3666],
  ],
);

/** HDR ConnectX-6, SR-IOV virtual function in a cloud VM, one switch: RC SEND. */
export const CONNECTX6_VF: readonly PublishedRow[] = [
  ...(
    [
      [2, 1.6],
      [64, 1.65],
      [128, 1.68],
      [256, 2.12],
      [512, 2.16],
      [1024, 2.21],
      [2048, 2.34],
      [4096, 2.85],
      [8192, 3.19],
      [16384, 3.76],
    ] as const
  ).map(([bytes, sendUs]) => ({ bytes, sendUs })),
  ...(
    [
      [64, 298],
      [512, 2370],
      [2048, 9301],
      [4096, 18282],
      [8192, 23533],
    ] as const
  ).map(([bytes, rate]) => ({ bytes, sendGbps: rate * MIB_PER_S_TO_GBPS })),
];

/**
 * ConnectX-4 EDR back to back, UD SEND, MTU 4096, as the line through the measurements (off by 0.8 % at most): 0.81 us + 0.48 ns/B up to the inline limit of
 * 188 B, then 1.12 us + the time of each byte at 10.8 GB/s, on the wire and at 16.3 GB/s.
 */
export const CONNECTX4_UD: readonly PublishedRow[] = [2, 8, 32, 64, 128, 256, 512, 1024, 2048, 4096].map((bytes) => ({
  bytes,
  sendUs: bytes <= 188 ? 0.81 + 0.48e-3 * bytes : 1.12 + bytes * (1 / 10.8 + 1 / 12.5 + 1 / 16.3) * 1e-3,
}));

/** ConnectX-3 (Apt cluster), 8 threads, 11 machines: millions of 32-byte READs a second and machine, by queue pairs a machine (rdma_bench). */
export const QP_CACHE: readonly (readonly [qps: number, millions: number])[] = [
  [88, 7.67],
  [176, 2.72],
  [264, 2.06],
  [352, 1.52],
  [440, 1.65],
  [528, 1.44],
  [616, 1.37],
  [704, 1.28],
  [792, 1.17],
];
