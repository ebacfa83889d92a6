/**
 * The transmission control block: everything TCP keeps about one connection (RFC 9293 3.3.1), as plain fields that `tcp-input`, `tcp-ack`, `tcp-output` and
 * `tcp-timeouts` work on. Sequence numbers are kept without wrapping (they count on beyond 2^32), so that they compare as numbers; `wireSequence` is what
 * goes on the wire, `unwrap` the way back.
 */
import type { Ps } from '../sim/index.ts';
import type { PacketOwner } from './interface.ts';
import { LazyTimer } from './lazy-timer.ts';
import type { Errno, TcpOptions } from './socket-types.ts';
import type { NetStack } from './stack.ts';
import { ReceiveBuffer, SendBuffer } from './tcp-buffers.ts';
import { type CongestionControl, createCongestion, initialWindow } from './tcp-congestion.ts';
import type { TcpParams } from './tcp-params.ts';
import { RttEstimator } from './tcp-rtt.ts';
import { Scoreboard } from './tcp-scoreboard.ts';
import { TIMESTAMP_OPTION_BYTES } from './tcp-segment.ts';

/** The states of RFC 9293 3.3.2. LISTEN is an object of its own (`TcpListenPort`). */
export type TcpState =
  | 'CLOSED'
  | 'LISTEN'
  | 'SYN_SENT'
  | 'SYN_RECEIVED'
  | 'ESTABLISHED'
  | 'FIN_WAIT_1'
  | 'FIN_WAIT_2'
  | 'CLOSE_WAIT'
  | 'CLOSING'
  | 'LAST_ACK'
  | 'TIME_WAIT';

/** The socket above a connection. All calls come in kernel context. */
export interface TcpUser {
  /** The connection is established. */
  onConnected(): void;
  /** There are bytes to read, or the end of the stream, or an error. */
  onReadable(): void;
  /** There is room to write again, or an error. */
  onWritable(): void;
}

/** What a connection needs of the layer around it. */
export interface TcbHost {
  readonly stack: NetStack;
  readonly params: TcpParams;
  /** A connection that a listener waits for is established. */
  established(tcb: Tcb): void;
  /** CLOSED: nothing of it is left. */
  closed(tcb: Tcb): void;
  /** The network says that the peer can not be reached. */
  unreachable(tcb: Tcb, errno: Errno): void;
}

export type Recovery = 'open' | 'fast' | 'loss';

/** What a peer that says nothing about it takes (RFC 9293 3.7.1). */
export const DEFAULT_MSS = 536;
const HEADERS_BYTES = 40;

export class Tcb implements PacketOwner {
  readonly host: TcbHost;
  readonly localAddress: number;
  readonly localPort: number;
  readonly remoteAddress: number;
  readonly remotePort: number;
  readonly isPassive: boolean;
  state: TcpState = 'CLOSED';
  user: TcpUser | null = null;
  /** Why the connection failed; told once. */
  error: Errno | null = null;
  /** What ICMP said lately: the reason if the connection times out. */
  softError: Errno | null = null;

  // Sending.
  iss: number;
  sndUna: number;
  sndNxt: number;
  sndWnd = 0;
  sndWl1 = 0;
  sndWl2 = 0;
  maxSndWnd = 0;
  sndScale = 0;
  hasScaling = false;
  /** Payload of a full segment. */
  mss: number;
  /** The peer's limit. */
  peerMss = DEFAULT_MSS;
  sendBuffer: SendBuffer;
  sendLimit: number;
  sendLimitFixed: boolean;
  finQueued = false;
  /** End of the last segment that was smaller than `mss` (Minshall's variant of Nagle's rule). */
  smallEnd = 0;
  noDelay: boolean;
  readonly rtt: RttEstimator;
  /** The segment whose round trip is measured: its end and when it left; 0 while none is. */
  timedEnd = 0;
  timedPs: Ps = 0;
  retries = 0;
  lastSentPs: Ps = 0;

  // Congestion and loss.
  readonly congestion: CongestionControl;
  readonly scoreboard = new Scoreboard();
  recovery: Recovery = 'open';
  recoveryPoint = 0;
  /** Highest sequence number sent again in this recovery. */
  highRxt = 0;
  rescued = 0;
  /** After a timeout, and for peers without SACK: all below this counts as lost. */
  lossMark = 0;
  dupAcks = 0;
  /** The next retransmission goes whatever the congestion window says. */
  mustRetransmit = false;
  isCwndLimited = false;
  retransmits = 0;
  timeouts = 0;

  // Receiving.
  irs = 0;
  receiveBuffer = new ReceiveBuffer(0);
  /** Right edge of the window announced. */
  rcvAdv = 0;
  rcvScale = 0;
  receiveLimit: number;
  receiveLimitFixed: boolean;
  /** `next` when the last acknowledgement left. */
  lastAck = 0;
  /** Largest segment received: what acknowledgements are counted in. */
  rcvMss = DEFAULT_MSS;
  mustAck = false;
  /** Where the peer's FIN is; −1 while it is not known. */
  finAt = -1;
  finReceived = false;
  copiedBytes = 0;
  copiedSincePs: Ps = 0;

