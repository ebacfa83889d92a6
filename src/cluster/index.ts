/**
 * cluster: builds live objects from a description, runs them, collects results.
 *
 * - `types.ts`            what a run is asked for and what it gives back
 * - `load.ts` `lists.ts` `check.ts`   topologies with their profiles, what there is to choose from, what a run would refuse
 * - `run.ts`              one run from its options to its result; `ranks.ts`, `placement.ts`: who runs what, and in which thread; `standstill.ts`: why nothing moves; `all-mistakes.ts`: what else is wrong
 * - `places.ts` `host-plan.ts` `machine.ts` `bare-machine.ts`   nodes and guests as places for programs; what hosts have beyond adapters
 * - `traffic.ts`          synthetic traffic on the fabric alone
 * - `run-record.ts`       a run in a file, and its replay
 * - `plan.ts` `subnet-plan.ts` `directory.ts` from a topology to what is built from it
 * - `session.ts` `coordinator.ts`     a run under way: time advances over the cut between fabric and nodes
 * - `node-group.ts` `program-host.ts` `peers.ts` `program-loader.ts` `virtual-clock.ts`   the nodes of one thread and their programs
 * - `inline-group.ts` `worker-group.ts` `worker.ts` `worker-url.ts` `thread-channel.ts` `messages.ts`   groups in this thread or another
 * - `trace-log.ts` `breakdown.ts` `port-counters.ts` `run-capture.ts` `capture-tap.ts` `capture.ts` `line-output.ts` `version.ts`              what is seen of a run
 */
export { checkTopology, findRoutingRoots } from './check.ts';
export { generators, hcaProfiles, programs, switchModels } from './lists.ts';
export { HCA_CATALOG, loadTopologyFile, parseFaults } from './load.ts';
export { planCluster } from './plan.ts';
export { run } from './run.ts';
export { type ReplayResult, replay, writeRunRecord } from './run-record.ts';
export { runTraffic } from './traffic.ts';
export * from './types.ts';
export { VERSION } from './version.ts';
