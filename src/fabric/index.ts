/**
 * fabric: links, ports, virtual lanes, credits, arbitration, switches, counters and faults. Imports sim and wire.
 *
 * - `spec.ts`          what a fabric is made of, as plain data
 * - `fabric.ts`        the fabric: made from a spec, fed with records, run up to a time, asked for counters
 * - `packet-record.ts` the 64-byte record that crosses between an HCA and the fabric
 * - `record-batch.ts`  a batch of such records
 * - `payload-pool.ts`  where the bytes of packets in flight lie
 * - `wiring.ts`        a spec laid out in typed arrays; logical processes and lookahead
 * - `wiring-tables.ts` LFT, MFT, SL to VL, VL arbitration, life times, partitions
 * - `kernel.ts`        the hot loop
 * - `kernel-env.ts`    what the kernel is given and what it shows
 * - `traffic.ts`       synthetic traffic, planned
 * - `counters.ts`      PortCounters and PortCountersExtended
 * - `histogram.ts`     log-linear latency histogram
 * - `inspect.ts`       wait cycles, conservation
 */
export * from './counters.ts';
export * from './fabric.ts';
export * from './histogram.ts';
export type { WaitingPacket, WaitStep } from './inspect.ts';
export type { CaptureHook, DropReason, TraceHook } from './kernel-env.ts';
export { DROP_REASONS } from './kernel-env.ts';
export * from './packet-record.ts';
export * from './payload-pool.ts';
export * from './record-batch.ts';
export * from './spec.ts';
