/**
 * What the query verbs fill in: `struct ibv_device_attr`, `ibv_port_attr`, `ibv_gid_entry` in camel case.
 */
import { type HcaConfig, type HcaCounters, type HcaPortConfig, MAX_MESSAGE_BYTES } from '../hca/index.ts';
import { AtomicCap, bytesToMtu, DeviceCap, LinkLayer, Mtu, NodeType, type PortState } from './enums.ts';
import type { Gid } from './gid.ts';

/** `struct ibv_device_attr`. */
export interface DeviceAttr {
  readonly fwVer: string;
  readonly nodeType: NodeType;
  readonly nodeGuid: bigint;
  readonly sysImageGuid: bigint;
  readonly maxMrSize: number;
  readonly pageSizeCap: number;
  readonly vendorId: number;
  readonly vendorPartId: number;
  readonly hwVer: number;
  readonly maxQp: number;
  readonly maxQpWr: number;
  /** `DeviceCap`, or-ed. */
  readonly deviceCapFlags: number;
  readonly maxSge: number;
  readonly maxSgeRd: number;
  readonly maxCq: number;
  readonly maxCqe: number;
  readonly maxMr: number;
  readonly maxPd: number;
  /** RDMA reads and atomics that a queue pair can have outstanding as responder. */
  readonly maxQpRdAtom: number;
  readonly maxEeRdAtom: number;
  readonly maxResRdAtom: number;
  /** The same as requester. */
  readonly maxQpInitRdAtom: number;
  readonly maxEeInitRdAtom: number;
  readonly atomicCap: AtomicCap;
  readonly maxEe: number;
  readonly maxRdd: number;
  readonly maxMw: number;
  readonly maxRawIpv6Qp: number;
  readonly maxRawEthyQp: number;
  readonly maxMcastGrp: number;
  readonly maxMcastQpAttach: number;
  readonly maxTotalMcastQpAttach: number;
  readonly maxAh: number;
  readonly maxFmr: number;
  readonly maxMapPerFmr: number;
  readonly maxSrq: number;
  readonly maxSrqWr: number;
  readonly maxSrqSge: number;
  readonly maxPkeys: number;
  readonly localCaAckDelay: number;
  readonly physPortCnt: number;
  /** `max_inline_data` is no attribute in C; `createQp` answers ENOMEM or EINVAL above it. */
  readonly maxInlineData: number;
}

/** `struct ibv_port_attr`. */
export interface PortAttr {
  readonly state: PortState;
  readonly maxMtu: Mtu;
  readonly activeMtu: Mtu;
  readonly gidTblLen: number;
  readonly portCapFlags: number;
  readonly maxMsgSz: number;
  readonly badPkeyCntr: number;
  readonly qkeyViolCntr: number;
  readonly pkeyTblLen: number;
  readonly lid: number;
  readonly smLid: number;
  readonly lmc: number;
  /** VLCap code: 1 = VL0, 2 = VL0–1, 3 = VL0–3, 4 = VL0–7, 5 = VL0–14. */
  readonly maxVlNum: number;
  readonly smSl: number;
  readonly subnetTimeout: number;
  readonly initTypeReply: number;
  /** Width code: 1 = 1x, 2 = 4x, 4 = 8x, 8 = 12x, 16 = 2x. */
  readonly activeWidth: number;
  /** Speed code: 1 SDR, 2 DDR, 4 QDR, 8 FDR10, 16 FDR, 32 EDR, 64 HDR, 128 NDR. */
  readonly activeSpeed: number;
  /** 5 = LinkUp. */
  readonly physState: number;
  readonly linkLayer: LinkLayer;
  readonly flags: number;
  readonly portCapFlags2: number;
  readonly activeSpeedEx: number;
}

/** `struct ibv_gid_entry`. */
export interface GidEntry {
  readonly gid: Gid;
  readonly gidIndex: number;
  readonly portNum: number;
  /** 0 = InfiniBand. */
  readonly gidType: 0;
  readonly ndevIfindex: 0;
}

