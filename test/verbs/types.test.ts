/** What must not compile. Each `@ts-expect-error` is an error of the type check (`npm run check`) if the line compiles after all. */
import { expectTypeOf, it } from 'vitest';
import {
  type AddressHandle,
  Opcode,
  type QpTransition,
  QpState,
  type QueuePair,
  type SendRequest,
} from '../../src/verbs/index.ts';

const ahAttr = { dlid: 1 };
const rtr = { qpState: QpState.RTR, ahAttr, pathMtu: 4, destQpNum: 1, rqPsn: 0 } as const;

function posts(rc: QueuePair<'RC'>, uc: QueuePair<'UC'>, ud: QueuePair<'UD'>, ah: AddressHandle): void {
  const remote = { remoteAddr: 0, rkey: 0 };
  rc.postSend({ opcode: Opcode.RDMA_READ, ...remote });
  rc.postSend({ opcode: Opcode.SEND_WITH_INV, invalidateRkey: 1 });
  uc.postSend({ opcode: Opcode.RDMA_WRITE, ...remote });
  ud.postSend({ opcode: Opcode.SEND, ah, remoteQpn: 1, remoteQkey: 1 });
  // @ts-expect-error UC has no RDMA read
  uc.postSend({ opcode: Opcode.RDMA_READ, ...remote });
  // @ts-expect-error UC has no atomics
  uc.postSend({ opcode: Opcode.ATOMIC_FETCH_AND_ADD, ...remote, compareAdd: 1 });
  // @ts-expect-error UC has no SEND with invalidate
  uc.postSend({ opcode: Opcode.SEND_WITH_INV, invalidateRkey: 1 });
  // @ts-expect-error UD has no RDMA write
  ud.postSend({ opcode: Opcode.RDMA_WRITE, ...remote });
  // @ts-expect-error a datagram needs an address
  ud.postSend({ opcode: Opcode.SEND });
  // @ts-expect-error and a queue pair number
  ud.postSend({ opcode: Opcode.SEND, ah, remoteQkey: 1 });
  // @ts-expect-error an immediate is only for the opcodes with one
  rc.postSend({ opcode: Opcode.SEND, immData: 1 });
  // @ts-expect-error and those need it
  rc.postSend({ opcode: Opcode.SEND_WITH_IMM });
  // @ts-expect-error a write needs an address
  rc.postSend({ opcode: Opcode.RDMA_WRITE });
  // @ts-expect-error compare and swap needs both operands
  rc.postSend({ opcode: Opcode.ATOMIC_CMP_AND_SWP, ...remote, compareAdd: 1 });
  // @ts-expect-error only datagram queue pairs join groups
  rc.attachMcast(new Uint8Array(16), 0xc000);
  // @ts-expect-error datagram queue pairs are not connected
  ud.connect({ lid: 1, qpNum: 1, psn: 0, gid: new Uint8Array(16), mtu: 4 });
}

function transitions(rc: QueuePair<'RC'>, uc: QueuePair<'UC'>, ud: QueuePair<'UD'>): void {
  rc.modify({ qpState: QpState.INIT, pkeyIndex: 0, portNum: 1, qpAccessFlags: 0 });
  rc.modify({ ...rtr, maxDestRdAtomic: 1, minRnrTimer: 0 });
  uc.modify(rtr);
  ud.modify({ qpState: QpState.RTR });
  uc.modify({ qpState: QpState.RTS, sqPsn: 0 });
  uc.modify({ qpState: QpState.RTS, curQpState: QpState.SQE });
  rc.modify({ qpState: QpState.RTS, curQpState: QpState.SQD });
  // @ts-expect-error RC needs the limits of its responder
  rc.modify(rtr);
  // @ts-expect-error UC has none
  uc.modify({ ...rtr, maxDestRdAtomic: 1, minRnrTimer: 0 });
  // @ts-expect-error UD needs a Q_Key
  ud.modify({ qpState: QpState.INIT, pkeyIndex: 0, portNum: 1 });
  // @ts-expect-error UD has no path of its own
  ud.modify({ qpState: QpState.RTR, pathMtu: 4 });
  // @ts-expect-error RTS needs the PSN
  uc.modify({ qpState: QpState.RTS });
  // @ts-expect-error RC in SQE does not exist
  rc.modify({ qpState: QpState.RTS, curQpState: QpState.SQE });
  rc.modify({ qpState: QpState.SQD, enSqdAsyncNotify: true });
  // @ts-expect-error on the way to SQD nothing else changes
  rc.modify({ qpState: QpState.SQD, timeout: 3 });
  // @ts-expect-error RESET takes nothing
  rc.modify({ qpState: QpState.RESET, qkey: 1 });
}

it('types follow the transport', () => {
  expectTypeOf(posts).toBeFunction();
  expectTypeOf(transitions).toBeFunction();
  expectTypeOf<SendRequest<'UD'>['opcode']>().toEqualTypeOf<typeof Opcode.SEND | typeof Opcode.SEND_WITH_IMM>();
  expectTypeOf<QpTransition<'UC'>>().not.toEqualTypeOf<QpTransition<'RC'>>();
});
