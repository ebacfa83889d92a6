/** Records of subnet administration that connections and multicast need (IBA vol. 1, 15.2.5): PathRecord and MCMemberRecord. */
import { formatGid, formatLid } from './address.ts';
import { bits, flag, layout, raw, u8, u16, u32, u64 } from './layout.ts';

export const SA_ATTR_CLASS_PORT_INFO = 0x0001;
export const SA_ATTR_NODE_RECORD = 0x0011;
export const SA_ATTR_PORT_INFO_RECORD = 0x0012;
export const SA_ATTR_LINK_RECORD = 0x0020;
export const SA_ATTR_SERVICE_RECORD = 0x0031;
export const SA_ATTR_PATH_RECORD = 0x0035;
export const SA_ATTR_MC_MEMBER_RECORD = 0x0038;
export const SA_ATTR_MULTI_PATH_RECORD = 0x003a;

/** How a rate, MTU or lifetime in a query is meant. */
export const SELECTOR_GREATER = 0;
export const SELECTOR_LESS = 1;
export const SELECTOR_EQUAL = 2;
export const SELECTOR_LARGEST = 3;

/** A path between two ports. */
export interface PathRecordRepr {
  serviceId: bigint;
  dgid: Uint8Array;
  sgid: Uint8Array;
  dlid: number;
  slid: number;
  rawTraffic: boolean;
  /** 20 bits. */
  flowLabel: number;
  hopLimit: number;
  trafficClass: number;
  reversible: boolean;
  /** In a query: how many paths at most. */
  numbPath: number;
  pKey: number;
  /** 12 bits. */
  qosClass: number;
  sl: number;
  /** `SELECTOR_*`. */
  mtuSelector: number;
  /** See `mtuCode`. */
  mtu: number;
  rateSelector: number;
  /** See `rateCode`. */
  rate: number;
  lifeTimeSelector: number;
  /** See `timeoutPs`. */
  lifeTime: number;
  preference: number;
}

export const PATH_RECORD = layout<PathRecordRepr>('PathRecord', 64, {
  serviceId: u64(0),
  dgid: raw(8, 16),
  sgid: raw(24, 16),
  dlid: u16(40),
  slid: u16(42),
  rawTraffic: flag(44, 0),
  flowLabel: bits(44, 4, 20),
  hopLimit: u8(47),
  trafficClass: u8(48),
  reversible: flag(49, 0),
  numbPath: bits(49, 1, 7),
  pKey: u16(50),
  qosClass: bits(52, 0, 12),
  sl: bits(53, 4, 4),
  mtuSelector: bits(54, 0, 2),
  mtu: bits(54, 2, 6),
  rateSelector: bits(55, 0, 2),
  rate: bits(55, 2, 6),
  lifeTimeSelector: bits(56, 0, 2),
  lifeTime: bits(56, 2, 6),
  preference: u8(57),
});

/** Component mask bits of a PathRecord query, most used ones. */
export const PATH_COMPONENT_DGID = 1n << 2n;
export const PATH_COMPONENT_SGID = 1n << 3n;
export const PATH_COMPONENT_DLID = 1n << 4n;
export const PATH_COMPONENT_SLID = 1n << 5n;
export const PATH_COMPONENT_REVERSIBLE = 1n << 11n;
export const PATH_COMPONENT_NUMB_PATH = 1n << 12n;
export const PATH_COMPONENT_P_KEY = 1n << 13n;

export function formatPathRecord(repr: PathRecordRepr): string {
  const route = `${formatGid(repr.sgid)} ${formatLid(repr.slid)} > ${formatGid(repr.dgid)} ${formatLid(repr.dlid)}`;
  return `path ${route} sl ${repr.sl} mtu ${repr.mtu} rate ${repr.rate} life ${repr.lifeTime}`;
}

export const MC_JOIN_FULL = 1;
export const MC_JOIN_NON_MEMBER = 2;
export const MC_JOIN_SEND_ONLY = 4;
export const MC_JOIN_SEND_ONLY_FULL = 8;

/** Membership of a port in a multicast group. */
export interface McMemberRecordRepr {
  mgid: Uint8Array;
  portGid: Uint8Array;
  qKey: number;
  mlid: number;
  mtuSelector: number;
  mtu: number;
  trafficClass: number;
  pKey: number;
  rateSelector: number;
  rate: number;
  lifeTimeSelector: number;
  lifeTime: number;
  sl: number;
  flowLabel: number;
  hopLimit: number;
  scope: number;
  /** `MC_JOIN_*` bits. */
  joinState: number;
  proxyJoin: boolean;
}

export const MC_MEMBER_RECORD = layout<McMemberRecordRepr>('MCMemberRecord', 52, {
  mgid: raw(0, 16),
  portGid: raw(16, 16),
  qKey: u32(32),
  mlid: u16(36),
  mtuSelector: bits(38, 0, 2),
  mtu: bits(38, 2, 6),
  trafficClass: u8(39),
  pKey: u16(40),
  rateSelector: bits(42, 0, 2),
  rate: bits(42, 2, 6),
  lifeTimeSelector: bits(43, 0, 2),
  lifeTime: bits(43, 2, 6),
  sl: bits(44, 0, 4),
  flowLabel: bits(44, 4, 20),
  hopLimit: u8(47),
  scope: bits(48, 0, 4),
  joinState: bits(48, 4, 4),
  proxyJoin: flag(49, 0),
});

export function formatMcMemberRecord(repr: McMemberRecordRepr): string {
  return `group ${formatGid(repr.mgid)} ${formatLid(repr.mlid)} port ${formatGid(repr.portGid)} join ${repr.joinState}`;
}
