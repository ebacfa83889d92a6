/**
 * The unloaded latency of one RC message as a sum of parts, from the profile and the path alone: no events, no queue pairs. Tests hold the adapter against it to the picosecond,
 * and the calibration uses it as a first look.
 *
 * A message up to the inline limit travels with its doorbell. Any other is fetched, and then goes packet by packet through a pipeline of host read, wire and host write;
 * each packet is stored whole at each adapter, switches cut through.
 */
import {
  type Ratio,
  RC_ATOMIC_ACK,
  RC_FETCH_ADD,
  RC_READ_REQUEST,
  RC_READ_RESPONSE_FIRST,
  RC_READ_RESPONSE_LAST,
  RC_READ_RESPONSE_MIDDLE,
  RC_READ_RESPONSE_ONLY,
  RC_SEND_FIRST,
  RC_SEND_LAST,
  RC_SEND_MIDDLE,
  RC_SEND_ONLY,
  RC_WRITE_FIRST,
  RC_WRITE_LAST,
  RC_WRITE_MIDDLE,
  RC_WRITE_ONLY,
  serializationPs,
} from '../wire/index.ts';
import { wireBytesOf } from './packet.ts';
import { bytesPs, type HcaProfile, responseReadPsPerByte } from './profile.ts';

/** The way between two idle adapters. */
export interface UnloadedPath {
  /** Of the slowest link, exactly: picoseconds a byte. */
  readonly psPerByte: Ratio;
  /** Cables and switches: from the first bit leaving the one port to the first bit arriving at the other. */
  readonly fixedPs: number;
  readonly mtuBytes: number;
  /** Messages up to so many bytes are posted inline (WRITE and SEND). */
  readonly inlineBytes: number;
}

/** WRITE ends when a program that spins on the target's last byte goes on; SEND when the receiver, READ and atomic when the requester has polled the completion. */
export type UnloadedOperation = 'write' | 'send' | 'read' | 'atomic';

/** One stage of the last packet's way. */
export interface UnloadedStage {
  readonly name: string;
  readonly ps: number;
}

/** The whole, in picoseconds: the sum of `unloadedStages`. */
export function unloadedLatencyPs(profile: HcaProfile, path: UnloadedPath, operation: UnloadedOperation, bytes: number): number {
  return unloadedStages(profile, path, operation, bytes).reduce((sum, stage) => sum + stage.ps, 0);
}

/** The stages of one message between idle adapters, in order. */
export function unloadedStages(
  profile: HcaProfile,
  path: UnloadedPath,
  operation: UnloadedOperation,
  bytes: number,
): UnloadedStage[] {
  const clock = new StageClock();
  post(clock, profile, path, operation, bytes);
  if (operation === 'write' || operation === 'send') oneWay(clock, profile, path, operation, bytes);
  else roundTrip(clock, profile, path, operation, bytes);
  return clock.stages;
}

/** Time that goes on in named steps. */
class StageClock {
  nowPs = 0;
  readonly stages: UnloadedStage[] = [];

  /** Goes on by `ps`. */
  spend(name: string, ps: number): void {
    this.stages.push({ name, ps });
    this.nowPs += ps;
  }

  /** Goes on to `atPs`. */
  until(name: string, atPs: number): void {
    this.spend(name, atPs - this.nowPs);
  }
}

function post(clock: StageClock, p: HcaProfile, path: UnloadedPath, operation: UnloadedOperation, bytes: number): void {
  const gathers = operation === 'write' || operation === 'send';
  const inline = gathers && bytes <= path.inlineBytes;
  clock.spend('post', p.postPs + (inline ? bytesPs(bytes, p.postInlinePsPerByte) : 0));
  clock.spend('doorbell', p.doorbellPs);
  const carried = inline || (gathers && bytes === 0);
  const pushed = p.blueFlame === 3 || (p.blueFlame === 2 && (carried || !gathers)) || (p.blueFlame === 1 && carried);
  if (!pushed) clock.spend('entry fetch', p.wqeFetchPs);
  else if (inline) clock.spend('entry with doorbell', bytesPs(bytes, p.doorbellPsPerByte));
}

/** What a stream of packets is made of: opcodes by place, and the parameters that differ. */
interface Stream {
  readonly only: number;
  readonly first: number;
  readonly middle: number;
  readonly last: number;
  readonly bytes: number;
  /** Payload is read across the host bus. */
  readonly read: boolean;
  /** Bus time a byte of it. */
  readonly readPsPerByte: number;
  /** Gap after the first packet in the transmit engine. */
  readonly firstGapPs: number;
  /** Extra time before the first packet's payload is written. */
  readonly acceptPs: number;
}

