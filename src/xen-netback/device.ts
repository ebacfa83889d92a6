/** What a guest's interface is to the driver domain, and what the driver counts. */
import type { NetDevice } from '../net/index.ts';

export interface VifCounters {
  /** From the guest: packets handed on, their bytes with Ethernet header, packets refused. */
  txPackets: number;
  txBytes: number;
  txErrors: number;
  /** To the guest. */
  rxPackets: number;
  rxBytes: number;
  rxDropped: number;
  /** Events sent to the guest, for responses on its transmit and on its receive ring. */
  notifiesTx: number;
  notifiesRx: number;
}

export function vifCounters(): VifCounters {
  return {
    txPackets: 0,
    txBytes: 0,
    txErrors: 0,
    rxPackets: 0,
    rxBytes: 0,
    rxDropped: 0,
    notifiesTx: 0,
    notifiesRx: 0,
  };
}

/** A guest's interface as the driver domain sees it: what is transmitted on it goes to the guest, what is received came from the guest. */
export interface Vif extends NetDevice {
  readonly domid: number;
  readonly handle: number;
  readonly counters: Readonly<VifCounters>;
  /** Queues in use; 0 while not connected. */
  readonly queueCount: number;
  /** Names what the guest did wrong, if it was cut off for it; else null. */
  readonly fatal: string | null;
}

/** What the toolstack wrote about an interface: `mac`, `bridge`, `script`, `rate`, `ip` …; absent keys are undefined. */
export type VifConfig = Readonly<Record<string, string | undefined>>;

export interface NetbackOptions {
  /** The hotplug script: attach the interface to a bridge or a route. Called once, before the guest connects. */
  readonly onVif: (vif: Vif, config: VifConfig) => void;
  /** The interface is gone: detach it. */
  readonly onVifGone?: (vif: Vif) => void;
}
