import { describe, expect, it } from 'vitest';
import {
  EventType,
  PortSpace,
  QpState,
  RdmaCmEventType,
  rdmaGetRecvComp,
  rdmaGetSendComp,
  rdmaPostRecv,
  rdmaPostSend,
  rdmaRegMsgs,
  SendFlags,
  VerbsError,
  WcStatus,
} from '../../src/verbs/index.ts';
import { type Body, runWorld } from './world.ts';
import { QP, bytes, expectEvent, listen, plainServer, prepare, slowly, text, watched } from './cm-kit.ts';

const client: Body = async (self) => {
  await self.get('listening');
  const { channel, id } = await prepare(self);
  await id.connect({
    privateData: bytes('from client'),
    responderResources: 3,
    initiatorDepth: 2,
    retryCount: 5,
    rnrRetryCount: 6,
  });
  const established = await expectEvent(channel, RdmaCmEventType.ESTABLISHED);
  expect(text(established.conn?.privateData ?? new Uint8Array())).toBe('from server');
  expect(id.qp?.query()).toMatchObject({ qpState: QpState.RTS, maxRdAtomic: 1, maxDestRdAtomic: 2, retryCnt: 5 });
  channel.ackEvent(established);
  const mr = rdmaRegMsgs(id, bytes('ping'));
  rdmaPostSend(id, 1, mr.sge(), SendFlags.SIGNALED);
  expect((await rdmaGetSendComp(id)).status).toBe(WcStatus.SUCCESS);
  await id.disconnect();
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.DISCONNECTED));
  expect(id.qp?.state).toBe(QpState.ERR);
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.TIMEWAIT_EXIT));
  mr.close();
  id.destroyQp();
  id.close();
  channel.close();
  return 'client done';
};

const server: Body = async (self) => {
  const { channel, listener } = await listen(self);
  const request = await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
  const { id, conn } = request;
  expect(request.listenId).toBe(listener);
  expect(conn).toMatchObject({ responderResources: 2, initiatorDepth: 3, retryCount: 5, rnrRetryCount: 6 });
  expect(text(conn?.privateData ?? new Uint8Array())).toBe('from client');
  expect(id.dstAddr?.host).toBe('10.0.0.1');
  channel.ackEvent(request);
  id.createQp(null, QP);
  const mr = rdmaRegMsgs(id, 16);
  rdmaPostRecv(id, 5, mr.sge());
  await id.accept({ privateData: bytes('from server'), responderResources: 1, initiatorDepth: 2 });
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
  const wc = await rdmaGetRecvComp(id);
  expect(wc).toMatchObject({ wrId: 5, byteLen: 4 });
  expect(text(mr.bytes)).toBe('ping');
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.DISCONNECTED));
  await id.disconnect();
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.TIMEWAIT_EXIT));
  mr.close();
  id.destroyQp();
  id.close();
  listener.close();
  channel.close();
  return 'server done';
};

