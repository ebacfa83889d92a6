/**
 * hca: the channel adapter as hardware.
 *
 * What others use
 *   hca                `Hca`: calls that make and change its objects, posts, doorbell, the way in for packets
 *   function           a virtual function, called like an adapter
 *   types, constants   what goes in and out as plain data; numbers of the interface
 *   profile, profiles  the physical parameters, documented one by one; the named products
 *   memory             a node's address space; regions and windows
 *   completion-queue, queue-pair, shared-receive-queue   the objects that calls return
 *   latency            the unloaded latency of a message as a sum of parts
 * Inside
 *   engine             what the parts share; events; the transmit scheduler;  port, context-cache
 *   work-queue         rings of work queue entries
 *   entry, requester   send queue entries → request packets;  completer: acknowledges, responses, retries
 *   receive            incoming packets → responder (RC, UC: a pipeline of checks), datagram (UD, QP1), completer
 *   respond            acknowledges, NAKs, READ responses;  remembered: READs and atomics, and duplicates
 *   packet             filling records, moving payload
 *   multicast          queue pairs attached to groups
 *   finish             completions, errors, flushing
 *   transitions        the queue pair state machine as a table;  modify: `modifyQp`
 */
export { type CompletionDraft, CqContext } from './completion-queue.ts';
export * from './constants.ts';
export { type FunctionInterrupt, HcaFunction } from './function.ts';
export { Hca } from './hca.ts';
export { MemoryKey, type MemoryWatcher, NodeMemory, type RegisterOptions } from './memory.ts';
export {
  type UnloadedOperation,
  type UnloadedPath,
  type UnloadedStage,
  unloadedLatencyPs,
  unloadedStages,
} from './latency.ts';
export * from './profile.ts';
export * from './profiles.ts';
export { QpContext, type QpOptions } from './queue-pair.ts';
export { SrqContext } from './shared-receive-queue.ts';
export { transition, transitionAllowed } from './transitions.ts';
export * from './types.ts';
