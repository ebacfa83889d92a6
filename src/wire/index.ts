/**
 * wire: the bytes of InfiniBand. Headers, packets and management datagrams as IBA lays them out; tables and arithmetic that go with them.
 * Imports nothing; keeps no state.
 *
 * Tables for hot code (numbers and typed arrays)
 *   opcode   BTH opcodes: constants, property flags, extension headers, legal successors
 *   psn      24-bit sequence arithmetic
 *   aeth     syndromes, credit codes, RNR timers; the AETH header
 *   rate     speeds, widths, MTU and rate codes; picoseconds per byte
 * How headers are described
 *   layout   field table → parse, emit
 */
export * from './aeth.ts';
export * from './layout.ts';
export * from './opcode.ts';
export * from './psn.ts';
export * from './rate.ts';
