/** The retransmission timeout (RFC 6298), with the round-trip times it is made of. */
import type { Ps } from '../sim/index.ts';

export interface RtoParams {
  readonly initialRtoPs: Ps;
  readonly minRtoPs: Ps;
  readonly maxRtoPs: Ps;
  /** G: the clock's granularity. */
  readonly granularityPs: Ps;
}

const ALPHA = 1 / 8;
const BETA = 1 / 4;
const K = 4;

export class RttEstimator {
  readonly #params: RtoParams;
  /** Smoothed round-trip time; 0 before the first sample. */
  srttPs: Ps = 0;
  rttVarPs: Ps = 0;
  /** Doublings since the last sample (RFC 6298 5.5). */
  #backoff = 0;
  #basePs: Ps;

  constructor(params: RtoParams) {
    this.#params = params;
    this.#basePs = params.initialRtoPs;
  }

  get rtoPs(): Ps {
    return Math.min(this.#basePs * 2 ** this.#backoff, this.#params.maxRtoPs);
  }

  get backoff(): number {
    return this.#backoff;
  }

  /** A round trip of a segment that was sent once (Karn's rule is the caller's). */
  sample(rttPs: Ps): void {
    const { minRtoPs, maxRtoPs, granularityPs } = this.#params;
    if (this.srttPs === 0) {
      this.srttPs = rttPs;
      this.rttVarPs = rttPs / 2;
    } else {
      this.rttVarPs = (1 - BETA) * this.rttVarPs + BETA * Math.abs(this.srttPs - rttPs);
      this.srttPs = (1 - ALPHA) * this.srttPs + ALPHA * rttPs;
    }
    const wanted = this.srttPs + Math.max(granularityPs, K * this.rttVarPs);
    this.#basePs = Math.round(Math.min(Math.max(wanted, minRtoPs), maxRtoPs));
    this.#backoff = 0;
  }

  /** The timer expired: twice as long from now on. */
  backOff(): void {
    if (this.rtoPs < this.#params.maxRtoPs) this.#backoff++;
  }

  /** An acknowledgement that is known to be of a later transmission came: the path is alive. */
  resetBackoff(): void {
    this.#backoff = 0;
  }

  /** The timer ran out for a SYN, and no round trip was measured: begin with three seconds (RFC 6298 5.7). */
  startSlow(): void {
    if (this.srttPs === 0) this.#basePs = Math.max(this.#basePs, 3e12);
    this.#backoff = 0;
  }
}
