/**
 * The products: what each changes of the defaults. Host-side numbers (post, poll, bus) belong to the machine that the product was measured in.
 */
import type { Issue } from '../sim/index.ts';
import { checkOverrides, type HcaOverrides, type HcaProfile, makeProfile } from './profile.ts';

const MELLANOX = 0x02c9;

// PCIe 1.0 x8: 1.49 GB/s with both ports busy, small messages 3.8 us (Liu et al., Hot Interconnects 2004 and IEEE Micro 2005). No entries with the doorbell.
const infiniHostSdr = makeProfile(
  {
    name: 'infinihost-sdr',
    product: 'InfiniHost III Ex SDR, PCIe 1.0 x8',
    deviceStem: 'mthca',
    firmware: '4.8.200',
    vendorId: MELLANOX,
    vendorPartId: 25208,
    hwVer: 0xa0,
    boardId: 'MT_0230000001',
    speed: 'SDR',
  },
  {
    postPs: 300_000,
    pollPs: 120_000,
    memoryPollPs: 120_000,
    doorbellPs: 400_000,
    blueFlame: 0,
    wqeFetchPs: 900_000,
    recvWqeFetchPs: 150_000,
    hostReadLatencyPs: 900_000,
    hostReadPsPerByte: 670,
    hostWriteLatencyPs: 600_000,
    hostWritePsPerByte: 670,
    txPipelinePs: 550_000,
    rxPipelinePs: 550_000,
    txMessageGapPs: 400_000,
    txPacketGapPs: 100_000,
    rxPacketGapPs: 100_000,
    atomicGapPs: 1_500_000,
    txBufferBytes: 16_384,
    maxInlineData: 400,
    maxQp: 64_512,
    maxQpRdAtomic: 4,
  },
);

// Fitted to the perftest table of docs/validation.md. PCIe 2.0 x8 carries 4 GB/s raw; a READ is 3.3 GB/s, of the responder a little less.
// Gaps: 8.4 million WRITEs, 7.5 million SENDs, 5.3 million READs, 2.2 million atomics a second.
const connectX2Qdr = makeProfile(
  {
    name: 'connectx2-qdr',
    product: 'ConnectX-2 VPI QDR, PCIe 2.0 x8',
    deviceStem: 'mlx4',
    firmware: '2.9.1000',
    vendorId: MELLANOX,
    vendorPartId: 26428,
    hwVer: 0xb0,
    boardId: 'MT_0D90110009',
    speed: 'QDR',
  },
  {
    postPs: 95_000,
    postInlinePsPerByte: 150,
    doorbellPs: 150_000,
    doorbellPsPerByte: 960,
    wqeFetchPs: 345_000,
    hostReadLatencyPs: 454_000,
    hostReadPsPerByte: 294.8,
    hostReadGapPs: 35_000,
    readResponsePsPerByte: 305.35,
    hostWriteLatencyPs: 236_000,
    hostWritePsPerByte: 248,
    cqeWritePs: 36_000,
    recvWqeFetchPs: 50_000,
    rxMessageGapPs: 110_000,
    readGapPs: 69_000,
    atomicGapPs: 450_000,
    txBufferBytes: 20_480,
  },
);

// Fitted to the perftest table, gaps and context cache to rdma_bench (7.7 million READs a second both ways). One thread posts 5.2 million a second.
const connectX3Qdr = makeProfile(
  {
    name: 'connectx3-qdr',
    product: 'ConnectX-3 VPI at 40 Gb/s, PCIe 3.0 x8',
    deviceStem: 'mlx4',
    firmware: '2.42.5000',
    vendorId: MELLANOX,
    vendorPartId: 4099,
    hwVer: 0,
    boardId: 'MT_1100120019',
    speed: 'QDR',
  },
  {
    postPs: 189_000,
    doorbellPs: 129_000,
    postInlinePsPerByte: 50,
    doorbellPsPerByte: 1_360,
    wqeFetchPs: 220_000,
    hostReadLatencyPs: 450_000,
    hostReadPsPerByte: 260,
    hostReadGapPs: 10_000,
    hostWriteLatencyPs: 265_000,
    hostWritePsPerByte: 244,
    txMessageGapPs: 40_000,
    readGapPs: 35_000,
    txBufferBytes: 20_480,
  },
);

