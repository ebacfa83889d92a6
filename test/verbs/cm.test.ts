import { describe, expect, it } from 'vitest';
import { W_DEST_QP, W_SLOT, SLOT_BYTES } from '../../src/fabric/index.ts';
import {
  EventType,
  ipv4MulticastGid,
  PortSpace,
  type ProtectionDomain,
  QpAttrMask,
  QpState,
  type QueuePair,
  RDMA_UDP_QKEY,
  type RdmaCmEvent,
  RdmaCmEventType,
  type RdmaEventChannel,
  type RdmaId,
  rdmaEventStr,
  rdmaGetRecvComp,
  rdmaGetSendComp,
  rdmaPostRecv,
  rdmaPostSend,
  rdmaPostUdSend,
  rdmaRegMsgs,
  SendFlags,
  VerbsError,
  WcStatus,
} from '../../src/verbs/index.ts';
import { CM_DREP, CM_DREQ, CM_MRA, CM_REJ, CM_REP, CM_REQ, CM_RTU, CM_SIDR_REQ, parseCmMad } from '../../src/wire/index.ts';
import type { Passing, TestWire } from '../hca/wire.ts';
import { type Body, runWorld, type Self, type WorldOptions } from './world.ts';

const QP = { cap: { maxSendWr: 4, maxRecvWr: 4, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 } };
const bytes = (value: string) => Uint8Array.from([...value].map((c) => c.charCodeAt(0)));
const text = (data: Uint8Array) => String.fromCharCode(...data).replace(/\0+$/, '');

/** The next event, which must be this one. */
async function expectEvent(channel: RdmaEventChannel, type: RdmaCmEventType, status = 0): Promise<RdmaCmEvent> {
  const event = await channel.getEvent();
  expect([rdmaEventStr(event.event), event.status]).toEqual([rdmaEventStr(type), status]);
  return event;
}

/** Resolves address and route and makes a queue pair. */
async function prepare(self: Self, host = 'n1', port = 4000, portSpace: PortSpace = PortSpace.TCP) {
  const channel = self.cm.createEventChannel();
  const id = self.cm.createId(channel, portSpace);
  await id.resolveAddr(null, { host, port }, 1000);
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ADDR_RESOLVED));
  await id.resolveRoute(1000);
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ROUTE_RESOLVED));
  id.createQp(null, QP);
  return { channel, id };
}

async function listen(self: Self, port = 4000, portSpace: PortSpace = PortSpace.TCP) {
  const channel = self.cm.createEventChannel();
  const listener = self.cm.createId(channel, portSpace);
  await listener.bindAddr({ host: '', port });
  await listener.listen(5);
  self.put('listening', true);
  return { channel, listener };
}

/** Attribute IDs of the CM datagrams that crossed the wire, as `host:attribute`; `drop` loses the ones that it names, once each per mention. */
function watchCm(drop: string[] = []) {
  const seen: string[] = [];
  let wire: TestWire | null = null;
  const filter = (packet: Passing) => {
    if ((packet.words[packet.at + W_DEST_QP] & 0xffffff) !== 1 || wire === null) return true;
    const slot = packet.words[packet.at + W_SLOT] - 1;
    const mad = parseCmMad(wire.pool.bytes.slice(slot * SLOT_BYTES, slot * SLOT_BYTES + 256));
    if (typeof mad === 'string') throw new Error(mad);
    const name = `${packet.from}:${NAMES[mad.message.attribute]}`;
    seen.push(name);
    const at = drop.indexOf(name);
    if (at >= 0) drop.splice(at, 1);
    return at < 0;
  };
  return {
    seen,
    filter,
    use: (w: TestWire) => {
      wire = w;
    },
  };
}

const NAMES: Record<number, string> = {
  [CM_REQ]: 'REQ',
  [CM_REP]: 'REP',
  [CM_RTU]: 'RTU',
  [CM_REJ]: 'REJ',
  [CM_MRA]: 'MRA',
  [CM_DREQ]: 'DREQ',
  [CM_DREP]: 'DREP',
  [CM_SIDR_REQ]: 'SIDR_REQ',
  24: 'SIDR_REP',
};

/** A world whose CM datagrams are watched. */
function watched(bodies: Body[], drop: string[] = [], options: WorldOptions = {}) {
  const watch = watchCm(drop);
  const using = bodies.map(
    (body): Body =>
      (self) => {
        watch.use(self.wire);
        return body(self);
      },
  );
  return { seen: watch.seen, run: () => runWorld(using, { ...options, filter: watch.filter }) };
}

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

/** Connects, then does something. */
async function slowly(self: Self, then: (id: RdmaId, channel: RdmaEventChannel) => Promise<void>): Promise<void> {
  await self.get('listening');
  const { channel, id } = await prepare(self);
  await id.connect();
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
  await then(id, channel);
}

/** Accepts one connection and answers its disconnect. */
const plainServer: Body = async (self) => {
  const { channel } = await listen(self);
  const { id } = await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
  id.createQp(null, QP);
  await id.accept();
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.DISCONNECTED));
  await id.disconnect();
};

