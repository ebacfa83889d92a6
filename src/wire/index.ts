/**
 * wire: the bytes of InfiniBand. Headers, packets and management datagrams as IBA lays them out; tables and arithmetic that go with them.
 * Imports nothing; keeps no state.
 *
 * Tables for hot code (numbers and typed arrays)
 *   opcode   BTH opcodes: constants, property flags, extension headers, legal successors
 *   psn      24-bit sequence arithmetic
 *   aeth     syndromes, credit codes, RNR timers; the AETH header
 *   rate     speeds, widths, MTU, rate and timeout codes; picoseconds per byte
 *   address  LID, GUID, GID, P_Key, Q_Key: ranges, matching, text
 * Headers, one file each: a record, its layout, a printer
 *   layout   field table → parse, emit
 *   lrh grh bth rdeth deth xrceth feth reth atomic-eth aeth atomic-ack-eth imm-dt ieth   in packets
 *   flow-packet   between packets
 *   crc      ICRC, VCRC, LPCRC
 *   packet   the whole: parse with reasons, emit, print, size
 * Management datagrams
 *   mad      common header; envelopes of SMP, SA and performance management
 *   smp-attributes  NodeInfo, SwitchInfo, PortInfo, SMInfo
 *   cm       connection management datagrams;  cm-connection, cm-service  their messages;  cm-ip  rdma_cm's addresses in them
 *   sa       PathRecord, MCMemberRecord
 *   perf     PortCounters, PortCountersExtended
 */
export * from './address.ts';
export * from './aeth.ts';
export * from './atomic-ack-eth.ts';
export * from './atomic-eth.ts';
export * from './bth.ts';
export * from './cm.ts';
export * from './cm-connection.ts';
export * from './cm-ip.ts';
export * from './cm-service.ts';
export * from './crc.ts';
export * from './deth.ts';
export * from './feth.ts';
export * from './flow-packet.ts';
export * from './grh.ts';
export * from './ieth.ts';
export * from './imm-dt.ts';
export * from './layout.ts';
export * from './lrh.ts';
export * from './mad.ts';
export * from './opcode.ts';
export * from './packet.ts';
export * from './perf.ts';
export * from './psn.ts';
export * from './rate.ts';
export * from './rdeth.ts';
export * from './reth.ts';
export * from './sa.ts';
export * from './smp-attributes.ts';
export * from './xrceth.ts';
