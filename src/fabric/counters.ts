/**
 * PortCounters and PortCountersExtended (IBA 16.1.3.5, 16.1.4.11) of any port, as hardware shows them: the small ones saturate.
 *
 * The kernel counts a packet once, where it is sent. What the far end has received is that less what is still on the way (found by looking at all pending
 * events, only when someone asks) and less what was lost.
 */
import { ERROR, ERROR_KINDS, EV, type KernelState, PORT, SCALAR } from './kernel-env.ts';
import type { Wiring } from './wiring.ts';

/** Attribute names and widths as in the Performance Management class. Data counters are in units of 4 bytes. */
export interface PortCounters {
  readonly symbolErrors: number;
  readonly linkErrorRecovery: number;
  readonly linkDowned: number;
  readonly portRcvErrors: number;
  readonly portRcvRemotePhysicalErrors: number;
  readonly portRcvSwitchRelayErrors: number;
  readonly portXmitDiscards: number;
  readonly portXmitConstraintErrors: number;
  readonly portRcvConstraintErrors: number;
  readonly localLinkIntegrityErrors: number;
  readonly excessiveBufferOverrunErrors: number;
  readonly qp1Dropped: number;
  readonly vl15Dropped: number;
  readonly portXmitData: number;
  readonly portRcvData: number;
  readonly portXmitPkts: number;
  readonly portRcvPkts: number;
  /** Ticks in which data waited and nothing was sent. A tick is the time of 4 bytes on the link. */
  readonly portXmitWait: number;
}

export interface PortCountersExtended {
  readonly portXmitData: bigint;
  readonly portRcvData: bigint;
  readonly portXmitPkts: bigint;
  readonly portRcvPkts: bigint;
  readonly portUnicastXmitPkts: bigint;
  readonly portUnicastRcvPkts: bigint;
  readonly portMulticastXmitPkts: bigint;
  readonly portMulticastRcvPkts: bigint;
}

/** Everything about one port; the exact figures first. */
export interface PortReport {
  readonly xmitBytes: number;
  readonly xmitPackets: number;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  /** Time during which packets waited for credits or for an input while the link was free. */
  readonly waitPs: number;
  /** Time during which the link was in use, sending. */
  readonly busyPs: number;
  readonly counters: PortCounters;
  readonly extended: PortCountersExtended;
}

interface OnTheWay {
  readonly atPs: number;
  readonly events: number;
  readonly packets: Float64Array;
  readonly bytes: Float64Array;
  readonly multicast: Float64Array;
}

const saturate = (value: number, bits: number): number => Math.min(Math.floor(value), 2 ** bits - 1);

/** Reads the counters of any port of a running kernel. */
export class CounterReader {
  readonly #wiring: Wiring;
  readonly #state: KernelState;
  #onTheWay: OnTheWay | null = null;

  constructor(wiring: Wiring, state: KernelState) {
    this.#wiring = wiring;
    this.#state = state;
  }

  #pending(): OnTheWay {
    const { X, E } = this.#state;
    const known = this.#onTheWay;
    if (known !== null && known.atPs === X[SCALAR.now] && known.events === X[SCALAR.events]) return known;
    const n = this.#wiring.ports;
    const fresh: OnTheWay = {
      atPs: X[SCALAR.now],
      events: X[SCALAR.events],
      packets: new Float64Array(n),
      bytes: new Float64Array(n),
      multicast: new Float64Array(n),
    };
    this.#state.eachPending((id) => {
      const port = E[id * 8 + EV.key];
      if (port >= n) return;
      fresh.packets[port] += 1;
      fresh.bytes[port] += E[id * 8 + EV.bytes];
      if ((E[id * 8 + EV.route] & 0xffff) >= 0xc000) fresh.multicast[port] += 1;
    });
    this.#onTheWay = fresh;
    return fresh;
  }

  /** `port` is a port number of `Wiring`. */
  read(port: number): PortReport {
    const { P, errors, lostPackets, lostBytes, multicastSent, multicastLost, X } = this.#state;
    const pending = this.#pending();
    const peer = this.#wiring.peer[port];
    const psPerByte = this.#wiring.psPerByte[port];
    const xmitBytes = P[port * 8 + PORT.bytes];
    const xmitPackets = P[port * 8 + PORT.packets];
    const receivedBytes = peer < 0 ? 0 : P[peer * 8 + PORT.bytes] - pending.bytes[port] - lostBytes[port];
    const receivedPackets = peer < 0 ? 0 : P[peer * 8 + PORT.packets] - pending.packets[port] - lostPackets[port];
    const multicastReceived = peer < 0 ? 0 : multicastSent[peer] - pending.multicast[port] - multicastLost[port];
    const since = P[port * 8 + PORT.blockedSince];
    const waitPs = P[port * 8 + PORT.waitPs] + (since >= 0 ? X[SCALAR.now] - since : 0);
    const error = (kind: number): number => errors[port * ERROR_KINDS + kind];
    // the wire counts neither the start and end delimiters nor, in PortXmitData, the VCRC; data are whole words, LRH through ICRC
    const words = (bytes: number, packets: number): number => (bytes - 2 * packets) / 4;
    return {
      xmitBytes,
      xmitPackets,
      receivedBytes,
      receivedPackets,
      waitPs,
      busyPs: xmitBytes * psPerByte,
      counters: {
        symbolErrors: saturate(error(ERROR.receive), 16),
        linkErrorRecovery: 0,
        linkDowned: saturate(error(ERROR.linkDowned), 8),
        portRcvErrors: saturate(error(ERROR.receive), 16),
        portRcvRemotePhysicalErrors: 0,
        portRcvSwitchRelayErrors: saturate(error(ERROR.relay), 16),
        portXmitDiscards: saturate(error(ERROR.discard), 16),
        portXmitConstraintErrors: saturate(error(ERROR.xmitConstraint), 8),
        portRcvConstraintErrors: saturate(error(ERROR.receiveConstraint), 8),
        localLinkIntegrityErrors: 0,
        excessiveBufferOverrunErrors: 0,
        qp1Dropped: 0,
        vl15Dropped: saturate(error(ERROR.vl15), 16),
        portXmitData: saturate(words(xmitBytes, xmitPackets), 32),
        portRcvData: saturate(words(receivedBytes, receivedPackets), 32),
        portXmitPkts: saturate(xmitPackets, 32),
        portRcvPkts: saturate(receivedPackets, 32),
        portXmitWait: psPerByte > 0 ? saturate(waitPs / (4 * psPerByte), 32) : 0,
      },
      extended: {
        portXmitData: BigInt(Math.floor(words(xmitBytes, xmitPackets))),
        portRcvData: BigInt(Math.floor(words(receivedBytes, receivedPackets))),
        portXmitPkts: BigInt(xmitPackets),
        portRcvPkts: BigInt(receivedPackets),
        portUnicastXmitPkts: BigInt(xmitPackets - multicastSent[port]),
        portUnicastRcvPkts: BigInt(receivedPackets - multicastReceived),
        portMulticastXmitPkts: BigInt(multicastSent[port]),
        portMulticastRcvPkts: BigInt(multicastReceived),
      },
    };
  }
}
