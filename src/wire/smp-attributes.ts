/**
 * Attributes of subnet management, the 64 data bytes of an SMP (IBA vol. 1, 14.2.5). Those with fields have a layout here;
 * NodeDescription is text; the tables (P_Keys, SL-to-VL, VL arbitration, forwarding) are arrays whose block shape is said at their number.
 */
import { bits, flag, layout, u8, u16, u24, u32, u64 } from './layout.ts';

export const SMP_ATTR_NOTICE = 0x0002;
export const SMP_ATTR_NODE_DESCRIPTION = 0x0010;
export const SMP_ATTR_NODE_INFO = 0x0011;
export const SMP_ATTR_SWITCH_INFO = 0x0012;
export const SMP_ATTR_GUID_INFO = 0x0014;
export const SMP_ATTR_PORT_INFO = 0x0015;
/** 32 P_Keys of 16 bits a block. */
export const SMP_ATTR_P_KEY_TABLE = 0x0016;
/** 16 nibbles, SL 0 first. */
export const SMP_ATTR_SL_TO_VL = 0x0017;
/** 32 pairs {VL, weight} a block. */
export const SMP_ATTR_VL_ARBITRATION = 0x0018;
/** 64 output ports a block. */
export const SMP_ATTR_LINEAR_FORWARDING = 0x0019;
export const SMP_ATTR_RANDOM_FORWARDING = 0x001a;
/** 32 port masks of 16 bits a block. */
export const SMP_ATTR_MULTICAST_FORWARDING = 0x001b;
export const SMP_ATTR_SM_INFO = 0x0020;
export const SMP_ATTR_VENDOR_DIAG = 0x0030;
export const SMP_ATTR_LED_INFO = 0x0031;

export const NODE_TYPE_CA = 1;
export const NODE_TYPE_SWITCH = 2;
export const NODE_TYPE_ROUTER = 3;

export interface NodeInfoRepr {
  baseVersion: number;
  classVersion: number;
  /** `NODE_TYPE_*`. */
  nodeType: number;
  numPorts: number;
  systemImageGuid: bigint;
  nodeGuid: bigint;
  portGuid: bigint;
  partitionCap: number;
  deviceId: number;
  revision: number;
  /** The port the question came in by. */
  localPort: number;
  /** 24 bits. */
  vendorId: number;
}

export const NODE_INFO = layout<NodeInfoRepr>('NodeInfo', 40, {
  baseVersion: u8(0),
  classVersion: u8(1),
  nodeType: u8(2),
  numPorts: u8(3),
  systemImageGuid: u64(4),
  nodeGuid: u64(12),
  portGuid: u64(20),
  partitionCap: u16(28),
  deviceId: u16(30),
  revision: u32(32),
  localPort: u8(36),
  vendorId: u24(37),
});

export interface SwitchInfoRepr {
  linearCap: number;
  randomCap: number;
  multicastCap: number;
  /** Highest LID that the linear table maps. */
  linearTop: number;
  defaultPort: number;
  defaultMulticastPrimaryPort: number;
  defaultMulticastNotPrimaryPort: number;
  /** Code of the switch lifetime limit, 5 bits: see `timeoutPs`. */
  lifeTime: number;
  portStateChange: boolean;
  optimizedSlToVl: number;
  lidsPerPort: number;
  partitionEnforcementCap: number;
  inboundEnforcement: boolean;
  outboundEnforcement: boolean;
  filterRawInbound: boolean;
  filterRawOutbound: boolean;
  enhancedPort0: boolean;
  multicastTop: number;
}

export const SWITCH_INFO = layout<SwitchInfoRepr>('SwitchInfo', 20, {
  linearCap: u16(0),
  randomCap: u16(2),
  multicastCap: u16(4),
  linearTop: u16(6),
  defaultPort: u8(8),
  defaultMulticastPrimaryPort: u8(9),
  defaultMulticastNotPrimaryPort: u8(10),
  lifeTime: bits(11, 0, 5),
  portStateChange: flag(11, 5),
  optimizedSlToVl: bits(11, 6, 2),
  lidsPerPort: u16(12),
  partitionEnforcementCap: u16(14),
  inboundEnforcement: flag(16, 0),
  outboundEnforcement: flag(16, 1),
  filterRawInbound: flag(16, 2),
  filterRawOutbound: flag(16, 3),
  enhancedPort0: flag(16, 4),
  multicastTop: u16(18),
});

export const PORT_STATE_NOP = 0;
export const PORT_STATE_DOWN = 1;
export const PORT_STATE_INIT = 2;
export const PORT_STATE_ARMED = 3;
export const PORT_STATE_ACTIVE = 4;
export const PORT_PHYS_POLLING = 2;
export const PORT_PHYS_DISABLED = 3;
export const PORT_PHYS_LINK_UP = 5;

