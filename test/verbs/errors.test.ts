import { describe, expect, it } from 'vitest';
import {
  Access,
  AddressHandle,
  Errno,
  type ErrnoCode,
  ibv,
  initAhFromWc,
  maskOf,
  MwType,
  Opcode,
  QpState,
  SendFlags,
  VerbsError,
} from '../../src/verbs/index.ts';
import { BAD_RTR, BAD_RTS, INIT, REFUSALS, RTR, RTS } from '../conformance/verbs-arguments.ts';
import { runAlone, type Self } from './world.ts';

/** What a call is refused with, or 'ok'. */
function outcome(call: () => unknown): ErrnoCode | 'ok' {
  try {
    call();
    return 'ok';
  } catch (error) {
    if (!(error instanceof VerbsError)) throw error;
    expect(error.errno).toBe(Errno[error.code]);
    return error.code;
  }
}

function makeRc(self: Self) {
  const pd = self.ctx.allocPd();
  const cq = self.ctx.createCq({ cqe: 16 });
  const cap = { maxSendWr: 2, maxRecvWr: 2, maxSendSge: 2, maxRecvSge: 2, maxInlineData: 32 };
  return { pd, cq, qp: pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap }) };
}

describe('calls that are refused', () => {
  it.each(REFUSALS)('%s: %s', async (_what, expected, call) => {
    await runAlone(async (self) => {
      expect(outcome(() => call({ ...makeRc(self), ctx: self.ctx }))).toBe(expected);
    });
  });

  it('changes nothing when an attribute is out of range', async () => {
    await runAlone(async (self) => {
      const { qp } = makeRc(self);
      qp.modify(INIT, maskOf(INIT));
      for (const [what, change, code] of BAD_RTR) {
        const attr = { ...RTR, ...change };
        expect([what, outcome(() => qp.modify(attr, maskOf(attr)))]).toEqual([what, code]);
        expect(qp.query()).toMatchObject({ qpState: QpState.INIT, destQpNum: 0 });
      }
      qp.modify(RTR, maskOf(RTR));
      for (const [what, change] of BAD_RTS) {
        const attr = { ...RTS, ...change };
        expect([what, outcome(() => qp.modify(attr, maskOf(attr)))]).toEqual([what, 'EINVAL']);
        expect(qp.state).toBe(QpState.RTR);
      }
      qp.modify({ ...RTS, sqPsn: 0x5000001 }, maskOf(RTS));
      expect(qp.query()).toMatchObject({
        qpState: QpState.RTS,
        sqPsn: 1,
        timeout: 14,
        destQpNum: 77,
        rqPsn: 1,
        ahAttr: { dlid: 256 },
      });
    });
  });

  it('posts those before the bad one, and tells which it was', async () => {
    await runAlone(async (self) => {
      const { qp, pd } = makeRc(self);
      for (const attr of [INIT, RTR, RTS]) qp.modify(attr, maskOf(attr));
      const mr = pd.regMr(64, Access.LOCAL_WRITE);
      const three = [mr.sge(0, 1), mr.sge(1, 1), mr.sge(2, 1)];
      const good = { opcode: Opcode.SEND, sge: [mr.sge(0, 8)] };
      expect(outcome(() => qp.postSend({ opcode: Opcode.SEND, sge: three }))).toBe('EINVAL');
      expect(outcome(() => qp.postSend({ opcode: Opcode.SEND, sendFlags: SendFlags.INLINE, sge: [mr.sge(0, 33)] }))).toBe(
        'EINVAL',
      );
      expect(outcome(() => qp.postSend({ opcode: 10 as typeof Opcode.SEND }))).toBe('EINVAL');
      expect(outcome(() => qp.postSend({ opcode: Opcode.BIND_MW } as never))).toBe('EINVAL');
      expect(ibv.post_send(qp, [good, good, good])).toEqual({ rc: Errno.ENOMEM, badWr: good });
      expect(() => qp.postSend([good])).toThrow(/ibv_post_send: ENOMEM: the send queue holds 2 work requests.*work request 0/);
      expect(ibv.post_recv(qp, [{}, {}, { wrId: 3 }])).toEqual({ rc: Errno.ENOMEM, badWr: { wrId: 3 } });
      expect(outcome(() => qp.postRecv({ sge: three }))).toBe('EINVAL');
    });
  });
});

