/**
 * Sending: what may go now (Nagle, windows, RFC 6675's NextSeg in recovery), and the packets that carry it.
 * All runs in kernel context; each packet costs `tcpTxPs` whatever its size.
 */
import { writeU16 } from './bytes.ts';
import { IPV4_HEADER_BYTES, IPV4_MAX_BYTES, PROTOCOL_TCP } from './ipv4.ts';
import { fillChecksum, writeBlankChecksum } from './offload.ts';
import { receiveWindow } from './tcp-window.ts';
import { type Tcb, wireSequence } from './tcb.ts';
import {
  ACK,
  FIN,
  headerBytesOf,
  maxSackBlocks,
  PSH,
  RST,
  type SegmentHeader,
  SYN,
  TCP_HEADER_BYTES,
  TIMESTAMP_OPTION_BYTES,
  writeSegmentHeader,
} from './tcp-segment.ts';

/** Sends whatever may be sent. Returns whether anything was. */
export function output(tcb: Tcb): boolean {
  let sent = false;
  while (sendNext(tcb)) sent = true;
  if (tcb.sndNxt > tcb.sndUna) {
    if (!tcb.rtoTimer.isSet) tcb.rtoTimer.set(tcb.nowPs + tcb.rtt.rtoPs);
    tcb.persistTimer.clear();
    tcb.persistProbes = 0;
  } else armPersist(tcb);
  return sent;
}

/** There is data, nothing is under way, and the window does not let it go: ask from time to time (RFC 9293 3.8.6.1). */
function armPersist(tcb: Tcb): void {
  const waits = tcb.isSynchronized && tcb.sndEnd > tcb.sndNxt;
  if (!waits) tcb.persistTimer.clear();
  else if (!tcb.persistTimer.isSet) tcb.persistTimer.set(tcb.nowPs + persistDelay(tcb));
}

/** Until the next probe of a shut window: doubled each time, up to the largest timeout. */
export function persistDelay(tcb: Tcb): number {
  return Math.min(tcb.rtt.rtoPs * 2 ** Math.min(tcb.persistProbes, 16), tcb.host.params.maxRtoPs);
}

/** Bytes on their way, as SetPipe of RFC 6675 counts them. */
export function pipeOf(tcb: Tcb): number {
  const { scoreboard, sndUna, sndNxt } = tcb;
  if (scoreboard.isEmpty && tcb.recovery === 'open') return Math.max(0, sndNxt - sndUna - dupAckBytes(tcb));
  const lost = Math.min(lostEdge(tcb), sndNxt);
  const notLost = scoreboard.missing(Math.max(sndUna, lost), sndNxt);
  const again = scoreboard.missing(sndUna, Math.min(tcb.highRxt, sndNxt));
  return Math.max(0, notLost + again - dupAckBytes(tcb));
}

/** Without SACK each duplicate acknowledgement stands for a segment that has arrived. */
function dupAckBytes(tcb: Tcb): number {
  return tcb.hasSack ? 0 : tcb.dupAcks * tcb.mss;
}

/** All below is lost, unless it was selectively acknowledged. */
export function lostEdge(tcb: Tcb): number {
  return Math.max(tcb.lossMark, tcb.scoreboard.isEmpty ? 0 : tcb.scoreboard.lostEdge(tcb.mss));
}

/** NextSeg of RFC 6675: what was lost, else what is new, else what might be lost. */
function sendNext(tcb: Tcb): boolean {
  if (!canSendData(tcb)) return false;
  if (tcb.recovery === 'open') return sendNew(tcb);
  if (tcb.mustRetransmit) {
    tcb.mustRetransmit = false;
    return retransmit(tcb, tcb.sndUna, lostEdge(tcb), tcb.mss);
  }
  const room = Math.floor(tcb.congestion.cwnd) - pipeOf(tcb);
  if (room < Math.min(tcb.mss, tcb.congestion.cwnd)) return false;
  const from = Math.max(tcb.highRxt, tcb.sndUna);
  if (retransmit(tcb, from, lostEdge(tcb), wholeSegments(tcb, room))) return true;
  if (sendNew(tcb)) return true;
  // Guesses (rules 3 and 4) are for the end of the data; where the peer's window holds more back, its acknowledgements will let that go.
  if (tcb.recovery !== 'fast' || tcb.sndEnd > tcb.sndNxt) return false;
  return retransmit(tcb, from, tcb.scoreboard.highest, tcb.mss) || rescue(tcb);
}

