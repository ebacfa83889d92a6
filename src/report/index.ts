/**
 * report: what a person or a tool reads after a run. Imports sim and wire.
 *
 * - `table.ts`      aligned tables, and how counts, shares and times are written
 * - `breakdown.ts`  where the time of a message went, stage by stage
 * - `summary.ts`    the closing lines of a run
 * - `traffic.ts`    what synthetic traffic measured
 * - `json.ts`       the objects that `--json` writes
 * - `histogram.ts`  percentiles, and HdrHistogram's `.hgrm` text
 * - `capture.ts`    a packet at a capture point, and its bytes
 * - `pcap.ts`       capture files for Wireshark: writer and reader
 */
export * from './breakdown.ts';
export * from './capture.ts';
export * from './histogram.ts';
export * from './json.ts';
export * from './pcap.ts';
export * from './summary.ts';
export * from './table.ts';
export * from './traffic.ts';