export interface PortInfoRepr {
  mKey: bigint;
  gidPrefix: bigint;
  lid: number;
  masterSmLid: number;
  capabilityMask: number;
  diagCode: number;
  mKeyLease: number;
  localPort: number;
  /** Width bits, see `widthCode`. */
  widthEnabled: number;
  widthSupported: number;
  widthActive: number;
  /** Speed bits SDR 1, DDR 2, QDR 4. */
  speedSupported: number;
  /** `PORT_STATE_*`. */
  portState: number;
  physicalState: number;
  linkDownDefault: number;
  mKeyProtect: number;
  lmc: number;
  speedActive: number;
  speedEnabled: number;
  /** MTU codes, see `mtuCode`. */
  neighborMtu: number;
  masterSmSl: number;
  /** Code 1 … 5: VL0, VL0-1, VL0-3, VL0-7, VL0-14. */
  vlCap: number;
  initType: number;
  vlHighLimit: number;
  vlArbHighCap: number;
  vlArbLowCap: number;
  initTypeReply: number;
  mtuCap: number;
  vlStallCount: number;
  hoqLife: number;
  operationalVls: number;
  partitionEnforcementInbound: boolean;
  partitionEnforcementOutbound: boolean;
  filterRawInbound: boolean;
  filterRawOutbound: boolean;
  mKeyViolations: number;
  pKeyViolations: number;
  qKeyViolations: number;
  guidCap: number;
  clientReregister: boolean;
  subnetTimeout: number;
  responseTime: number;
  localPhysicalErrors: number;
  overrunErrors: number;
  maxCreditHint: number;
  /** In units of 4 ns, 24 bits. */
  linkRoundTrip: number;
  capabilityMask2: number;
  /** Extended speed bits FDR 1, EDR 2, HDR 4, NDR 8. */
  speedExtendedActive: number;
  speedExtendedSupported: number;
  speedExtendedEnabled: number;
}

export const PORT_INFO = layout<PortInfoRepr>('PortInfo', 64, {
  mKey: u64(0),
  gidPrefix: u64(8),
  lid: u16(16),
  masterSmLid: u16(18),
  capabilityMask: u32(20),
  diagCode: u16(24),
  mKeyLease: u16(26),
  localPort: u8(28),
  widthEnabled: u8(29),
  widthSupported: u8(30),
  widthActive: u8(31),
  speedSupported: bits(32, 0, 4),
  portState: bits(32, 4, 4),
  physicalState: bits(33, 0, 4),
  linkDownDefault: bits(33, 4, 4),
  mKeyProtect: bits(34, 0, 2),
  lmc: bits(34, 5, 3),
  speedActive: bits(35, 0, 4),
  speedEnabled: bits(35, 4, 4),
  neighborMtu: bits(36, 0, 4),
  masterSmSl: bits(36, 4, 4),
  vlCap: bits(37, 0, 4),
  initType: bits(37, 4, 4),
  vlHighLimit: u8(38),
  vlArbHighCap: u8(39),
  vlArbLowCap: u8(40),
  initTypeReply: bits(41, 0, 4),
  mtuCap: bits(41, 4, 4),
  vlStallCount: bits(42, 0, 3),
  hoqLife: bits(42, 3, 5),
  operationalVls: bits(43, 0, 4),
  partitionEnforcementInbound: flag(43, 4),
  partitionEnforcementOutbound: flag(43, 5),
  filterRawInbound: flag(43, 6),
  filterRawOutbound: flag(43, 7),
  mKeyViolations: u16(44),
  pKeyViolations: u16(46),
  qKeyViolations: u16(48),
  guidCap: u8(50),
  clientReregister: flag(51, 0),
  subnetTimeout: bits(51, 3, 5),
  responseTime: bits(52, 3, 5),
  localPhysicalErrors: bits(53, 0, 4),
  overrunErrors: bits(53, 4, 4),
  maxCreditHint: u16(54),
  linkRoundTrip: u24(57),
  capabilityMask2: u16(60),
  speedExtendedActive: bits(62, 0, 4),
  speedExtendedSupported: bits(62, 4, 4),
  speedExtendedEnabled: bits(63, 3, 5),
});

export interface SmInfoRepr {
  guid: bigint;
  smKey: bigint;
  actCount: number;
  /** 0 … 15, the higher wins. */
  priority: number;
  /** Not active 0, discovering 1, standby 2, master 3. */
  state: number;
}

export const SM_INFO = layout<SmInfoRepr>('SMInfo', 21, {
  guid: u64(0),
  smKey: u64(8),
  actCount: u32(16),
  priority: bits(20, 0, 4),
  state: bits(20, 4, 4),
});