// The same adapter at FDR in a machine of 2013/14. Fitted to ib_send_lat of 8 B, 0.91 us, and 6 GB/s (Zhang, Lu, Panda 2016: Chameleon, Haswell hosts, a switch between); its
// virtual functions to 1.20 us. READs were measured only relative to each other.
const connectX3Fdr = makeProfile(
  {
    name: 'connectx3-fdr',
    product: 'ConnectX-3 VPI FDR, PCIe 3.0 x8',
    deviceStem: 'mlx4',
    firmware: '2.42.5000',
    vendorId: MELLANOX,
    vendorPartId: 4099,
    hwVer: 0,
    boardId: 'MT_1100120019',
    speed: 'FDR',
  },
  {
    postPs: 95_000,
    postInlinePsPerByte: 50,
    doorbellPs: 110_000,
    doorbellPsPerByte: 1_360,
    wqeFetchPs: 220_000,
    hostReadLatencyPs: 620_000,
    hostReadPsPerByte: 158,
    hostReadGapPs: 6_000,
    hostWriteLatencyPs: 178_000,
    hostWritePsPerByte: 150,
    txPipelinePs: 80_000,
    rxPipelinePs: 80_000,
    pollPs: 50_000,
    txMessageGapPs: 40_000,
    readGapPs: 35_000,
    txBufferBytes: 24_576,
  },
);

// PCIe 3.0 x16: 15.75 GB/s raw (pcie-model); costs on the host like those of ConnectX-4, an older pipeline. No measurement to hold it against.
const connectIbFdr = makeProfile(
  {
    name: 'connect-ib-fdr',
    product: 'Connect-IB FDR, PCIe 3.0 x16',
    deviceStem: 'mlx5',
    firmware: '10.16.1200',
    vendorId: MELLANOX,
    vendorPartId: 4113,
    hwVer: 0,
    boardId: 'MT_1220110019',
    speed: 'FDR',
  },
  {
    postPs: 120_000,
    wqeFetchPs: 150_000,
    hostReadLatencyPs: 300_000,
    hostReadPsPerByte: 85,
    hostWriteLatencyPs: 180_000,
    hostWritePsPerByte: 75,
    txMessageGapPs: 33_000,
    txPacketGapPs: 15_000,
    rxPacketGapPs: 10_000,
    atomicGapPs: 200_000,
    contextCacheEntries: 512,
    contextMissPs: 300_000,
  },
);

// Fitted to UD SENDs back to back: a packet is read at 10.8 GB/s and written at 16.3 GB/s. A stream uses what PCIe 3.0 x16 leaves after its headers.
const connectX4Edr = makeProfile(
  {
    name: 'connectx4-edr',
    product: 'ConnectX-4 VPI EDR, PCIe 3.0 x16',
    deviceStem: 'mlx5',
    firmware: '12.28.2006',
    vendorId: MELLANOX,
    vendorPartId: 4115,
    hwVer: 0,
    boardId: 'MT_2180110032',
    speed: 'EDR',
  },
  {
    postPs: 120_000,
    postInlinePsPerByte: 150,
    doorbellPs: 137_000,
    doorbellPsPerByte: 188,
    wqeFetchPs: 60_000,
    hostReadLatencyPs: 250_000,
    hostReadPsPerByte: 76,
    messageReadPsPerByte: 92.6,
    readAheadBytes: 16_384,
    hostWriteLatencyPs: 201_000,
    hostWritePsPerByte: 61.3,
    txMessageGapPs: 30_000,
    txPacketGapPs: 15_000,
    rxPacketGapPs: 10_000,
    atomicGapPs: 150_000,
    contextCacheEntries: 1_024,
    contextMissPs: 250_000,
    txBufferBytes: 49_152,
  },
);

const CONNECTX6 = {
  name: 'connectx6-hdr',
  product: 'ConnectX-6 VPI HDR, PCIe 4.0 x16',
  deviceStem: 'mlx5',
  firmware: '20.31.1014',
  vendorId: MELLANOX,
  vendorPartId: 4123,
  hwVer: 0,
  boardId: 'MT_0000000223',
  speed: 'HDR',
} as const;

