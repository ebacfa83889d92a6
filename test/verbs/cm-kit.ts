/** Steps that connection tests share, and a look at the CM datagrams that cross the wire. */
import { expect } from 'vitest';
import { W_DEST_QP, W_SLOT, SLOT_BYTES } from '../../src/fabric/index.ts';
import {
  PortSpace,
  type RdmaCmEvent,
  RdmaCmEventType,
  type RdmaEventChannel,
  type RdmaId,
  rdmaEventStr,
} from '../../src/verbs/index.ts';
import { CM_DREP, CM_DREQ, CM_MRA, CM_REJ, CM_REP, CM_REQ, CM_RTU, CM_SIDR_REQ, parseCmMad } from '../../src/wire/index.ts';
import type { Passing, TestWire } from '../hca/wire.ts';
import { type Body, runWorld, type Self, type WorldOptions } from './world.ts';

export const QP = { cap: { maxSendWr: 4, maxRecvWr: 4, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 } };
export const bytes = (value: string) => Uint8Array.from([...value].map((c) => c.charCodeAt(0)));
export const text = (data: Uint8Array) => String.fromCharCode(...data).replace(/\0+$/, '');

/** The next event, which must be this one. */
export async function expectEvent(channel: RdmaEventChannel, type: RdmaCmEventType, status = 0): Promise<RdmaCmEvent> {
  const event = await channel.getEvent();
  expect([rdmaEventStr(event.event), event.status]).toEqual([rdmaEventStr(type), status]);
  return event;
}

/** Resolves address and route and makes a queue pair. */
export async function prepare(self: Self, host = 'n1', port = 4000, portSpace: PortSpace = PortSpace.TCP) {
  const channel = self.cm.createEventChannel();
  const id = self.cm.createId(channel, portSpace);
  await id.resolveAddr(null, { host, port }, 1000);
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ADDR_RESOLVED));
  await id.resolveRoute(1000);
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ROUTE_RESOLVED));
  id.createQp(null, QP);
  return { channel, id };
}

export async function listen(self: Self, port = 4000, portSpace: PortSpace = PortSpace.TCP) {
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
export function watched(bodies: Body[], drop: string[] = [], options: WorldOptions = {}) {
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

/** Connects, then does something. */
export async function slowly(self: Self, then: (id: RdmaId, channel: RdmaEventChannel) => Promise<void>): Promise<void> {
  await self.get('listening');
  const { channel, id } = await prepare(self);
  await id.connect();
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
  await then(id, channel);
}

/** Accepts one connection and answers its disconnect. */
export const plainServer: Body = async (self) => {
  const { channel } = await listen(self);
  const { id } = await expectEvent(channel, RdmaCmEventType.CONNECT_REQUEST);
  id.createQp(null, QP);
  await id.accept();
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.ESTABLISHED));
  channel.ackEvent(await expectEvent(channel, RdmaCmEventType.DISCONNECTED));
  await id.disconnect();
};
