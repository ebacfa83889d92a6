/**
 * report: what a person or a tool reads after a run. Imports sim and wire.
 *
 * - `table.ts`      aligned tables, and how counts, shares and times are written
 * - `breakdown.ts`  where the time of a message went, stage by stage
 * - `summary.ts`    the closing lines of a run
 * - `traffic.ts`    what synthetic traffic measured
 * - `port-counters.ts`  the port counters of a run
 * - `domains.ts`    the account of a host's domains, and `heddle top`
 * - `json.ts`       the objects that `--json` writes
 * - `histogram.ts`  percentiles, and HdrHistogram's `.hgrm` text
 * - `capture.ts`    a packet at a capture point, and its bytes
 * - `capture-writer.ts`  opens a capture file of the kind its name asks for
 * - `pcap.ts`, `pcapng.ts`  capture files for Wireshark;  `erf.ts`  the record around each packet;  `buffered-file.ts`  bounded memory
 */
export * from './breakdown.ts';
export * from './capture.ts';
export * from './capture-writer.ts';
export * from './domains.ts';
export * from './histogram.ts';
export * from './json.ts';
export * from './pcap.ts';
export * from './pcapng.ts';
export * from './port-counters.ts';
export * from './summary.ts';
export * from './table.ts';
export * from './traffic.ts';
