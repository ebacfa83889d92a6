/** TCP's timers running out: retransmission (RFC 6298), zero-window probes, delayed acknowledgements, keep-alive and the waits of closing. */
import { abort, destroy } from './tcp-close.ts';
import { output, persistDelay, sendAck, sendProbe, sendSyn } from './tcp-output.ts';
import type { Tcb } from './tcb.ts';

/** Nothing came back in time. */
export function onRto(tcb: Tcb): void {
  const { params } = tcb.host;
  const isHandshake = tcb.state === 'SYN_SENT' || tcb.state === 'SYN_RECEIVED';
  if (!isHandshake && tcb.flight === 0) return;
  tcb.retries++;
  if (tcb.retries > (isHandshake ? params.synRetries : params.retries)) {
    destroy(tcb, tcb.softError ?? 'ETIMEDOUT');
    return;
  }
  tcb.timeouts++;
  tcb.rtt.backOff();
  tcb.timedEnd = 0;
  if (isHandshake) {
    tcb.retransmits++;
    sendSyn(tcb);
    return;
  }
  loseAll(tcb);
  tcb.rtoTimer.set(tcb.nowPs + tcb.rtt.rtoPs);
  output(tcb);
}

/** All that is under way counts as lost, except what was selectively acknowledged (RFC 6675 5.1); slow start from one segment. */
function loseAll(tcb: Tcb): void {
  // A peer that acknowledged the first byte selectively and not for good has thrown it away (RFC 2018 8).
  if (!tcb.scoreboard.isEmpty && tcb.scoreboard.lowest <= tcb.sndUna) tcb.scoreboard.clear();
  // RFC 5681 3.1: only the first timeout in a row halves.
  if (tcb.retries === 1) tcb.congestion.onTimeout(tcb.flight);
  else tcb.congestion.cwnd = tcb.mss;
  tcb.recovery = 'loss';
  tcb.recoveryPoint = tcb.sndNxt;
  tcb.lossMark = tcb.sndNxt;
  tcb.highRxt = tcb.sndUna;
  tcb.dupAcks = 0;
  tcb.mustRetransmit = true;
}

/** The window has been shut for a while: ask. A window too small for a full segment is used at last. */
export function onPersist(tcb: Tcb): void {
  if (tcb.flight > 0 || tcb.sndEnd === tcb.sndNxt) return;
  if (tcb.sndWnd > 0 && tcb.persistProbes > 0) {
    // The sender's part of silly window avoidance gives in (RFC 9293 3.8.6.2.1, rule 4).
    tcb.maxSndWnd = Math.min(tcb.maxSndWnd, 2 * tcb.sndWnd);
    if (output(tcb)) return;
  }
  tcb.persistProbes++;
  tcb.unanswered++;
  if (tcb.unanswered > tcb.host.params.retries) {
    destroy(tcb, tcb.softError ?? 'ETIMEDOUT');
    return;
  }
  sendProbe(tcb);
  tcb.persistTimer.set(tcb.nowPs + persistDelay(tcb));
}

export function onDelayedAck(tcb: Tcb): void {
  if (tcb.rcvNxt > tcb.lastAck) sendAck(tcb);
}

/** TIME_WAIT or FIN_WAIT_2 is over, or the connection has been silent. */
export function onLife(tcb: Tcb): void {
  if (tcb.state === 'TIME_WAIT' || tcb.state === 'FIN_WAIT_2') {
    destroy(tcb, null);
    return;
  }
  const { keepAliveNs } = tcb.options;
  if (keepAliveNs === undefined || !tcb.isSynchronized) return;
  const { params } = tcb.host;
  const duePs = tcb.lastHeardPs + Math.round(keepAliveNs * 1000);
  if (tcb.keepAliveProbes === 0 && duePs > tcb.nowPs) {
    tcb.lifeTimer.set(duePs);
    return;
  }
  if (tcb.keepAliveProbes >= params.keepAliveProbes) {
    abort(tcb, tcb.softError ?? 'ETIMEDOUT');
    return;
  }
  tcb.keepAliveProbes++;
  sendProbe(tcb);
  tcb.lifeTimer.set(tcb.nowPs + params.keepAliveIntervalPs);
}