/** `local_ca_ack_delay` of mlx4 and mlx5 devices: 4.096 µs × 2^15. */
export const LOCAL_CA_ACK_DELAY = 15;
const LINK_UP = 5;
/** Port capabilities that every port here has: CM, and traps (`PortCapFlags`). */
const PORT_CAPABILITIES = (1 << 16) | (1 << 3) | (1 << 11);
/** An event for each entry of a notification, RNR NAKs, port events, windows of both types, system image GUID. */
const DEVICE_CAPABILITIES =
  DeviceCap.BAD_PKEY_CNTR |
  DeviceCap.BAD_QKEY_CNTR |
  DeviceCap.CURR_QP_STATE_MOD |
  DeviceCap.PORT_ACTIVE_EVENT |
  DeviceCap.SYS_IMAGE_GUID |
  DeviceCap.RC_RNR_NAK_GEN |
  DeviceCap.N_NOTIFY_CQ |
  DeviceCap.MEM_WINDOW |
  DeviceCap.MEM_MGT_EXTENSIONS |
  DeviceCap.MEM_WINDOW_TYPE_2B;

/** What `ibv_query_device` says of an adapter. */
export function describeDevice(config: HcaConfig): DeviceAttr {
  const { profile: p, nodeGuid, ports } = config;
  return {
    fwVer: p.firmware,
    nodeType: NodeType.CA,
    nodeGuid,
    sysImageGuid: nodeGuid + 3n,
    maxMrSize: Number.MAX_SAFE_INTEGER,
    pageSizeCap: 0xfffffe00,
    vendorId: p.vendorId,
    vendorPartId: p.vendorPartId,
    hwVer: p.hwVer,
    maxQp: p.maxQp,
    maxQpWr: p.maxQpWr,
    deviceCapFlags: DEVICE_CAPABILITIES,
    maxSge: p.maxSge,
    maxSgeRd: p.maxSge,
    maxCq: p.maxCq,
    maxCqe: p.maxCqe,
    maxMr: p.maxMr,
    maxPd: p.maxPd,
    maxQpRdAtom: p.maxQpRdAtomic,
    maxEeRdAtom: 0,
    maxResRdAtom: p.maxQpRdAtomic * p.maxQp,
    maxQpInitRdAtom: p.maxQpInitRdAtomic,
    maxEeInitRdAtom: 0,
    atomicCap: AtomicCap.HCA,
    maxEe: 0,
    maxRdd: 0,
    maxMw: p.maxMr,
    maxRawIpv6Qp: 0,
    maxRawEthyQp: 0,
    maxMcastGrp: p.maxMcastGroups,
    maxMcastQpAttach: p.maxMcastQpAttach,
    maxTotalMcastQpAttach: p.maxMcastGroups * p.maxMcastQpAttach,
    maxAh: p.maxAh,
    maxFmr: 0,
    maxMapPerFmr: 0,
    maxSrq: p.maxSrq,
    maxSrqWr: p.maxSrqWr,
    maxSrqSge: p.maxSge,
    maxPkeys: Math.max(...ports.map((port) => port.pkeys.length)),
    localCaAckDelay: LOCAL_CA_ACK_DELAY,
    physPortCnt: ports.length,
    maxInlineData: p.maxInlineData,
  };
}

/** What `ibv_query_port` says of a port; violations are counted for the adapter as a whole. */
export function describePort(port: HcaPortConfig, counters: HcaCounters): PortAttr {
  const activeMtu = bytesToMtu(port.mtuBytes) ?? Mtu.MTU_4096;
  return {
    state: port.state as PortState,
    maxMtu: Mtu.MTU_4096,
    activeMtu,
    gidTblLen: 1,
    portCapFlags: PORT_CAPABILITIES,
    maxMsgSz: MAX_MESSAGE_BYTES,
    badPkeyCntr: counters.pkeyViolations,
    qkeyViolCntr: counters.qkeyViolations,
    pkeyTblLen: port.pkeys.length,
    lid: port.lid,
    smLid: port.smLid,
    lmc: port.lmc,
    maxVlNum: vlCode(port.dataVls),
    smSl: port.smSl,
    subnetTimeout: port.subnetTimeout,
    initTypeReply: 0,
    activeWidth: port.activeWidth,
    activeSpeed: port.activeSpeed,
    physState: LINK_UP,
    linkLayer: LinkLayer.INFINIBAND,
    flags: 0,
    portCapFlags2: 0,
    activeSpeedEx: port.activeSpeed,
  };
}

/** The VLCap code that covers so many data VLs: 1 → 1, 2 → 2, 4 → 3, 8 → 4, 15 → 5. */
function vlCode(dataVls: number): number {
  return [1, 2, 4, 8, 15].findIndex((most) => dataVls <= most) + 1;
}