describe('life of objects', () => {
  it('keeps what others need, and closes in the order of use', async () => {
    await runAlone(async (self) => {
      const { ctx } = self;
      const channel = ctx.createCompChannel();
      const cq = ctx.createCq({ cqe: 4, channel });
      const pd = ctx.allocPd();
      const srq = pd.createSrq({ maxWr: 4, maxSge: 1 });
      const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq, srq });
      const mr = pd.regMr(8, Access.LOCAL_WRITE);
      const mw = pd.allocMw(MwType.TYPE_1);
      const ah = pd.createAh({ dlid: 3 });
      for (const busy of [pd, cq, channel, srq, ctx]) expect(outcome(() => busy.close())).toBe('EBUSY');
      const group = Uint8Array.from([255, ...Array(15).fill(1)]);
      qp.activate({ qkey: 5 });
      qp.attachMcast(group, 0xc001);
      expect(outcome(() => qp.close())).toBe('EBUSY');
      expect(outcome(() => qp.detachMcast(group, 0xc002))).toBe('EINVAL');
      qp.detachMcast(group, 0xc001);
      for (const object of [ah, mw, mr, qp, srq, cq, channel, pd, ctx]) {
        object.close();
        expect(object.isClosed).toBe(true);
        expect(outcome(() => object.close())).toBe('EINVAL');
        object[Symbol.dispose]();
      }
      expect(outcome(() => cq.poll())).toBe('EINVAL');
      expect(outcome(() => qp.postSend([]))).toBe('EINVAL');
      expect(outcome(() => ctx.allocPd())).toBe('EINVAL');
      expect(ctx.counts).toEqual({ pd: 0, cq: 0, qp: 0, srq: 0, mr: 0, ah: 0 });
    });
  });

  it('is bounded by the limits of the device', async () => {
    const overrides = { maxPd: 2, maxCq: 1, maxQp: 2, maxMr: 1, maxAh: 1, maxSrq: 1 };
    await runAlone(
      async (self) => {
        const { ctx } = self;
        const pd = ctx.allocPd();
        expect(outcome(() => ctx.allocPd())).toBe('ENOMEM');
        const cq = ctx.createCq({ cqe: 1 });
        expect(outcome(() => ctx.createCq({ cqe: 1 }))).toBe('ENOMEM');
        for (const type of ['RC', 'UD'] as const) pd.createQp({ type, sendCq: cq, recvCq: cq });
        expect(outcome(() => pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq }))).toBe('ENOMEM');
        const mr = pd.regMr(1, 0);
        expect(outcome(() => pd.regMr(1, 0))).toBe('ENOMEM');
        expect(outcome(() => pd.allocMw(MwType.TYPE_1))).toBe('ENOMEM');
        mr.close();
        pd.regMr(1, 0);
        pd.createAh({ dlid: 1 });
        expect(outcome(() => pd.createAh({ dlid: 1 }))).toBe('ENOMEM');
        pd.createSrq({ maxWr: 1, maxSge: 1 });
        expect(outcome(() => pd.createSrq({ maxWr: 1, maxSge: 1 }))).toBe('ENOMEM');
      },
      // The test's hosts hold one protection domain of their own.
      { overrides },
    );
  });

  it('charges the thread for control calls, pages and posts', async () => {
    await runAlone(async (self) => {
      const { ctx, thread } = self;
      const { controlPs, registerPs, registerPagePs, pollEmptyPs } = ctx.profile;
      const cost = (call: () => unknown) => {
        const before = thread.nowPs;
        call();
        return thread.nowPs - before;
      };
      expect(cost(() => ctx.queryDevice())).toBe(controlPs);
      const pd = ctx.allocPd();
      expect(cost(() => pd.regMr(4096, 0))).toBe(registerPs + registerPagePs);
      expect(cost(() => pd.regMr(3 * 4096 + 1, 0))).toBe(registerPs + 4 * registerPagePs);
      const cq = ctx.createCq({ cqe: 1 });
      expect(cost(() => cq.poll())).toBe(pollEmptyPs);
    });
  });
});

it('finds the way back to the sender of a datagram', async () => {
  await runAlone(async (self) => {
    const { ctx } = self;
    const wc = { slid: 9, sl: 3, dlidPathBits: 0, wcFlags: 1 } as never;
    const grh = new Uint8Array(40);
    grh.set([0x61, 0x20, 0, 7, 0, 0, 27, 5]);
    grh.set(Array(16).fill(2), 8);
    grh.set(ctx.queryGid(1, 0), 24);
    const attr = initAhFromWc(ctx, 1, wc, grh);
    expect(attr).toMatchObject({
      dlid: 9,
      sl: 3,
      grh: { flowLabel: 7, trafficClass: 0x12, hopLimit: 5, dgid: Uint8Array.from(Array(16).fill(2)) },
    });
    expect(ctx.allocPd().createAhFromWc(1, wc, grh)).toBeInstanceOf(AddressHandle);
    expect(outcome(() => initAhFromWc(ctx, 1, wc))).toBe('EINVAL');
    grh[39] ^= 1;
    expect(outcome(() => initAhFromWc(ctx, 1, wc, grh))).toBe('EINVAL');
  });
});
