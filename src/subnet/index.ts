/**
 * subnet: what a subnet manager decides. It sees the network as a plain graph and hands out tables.
 *
 * - `graph.ts`       the graph as discovered, and its index in typed arrays
 * - `lids.ts`        LID assignment
 * - `forwarding.ts`  forwarding tables, and the choice of one port a LID as OpenSM makes it
 * - `min-hop.ts`     routing engine: shortest paths
 */
export * from './forwarding.ts';
export * from './graph.ts';
export * from './lids.ts';
export * from './min-hop.ts';
