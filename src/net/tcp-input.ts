/**
 * Segments that arrive for a connection: the checks and steps of RFC 9293 3.10.7, with RFC 5961 against blind attacks and RFC 7323's PAWS.
 */
import { destroy, enterTimeWait } from './tcp-close.ts';
import { acknowledge } from './tcp-ack.ts';
import { output, sendAck, sendSyn } from './tcp-output.ts';
import { ACK, FIN, RST, SYN, type TcpSegment } from './tcp-segment.ts';
import { DEFAULT_MSS, type Tcb, unwrap, updateMss } from './tcb.ts';
import { ReceiveBuffer } from './tcp-buffers.ts';
import { initialWindow } from './tcp-congestion.ts';

/** RFC 7323 5.5: a timestamp older than this is no reason to drop anything. */
const TIMESTAMP_LIFE_PS = 24 * 86_400 * 1e12;

/** What to do with a segment that the connection refuses. */
export type Verdict = 'done' | 'reset';

/** A segment for the connection. `reset`: the sender is to be sent a RST, as for a segment that belongs to no connection. */
export function receiveSegment(tcb: Tcb, segment: TcpSegment, gsoSize: number): Verdict {
  tcb.lastHeardPs = tcb.nowPs;
  tcb.keepAliveProbes = 0;
  if (tcb.state === 'SYN_SENT') return receiveInSynSent(tcb, segment);
  const sequence = unwrap(segment.sequence, tcb.rcvNxt);
  if (!isAcceptable(tcb, segment, sequence)) return 'done';
  if ((segment.flags & RST) !== 0) {
    receiveReset(tcb, sequence);
    return 'done';
  }
  if ((segment.flags & SYN) !== 0) {
    // RFC 5961 4.2: a challenge. A SYN again in SYN_RECEIVED asks for our SYN again.
    if (tcb.state === 'SYN_RECEIVED' && sequence === tcb.irs && (segment.flags & ACK) === 0) sendSyn(tcb);
    else if (tcb.state !== 'SYN_RECEIVED' || (segment.flags & ACK) === 0) sendAck(tcb);
    if (tcb.state !== 'SYN_RECEIVED' || (segment.flags & ACK) === 0) return 'done';
  }
  if ((segment.flags & ACK) === 0) return 'done';
  noteTimestamp(tcb, segment, sequence);
  const verdict = takeAck(tcb, segment, sequence);
  if (verdict !== null) return verdict;
  if (tcb.isOrphan && segment.data.length > 0 && sequence + segment.data.length > tcb.rcvNxt) {
    // Nobody will read it (RFC 1122 4.2.2.13).
    if (tcb.state !== 'TIME_WAIT') {
      destroy(tcb, null);
      return 'reset';
    }
  }
  takeData(tcb, segment, (segment.flags & SYN) === 0 ? sequence : sequence + 1, gsoSize);
  finishInput(tcb);
  return 'done';
}

/** First sends what may go, with the acknowledgement on it; then an acknowledgement alone if one is due. */
function finishInput(tcb: Tcb): void {
  if (tcb.state === 'CLOSED') return;
  output(tcb);
  if (tcb.mustAck) sendAck(tcb);
  else if (tcb.rcvNxt > tcb.lastAck && !tcb.ackTimer.isSet) tcb.ackTimer.set(tcb.nowPs + tcb.host.params.delayedAckPs);
}

function receiveInSynSent(tcb: Tcb, segment: TcpSegment): Verdict {
  const { flags } = segment;
  const hasAck = (flags & ACK) !== 0;
  const ack = unwrap(segment.ack, tcb.sndUna);
  if (hasAck && (ack <= tcb.iss || ack > tcb.sndNxt)) return (flags & RST) !== 0 ? 'done' : 'reset';
  if ((flags & RST) !== 0) {
    if (hasAck) destroy(tcb, 'ECONNREFUSED');
    return 'done';
  }
  if ((flags & SYN) === 0) return 'done';
  takeSyn(tcb, segment);
  if (!hasAck) {
    // Both sides open at once.
    tcb.state = 'SYN_RECEIVED';
    tcb.sndNxt = tcb.iss + 1;
    tcb.sndWnd = segment.window;
    sendSyn(tcb);
    return 'done';
  }
  tcb.sndWnd = segment.window;
  establish(tcb, segment, tcb.irs + 1, ack);
  const rest: TcpSegment = { ...segment, sequence: (segment.sequence + 1) >>> 0, flags: flags & ~SYN };
  tcb.mustAck = true;
  if (rest.data.length > 0 || (flags & FIN) !== 0) takeData(tcb, rest, tcb.irs + 1, 0);
  finishInput(tcb);
  return 'done';
}

