/**
 * Counters of performance management (IBA vol. 1, 16.1.3.5 and 16.1.4.11), the data bytes of a performance MAD.
 * Data counters are in units of 4 bytes. Hardware stops a counter at its maximum; `saturate` does so.
 */
import { bits, layout, u8, u16, u32, u64 } from './layout.ts';

export const PERF_ATTR_CLASS_PORT_INFO = 0x0001;
export const PERF_ATTR_PORT_COUNTERS = 0x0012;
export const PERF_ATTR_PORT_COUNTERS_EXTENDED = 0x001d;

export interface PortCountersRepr {
  portSelect: number;
  counterSelect: number;
  symbolErrors: number;
  linkErrorRecovery: number;
  linkDowned: number;
  receiveErrors: number;
  receiveRemotePhysicalErrors: number;
  receiveSwitchRelayErrors: number;
  transmitDiscards: number;
  transmitConstraintErrors: number;
  receiveConstraintErrors: number;
  counterSelect2: number;
  localLinkIntegrityErrors: number;
  excessiveBufferOverruns: number;
  qp1Dropped: number;
  vl15Dropped: number;
  transmitData: number;
  receiveData: number;
  transmitPackets: number;
  receivePackets: number;
  transmitWait: number;
}

export const PORT_COUNTERS = layout<PortCountersRepr>('PortCounters', 44, {
  portSelect: u8(1),
  counterSelect: u16(2),
  symbolErrors: u16(4),
  linkErrorRecovery: u8(6),
  linkDowned: u8(7),
  receiveErrors: u16(8),
  receiveRemotePhysicalErrors: u16(10),
  receiveSwitchRelayErrors: u16(12),
  transmitDiscards: u16(14),
  transmitConstraintErrors: u8(16),
  receiveConstraintErrors: u8(17),
  counterSelect2: u8(18),
  localLinkIntegrityErrors: bits(19, 0, 4),
  excessiveBufferOverruns: bits(19, 4, 4),
  qp1Dropped: u16(20),
  vl15Dropped: u16(22),
  transmitData: u32(24),
  receiveData: u32(28),
  transmitPackets: u32(32),
  receivePackets: u32(36),
  transmitWait: u32(40),
});

export interface PortCountersExtendedRepr {
  portSelect: number;
  counterSelect: number;
  transmitData: bigint;
  receiveData: bigint;
  transmitPackets: bigint;
  receivePackets: bigint;
  unicastTransmitPackets: bigint;
  unicastReceivePackets: bigint;
  multicastTransmitPackets: bigint;
  multicastReceivePackets: bigint;
}

export const PORT_COUNTERS_EXTENDED = layout<PortCountersExtendedRepr>('PortCountersExtended', 72, {
  portSelect: u8(1),
  counterSelect: u16(2),
  transmitData: u64(8),
  receiveData: u64(16),
  transmitPackets: u64(24),
  receivePackets: u64(32),
  unicastTransmitPackets: u64(40),
  unicastReceivePackets: u64(48),
  multicastTransmitPackets: u64(56),
  multicastReceivePackets: u64(64),
});

/** `value` as a counter of `bits` bits shows it: held at the maximum, never wrapped. */
export function saturate(value: number, width: number): number {
  return Math.min(value, 2 ** width - 1);
}

export function formatPortCounters(repr: PortCountersRepr): string {
  const { portSelect, transmitPackets, receivePackets, transmitData, receiveData, transmitWait } = repr;
  return `port ${portSelect} sent ${transmitPackets} packets ${transmitData} words, received ${receivePackets} packets ${receiveData} words, waited ${transmitWait}`;
}
