/**
 * Acknowledgements: what they free, what they tell about the round trip, and what they say is lost (RFC 5681, RFC 6675, RFC 6582 for peers without SACK).
 */
import { type Tcb, unwrap } from './tcb.ts';
import { lostEdge } from './tcp-output.ts';
import { SYN, type TcpSegment } from './tcp-segment.ts';

const DUP_THRESHOLD = 3;

/** Takes the acknowledgement `ack` (sndUna ≤ ack ≤ sndNxt) of `segment` into account. */
export function acknowledge(tcb: Tcb, segment: TcpSegment, sequence: number, ack: number): void {
  const windowBefore = tcb.sndWnd;
  updateWindow(tcb, segment, sequence, ack);
  const newSack = takeSacks(tcb, segment, ack);
  const acked = ack - tcb.sndUna;
  if (acked > 0) advance(tcb, segment, ack, acked);
  else noteDuplicate(tcb, segment, newSack, windowBefore);
  if (tcb.recovery === 'open') startRecovery(tcb);
  tcb.unanswered = 0;
}

/** The peer's window, unless the segment is older than the one that told it last (RFC 9293 3.10.7.4). */
function updateWindow(tcb: Tcb, segment: TcpSegment, sequence: number, ack: number): void {
  if (tcb.sndWl1 > sequence || (tcb.sndWl1 === sequence && tcb.sndWl2 > ack)) return;
  tcb.sndWnd = (segment.flags & SYN) === 0 ? segment.window * 2 ** tcb.sndScale : segment.window;
  tcb.maxSndWnd = Math.max(tcb.maxSndWnd, tcb.sndWnd);
  tcb.sndWl1 = sequence;
  tcb.sndWl2 = ack;
}

/** Blocks that lie outside of what is under way are lies or news of the past. */
function takeSacks(tcb: Tcb, segment: TcpSegment, ack: number): boolean {
  if (!tcb.hasSack) return false;
  const { sacks } = segment.options;
  let isNew = false;
  for (let i = 0; i + 1 < sacks.length; i += 2) {
    const start = unwrap(sacks[i] as number, tcb.sndUna);
    const end = unwrap(sacks[i + 1] as number, tcb.sndUna);
    if (start < end && start >= ack && start > tcb.sndUna && end <= tcb.sndNxt && tcb.scoreboard.add(start, end)) isNew = true;
  }
  return isNew;
}

/** New data is acknowledged. */
function advance(tcb: Tcb, segment: TcpSegment, ack: number, acked: number): void {
  const limited = tcb.isCwndLimited;
  tcb.isCwndLimited = false;
  tcb.sndUna = ack;
  tcb.sendBuffer.dropTo(ack);
  tcb.scoreboard.advance(ack);
  tcb.retries = 0;
  tcb.softError = null;
  measure(tcb, segment, ack);
  if (!tcb.hasSack) tcb.dupAcks = Math.max(0, tcb.dupAcks - Math.max(0, Math.ceil(acked / tcb.mss) - 1));
  if (tcb.recovery !== 'open') recover(tcb, ack, acked);
  else {
    tcb.dupAcks = 0;
    if (limited) tcb.congestion.onAck(acked, tcb.nowPs, tcb.rtt.srttPs);
  }
  if (tcb.sndUna === tcb.sndNxt) tcb.rtoTimer.clear();
  else tcb.rtoTimer.set(tcb.nowPs + tcb.rtt.rtoPs);
}

/** A round trip, if the segment timed was sent once; with timestamps at least the knowledge that the path is alive. */
function measure(tcb: Tcb, segment: TcpSegment, ack: number): void {
  if (tcb.timedEnd !== 0 && ack >= tcb.timedEnd) {
    tcb.rtt.sample(Math.max(1, tcb.nowPs - tcb.timedPs));
    tcb.timedEnd = 0;
  } else if (tcb.hasTimestamps && segment.options.hasTimestamp) tcb.rtt.resetBackoff();
}

/** An acknowledgement during recovery: the end of it, or a partial one. */
function recover(tcb: Tcb, ack: number, acked: number): void {
  if (ack >= tcb.recoveryPoint) {
    endRecovery(tcb);
    return;
  }
  tcb.highRxt = Math.max(tcb.highRxt, ack);
  if (tcb.recovery === 'loss') {
    // Slow start while what was lost is sent again.
    tcb.congestion.onAck(acked, tcb.nowPs, tcb.rtt.srttPs);
    return;
  }
  if (tcb.hasSack) return;
  // NewReno: what follows a partial acknowledgement is lost as well.
  tcb.lossMark = Math.min(ack + tcb.mss, tcb.sndNxt);
  tcb.highRxt = ack;
  tcb.mustRetransmit = true;
}

function endRecovery(tcb: Tcb): void {
  const wasFast = tcb.recovery === 'fast';
  tcb.recovery = 'open';
  tcb.lossMark = 0;
  tcb.highRxt = 0;
  tcb.dupAcks = 0;
  tcb.rescued = 0;
  tcb.mustRetransmit = false;
  // RFC 6582 3.2, step 3: no burst. With SACK no more than the window was under way all the time.
  if (wasFast && !tcb.hasSack) {
    const { congestion } = tcb;
    congestion.cwnd = Math.min(congestion.ssthresh, Math.max(tcb.flight, tcb.mss) + tcb.mss);
  }
}

/** The definition of RFC 5681 2; with SACK, news in the blocks (RFC 6675 2). */
function noteDuplicate(tcb: Tcb, segment: TcpSegment, newSack: boolean, windowBefore: number): void {
  const isPlain = tcb.flight > 0 && segment.data.length === 0 && tcb.sndWnd === windowBefore;
  if (tcb.hasSack ? newSack : isPlain) tcb.dupAcks = Math.min(tcb.dupAcks + 1, 1 << 16);
}

/** Fast retransmit: three duplicates, or enough beyond the gap (RFC 6675 5). */
function startRecovery(tcb: Tcb): void {
  if (tcb.dupAcks === 0 || tcb.flight === 0) return;
  const isLost = tcb.scoreboard.isEmpty ? false : lostEdge(tcb) > tcb.sndUna;
  if (tcb.dupAcks < DUP_THRESHOLD && !isLost) return;
  // Not for what was lost before the last recovery ended (RFC 6582 3.2).
  if (tcb.hasSack && tcb.scoreboard.isEmpty) return;
  if (!tcb.hasSack && tcb.recoveryPoint > 0 && tcb.sndUna <= tcb.recoveryPoint) return;
  tcb.recovery = 'fast';
  tcb.recoveryPoint = tcb.sndNxt;
  tcb.highRxt = tcb.sndUna;
  tcb.rescued = 0;
  tcb.lossMark = Math.min(tcb.sndUna + tcb.mss, tcb.sndNxt);
  tcb.mustRetransmit = true;
  tcb.congestion.onLoss(tcb.flight);
}