/** The peer's SYN: where it begins to count, and what it offers. */
export function takeSyn(tcb: Tcb, segment: TcpSegment): void {
  const { options } = segment;
  const { params } = tcb.host;
  tcb.irs = segment.sequence;
  tcb.receiveBuffer = new ReceiveBuffer(tcb.irs + 1);
  tcb.rcvAdv = tcb.irs + 1 + Math.min(tcb.receiveLimit, 65_535);
  tcb.lastAck = tcb.irs;
  tcb.hasScaling = params.windowScaling && options.windowScale >= 0;
  tcb.sndScale = tcb.hasScaling ? options.windowScale : 0;
  if (!tcb.hasScaling) tcb.rcvScale = 0;
  tcb.hasTimestamps = params.timestamps && options.hasTimestamp;
  tcb.tsRecent = options.timestamp;
  tcb.tsRecentPs = tcb.nowPs;
  tcb.hasSack = params.sack && options.sackPermitted;
  tcb.peerMss = Math.max(options.mss === 0 ? DEFAULT_MSS : options.mss, 88);
  updateMss(tcb);
  tcb.rcvMss = tcb.mss;
  tcb.congestion.cwnd = initialWindow(tcb.mss, tcb.host.params.initialWindowSegments);
}

/** The handshake is over. */
function establish(tcb: Tcb, segment: TcpSegment, sequence: number, ack: number): void {
  // RFC 5681 3.1 and RFC 6298 5.7: after a lost SYN begin carefully.
  if (tcb.retries > 0) {
    tcb.congestion.cwnd = tcb.mss;
    tcb.rtt.startSlow();
  }
  tcb.state = 'ESTABLISHED';
  tcb.sndWl1 = sequence;
  tcb.sndWl2 = ack;
  tcb.maxSndWnd = Math.max(tcb.maxSndWnd, tcb.sndWnd);
  acknowledge(tcb, segment, sequence, ack);
  tcb.isCwndLimited = false;
  const { keepAliveNs } = tcb.options;
  if (keepAliveNs !== undefined) tcb.lifeTimer.set(tcb.nowPs + Math.round(keepAliveNs * 1000));
  if (tcb.isPassive) tcb.host.established(tcb);
  else tcb.user?.onConnected();
  if (tcb.finQueued) tcb.state = 'FIN_WAIT_1';
}

/** In the window, and not an old duplicate. What is not gets an acknowledgement, which tells a peer that lost ours. */
function isAcceptable(tcb: Tcb, segment: TcpSegment, sequence: number): boolean {
  const isReset = (segment.flags & RST) !== 0;
  const length = segment.data.length + ((segment.flags & FIN) === 0 ? 0 : 1) + ((segment.flags & SYN) === 0 ? 0 : 1);
  const isOld = tcb.hasTimestamps && segment.options.hasTimestamp && isOlder(tcb, segment.options.timestamp);
  // As Linux: an edge that touches the window will do, so that acknowledgements count when the window is zero.
  const isInside = sequence + length >= tcb.lastAck && sequence <= Math.max(tcb.rcvAdv, tcb.rcvNxt);
  if (isInside && (!isOld || isReset)) return true;
  if (isReset) return false;
  sendAck(tcb);
  return false;
}

/** PAWS (RFC 7323 5.3). */
function isOlder(tcb: Tcb, timestamp: number): boolean {
  return ((timestamp - tcb.tsRecent) | 0) < 0 && tcb.nowPs - tcb.tsRecentPs < TIMESTAMP_LIFE_PS;
}

function noteTimestamp(tcb: Tcb, segment: TcpSegment, sequence: number): void {
  const { options } = segment;
  if (!tcb.hasTimestamps || !options.hasTimestamp || sequence > tcb.lastAck) return;
  if (((options.timestamp - tcb.tsRecent) | 0) < 0) return;
  tcb.tsRecent = options.timestamp;
  tcb.tsRecentPs = tcb.nowPs;
}

/** RFC 5961 3.2: only an exact sequence number resets; another in the window is challenged. */
function receiveReset(tcb: Tcb, sequence: number): void {
  if (sequence !== tcb.rcvNxt) {
    if (sequence > tcb.rcvNxt && sequence < tcb.rcvAdv) sendAck(tcb);
    return;
  }
  if (tcb.state === 'SYN_RECEIVED') destroy(tcb, tcb.isPassive ? null : 'ECONNREFUSED');
  else if (tcb.state === 'CLOSE_WAIT') destroy(tcb, 'EPIPE');
  else destroy(tcb, tcb.state === 'TIME_WAIT' || tcb.state === 'LAST_ACK' || tcb.state === 'CLOSING' ? null : 'ECONNRESET');
}

