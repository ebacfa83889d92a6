/** The receive window: what to announce (RFC 9293 3.8.6), and how the receive buffer grows with a reader that keeps up. */
import type { Tcb } from './tcb.ts';

/**
 * The window field to send now, and notes the edge that it announces. The edge never moves back, and it moves on only by enough to be worth it
 * (silly window avoidance, RFC 9293 3.8.6.2.2). The window of a SYN is not scaled.
 */
export function receiveWindow(tcb: Tcb, isSyn: boolean): number {
  const next = tcb.rcvNxt;
  const scale = isSyn ? 0 : tcb.rcvScale;
  const unit = 2 ** scale;
  const wanted = windowEdge(tcb) - next;
  // Rounded down, unless that would take back what was announced.
  let field = Math.floor(wanted / unit);
  if (next + field * unit < tcb.rcvAdv) field = Math.ceil((tcb.rcvAdv - next) / unit);
  field = Math.max(0, Math.min(field, 65_535));
  tcb.rcvAdv = Math.max(tcb.rcvAdv, next + field * unit);
  return field;
}

function windowEdge(tcb: Tcb): number {
  const { receiveBuffer, receiveLimit, rcvAdv } = tcb;
  const edge = receiveBuffer.next + Math.max(0, receiveLimit - receiveBuffer.available);
  if (edge - rcvAdv < Math.min(receiveLimit / 2, tcb.rcvMss)) return Math.max(rcvAdv, receiveBuffer.next);
  return edge;
}

/** Whether the reader has made so much room that the sender should know at once. */
export function deservesUpdate(tcb: Tcb): boolean {
  return windowEdge(tcb) - tcb.rcvAdv >= Math.min(tcb.receiveLimit / 2, 2 * tcb.rcvMss);
}

/** The reader took `bytes`. If it took more than half the buffer in a round trip, the window is what holds the sender back: it grows (as Linux's DRS). */
export function noteRead(tcb: Tcb, bytes: number): void {
  tcb.copiedBytes += bytes;
  const rttPs = tcb.rtt.srttPs;
  const { nowPs } = tcb;
  if (tcb.receiveLimitFixed || rttPs === 0 || nowPs - tcb.copiedSincePs < rttPs) return;
  const { receiveBufferMax } = tcb.host.params;
  if (2 * tcb.copiedBytes > tcb.receiveLimit) tcb.receiveLimit = Math.min(2 * tcb.copiedBytes, receiveBufferMax);
  tcb.copiedBytes = 0;
  tcb.copiedSincePs = nowPs;
}
