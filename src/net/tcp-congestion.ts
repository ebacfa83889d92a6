/** Congestion control of TCP: Reno (RFC 5681) and CUBIC (RFC 9438). Windows are in bytes. */
import type { Ps } from '../sim/index.ts';
import type { CongestionName } from './socket-types.ts';

export interface CongestionControl {
  readonly name: CongestionName;
  cwnd: number;
  ssthresh: number;
  /** `bytes` were newly acknowledged, outside of recovery and while the window was the limit. */
  onAck(bytes: number, nowPs: Ps, rttPs: Ps): void;
  /** Loss was noticed by duplicate acknowledgements with `flight` bytes out. */
  onLoss(flight: number): void;
  /** The retransmission timer expired. */
  onTimeout(flight: number): void;
  /** The segment size changed (path MTU), before or after the start. */
  setMss(mss: number): void;
  /** Nothing was sent for longer than a timeout (RFC 5681 4.1). */
  onIdle(initialWindow: number): void;
}

const RENO_BETA = 0.5;

/** An acknowledgement for many segments (of a GSO packet) counts for all of them, as in Linux: no limit L of RFC 3465. */
abstract class Windowed {
  cwnd: number;
  ssthresh = Number.POSITIVE_INFINITY;
  protected mss: number;

  constructor(mss: number, initialWindow: number) {
    this.mss = mss;
    this.cwnd = initialWindow;
  }

  setMss(mss: number): void {
    this.mss = mss;
    this.cwnd = Math.max(this.cwnd, mss);
  }

  onIdle(initialWindow: number): void {
    this.cwnd = Math.min(this.cwnd, initialWindow);
  }

  /** Slow start with what is below `ssthresh`; returns the bytes that are left for congestion avoidance. */
  protected slowStart(bytes: number): number {
    if (this.cwnd >= this.ssthresh) return bytes;
    const used = Math.min(bytes, this.ssthresh - this.cwnd);
    this.cwnd += used;
    return bytes - used;
  }
}

export class Reno extends Windowed implements CongestionControl {
  readonly name = 'reno';
  /** Bytes acknowledged towards the next segment more (RFC 3465). */
  #acked = 0;

  onAck(bytes: number, _nowPs: Ps, _rttPs: Ps): void {
    this.#acked += this.slowStart(bytes);
    while (this.#acked >= this.cwnd) {
      this.#acked -= this.cwnd;
      this.cwnd += this.mss;
    }
  }

  onLoss(flight: number): void {
    this.ssthresh = Math.max(flight * RENO_BETA, 2 * this.mss);
    this.cwnd = this.ssthresh;
    this.#acked = 0;
  }

  onTimeout(flight: number): void {
    this.onLoss(flight);
    this.cwnd = this.mss;
  }
}

const CUBIC_BETA = 0.7;
const CUBIC_C = 0.4;
const PS_PER_SECOND = 1e12;

export class Cubic extends Windowed implements CongestionControl {
  readonly name = 'cubic';
  /** Window before the last reduction, in segments. */
  #wMax = 0;
  /** Time to get back to `#wMax`, in seconds. */
  #k = 0;
  #epochPs: Ps = -1;
  /** The window that Reno would have, in segments. */
  #wEst = 0;
  #priorWindow = 0;

  onAck(bytes: number, nowPs: Ps, rttPs: Ps): void {
    const left = this.slowStart(bytes);
    if (left === 0) return;
    const { mss } = this;
    const window = this.cwnd / mss;
    if (this.#epochPs < 0) this.#startEpoch(nowPs, window);
    const t = (nowPs - this.#epochPs) / PS_PER_SECOND;
    const alpha = this.#wEst >= this.#priorWindow ? 1 : (3 * (1 - CUBIC_BETA)) / (1 + CUBIC_BETA);
    this.#wEst += (alpha * (left / mss)) / window;
    if (this.#at(t) < this.#wEst) {
      this.cwnd = Math.max(this.cwnd, this.#wEst * mss);
      return;
    }
    const target = Math.min(Math.max(this.#at(t + rttPs / PS_PER_SECOND), window), 1.5 * window);
    this.cwnd += ((target - window) / window) * left;
  }

  /** W_cubic(t), in segments. */
  #at(t: number): number {
    return CUBIC_C * (t - this.#k) ** 3 + this.#wMax;
  }

  #startEpoch(nowPs: Ps, window: number): void {
    this.#epochPs = nowPs;
    this.#wEst = window;
    if (this.#wMax <= window) {
      this.#wMax = window;
      this.#k = 0;
    } else this.#k = Math.cbrt((this.#wMax - window) / CUBIC_C);
  }

  onLoss(flight: number): void {
    const window = this.cwnd / this.mss;
    this.#priorWindow = window;
    this.#wMax = window < this.#wMax ? (window * (1 + CUBIC_BETA)) / 2 : window;
    this.ssthresh = Math.max(flight * CUBIC_BETA, 2 * this.mss);
    this.cwnd = this.ssthresh;
    this.#epochPs = -1;
  }

  onTimeout(flight: number): void {
    this.onLoss(flight);
    this.cwnd = this.mss;
  }

  override onIdle(initialWindow: number): void {
    super.onIdle(initialWindow);
    this.#epochPs = -1;
  }
}

/** RFC 6928: ten segments, and at least two, of `segments` unless told otherwise. */
export function initialWindow(mss: number, segments: number): number {
  return Math.min(segments * mss, Math.max(2 * mss, segments * 1460));
}

export function createCongestion(name: CongestionName, mss: number, window: number): CongestionControl {
  return name === 'reno' ? new Reno(mss, window) : new Cubic(mss, window);
}