function canSendData(tcb: Tcb): boolean {
  switch (tcb.state) {
    case 'ESTABLISHED':
    case 'CLOSE_WAIT':
    case 'FIN_WAIT_1':
    case 'CLOSING':
    case 'LAST_ACK':
      return true;
    default:
      return false;
  }
}

/** Sends the first hole of `[from, limit)` again, up to `max` bytes of it. */
function retransmit(tcb: Tcb, from: number, limit: number, max: number): boolean {
  const hole = tcb.scoreboard.nextHole(from, Math.min(limit, tcb.sndNxt));
  if (hole === null) return false;
  const count = Math.min(hole.end - hole.start, max, largestPacket(tcb));
  tcb.highRxt = hole.start + count;
  sendData(tcb, hole.start, count, true);
  return true;
}

/** Rule 4 of NextSeg: the last segment once more, so that a loss at the end of the window is noticed. Once a recovery. */
function rescue(tcb: Tcb): boolean {
  if (tcb.rescued > tcb.sndUna || tcb.scoreboard.isEmpty) return false;
  const end = tcb.sndNxt;
  const start = Math.max(end - tcb.mss, tcb.scoreboard.highest, tcb.sndUna);
  if (start >= end) return false;
  tcb.rescued = tcb.recoveryPoint;
  sendData(tcb, start, end - start, true);
  return true;
}

/** The largest packet to build: whole segments up to the limit of IPv4, or one segment where large ones are not wanted. */
function largestPacket(tcb: Tcb): number {
  if (!tcb.host.params.softwareGso && !deviceHasGso(tcb)) return tcb.mss;
  const most = IPV4_MAX_BYTES - IPV4_HEADER_BYTES - TCP_HEADER_BYTES - TIMESTAMP_OPTION_BYTES;
  return Math.max(tcb.mss, most - (most % tcb.mss));
}

function deviceHasGso(tcb: Tcb): boolean {
  const { stack } = tcb.host;
  return stack.isLocal(tcb.remoteAddress) || (stack.routes.find(tcb.remoteAddress)?.via.device.features.gso ?? false);
}

function wholeSegments(tcb: Tcb, bytes: number): number {
  return Math.max(tcb.mss, bytes - (bytes % tcb.mss));
}

/** Sends new data as far as the windows allow and Nagle's rule does not hold it back. */
function sendNew(tcb: Tcb): boolean {
  const { sndNxt, mss, congestion } = tcb;
  const windowEnd = tcb.sndUna + tcb.sndWnd;
  const end = Math.min(tcb.sndEnd, windowEnd);
  let count = end - sndNxt;
  if (count <= 0) return sendBareFin(tcb, windowEnd);
  const room = Math.floor(congestion.cwnd) - pipeOf(tcb);
  if (count > room) {
    tcb.isCwndLimited = true;
    const whole = Math.floor(room / mss) * mss;
    if (whole <= 0) return false;
    count = Math.min(count, whole);
  }
  count = Math.min(count, largestPacket(tcb));
  const tail = count % mss;
  if (tail > 0 && !mayEndSmall(tcb, sndNxt + count)) count -= tail;
  if (count <= 0) return false;
  if (count % mss > 0) tcb.smallEnd = sndNxt + count;
  restartAfterIdle(tcb);
  if (tcb.timedEnd === 0) {
    tcb.timedEnd = sndNxt + count;
    tcb.timedPs = tcb.nowPs;
  }
  tcb.sndNxt = sndNxt + count;
  sendData(tcb, sndNxt, count, false);
  return true;
}

