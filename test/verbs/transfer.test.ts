import { describe, expect, it } from 'vitest';
import {
  Access,
  type CompletionQueue,
  incRkey,
  type MemoryRegion,
  MwType,
  Opcode,
  type ProtectionDomain,
  type QpEndpoint,
  type QueuePair,
  type Registrable,
  SendFlags,
  WcFlags,
  WcOpcode,
  WcStatus,
} from '../../src/verbs/index.ts';
import { runWorld, type Self } from './world.ts';

const ALL = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC | Access.MW_BIND;

interface Side {
  pd: ProtectionDomain;
  cq: CompletionQueue;
  qp: QueuePair<'RC'>;
  mr: MemoryRegion;
}

/** A connected RC queue pair with 4096 bytes, on both hosts alike. */
async function connectRc(self: Self, bytes = 4096): Promise<Side & { peer: { addr: number; rkey: number } }> {
  const { ctx, index } = self;
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 64 });
  const cap = { maxSendWr: 16, maxRecvWr: 16, maxSendSge: 4, maxRecvSge: 4, maxInlineData: 64 };
  const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap });
  const mr = pd.regMr(bytes, ALL);
  self.put(`endpoint ${index}`, qp.endpoint());
  self.put(`memory ${index}`, { addr: mr.addr, rkey: mr.rkey });
  qp.connect(await self.get<QpEndpoint>(`endpoint ${1 - index}`));
  self.put(`ready ${index}`, true);
  await self.get(`ready ${1 - index}`);
  return { pd, cq, qp, mr, peer: await self.get(`memory ${1 - index}`) };
}

const text = (mr: MemoryRegion, offset: number, length: number) =>
  String.fromCharCode(...mr.bytes.subarray(offset, offset + length));
const write = (mr: MemoryRegion, offset: number, value: string) =>
  mr.bytes.set(
    [...value].map((c) => c.charCodeAt(0)),
    offset,
  );

