/** What TCP assumes unless told otherwise: timers as Linux has them where the RFCs leave room, in ps; sizes in bytes. */
import type { Ps } from '../sim/index.ts';
import type { RtoParams } from './tcp-rtt.ts';

export interface TcpParams extends RtoParams {
  /** How long an acknowledgement may wait for company (RFC 1122 4.2.3.2 allows 500 ms). */
  readonly delayedAckPs: Ps;
  /** Twice the maximum segment lifetime: how long TIME_WAIT lasts. */
  readonly timeWaitPs: Ps;
  /** How long a closed connection waits in FIN_WAIT_2. */
  readonly finWaitPs: Ps;
  /** SYNs, and other segments, sent again before the connection fails. */
  readonly synRetries: number;
  readonly retries: number;
  /** Segments of the initial window (RFC 6928). */
  readonly initialWindowSegments: number;
  readonly sendBuffer: number;
  readonly sendBufferMax: number;
  readonly receiveBuffer: number;
  readonly receiveBufferMax: number;
  /** Offer RFC 7323's timestamps and window scale, and RFC 2018's SACK. */
  readonly timestamps: boolean;
  readonly windowScaling: boolean;
  readonly sack: boolean;
  /** Large packets also to devices without GSO, cut just before them (Linux since 2.6.18). */
  readonly softwareGso: boolean;
  readonly keepAliveProbes: number;
  readonly keepAliveIntervalPs: Ps;
}

export const DEFAULT_TCP_PARAMS: TcpParams = {
  initialRtoPs: 1e12,
  minRtoPs: 200e9,
  maxRtoPs: 120e12,
  granularityPs: 1e9,
  delayedAckPs: 40e9,
  timeWaitPs: 60e12,
  finWaitPs: 60e12,
  synRetries: 6,
  retries: 15,
  initialWindowSegments: 10,
  sendBuffer: 16_384,
  sendBufferMax: 4 << 20,
  receiveBuffer: 87_380,
  receiveBufferMax: 6 << 20,
  timestamps: true,
  windowScaling: true,
  sack: true,
  softwareGso: true,
  keepAliveProbes: 9,
  keepAliveIntervalPs: 75e12,
};