// PCIe 4.0 x16: 31.5 GB/s raw (pcie-model). Reads of a lone message as measured on the virtual function, whose slopes are those of bare metal.
const CONNECTX6_CORE = {
  postInlinePsPerByte: 260,
  doorbellPs: 137_000,
  doorbellPsPerByte: 260,
  wqeFetchPs: 170_000,
  hostReadLatencyPs: 300_000,
  hostReadPsPerByte: 38,
  messageReadPsPerByte: 86,
  hostWritePsPerByte: 36,
  txPacketGapPs: 10_000,
  rxPacketGapPs: 8_000,
  atomicGapPs: 100_000,
  contextCacheEntries: 4_096,
  contextMissPs: 200_000,
  txBufferBytes: 98_304,
} as const;

const connectX6Hdr = makeProfile(CONNECTX6, {
  ...CONNECTX6_CORE,
  postPs: 120_000,
  hostWriteLatencyPs: 220_000,
  txMessageGapPs: 20_000,
});

// Fitted to the perftest table; the guest and its address translation make post and host accesses slower, not the bytes.
const connectX6HdrVf = makeProfile(
  {
    ...CONNECTX6,
    name: 'connectx6-hdr-vf',
    product: 'ConnectX-6 VPI HDR, SR-IOV virtual function in a guest',
    vendorPartId: 4124,
  },
  {
    ...CONNECTX6_CORE,
    postPs: 205_000,
    doorbellPs: 315_000,
    postInlinePsPerByte: 20,
    doorbellPsPerByte: 530,
    wqeFetchPs: 170_000,
    hostReadLatencyPs: 300_000,
    hostWriteLatencyPs: 563_000,
    txMessageGapPs: 20_000,
  },
);

// PCIe 5.0 x16: 63 GB/s raw (pcie-model); the rest is ConnectX-6 scaled. No measurement to hold it against but the goodput law.
const connectX7Ndr = makeProfile(
  {
    name: 'connectx7-ndr',
    product: 'ConnectX-7 NDR, PCIe 5.0 x16',
    deviceStem: 'mlx5',
    firmware: '28.39.1002',
    vendorId: MELLANOX,
    vendorPartId: 4129,
    hwVer: 0,
    boardId: 'MT_0000000838',
    speed: 'NDR',
  },
  {
    ...CONNECTX6_CORE,
    postPs: 110_000,
    wqeFetchPs: 150_000,
    hostReadLatencyPs: 280_000,
    hostReadPsPerByte: 19,
    messageReadPsPerByte: 60,
    hostWriteLatencyPs: 200_000,
    hostWritePsPerByte: 18,
    txMessageGapPs: 14_000,
    txPacketGapPs: 5_000,
    rxPacketGapPs: 4_000,
    txBufferBytes: 196_608,
  },
);

/** The named profiles, oldest first. */
export const PROFILES: readonly HcaProfile[] = [
  infiniHostSdr,
  connectX2Qdr,
  connectX3Qdr,
  connectX3Fdr,
  connectIbFdr,
  connectX4Edr,
  connectX6Hdr,
  connectX6HdrVf,
  connectX7Ndr,
];

/** A profile, or what is wrong with its name and overrides. `file` and `path` say where the user wrote them. */
export function resolveProfile(
  name: string,
  overrides: Readonly<Record<string, unknown>> = {},
  file = '',
  path = '',
): { readonly profile: HcaProfile | undefined; readonly issues: readonly Issue[] } {
  const base = PROFILES.find((profile) => profile.name === name);
  const issues = checkOverrides(overrides, file, path);
  if (base === undefined) {
    const known = PROFILES.map((profile) => profile.name).join(', ');
    issues.unshift({ file, path, message: `unknown HCA profile ${JSON.stringify(name)}; known are ${known}` });
  }
  if (base === undefined || issues.length > 0) return { profile: undefined, issues };
  return { profile: Object.freeze({ ...base, ...(overrides as HcaOverrides) }), issues };
}
