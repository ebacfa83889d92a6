/**
 * Outgoing packets: filling a record, the GRH, loopback to the own port; and the movement of payload between memory and payload slots.
 */
import {
  RECORD_GRH,
  RECORD_WORDS,
  SLOT_BYTES,
  W_BTH,
  W_DEST_QP,
  W_LENGTH,
  W_LIDS,
  W_NUMBER,
  W_PAYLOAD_BYTES,
  W_PORT,
  W_PSN,
  W_SLOT,
  W_X0,
  W_X1,
  W_X2,
  W_X3,
  W_X4,
} from '../fabric/index.ts';
import { assert, type Ps } from '../sim/index.ts';
import { GRH, LID_MULTICAST_FIRST, OPCODE_HEADER_BYTES } from '../wire/index.ts';
import { GRH_BYTES } from './constants.ts';
import type { Engine } from './engine.ts';
import { EV_RECEIVE } from './events.ts';
import type { MemoryKey, NodeMemory } from './memory.ts';
import type { PortState } from './port.ts';
import type { AddressVector } from './types.ts';
import type { SendQueue } from './work-queue.ts';
import type { QpContext } from './queue-pair.ts';

/** Link bytes around BTH … payload: LRH 8, ICRC 4, VCRC 2. */
const LINK_BYTES = 14;
const TWO_32 = 2 ** 32;
const NUMBER_MASK = 0x0fffffff;

/** Bytes on the wire of a packet with `payloadBytes` and its pad. */
export function wireBytesOf(opcode: number, payloadBytes: number, grh: boolean): number {
  return LINK_BYTES + OPCODE_HEADER_BYTES[opcode] + ((payloadBytes + 3) & ~3) + (grh ? GRH_BYTES : 0);
}

/** What a packet is, apart from its extension words: filled and handed to `emit`. One per module, so that nothing is allocated. */
export class PacketDraft {
  port!: PortState;
  av!: AddressVector;
  opcode = 0;
  bthFlags = 0;
  pkey = 0;
  destQpn = 0;
  psn = 0;
  payloadBytes = 0;
  /** Payload slot, −1 for none. With a GRH there always is one, and the GRH lies in front. */
  slot = -1;
  x0 = 0;
  x1 = 0;
  x2 = 0;
  x3 = 0;
  x4 = 0;
  wireBytes = 0;
  vl = 0;
  timePs = 0.5;
}

/** Hands a packet to the fabric, or back to the adapter itself when it is for its own port. Returns its number. */
export function emit(engine: Engine, packet: PacketDraft): number {
  const port = packet.port;
  const av = packet.av;
  const outbox = engine.outbox;
  const at = outbox.reserve();
  const words = outbox.words;
  const number = (engine.config.index << 28) | (engine.packetNumber++ & NUMBER_MASK);
  const pad = -packet.payloadBytes & 3;
  outbox.times[at >> 1] = packet.timePs;
  words[at + W_PORT] = port.hostPort;
  words[at + W_LIDS] = av.dlid | ((port.lid | av.srcPathBits) << 16);
  words[at + W_LENGTH] = packet.wireBytes | (av.sl << 16) | (packet.vl << 20) | (av.grh !== null ? RECORD_GRH << 24 : 0);
  words[at + W_SLOT] = packet.slot + 1;
  words[at + W_BTH] = packet.opcode | (packet.bthFlags << 8) | (packet.pkey << 16);
  words[at + W_DEST_QP] = packet.destQpn | (pad << 24);
  words[at + W_PSN] = packet.psn;
  words[at + W_X0] = packet.x0;
  words[at + W_X1] = packet.x1;
  words[at + W_X2] = packet.x2;
  words[at + W_X3] = packet.x3;
  words[at + W_X4] = packet.x4;
  words[at + W_PAYLOAD_BYTES] = packet.payloadBytes;
  words[at + W_NUMBER] = number;
  engine.counters.packetsSent++;
  engine.counters.bytesSent += packet.payloadBytes;
  if (packet.timePs < engine.loop.nowPs + engine.profile.txPipelinePs)
    assert(false, `a packet enters the wire at ${packet.timePs} ps, before its transmit pipeline can have taken it`);
  if (port.owns(av.dlid)) {
    outbox.count--;
    loopBack(engine, words, at, packet.timePs);
    return number;
  }
  if (av.dlid >= LID_MULTICAST_FIRST && port.multicast.has(av.dlid)) {
    // The fabric never returns a packet to the port it came from: members of the group on this port get their copy here.
    if (packet.slot >= 0) engine.pool.retain(packet.slot, 1);
    loopBack(engine, words, at, packet.timePs);
  }
  port.occupy(packet.vl, packet.wireBytes);
  return number;
}

/** Sends the record at `at` through the receive pipeline of the same port. */
export function loopBack(engine: Engine, words: Int32Array, at: number, timePs: Ps): void {
  const slot = engine.takeRx();
  const rx = engine.rxWords;
  for (let i = 2; i < RECORD_WORDS; i++) rx[slot + i] = words[at + i];
  const { loopbackPs, rxPipelinePs } = engine.profile;
  engine.loop.schedule(timePs + loopbackPs + rxPipelinePs, engine.handler, EV_RECEIVE, slot);
}