/** The ACK field; a verdict if nothing more is to be done. */
function takeAck(tcb: Tcb, segment: TcpSegment, sequence: number): Verdict | null {
  const ack = unwrap(segment.ack, tcb.sndUna);
  if (tcb.state === 'SYN_RECEIVED') {
    if (ack <= tcb.sndUna || ack > tcb.sndNxt) return 'reset';
    tcb.sndWnd = segment.window * 2 ** tcb.sndScale;
    establish(tcb, segment, sequence, ack);
    if ((tcb.state as string) === 'CLOSED') return 'reset';
  } else if (ack > tcb.sndNxt || ack < tcb.sndUna - tcb.maxSndWnd - 1) {
    // Something not sent yet, or older than can be (RFC 5961 5.2).
    sendAck(tcb);
    return 'done';
  } else if (ack >= tcb.sndUna) {
    const before = tcb.sndUna;
    acknowledge(tcb, segment, sequence, ack);
    if (tcb.sndUna > before) tcb.user?.onWritable();
  }
  const finAcked = tcb.finQueued && tcb.sndUna > tcb.sendBuffer.end;
  if (finAcked) afterFinAcked(tcb);
  return (tcb.state as string) === 'CLOSED' ? 'done' : null;
}

function afterFinAcked(tcb: Tcb): void {
  if (tcb.state === 'FIN_WAIT_1') {
    tcb.state = 'FIN_WAIT_2';
    if (tcb.isOrphan) tcb.lifeTimer.set(tcb.nowPs + tcb.host.params.finWaitPs);
  } else if (tcb.state === 'CLOSING') enterTimeWait(tcb);
  else if (tcb.state === 'LAST_ACK') destroy(tcb, null);
}

/** Text and FIN. */
function takeData(tcb: Tcb, segment: TcpSegment, sequence: number, gsoSize: number): void {
  const hasFin = (segment.flags & FIN) !== 0;
  if (segment.data.length === 0 && !hasFin) return;
  if (tcb.finReceived) {
    // After a FIN there is nothing more: a FIN or text again gets our acknowledgement again.
    tcb.mustAck = true;
    if (tcb.state === 'TIME_WAIT') enterTimeWait(tcb);
    return;
  }
  const end = sequence + segment.data.length;
  const limit = Math.max(tcb.rcvAdv, tcb.receiveBuffer.next);
  const data = end > limit ? segment.data.subarray(0, Math.max(0, limit - sequence)) : segment.data;
  if (hasFin && end <= limit) tcb.finAt = end;
  const hadGap = tcb.receiveBuffer.hasGap;
  const rise = data.length === 0 ? 0 : tcb.receiveBuffer.add(sequence, data);
  noteArrival(tcb, segment, gsoSize, rise, hadGap);
  if (rise > 0) {
    tcb.host.stack.cpu.mark('tcp');
    tcb.user?.onReadable();
  }
  if (tcb.finAt === tcb.receiveBuffer.next) receiveFin(tcb);
}

/** When to acknowledge: at once what is out of order or fills a gap, else every second full segment (RFC 5681 4.2). */
function noteArrival(tcb: Tcb, segment: TcpSegment, gsoSize: number, rise: number, hadGap: boolean): void {
  const size = gsoSize > 0 ? gsoSize : segment.data.length;
  if (size > tcb.rcvMss) tcb.rcvMss = Math.min(size, 65_535);
  if (rise === 0 || hadGap || tcb.rcvNxt - tcb.lastAck >= 2 * tcb.rcvMss) tcb.mustAck = true;
}

function receiveFin(tcb: Tcb): void {
  tcb.finReceived = true;
  tcb.mustAck = true;
  if (tcb.state === 'ESTABLISHED') tcb.state = 'CLOSE_WAIT';
  else if (tcb.state === 'FIN_WAIT_1') tcb.state = 'CLOSING';
  else if (tcb.state === 'FIN_WAIT_2') enterTimeWait(tcb);
  tcb.user?.onReadable();
}

/** Whether a SYN may take the place of a connection in TIME_WAIT (RFC 9293 3.10.7.4, RFC 6191). */
export function mayReplace(tcb: Tcb, segment: TcpSegment): boolean {
  if (tcb.state !== 'TIME_WAIT' || (segment.flags & (SYN | ACK | RST)) !== SYN) return false;
  if (tcb.hasTimestamps && segment.options.hasTimestamp && ((segment.options.timestamp - tcb.tsRecent) | 0) > 0) return true;
  return unwrap(segment.sequence, tcb.rcvNxt) > tcb.rcvNxt;
}
