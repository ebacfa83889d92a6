/**
 * The helpers of `rdma/rdma_verbs.h`: registering and posting with an id instead of its parts.
 */
import type { AddressHandle } from './address-handle.ts';
import type { RdmaId } from './cm-id.ts';
import type { CompletionQueue } from './completion-queue.ts';
import { Access, Opcode } from './enums.ts';
import { VerbsError } from './errors.ts';
import type { MemoryRegion, Registrable } from './memory.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import type { RawSendRequest, Sge, U64, WorkCompletion } from './work-request.ts';

function domain(verb: string, id: RdmaId): ProtectionDomain {
  if (id.pd === null) throw new VerbsError(verb, 'EINVAL', 'the id has no protection domain');
  return id.pd;
}

/** `rdma_reg_msgs`: memory for sending and receiving messages. */
export function rdmaRegMsgs(id: RdmaId, memory: Registrable): MemoryRegion {
  return domain('rdma_reg_msgs', id).regMr(memory, Access.LOCAL_WRITE);
}

/** `rdma_reg_read`: memory that the peer may read. */
export function rdmaRegRead(id: RdmaId, memory: Registrable): MemoryRegion {
  return domain('rdma_reg_read', id).regMr(memory, Access.LOCAL_WRITE | Access.REMOTE_READ);
}

/** `rdma_reg_write`: memory that the peer may write. */
export function rdmaRegWrite(id: RdmaId, memory: Registrable): MemoryRegion {
  return domain('rdma_reg_write', id).regMr(memory, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
}

/** `rdma_post_recv` and `rdma_post_recvv`. An id without a queue pair but with an SRQ posts there. */
export function rdmaPostRecv(id: RdmaId, wrId: U64, sge: Sge | readonly Sge[]): void {
  const wr = { wrId, sge: listOf(sge) };
  if (id.srq !== null) id.srq.postRecv(wr);
  else if (id.qp !== null) id.qp.postRecv(wr);
  else throw new VerbsError('rdma_post_recv', 'EINVAL', 'the id has no queue pair');
}

/** `rdma_post_send` and `rdma_post_sendv`. */
export function rdmaPostSend(id: RdmaId, wrId: U64, sge: Sge | readonly Sge[], sendFlags = 0): void {
  post('rdma_post_send', id, { wrId, opcode: Opcode.SEND, sendFlags, sge: listOf(sge) });
}

/** `rdma_post_read` and `rdma_post_readv`. */
export function rdmaPostRead(
  id: RdmaId,
  wrId: U64,
  sge: Sge | readonly Sge[],
  sendFlags: number,
  remoteAddr: U64,
  rkey: number,
): void {
  post('rdma_post_read', id, { wrId, opcode: Opcode.RDMA_READ, sendFlags, sge: listOf(sge), remoteAddr, rkey });
}

/** `rdma_post_write` and `rdma_post_writev`. */
export function rdmaPostWrite(
  id: RdmaId,
  wrId: U64,
  sge: Sge | readonly Sge[],
  sendFlags: number,
  remoteAddr: U64,
  rkey: number,
): void {
  post('rdma_post_write', id, { wrId, opcode: Opcode.RDMA_WRITE, sendFlags, sge: listOf(sge), remoteAddr, rkey });
}

/** `rdma_post_ud_send`: with the Q_Key of rdma_cm's datagram services. */
export function rdmaPostUdSend(
  id: RdmaId,
  wrId: U64,
  sge: Sge | readonly Sge[],
  sendFlags: number,
  ah: AddressHandle,
  remoteQpn: number,
  remoteQkey = 0x01234567,
): void {
  post('rdma_post_ud_send', id, { wrId, opcode: Opcode.SEND, sendFlags, sge: listOf(sge), ah, remoteQpn, remoteQkey });
}

/** `rdma_get_send_comp`: the next completion of the id's send queue; sleeps on its channel when there is none. */
export function rdmaGetSendComp(id: RdmaId): Promise<WorkCompletion> {
  return nextCompletion('rdma_get_send_comp', id.sendCq ?? id.qp?.sendCq);
}

/** `rdma_get_recv_comp`. */
export function rdmaGetRecvComp(id: RdmaId): Promise<WorkCompletion> {
  return nextCompletion('rdma_get_recv_comp', id.recvCq ?? id.qp?.recvCq);
}

/** Polls, arms, polls again, sleeps: the loop of `rdma_get_send_comp`. */
async function nextCompletion(verb: string, cq: CompletionQueue | undefined): Promise<WorkCompletion> {
  if (cq === undefined) throw new VerbsError(verb, 'EINVAL', 'the id has no completion queue');
  for (;;) {
    const [found] = await cq.pollNow(1);
    if (found !== undefined) return found;
    if (cq.channel === null) return (await cq.wait(1))[0] as WorkCompletion;
    cq.reqNotify();
    const [late] = await cq.pollNow(1);
    if (late !== undefined) return late;
    const ready = await cq.channel.getEvent();
    ready.ackEvents(1);
  }
}

function listOf(sge: Sge | readonly Sge[]): readonly Sge[] {
  return Array.isArray(sge) ? (sge as readonly Sge[]) : [sge as Sge];
}

function post(verb: string, id: RdmaId, wr: RawSendRequest): void {
  const { qp } = id;
  if (qp === null) throw new VerbsError(verb, 'EINVAL', 'the id has no queue pair');
  (qp as { postSend(wr: RawSendRequest): void }).postSend(wr);
}
