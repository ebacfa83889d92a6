/** The ends of a connection: failing, resetting, closing, and waiting out what may still be on its way. */
import type { Errno } from './socket-types.ts';
import type { Tcb } from './tcb.ts';
import { output, sendReset } from './tcp-output.ts';

/** Ends the connection now: nothing is sent. Whoever waits on it learns `error`, or of the end of the stream. */
export function destroy(tcb: Tcb, error: Errno | null): void {
  if (tcb.state === 'CLOSED') return;
  tcb.state = 'CLOSED';
  tcb.error = error;
  for (const timer of [tcb.rtoTimer, tcb.persistTimer, tcb.ackTimer, tcb.lifeTimer]) timer.stop();
  tcb.host.closed(tcb);
  tcb.user?.onReadable();
  tcb.user?.onWritable();
}

/** Resets the connection: the peer learns it. */
export function abort(tcb: Tcb, error: Errno | null): void {
  if (tcb.isSynchronized && tcb.state !== 'TIME_WAIT') sendReset(tcb);
  else if (tcb.state === 'SYN_RECEIVED') sendReset(tcb);
  destroy(tcb, error);
}

/** The user has no more to send: FIN goes after the data (CLOSE of RFC 9293 3.10.4). */
export function shutdown(tcb: Tcb): void {
  if (tcb.state === 'SYN_SENT') {
    destroy(tcb, null);
    return;
  }
  if (tcb.state === 'ESTABLISHED' || tcb.state === 'SYN_RECEIVED') {
    const wasEstablished = tcb.state === 'ESTABLISHED';
    tcb.finQueued = true;
    // From SYN_RECEIVED the FIN waits for the handshake; `tcp-input` moves on then.
    if (wasEstablished) tcb.state = 'FIN_WAIT_1';
  } else if (tcb.state === 'CLOSE_WAIT') {
    tcb.finQueued = true;
    tcb.state = 'LAST_ACK';
  } else return;
  output(tcb);
}

/** The user lets go of the connection: what was sent is still delivered, in the background; unread data resets it (RFC 2525 2.17). */
export function release(tcb: Tcb): void {
  tcb.isOrphan = true;
  tcb.user = null;
  if (tcb.receiveBuffer.available > 0) abort(tcb, null);
  else shutdown(tcb);
  if (tcb.state === 'FIN_WAIT_2') tcb.lifeTimer.set(tcb.nowPs + tcb.host.params.finWaitPs);
}

/** TIME_WAIT, for twice the lifetime of a segment from now on. */
export function enterTimeWait(tcb: Tcb): void {
  tcb.state = 'TIME_WAIT';
  for (const timer of [tcb.rtoTimer, tcb.persistTimer]) timer.clear();
  tcb.lifeTimer.set(tcb.nowPs + tcb.host.params.timeWaitPs);
}