  // Options in use.
  hasTimestamps = false;
  hasSack = false;
  tsRecent = 0;
  tsRecentPs: Ps = 0;
  readonly tsOffset: number;
  readonly options: TcpOptions;

  readonly rtoTimer: LazyTimer;
  readonly persistTimer: LazyTimer;
  readonly ackTimer: LazyTimer;
  /** TIME_WAIT, FIN_WAIT_2 and keep-alive, of which one at a time is of interest. */
  readonly lifeTimer: LazyTimer;
  keepAliveProbes = 0;
  /** Probes since the window shut, and those without an answer. */
  persistProbes = 0;
  unanswered = 0;
  lastHeardPs: Ps = 0;
  /** Nobody has the connection open any more. */
  isOrphan = false;
  queuedBytes = 0;

  constructor(
    host: TcbHost,
    ends: { localAddress: number; localPort: number; remoteAddress: number; remotePort: number },
    options: TcpOptions,
    isPassive: boolean,
    timers: { onRto(tcb: Tcb): void; onPersist(tcb: Tcb): void; onDelayedAck(tcb: Tcb): void; onLife(tcb: Tcb): void },
  ) {
    const { stack, params } = host;
    this.host = host;
    this.localAddress = ends.localAddress;
    this.localPort = ends.localPort;
    this.remoteAddress = ends.remoteAddress;
    this.remotePort = ends.remotePort;
    this.isPassive = isPassive;
    this.options = options;
    this.iss = stack.random.uint32();
    this.tsOffset = stack.random.uint32();
    this.sndUna = this.iss;
    this.sndNxt = this.iss;
    this.sendBuffer = new SendBuffer(this.iss + 1);
    this.noDelay = options.noDelay ?? false;
    this.sendLimitFixed = options.sendBuffer !== undefined;
    this.sendLimit = options.sendBuffer ?? params.sendBuffer;
    this.receiveLimitFixed = options.receiveBuffer !== undefined;
    this.receiveLimit = options.receiveBuffer ?? params.receiveBuffer;
    this.rcvScale = scaleFor(Math.max(this.receiveLimit, this.receiveLimitFixed ? 0 : params.receiveBufferMax));
    this.rtt = new RttEstimator(params);
    this.mss = Math.min(ownMss(stack, ends.remoteAddress), options.maxSegment ?? Number.POSITIVE_INFINITY);
    const window = initialWindow(this.mss, params.initialWindowSegments);
    this.congestion = createCongestion(options.congestion ?? stack.congestion, this.mss, window);
    this.rtoTimer = new LazyTimer(stack.cpu, () => timers.onRto(this));
    this.persistTimer = new LazyTimer(stack.cpu, () => timers.onPersist(this));
    this.ackTimer = new LazyTimer(stack.cpu, () => timers.onDelayedAck(this));
    this.lifeTimer = new LazyTimer(stack.cpu, () => timers.onLife(this));
  }

  get nowPs(): Ps {
    return this.host.stack.cpu.nowPs;
  }

  /** End of the data that the user has given, and of the FIN if there is one. */
  get sndEnd(): number {
    return this.sendBuffer.end + (this.finQueued ? 1 : 0);
  }

  get flight(): number {
    return this.sndNxt - this.sndUna;
  }

  get rcvNxt(): number {
    return this.receiveBuffer.next + (this.finReceived ? 1 : 0);
  }

  /** Established or later. */
  get isSynchronized(): boolean {
    return this.state !== 'CLOSED' && this.state !== 'SYN_SENT' && this.state !== 'SYN_RECEIVED';
  }

  /** The clock of the timestamp option: milliseconds. */
  get timestamp(): number {
    return (Math.floor(this.nowPs / 1e9) + this.tsOffset) >>> 0;
  }

  /** Room for more from the user, in bytes. */
  get sendRoom(): number {
    return Math.max(0, this.sendLimit - this.sendBuffer.length);
  }

  onDequeued(): void {}
}

/** Our largest segment towards `remote`: what its link or path carries. */
export function ownMss(stack: NetStack, remote: number): number {
  return Math.max(stack.mtuTo(remote) - HEADERS_BYTES, 88);
}

/** Recomputes the size of a full segment: the peer's limit, the path's MTU, the user's wish, less the options that every segment has. */
export function updateMss(tcb: Tcb): void {
  const limit = Math.min(
    tcb.peerMss,
    ownMss(tcb.host.stack, tcb.remoteAddress),
    tcb.options.maxSegment ?? Number.POSITIVE_INFINITY,
  );
  tcb.mss = Math.max(limit - (tcb.hasTimestamps ? TIMESTAMP_OPTION_BYTES : 0), 36);
  tcb.congestion.setMss(tcb.mss);
}

/** The shift with which a window of `bytes` fits into 16 bits. */
function scaleFor(bytes: number): number {
  let scale = 0;
  while (scale < 14 && bytes > 65_535 * 2 ** scale) scale++;
  return scale;
}

/** The 32 bits of a sequence number that are on the wire. */
export function wireSequence(sequence: number): number {
  return sequence >>> 0;
}

/** The sequence number near `reference` whose 32 bits are `wire`. */
export function unwrap(wire: number, reference: number): number {
  return reference + ((wire - (reference >>> 0)) | 0);
}