/** A FIN needs no room in the window. */
function sendBareFin(tcb: Tcb, windowEnd: number): boolean {
  if (!tcb.finQueued || tcb.sndNxt !== tcb.sendBuffer.end || windowEnd < tcb.sndNxt) return false;
  tcb.sndNxt++;
  sendData(tcb, tcb.sndNxt - 1, 1, false);
  return true;
}

/** Whether a packet may end with less than a full segment at `end` (RFC 9293 3.7.4, 3.8.6.2.1). */
function mayEndSmall(tcb: Tcb, end: number): boolean {
  // The FIN counts as a byte here: with it, everything is out.
  if (end >= tcb.sndEnd) return tcb.finQueued || tcb.noDelay || tcb.smallEnd <= tcb.sndUna;
  return end - tcb.sndNxt >= tcb.maxSndWnd / 2;
}

/** Nothing was sent for longer than the timeout: the network may have changed (RFC 5681 4.1). */
function restartAfterIdle(tcb: Tcb): void {
  if (tcb.flight > 0 || tcb.lastSentPs === 0 || tcb.nowPs - tcb.lastSentPs < tcb.rtt.rtoPs) return;
  tcb.congestion.onIdle(tcb.host.params.initialWindowSegments * tcb.mss);
}

/** Sends `count` sequence numbers from `sequence` on: data, and the FIN if it is among them. */
function sendData(tcb: Tcb, sequence: number, count: number, isAgain: boolean): void {
  const dataEnd = tcb.sendBuffer.end;
  const bytes = Math.max(0, Math.min(count, dataEnd - sequence));
  const hasFin = sequence + count > dataEnd;
  let flags = ACK;
  if (hasFin) flags |= FIN;
  if (bytes > 0 && sequence + bytes === dataEnd) flags |= PSH;
  if (isAgain) {
    tcb.retransmits += Math.max(1, Math.ceil(bytes / tcb.mss));
    // Karn's rule: an acknowledgement could be of either transmission.
    if (tcb.timedEnd > sequence) tcb.timedEnd = 0;
  }
  tcb.lastSentPs = tcb.nowPs;
  sendSegment(tcb, sequence, bytes, flags);
}

/** An acknowledgement with nothing else. */
export function sendAck(tcb: Tcb): void {
  sendSegment(tcb, tcb.sndNxt, 0, ACK);
}

/** An old sequence number: the peer answers with what it expects and its window. Zero-window and keep-alive probe, as Linux's. */
export function sendProbe(tcb: Tcb): void {
  sendSegment(tcb, tcb.sndUna - 1, 0, ACK);
}

/** SYN, or SYN and ACK, with our options. */
export function sendSyn(tcb: Tcb): void {
  if (tcb.timedEnd === 0 && tcb.retries === 0) {
    tcb.timedEnd = tcb.iss + 1;
    tcb.timedPs = tcb.nowPs;
  }
  tcb.lastSentPs = tcb.nowPs;
  sendSegment(tcb, tcb.iss, 0, tcb.state === 'SYN_RECEIVED' ? SYN | ACK : SYN);
  tcb.rtoTimer.set(tcb.nowPs + tcb.rtt.rtoPs);
}

export function sendReset(tcb: Tcb): void {
  sendSegment(tcb, tcb.sndNxt, 0, RST | ACK);
}

/** Builds one packet and gives it to IPv4. */
function sendSegment(tcb: Tcb, sequence: number, bytes: number, flags: number): void {
  const { stack } = tcb.host;
  const { cpu, costs } = stack;
  cpu.spend(costs.tcpTxPs, 'tcp');
  const header = headerOf(tcb, sequence, bytes, flags);
  const headerEnd = IPV4_HEADER_BYTES + headerBytesOf(header);
  const data = new Uint8Array(headerEnd + bytes);
  writeSegmentHeader(data, IPV4_HEADER_BYTES, header);
  if (bytes > 0) tcb.sendBuffer.copy(sequence, bytes, data, headerEnd);
  const checksumBlank = finishChecksum(tcb, data, bytes);
  if ((flags & ACK) !== 0) {
    // Data leaves no room for SACK blocks: an acknowledgement with them follows.
    tcb.mustAck = tcb.mustAck && bytes > 0 && tcb.hasSack && tcb.receiveBuffer.hasGap;
    tcb.lastAck = tcb.rcvNxt;
    tcb.ackTimer.clear();
  }
  cpu.mark('tcp');
  const errno = stack.send({
    data,
    protocol: PROTOCOL_TCP,
    destination: tcb.remoteAddress,
    source: tcb.localAddress,
    dontFragment: true,
    gso: bytes > tcb.mss ? { type: 'tcpv4', size: tcb.mss } : null,
    checksumBlank,
    owner: tcb,
    onUnreachable: () => tcb.host.unreachable(tcb, 'EHOSTUNREACH'),
  });
  if (errno !== null) tcb.host.unreachable(tcb, errno);
}

