import { describe, expect, it } from 'vitest';
import { QpState, RdmaCmEventType, type RdmaEventChannel, type RdmaId } from '../../src/verbs/index.ts';
import { type Body, runWorld, type Self } from './world.ts';
import { QP, bytes, expectEvent, listen, prepare, slowly, text, watched } from './cm-kit.ts';

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