describe('rdma_cm connections', () => {
  it('connects, moves data and disconnects by REQ, REP, RTU, DREQ, DREP', async () => {
    const world = watched([client, server]);
    expect(await world.run()).toEqual(['client done', 'server done']);
    expect(world.seen).toEqual(['0:REQ', '1:REP', '0:RTU', '0:DREQ', '1:DREP']);
  });

  it.each([
    ['0:REQ', ['0:REQ', '0:REQ', '1:REP', '0:RTU', '0:DREQ', '1:DREP']],
    ['1:REP', ['0:REQ', '1:REP', '1:REP', '0:RTU', '0:DREQ', '1:DREP']],
    ['0:DREQ', ['0:REQ', '1:REP', '0:RTU', '0:DREQ', '0:DREQ', '1:DREP']],
    ['1:DREP', ['0:REQ', '1:REP', '0:RTU', '0:DREQ', '1:DREP', '0:DREQ', '1:DREP']],
  ])('survives the loss of %s', async (lost, expected) => {
    // The time that the server stays in TIMEWAIT must outlast the client's repetition of a DREQ.
    const world = watched([client, server], [lost], { packetLifeTime: 20 });
    expect(await world.run()).toEqual(['client done', 'server done']);
    expect(world.seen).toEqual(expected);
  });

  it('sends the RTU again when the reply comes again', async () => {
    const patient: Body = (self) =>
      slowly(self, async (id, channel) => {
        await self.sleepUs(6_000_000);
        await id.disconnect();
        channel.ackEvent(await expectEvent(channel, RdmaCmEventType.DISCONNECTED));
      });
    const world = watched([patient, plainServer], ['0:RTU']);
    await world.run();
    expect(world.seen).toEqual(['0:REQ', '1:REP', '0:RTU', '1:REP', '0:RTU', '0:DREQ', '1:DREP']);
  });

  it('is established by the first data when told of it (COMM_EST)', async () => {
    const eager: Body = (self) =>
      slowly(self, async (id, channel) => {
        const mr = rdmaRegMsgs(id, 8);
        rdmaPostSend(id, 1, mr.sge(), SendFlags.SIGNALED);
        await rdmaGetSendComp(id);
        channel.ackEvent(await expectEvent(channel, RdmaCmEventType.DISCONNECTED));
        await id.disconnect();
      });
    const notifying: Body = async (self) => {
      const { channel } = await listen(self);
      const request = await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
      const { id } = request;
      id.createQp(null, QP);
      const mr = rdmaRegMsgs(id, 8);
      rdmaPostRecv(id, 5, mr.sge());
      await id.accept();
      // On a queue pair in RTS the adapter raises no COMM_EST of its own: the program sees data and tells the connection manager.
      expect((await rdmaGetRecvComp(id)).wrId).toBe(5);
      await expect(id.notify(EventType.SQ_DRAINED)).rejects.toMatchObject({ code: 'EINVAL' });
      await id.notify(EventType.COMM_EST);
      await expect(id.notify(EventType.COMM_EST)).rejects.toMatchObject({ code: 'EISCONN' });
      channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
      await id.disconnect();
      channel.ackEvent(await expectEvent(channel, RdmaCmEventType.DISCONNECTED));
    };
    const world = watched([eager, notifying], ['0:RTU']);
    await world.run();
    expect(world.seen).toEqual(['0:REQ', '1:REP', '0:RTU', '1:DREQ', '0:DREP']);
  });
});

describe('synchronous ids', () => {
  it('connect and accept with endpoints, as rdma_client and rdma_server do', async () => {
    const results = await runWorld([
      async (self) => {
        await self.get('listening');
        const id = await self.cm.createEp(self.cm.getAddrInfo('n1', 7471), { qp: QP });
        const mr = rdmaRegMsgs(id, bytes('request'));
        const back = rdmaRegMsgs(id, 16);
        rdmaPostRecv(id, 2, back.sge());
        await id.connect();
        rdmaPostSend(id, 1, mr.sge());
        await rdmaGetRecvComp(id);
        await id.disconnect();
        return text(back.bytes);
      },
      async (self) => {
        const listener = await self.cm.createEp(self.cm.getAddrInfo(null, 7471, { passive: true }), { qp: QP });
        await listener.listen(0);
        self.put('listening', true);
        const id = await listener.getRequest();
        const mr = rdmaRegMsgs(id, 16);
        rdmaPostRecv(id, 1, mr.sge());
        await id.accept();
        await rdmaGetRecvComp(id);
        const reply = rdmaRegMsgs(id, bytes(`re:${text(mr.bytes)}`));
        rdmaPostSend(id, 2, reply.sge(), SendFlags.SIGNALED);
        await rdmaGetSendComp(id);
        await id.disconnect();
        return listener.srcPort;
      },
    ]);
    expect(results).toEqual(['re:request', 7471]);
  });

  it('throw what an event would tell', async () => {
    await runWorld([
      async (self) => {
        await self.get('ready');
        await expect(
          self.cm.createEp({ portSpace: PortSpace.TCP, passive: false, srcAddr: null, dstAddr: { host: '1.2.3.4', port: 5 } }),
        ).rejects.toMatchObject({ verb: 'rdma_resolve_addr', code: 'ETIMEDOUT' });
        const id = await self.cm.createEp(self.cm.getAddrInfo('n1', 5), { qp: QP });
        await expect(id.connect()).rejects.toMatchObject({ verb: 'rdma_connect', code: 'ECONNREFUSED' });
        expect(() => self.cm.getAddrInfo('nobody', 5)).toThrow(VerbsError);
      },
      async (self) => {
        self.cm.createEventChannel();
        self.put('ready', true);
      },
    ]);
  });
});