describe('RC transfers through the verbs', () => {
  it('sends gathered pieces into scattered pieces, with completions that say so', async () => {
    const [, received] = await runWorld([
      async (self) => {
        const { qp, cq, mr } = await connectRc(self);
        write(mr, 0, 'hello ');
        write(mr, 100, 'world');
        qp.postSend({
          wrId: 7,
          opcode: Opcode.SEND_WITH_IMM,
          immData: 0xdeadbeef,
          sendFlags: SendFlags.SIGNALED,
          sge: [mr.sge(0, 6), mr.sge(100, 5)],
        });
        const [wc] = await cq.wait();
        expect(wc).toMatchObject({ wrId: 7, status: WcStatus.SUCCESS, opcode: WcOpcode.SEND, qpNum: qp.qpNum });
        return wc.wrId;
      },
      async (self) => {
        const { qp, cq, mr } = await connectRc(self);
        qp.postRecv({ wrId: 2n ** 63n, sge: [mr.sge(0, 4), mr.sge(200, 60)] });
        const [wc] = await cq.wait();
        expect(wc).toMatchObject({ status: WcStatus.SUCCESS, opcode: WcOpcode.RECV, byteLen: 11, immData: 0xdeadbeef });
        expect(wc.wcFlags).toBe(WcFlags.WITH_IMM);
        expect(wc.wrId).toBe(2n ** 63n);
        return text(mr, 0, 4) + text(mr, 200, 7);
      },
    ]);
    expect(received).toBe('hello world');
  });

  it('writes, reads, compares and adds in the memory of the peer', async () => {
    await runWorld([
      async (self) => {
        const { qp, cq, mr, peer } = await connectRc(self);
        write(mr, 0, 'payload!');
        const signalled = SendFlags.SIGNALED;
        qp.postSend([
          { wrId: 1, opcode: Opcode.RDMA_WRITE, sge: [mr.sge(0, 8)], remoteAddr: peer.addr + 512, rkey: peer.rkey },
          {
            wrId: 2,
            opcode: Opcode.RDMA_READ,
            sendFlags: signalled,
            sge: [mr.sge(64, 8)],
            remoteAddr: peer.addr + 512,
            rkey: peer.rkey,
          },
          {
            wrId: 3,
            opcode: Opcode.ATOMIC_FETCH_AND_ADD,
            sendFlags: signalled,
            sge: [mr.sge(128, 8)],
            remoteAddr: peer.addr + 1024,
            rkey: peer.rkey,
            compareAdd: 5,
          },
          {
            wrId: 4,
            opcode: Opcode.ATOMIC_CMP_AND_SWP,
            sendFlags: signalled,
            sge: [mr.sge(136, 8)],
            remoteAddr: BigInt(peer.addr + 1024),
            rkey: peer.rkey,
            compareAdd: 105n,
            swap: 2n ** 64n - 1n,
          },
        ]);
        const opcodes: number[] = [];
        while (opcodes.length < 3)
          for (const wc of await cq.wait()) opcodes.push(wc.status === WcStatus.SUCCESS ? wc.opcode : -1);
        expect(opcodes).toEqual([WcOpcode.RDMA_READ, WcOpcode.FETCH_ADD, WcOpcode.COMP_SWAP]);
        expect(text(mr, 64, 8)).toBe('payload!');
        expect(mr.view().getBigUint64(128, true)).toBe(100n);
        expect(mr.view().getBigUint64(136, true)).toBe(105n);
        self.put('done', true);
      },
      async (self) => {
        const { mr } = await connectRc(self);
        mr.view().setBigUint64(1024, 100n, true);
        await self.get('done');
        expect(text(mr, 512, 8)).toBe('payload!');
        expect(mr.view().getBigUint64(1024, true)).toBe(2n ** 64n - 1n);
      },
    ]);
  });

  it('copies inline data at the post, and from memory that no region covers', async () => {
    await runWorld([
      async (self) => {
        const { qp, cq, ctx } = { ...(await connectRc(self)), ctx: self.ctx };
        const loose = ctx.alloc(16);
        loose.fill(9);
        const sge = [{ addr: ctx.addressOf(loose), length: 16, lkey: 0 }];
        qp.postSend({ opcode: Opcode.SEND, sendFlags: SendFlags.INLINE | SendFlags.SIGNALED, sge });
        loose.fill(1);
        expect((await cq.wait())[0].status).toBe(WcStatus.SUCCESS);
      },
      async (self) => {
        const { qp, cq, mr } = await connectRc(self);
        qp.postRecv({ sge: [mr.sge(0, 16)] });
        await cq.wait();
        expect([...mr.bytes.subarray(0, 16)]).toEqual(Array(16).fill(9));
      },
    ]);
  });

  it('resumes who spins on memory when the write is visible', async () => {
    const [sent, seen] = await runWorld([
      async (self) => {
        const { qp, mr, peer } = await connectRc(self);
        await self.sleepUs(50);
        mr.bytes[0] = 42;
        qp.postSend({
          opcode: Opcode.RDMA_WRITE,
          sendFlags: SendFlags.SIGNALED,
          sge: [mr.sge(0, 1)],
          remoteAddr: peer.addr + 9,
          rkey: peer.rkey,
        });
        const before = self.thread.nowPs;
        await self.sleepUs(50);
        return before;
      },
      async (self) => {
        const { mr } = await connectRc(self);
        await mr.waitForChange(9, 1, (bytes) => bytes[0] === 42);
        const at = self.thread.nowPs;
        await mr.waitForChange(9, 1, (bytes) => bytes[0] === 42);
        return at;
      },
    ]);
    expect(Number(seen)).toBeGreaterThan(Number(sent) + 500_000);
    expect(Number(seen)).toBeLessThan(Number(sent) + 3_000_000);
  });

  it('gives a peer access through windows of both types, and takes it away', async () => {
    await runWorld([
      async (self) => {
        const { qp, cq, mr } = await connectRc(self);
        for (const name of ['type 1', 'type 2']) {
          const { addr, rkey } = await self.get<{ addr: number; rkey: number }>(name);
          qp.postSend({ opcode: Opcode.RDMA_WRITE, sendFlags: SendFlags.SIGNALED, sge: [mr.sge(0, 8)], remoteAddr: addr, rkey });
          expect((await cq.wait())[0].status).toBe(WcStatus.SUCCESS);
          self.put(`${name} used`, true);
        }
        const { addr, rkey } = await self.get<{ addr: number; rkey: number }>('gone');
        qp.postSend({ opcode: Opcode.RDMA_WRITE, sendFlags: SendFlags.SIGNALED, sge: [mr.sge(0, 8)], remoteAddr: addr, rkey });
        expect((await cq.wait())[0].status).toBe(WcStatus.REM_ACCESS_ERR);
      },
      async (self) => {
        const { pd, qp, cq, mr } = await connectRc(self);
        const bindInfo = { mr, addr: mr.addr + 64, length: 64, mwAccessFlags: Access.REMOTE_WRITE };
        const one = pd.allocMw(MwType.TYPE_1);
        const rkey = qp.bindMw(one, { wrId: 1, sendFlags: SendFlags.SIGNALED, bindInfo });
        expect((await cq.wait())[0]).toMatchObject({ wrId: 1, status: WcStatus.SUCCESS, opcode: WcOpcode.BIND_MW });
        expect(rkey).toBe(one.rkey);
        expect(() => mr.close()).toThrow(expect.objectContaining({ code: 'EBUSY', verb: 'ibv_dereg_mr' }));
        self.put('type 1', { addr: bindInfo.addr, rkey });
        await self.get('type 1 used');
        const two = pd.allocMw(MwType.TYPE_2);
        const wanted = incRkey(two.rkey);
        qp.postSend({ opcode: Opcode.BIND_MW, sendFlags: SendFlags.SIGNALED, bindMw: { mw: two, rkey: wanted, bindInfo } });
        expect((await cq.wait())[0].status).toBe(WcStatus.SUCCESS);
        self.put('type 2', { addr: bindInfo.addr, rkey: wanted });
        await self.get('type 2 used');
        qp.postSend({ opcode: Opcode.LOCAL_INV, sendFlags: SendFlags.SIGNALED, invalidateRkey: wanted });
        expect((await cq.wait())[0]).toMatchObject({ status: WcStatus.SUCCESS, opcode: WcOpcode.LOCAL_INV });
        self.put('gone', { addr: bindInfo.addr, rkey: wanted });
      },
    ]);
  });

  it('costs the same time without payload, and moves nothing', async () => {
    const bytes = 65536;
    expect(await timeOfWrite({ payloadFreeBytes: bytes })).toBe(await timeOfWrite(bytes));
    expect(await timeOfWrite({ payloadFreeBytes: bytes })).toBeGreaterThan(16_000_000);
  });
});

/** Time of a write of 65536 bytes from post to completion. */
async function timeOfWrite(memory: Registrable): Promise<unknown> {
  const [time] = await runWorld([
    async (self) => {
      const { qp, cq, pd, peer } = await connectRc(self, 65536);
      const mr = pd.regMr(memory, ALL);
      await self.sleepUs(200);
      const before = self.thread.nowPs;
      qp.postSend({
        opcode: Opcode.RDMA_WRITE,
        sendFlags: SendFlags.SIGNALED,
        sge: [mr.sge()],
        remoteAddr: peer.addr,
        rkey: peer.rkey,
      });
      expect((await cq.wait())[0].status).toBe(WcStatus.SUCCESS);
      return self.thread.nowPs - before;
    },
    async (self) => {
      await connectRc(self, 65536);
    },
  ]);
  return time;
}
