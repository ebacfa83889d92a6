import { describe, expect, it } from 'vitest';
import {
  ipv4MulticastGid,
  PortSpace,
  type ProtectionDomain,
  QpAttrMask,
  type QueuePair,
  RDMA_UDP_QKEY,
  RdmaCmEventType,
  rdmaGetRecvComp,
  rdmaGetSendComp,
  rdmaPostRecv,
  rdmaPostUdSend,
  rdmaRegMsgs,
  SendFlags,
  WcStatus,
} from '../../src/verbs/index.ts';
import { type Body, runWorld } from './world.ts';
import { QP, bytes, expectEvent, listen, prepare, text, watched } from './cm-kit.ts';

describe('rdma_cm datagram services', () => {
  it('finds a queue pair by SIDR, and sends there', async () => {
    const world = watched(
      [
        async (self) => {
          await self.get('listening');
          const { channel, id } = await prepare(self, 'n1', 4000, PortSpace.UDP);
          await id.connect({ privateData: bytes('who?') });
          const event = await expectEvent(channel, RdmaCmEventType.ESTABLISHED);
          const ud = event.ud;
          if (ud === null) throw new Error('no datagram parameters');
          expect([text(ud.privateData), ud.qkey]).toEqual(['me', RDMA_UDP_QKEY]);
          const mr = rdmaRegMsgs(id, bytes('datagram'));
          const ah = (id.pd as ProtectionDomain).createAh(ud.ahAttr);
          rdmaPostUdSend(id, 1, mr.sge(), SendFlags.SIGNALED, ah, ud.qpNum);
          expect((await rdmaGetSendComp(id)).status).toBe(WcStatus.SUCCESS);
        },
        async (self) => {
          const { channel } = await listen(self, 4000, PortSpace.UDP);
          const request = await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
          expect(text(request.ud?.privateData ?? new Uint8Array())).toBe('who?');
          const { id } = request;
          id.createQp(null, QP);
          const mr = rdmaRegMsgs(id, 64);
          rdmaPostRecv(id, 1, mr.sge());
          await id.accept({ privateData: bytes('me') });
          const wc = await rdmaGetRecvComp(id);
          expect(wc.byteLen).toBe(48);
          expect(text(mr.bytes.subarray(40, 48))).toBe('datagram');
        },
      ],
      ['0:SIDR_REQ', '1:SIDR_REP'],
    );
    await world.run();
    expect(world.seen).toEqual(['0:SIDR_REQ', '0:SIDR_REQ', '1:SIDR_REP', '0:SIDR_REQ', '1:SIDR_REP']);
  });

  it('tells of refused and of unknown services by the status of the reply', async () => {
    await runWorld([
      async (self) => {
        await self.get('listening');
        for (const [port, status] of [
          [4000, 2],
          [4001, 1],
        ]) {
          const { channel, id } = await prepare(self, '10.0.0.2', port, PortSpace.UDP);
          await id.connect();
          await expectEvent(channel, RdmaCmEventType.UNREACHABLE, status);
        }
      },
      async (self) => {
        const { channel } = await listen(self, 4000, PortSpace.UDP);
        await (await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST)).id.reject();
      },
    ]);
  });

  it('joins a multicast group, sends to it, leaves it', async () => {
    const member: Body = async (self) => {
      const channel = self.cm.createEventChannel();
      const id = self.cm.createId(channel, PortSpace.UDP);
      await id.bindAddr({ host: `10.0.0.${self.index + 1}`, port: 0 });
      id.createQp(null, QP);
      await id.joinMulticast({ host: '239.1.2.3', port: 0 }, 'my context');
      const { ud, arg } = await expectEvent(channel, RdmaCmEventType.MULTICAST_JOIN);
      expect(arg).toBe('my context');
      if (ud === null) throw new Error('no datagram parameters');
      expect(ud.qpNum).toBe(0xffffff);
      const mr = rdmaRegMsgs(id, 64);
      rdmaPostRecv(id, 1, mr.sge());
      self.put(`joined ${self.index}`, true);
      await self.get(`joined ${1 - self.index}`);
      if (self.index === 0) {
        const ah = (id.pd as ProtectionDomain).createAh(ud.ahAttr);
        (id.qp as QueuePair<'UD'>).modify({ qkey: ud.qkey }, QpAttrMask.QKEY);
        const out = rdmaRegMsgs(id, bytes('all'));
        rdmaPostUdSend(id, 2, out.sge(), SendFlags.SIGNALED, ah, ud.qpNum, ud.qkey);
        await rdmaGetSendComp(id);
      } else {
        (id.qp as QueuePair<'UD'>).modify({ qkey: ud.qkey }, QpAttrMask.QKEY);
        const wc = await rdmaGetRecvComp(id);
        expect([wc.byteLen, text(mr.bytes.subarray(40, 43))]).toEqual([43, 'all']);
        expect(mr.bytes.slice(24, 40)).toEqual(ipv4MulticastGid('239.1.2.3', 0xffff));
      }
      await id.leaveMulticast({ host: '239.1.2.3', port: 0 });
      await expect(id.leaveMulticast({ host: '239.1.2.3', port: 0 })).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
      mr.close();
    };
    await runWorld([member, member]);
  });
});
