/**
 * subnet: what a subnet manager decides. It sees the network as a plain graph and hands out tables.
 *
 * - `graph.ts`       the graph as discovered, and its index in typed arrays
 * - `lids.ts`        LID assignment
 * - `forwarding.ts`  forwarding tables, and the choice of one port a LID as OpenSM makes it
 * - `min-hop.ts`     routing engine: shortest paths
 * - `up-down.ts`     routing engine: up*\/down*, on any graph
 * - `fat-tree.ts`    routing engine: d-mod-k
 * - `dor.ts`         routing engine: dimension order on meshes, tori and hypercubes
 * - `routing.ts`     the engines behind one call, with the check that everybody is reached
 * - `reachability.ts` follows tables hop by hop
 * - `multicast.ts`   one spanning tree an MLID
 * - `dependency.ts`  the deadlock check: cycles of channel dependencies
 * - `qos.ts`         link settings, SL2VL and VL arbitration tables
 * - `partitions.ts`  P_Key tables
 * - `paths.ts`       path records, and who answers for them
 * - `configure.ts`   all of it in one call
 * - `analysis.ts`    link loads and effective bisection bandwidth
 */
export * from './analysis.ts';
export * from './configure.ts';
export * from './forwarding.ts';
export * from './graph.ts';
export * from './lids.ts';
export * from './min-hop.ts';
export * from './dependency.ts';
export * from './dor.ts';
export * from './fat-tree.ts';
export * from './multicast.ts';
export * from './reachability.ts';
export * from './routing.ts';
export * from './up-down.ts';
export * from './partitions.ts';
export * from './paths.ts';
export * from './qos.ts';