/** Sends a stream from now on; the clock follows its last packet, to where its payload is visible. */
function stream(clock: StageClock, p: HcaProfile, path: UnloadedPath, s: Stream): { checkedPs: number } {
  const packets = Math.max(1, Math.ceil(s.bytes / path.mtuBytes));
  let start = clock.nowPs;
  let engineFree = start;
  let readFree = 0;
  let messageFree = 0;
  let wireFree = 0;
  let rxFree = 0;
  let writeFree = 0;
  let checkedPs = 0;
  for (let k = 0; k < packets; k++) {
    const isLast = k === packets - 1;
    const n = isLast ? s.bytes - k * path.mtuBytes : path.mtuBytes;
    const opcode = isLast ? (k === 0 ? s.only : s.last) : k === 0 ? s.first : s.middle;
    start = Math.max(start, engineFree, messageFree);
    let ready = start;
    if (s.read && n > 0) {
      const from = Math.max(start, readFree);
      const singly = k * path.mtuBytes < p.readAheadBytes;
      const messageEnd = from + bytesPs(n, singly ? Math.max(s.readPsPerByte, p.messageReadPsPerByte) : s.readPsPerByte);
      readFree = from + bytesPs(n, s.readPsPerByte) + p.hostReadGapPs;
      messageFree = messageEnd + p.hostReadGapPs;
      ready = messageEnd + p.hostReadLatencyPs;
    }
    engineFree = Math.max(start + (k === 0 ? s.firstGapPs : p.txPacketGapPs), readFree);
    const entered = ready + p.txPipelinePs;
    const sent = Math.max(entered, wireFree);
    wireFree = sent + serializationPs(wireBytesOf(opcode, n, false), path.psPerByte);
    const arrived = wireFree + path.fixedPs;
    const checked = Math.max(arrived + p.rxPipelinePs, rxFree);
    rxFree = checked + p.rxPacketGapPs;
    const accepted = checked + (k === 0 ? s.acceptPs : 0);
    writeFree = Math.max(accepted, writeFree) + bytesPs(n, p.hostWritePsPerByte);
    checkedPs = accepted;
    if (!isLast) continue;
    clock.until('behind earlier packets', start);
    clock.until('payload read', ready);
    clock.until('transmit pipeline', entered);
    clock.until('wire queue', sent);
    clock.until('wire', arrived);
    clock.until('receive pipeline', checked);
    clock.until('receive entry', accepted);
    if (n > 0) clock.until('payload write', writeFree + p.hostWriteLatencyPs);
  }
  return { checkedPs };
}

function oneWay(clock: StageClock, p: HcaProfile, path: UnloadedPath, operation: 'write' | 'send', bytes: number): void {
  const isSend = operation === 'send';
  const { checkedPs } = stream(clock, p, path, {
    only: isSend ? RC_SEND_ONLY : RC_WRITE_ONLY,
    first: isSend ? RC_SEND_FIRST : RC_WRITE_FIRST,
    middle: isSend ? RC_SEND_MIDDLE : RC_WRITE_MIDDLE,
    last: isSend ? RC_SEND_LAST : RC_WRITE_LAST,
    bytes,
    read: bytes > path.inlineBytes,
    readPsPerByte: p.hostReadPsPerByte,
    firstGapPs: p.txMessageGapPs,
    acceptPs: isSend ? p.recvWqeFetchPs : 0,
  });
  if (!isSend) {
    clock.spend('poll', p.memoryPollPs);
    return;
  }
  completion(clock, p, checkedPs);
}

function completion(clock: StageClock, p: HcaProfile, decidedPs: number): void {
  clock.until('completion write', Math.max(clock.nowPs, decidedPs + p.hostWriteLatencyPs) + p.cqeWritePs);
  clock.spend('poll', p.pollPs);
}

function roundTrip(clock: StageClock, p: HcaProfile, path: UnloadedPath, operation: 'read' | 'atomic', bytes: number): void {
  const isRead = operation === 'read';
  const request = isRead ? RC_READ_REQUEST : RC_FETCH_ADD;
  clock.spend('transmit pipeline', p.txPipelinePs);
  clock.spend('wire', serializationPs(wireBytesOf(request, 0, false), path.psPerByte) + path.fixedPs);
  clock.spend('receive pipeline', p.rxPipelinePs);
  if (isRead) {
    const { checkedPs } = stream(clock, p, path, {
      only: RC_READ_RESPONSE_ONLY,
      first: RC_READ_RESPONSE_FIRST,
      middle: RC_READ_RESPONSE_MIDDLE,
      last: RC_READ_RESPONSE_LAST,
      bytes,
      read: true,
      readPsPerByte: responseReadPsPerByte(p),
      firstGapPs: p.txPacketGapPs + p.readGapPs,
      acceptPs: 0,
    });
    completion(clock, p, checkedPs);
    return;
  }
  clock.spend('atomic', p.hostReadLatencyPs);
  clock.spend('transmit pipeline', p.txPipelinePs);
  clock.spend('wire', serializationPs(wireBytesOf(RC_ATOMIC_ACK, 0, false), path.psPerByte) + path.fixedPs);
  clock.spend('receive pipeline', p.rxPipelinePs);
  const checkedPs = clock.nowPs;
  clock.spend('payload write', bytesPs(8, p.hostWritePsPerByte) + p.hostWriteLatencyPs);
  completion(clock, p, checkedPs);
}