describe('rdma_cm when things go wrong', () => {
  it('reports a service that nobody listens to as REJECTED with reason 8', async () => {
    const world = watched([
      async (self) => {
        await self.sleepUs(100);
        const { channel, id } = await prepare(self);
        await id.connect();
        channel.ackEvent(await expectEvent(channel, RdmaCmEventType.REJECTED, 8));
        expect(id.qp?.state).toBe(QpState.ERR);
      },
      async (self) => {
        self.cm.createEventChannel();
      },
    ]);
    await world.run();
    expect(world.seen).toEqual(['0:REQ', '1:REJ']);
  });

  it('carries the private data of a consumer reject, reason 28', async () => {
    await runWorld([
      async (self) => {
        await self.get('listening');
        const { channel, id } = await prepare(self);
        await id.connect();
        const event = await expectEvent(channel, RdmaCmEventType.REJECTED, 28);
        expect(text(event.conn?.privateData ?? new Uint8Array())).toBe('go away');
      },
      async (self) => {
        const { channel } = await listen(self);
        const { id } = await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
        await expect(id.reject(new Uint8Array(149))).rejects.toMatchObject({ code: 'EINVAL' });
        await id.reject(bytes('go away'));
        await expect(id.accept({ qpNum: 5 })).rejects.toMatchObject({ code: 'EINVAL' });
      },
    ]);
  });

  it('gives up after sixteen requests and says UNREACHABLE', async () => {
    const all = Array(16).fill('0:REQ');
    const world = watched(
      [
        async (self) => {
          const { channel, id } = await prepare(self);
          const before = self.thread.nowPs;
          await id.connect();
          channel.ackEvent(await expectEvent(channel, RdmaCmEventType.UNREACHABLE, -110));
          // 4.096 us × 2^20 to answer, and twice the life of a packet, sixteen times.
          const each = 4_096_000 * 2 ** 20 + 2 * 4_096_000 * 2 ** 1;
          expect(self.thread.nowPs - before).toBeGreaterThanOrEqual(16 * each);
          expect(self.thread.nowPs - before).toBeLessThan(16 * each + 50_000_000);
        },
        async () => undefined,
      ],
      [...all],
    );
    await world.run();
    expect(world.seen).toEqual(all);
  });

  it('answers a repeated request with MRA while the program thinks', async () => {
    const thinking: Body = async (self) => {
      const { channel } = await listen(self);
      const { id } = await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
      await self.sleepUs(10_000_000);
      id.createQp(null, QP);
      await id.accept();
      channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
    };
    const world = watched([(self) => slowly(self, async () => undefined), thinking]);
    await world.run();
    expect(world.seen).toEqual(['0:REQ', '0:REQ', '1:MRA', '1:REP', '0:RTU']);
  });

  it('tells the server when the client gives up: REJ for timeout', async () => {
    const world = watched([
      async (self) => {
        await self.get('listening');
        const { channel, id } = await prepare(self);
        await id.connect();
        await self.get('seen');
        id.destroyQp();
        id.close();
        channel.close();
      },
      async (self) => {
        const { channel } = await listen(self);
        await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
        self.put('seen', true);
        await expectEvent(channel, RdmaCmEventType.REJECTED, 4);
      },
    ]);
    await world.run();
    expect(world.seen).toEqual(['0:REQ', '0:REJ']);
  });

  it('disconnects both sides when both ask at the same time', async () => {
    const both: (self: Self, id: RdmaId, channel: RdmaEventChannel) => Promise<void> = async (self, id, channel) => {
      await self.get('go');
      await id.disconnect();
      channel.ackEvent(await expectEvent(channel, RdmaCmEventType.DISCONNECTED));
      channel.ackEvent(await expectEvent(channel, RdmaCmEventType.TIMEWAIT_EXIT));
    };
    const world = watched([
      (self) =>
        slowly(self, async (id, channel) => {
          await self.sleepUs(100);
          self.put('go', true);
          await both(self, id, channel);
        }),
      async (self) => {
        const { channel } = await listen(self);
        const { id } = await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
        id.createQp(null, QP);
        await id.accept();
        channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
        await both(self, id, channel);
      },
    ]);
    await world.run();
    expect(world.seen.slice(3).sort()).toEqual(['0:DREP', '0:DREQ', '1:DREP', '1:DREQ']);
  });

  it('rejects a queue pair that is still connected here as stale, and ends the old connection', async () => {
    const world = watched([
      async (self) => {
        await self.get('listening');
        const { channel, id } = await prepare(self);
        await id.connect();
        channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
        // As after a crash: another id asks for the same queue pair.
        const again = self.cm.createId(channel);
        await again.resolveAddr(null, { host: '10.0.0.2', port: 4000 }, 1000);
        channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ADDR_RESOLVED));
        await again.resolveRoute(1000);
        channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ROUTE_RESOLVED));
        await again.connect({ qpNum: id.qp?.qpNum as number });
        const types = new Map<number, number>();
        for (let i = 0; i < 2; i++) {
          const event = await channel.getEvent();
          types.set(event.event, event.status);
        }
        expect(types).toEqual(
          new Map([
            [RdmaCmEventType.REJECTED, 10],
            [RdmaCmEventType.DISCONNECTED, 0],
          ]),
        );
      },
      async (self) => {
        const { channel } = await listen(self);
        const { id } = await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
        id.createQp(null, QP);
        await id.accept();
        channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
      },
    ]);
    await world.run();
    expect(world.seen.slice(3, 6)).toEqual(['0:REQ', '1:REJ', '1:DREQ']);
  });

  it('knows no address: ADDR_ERROR after the time given', async () => {
    await runWorld([
      async (self) => {
        const channel = self.cm.createEventChannel();
        const id = self.cm.createId(channel);
        const before = self.thread.nowPs;
        await id.resolveAddr(null, { host: '10.9.9.9', port: 1 }, 3);
        await expectEvent(channel, RdmaCmEventType.ADDR_ERROR, -110);
        expect(self.thread.nowPs - before).toBeGreaterThanOrEqual(3_000_000_000);
      },
      async () => undefined,
    ]);
  });
});

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