/** The checksum, or the part of it that a device completes. Returns whether it is left to do. */
function finishChecksum(tcb: Tcb, data: Uint8Array, bytes: number): boolean {
  const { stack } = tcb.host;
  data[0] = 0x45;
  data[9] = PROTOCOL_TCP;
  writeU16(data, 12, tcb.localAddress >>> 16);
  writeU16(data, 14, tcb.localAddress & 0xffff);
  writeU16(data, 16, tcb.remoteAddress >>> 16);
  writeU16(data, 18, tcb.remoteAddress & 0xffff);
  // A large packet is cut later, and its segments get checksums then.
  if (bytes > tcb.mss || stack.hasChecksumOffload(tcb.remoteAddress)) {
    writeBlankChecksum(data);
    return true;
  }
  stack.cpu.spend((data.length - IPV4_HEADER_BYTES) * stack.costs.checksumPsPerByte, 'checksum');
  fillChecksum(data);
  return false;
}

/** The header of a segment, with the window and the options that go with these flags. */
function headerOf(tcb: Tcb, sequence: number, bytes: number, flags: number): SegmentHeader {
  const isSyn = (flags & SYN) !== 0;
  const hasAck = (flags & ACK) !== 0;
  const header: { -readonly [K in keyof SegmentHeader]: SegmentHeader[K] } = {
    sourcePort: tcb.localPort,
    destinationPort: tcb.remotePort,
    sequence: wireSequence(sequence),
    ack: hasAck ? wireSequence(tcb.rcvNxt) : 0,
    flags,
    window: receiveWindow(tcb, isSyn),
  };
  if (isSyn) addSynOptions(tcb, header);
  else if (tcb.hasTimestamps) {
    header.timestamp = tcb.timestamp;
    header.timestampEcho = tcb.tsRecent;
  }
  if (!isSyn && bytes === 0 && tcb.hasSack && tcb.receiveBuffer.hasGap)
    header.sacks = tcb.receiveBuffer.sackEdges(maxSackBlocks(tcb.hasTimestamps));
  return header;
}

/** On a SYN everything is offered; on the answer to one, what the peer offered. */
function addSynOptions(tcb: Tcb, header: { -readonly [K in keyof SegmentHeader]: SegmentHeader[K] }): void {
  const { params } = tcb.host;
  const isAnswer = tcb.state === 'SYN_RECEIVED';
  header.mss = announcedMss(tcb);
  if (isAnswer ? tcb.hasSack : params.sack) header.sackPermitted = true;
  if (isAnswer ? tcb.hasTimestamps : params.timestamps) {
    header.timestamp = tcb.timestamp;
    header.timestampEcho = isAnswer ? tcb.tsRecent : 0;
  }
  if (isAnswer ? tcb.hasScaling : params.windowScaling) header.windowScale = tcb.rcvScale;
}

/** The MTU of our own link, not of the path: that is the peer's to find. */
function announcedMss(tcb: Tcb): number {
  const { stack } = tcb.host;
  const mtu = stack.isLocal(tcb.remoteAddress) ? 65_535 : (stack.routes.find(tcb.remoteAddress)?.via.mtu ?? 1500);
  return Math.min(mtu - 40, tcb.options.maxSegment ?? 65_495);
}
