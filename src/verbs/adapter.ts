/**
 * The adapter as verbs call it. On a bare host it is the hardware itself (`Hca`). In a guest it is a driver of the guest's kernel, which sends what is privileged to another
 * domain, and hands posts, polls and doorbells straight on; the optional calls are those in which the two differ.
 */
import type { AddressVector, CqContext, Hca, QpContext, SrqContext } from '../hca/index.ts';
import type { Ps } from '../sim/index.ts';
import type { MadHandler, MadTarget } from './gsi.ts';
import type { Timers } from './timers.ts';

type Same =
  | 'config'
  | 'profile'
  | 'memory'
  | 'counters'
  | 'entity'
  | 'loop'
  | 'trace'
  | 'onAsyncEvent'
  | 'abandon'
  | 'allocPd'
  | 'registerMemory'
  | 'deregisterMemory'
  | 'allocMw'
  | 'deallocMw'
  | 'findKey'
  | 'destroyCq'
  | 'resizeCq'
  | 'modifyCq'
  | 'createSrq'
  | 'modifySrq'
  | 'destroySrq'
  | 'postSrqRecv'
  | 'createQp'
  | 'destroyQp'
  | 'modifyQp'
  | 'attachMulticast'
  | 'detachMulticast'
  | 'postSend'
  | 'ringDoorbell'
  | 'lastMessage'
  | 'postRecv'
  | 'readyRecv';

/** Calls of the kernel that never reach an adapter's hardware: on a bare host the kernel answers by itself. */
export interface KernelCalls {
  queryDevice(): void;
  queryPort(portNum: number): void;
  queryGid(portNum: number, index: number): void;
  queryPkey(portNum: number, index: number): void;
  queryQp(qp: QpContext): void;
  querySrq(srq: SrqContext): void;
  /** A number for the handle, or an errno below 0. */
  createAh(pd: number, vector: AddressVector): number;
  destroyAh(handle: number): void;
  createChannel(): number;
  destroyChannel(channel: number): void;
}

/** Where management datagrams of a port go out and come in. */
export interface MadPort {
  readonly portNum: number;
  onMad(mgmtClass: number, handler: MadHandler): void;
  send(bytes: Uint8Array, to: MadTarget, atPs: Ps): void;
}

export interface Adapter extends Pick<Hca, Same> {
  deallocPd(pd: number): void;
  /** `channel`: the kernel's number of the completion channel, 0 without one. */
  createCq(cqe: number, channel?: number): CqContext | number;
  /** Arms the queue: `CqContext.arm` at the caller's time. */
  armCq?(cq: CqContext, solicitedOnly: boolean, atPs: Ps): void;
  /** Whoever makes the queue's events has another way for them than the adapter's interrupt: `deliver` is called when one arrives. */
  deliverEvents?(cq: CqContext, deliver: (atPs: Ps) => void): void;
  readonly kernel?: KernelCalls;
  /** Queue pair 1 is another domain's: datagrams go through it. */
  openMadPort?(portNum: number, timers: Timers): MadPort;
  /** A service that is listened to, or no longer is: whoever has queue pair 1 must know where to send requests for it. */
  serviceChanged?(serviceId: bigint, isListening: boolean): void;
}