/** Writes the GRH of a packet to the front of its payload slot. */
export function writeGrh(engine: Engine, qp: QpContext, packet: PacketDraft): void {
  const route = packet.av.grh;
  if (route === null) return;
  const repr = {
    ipVersion: 6,
    trafficClass: route.trafficClass,
    flowLabel: route.flowLabel,
    payloadLength: packet.wireBytes - 8 - GRH_BYTES - 2,
    nextHeader: 0x1b,
    hopLimit: route.hopLimit,
    sgid: qp.gids === null ? packet.port.gid : qp.gids[qp.port],
    dgid: route.dgid,
  };
  GRH.emit(repr, engine.pool.bytes, packet.slot * SLOT_BYTES);
}

/** Upper half of a 64-bit address that is held in a number, as an int32. */
export function upper(address: number): number {
  return (address / TWO_32) | 0;
}

/** Lower half of it. */
export function lower(address: number): number {
  return (address % TWO_32) | 0;
}

/** The number of two halves. */
export function joined(high: number, low: number): number {
  return (high >>> 0) * TWO_32 + (low >>> 0);
}

/** Copies `n` bytes; a loop for the short ones, where making a view costs more than the copy. */
export function copyBytes(to: Uint8Array, toAt: number, from: Uint8Array, fromAt: number, n: number): void {
  if (n <= 32) for (let i = 0; i < n; i++) to[toAt + i] = from[fromAt + i];
  else to.set(from.subarray(fromAt, fromAt + n), toAt);
}

/** Scatter/gather elements as they lie in a work queue. */
export interface SgeArrays {
  readonly sgeAddr: Float64Array;
  readonly sgeLength: Float64Array;
  readonly sgeKey: Int32Array;
}

/** What `checkSges` found. */
export const CHECK_BAD = -1;
export const CHECK_NO_BYTES = 0;
export const CHECK_BYTES = 1;

/**
 * Checks bytes `offset … offset + n − 1` of a list of elements: keys, domain, bounds, rights. `CHECK_BAD` if any element is not allowed,
 * else whether any of the memory has bytes.
 */
export function checkSges(
  engine: Engine,
  arrays: SgeArrays,
  first: number,
  count: number,
  pd: number,
  offset: number,
  n: number,
  write: boolean,
): number {
  let result = CHECK_NO_BYTES;
  let skip = offset;
  let left = n;
  for (let i = first; i < first + count && left > 0; i++) {
    const length = arrays.sgeLength[i];
    if (skip >= length) {
      skip -= length;
      continue;
    }
    const take = Math.min(length - skip, left);
    const region = engine.keys.local(arrays.sgeKey[i], arrays.sgeAddr[i] + skip, take, pd, write);
    if (region === null) return CHECK_BAD;
    if (region.bytes !== null) result = CHECK_BYTES;
    left -= take;
    skip = 0;
  }
  return left > 0 ? CHECK_BAD : result;
}

/** Copies bytes `offset … offset + n − 1` of a checked list to `to`. Payload-free pieces give zeros. */
export function gather(
  engine: Engine,
  arrays: SgeArrays,
  first: number,
  count: number,
  offset: number,
  n: number,
  to: Uint8Array,
  toAt: number,
): void {
  let skip = offset;
  let done = 0;
  for (let i = first; i < first + count && done < n; i++) {
    const length = arrays.sgeLength[i];
    if (skip >= length) {
      skip -= length;
      continue;
    }
    const take = Math.min(length - skip, n - done);
    const region = engine.keys.find(arrays.sgeKey[i]) as MemoryKey;
    if (region.bytes === null) to.fill(0, toAt + done, toAt + done + take);
    else copyBytes(to, toAt + done, region.bytes, arrays.sgeAddr[i] + skip - region.bytesAddr, take);
    done += take;
    skip = 0;
  }
}

/** Copies `n` bytes from `from` (null: no bytes travel, only the write is noted) to bytes `offset …` of a checked list. */
export function scatter(
  engine: Engine,
  arrays: SgeArrays,
  first: number,
  count: number,
  offset: number,
  n: number,
  from: Uint8Array | null,
  fromAt: number,
  visiblePs: Ps,
): void {
  let skip = offset;
  let done = 0;
  for (let i = first; i < first + count && done < n; i++) {
    const length = arrays.sgeLength[i];
    if (skip >= length) {
      skip -= length;
      continue;
    }
    const take = Math.min(length - skip, n - done);
    const region = engine.keys.find(arrays.sgeKey[i]) as MemoryKey;
    writeRegion(engine, region, arrays.sgeAddr[i] + skip, take, from, fromAt + done, visiblePs);
    done += take;
    skip = 0;
  }
}

/** An inbound write of `n` bytes to `addr` (as used with the key). */
export function writeRegion(
  engine: Engine,
  region: MemoryKey,
  addr: number,
  n: number,
  from: Uint8Array | null,
  fromAt: number,
  visiblePs: Ps,
): void {
  if (from !== null && region.bytes !== null) copyBytes(region.bytes, addr - region.bytesAddr, from, fromAt, n);
  engine.memory.written(addr + region.toReal, n, visiblePs);
}

/** Inline data is copied when it is posted; its keys are not looked at (`ibv_post_send(3)`), so memory that was never registered will do. */
export function copyInline(memory: NodeMemory, sq: SendQueue, slot: number, bytes: number): void {
  let at = slot * sq.maxInline;
  const first = slot * sq.maxSge;
  for (let i = first; i < first + sq.sgeCount[slot] && bytes > 0; i++) {
    const place = memory.placeOf(sq.sgeAddr[i], sq.sgeLength[i]);
    if (place === null) sq.inline.fill(0, at, at + sq.sgeLength[i]);
    else copyBytes(sq.inline, at, place.bytes, sq.sgeAddr[i] - place.base, sq.sgeLength[i]);
    at += sq.sgeLength[i];
  }
}
