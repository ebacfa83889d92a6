/**
 * verbs: what a program holds: libibverbs' objects and calls, and rdma_cm's. Imports sim, wire, hca.
 *
 * Objects (libibverbs)
 *   context              an opened device: queries, asynchronous events (`async-event`), node memory
 *   protection-domain    maker of the objects below
 *   memory               memory regions and windows
 *   completion-queue     polling, waiting, arming; `completion-channel` sleeping
 *   queue-pair           posting, states; `qp-attr` attributes as types, `qp-check` their ranges, `qp-connect` three transitions in one
 *   shared-receive-queue, address-handle
 *   work-request         work requests and completions as types; `wr-check` what is looked at before posting
 *   kernel-context       the same objects for kernel code, with handlers instead of waits; `verbs-thread` what the two callers have in common
 *   ibv                  the C names: `ibv.post_send(qp, wr)` → errno; `unsupported` those that are not here
 * Connections (librdmacm)
 *   cm-id                ids and their calls (`cm-id-core` the inside, `cm-id-route` finding the way), event channels (`cm-channel`)
 *   cm-manager           a program's librdmacm: devices, ports, listeners; `cm-types` constants and plain data, `cm-address` the address book
 *   cm-session           one connection of an id: messages ↔ events; `cm-route` what its queue pair is set to
 *   cm-verbs             rdma_post_send and its kind
 *   cm-agent             the kernel's side: `cm-connection` the state machine (`cm-states` its vocabulary), `cm-sidr` datagram services, `gsi` QP1, `timers`; `cm-proxy` for other domains, `cm-agents` which is whose
 *   owned-objects        what another domain has on an adapter, by number; `uar-space` doorbell pages that are handed to other domains
 *   adapter              what verbs need of an adapter: the hardware, or a guest's driver in front of it
 * Small things
 *   enums, enum-strings, rates, gid, device-attr, errors, mailbox, verbs-object
 *   program              what a program is and what it is given
 */
export type { Adapter, KernelCalls, MadPort } from './adapter.ts';
export { AddressHandle, type AhAttr, type GlobalRoute } from './address-handle.ts';
export { type AsyncEvent, type AsyncEventListener, listenAsync } from './async-event.ts';
export * from './cm-address.ts';
export { CmAgent, type CmListener } from './cm-agent.ts';
export { cmAgentOf, cmProxyOf } from './cm-agents.ts';
export { RdmaEventChannel } from './cm-channel.ts';
export { CmProxy, type CmProxyClient } from './cm-proxy.ts';
export { CmConnection } from './cm-connection.ts';
export { RdmaId } from './cm-id.ts';
export type { RdmaIdState } from './cm-id-core.ts';
export { createRdmaCm, type IdQpOptions, type RdmaAddrInfo, RdmaCm } from './cm-manager.ts';
export {
  ackTimeoutCode,
  applyReply,
  type CmRoute,
  moveToError,
  moveToInit,
  moveToRts,
  noPath,
  pathAddress,
  requestAddress,
  requestPath,
} from './cm-route.ts';
export type { CmOwner, CmPeer, CmState } from './cm-states.ts';
export * from './cm-types.ts';
export * from './cm-verbs.ts';
export { CompletionChannel } from './completion-channel.ts';
export { CompletionQueue, type CqModeration, type CreateCqOptions, waitAny } from './completion-queue.ts';
export { Context, openContext } from './context.ts';
export type { DeviceAttr, GidEntry, PortAttr } from './device-attr.ts';
export * from './enum-strings.ts';
export * from './enums.ts';
export { Errno, type ErrnoCode, throwErrno, VerbsError } from './errors.ts';
export * from './gid.ts';
export { Gsi, type MadHandler, type MadSource, type MadTarget } from './gsi.ts';
export { ibv, rdma } from './ibv.ts';
export { openKernelContext } from './kernel-context.ts';
export { incRkey, MemoryRegion, MemoryWindow, type PayloadFree, type Registrable } from './memory.ts';
export { OwnedObjects } from './owned-objects.ts';
export {
  DEFAULT_OWNER_QUOTA,
  failed,
  type MrRequest,
  type Outcome,
  type OwnerEvents,
  type OwnerQuota,
  type QpRequest,
} from './owner-types.ts';
export { UarSpace } from './uar-space.ts';
export * from './program.ts';
export { initAhFromWc, ProtectionDomain } from './protection-domain.ts';
export { maskOf, type QpAttr, type QpAttrState, type QpCap, type QpTransition } from './qp-attr.ts';
export type { ConnectOptions, QpEndpoint } from './qp-connect.ts';
export { type AnyQueuePair, type CreateQpOptions, QueuePair } from './queue-pair.ts';
export * from './rates.ts';
export { type CreateSrqOptions, SharedReceiveQueue, type SrqAttr } from './shared-receive-queue.ts';
export { Timers } from './timers.ts';
export { UNSUPPORTED_RDMA, UNSUPPORTED_VERBS } from './unsupported.ts';
export * from './work-request.ts';
