/** What a `Toolstack` is made of, what its work costs, and how a guest is to begin. */
import type { Ps } from '../../sim/index.ts';
import type { GuestKernel } from '../guest-kernel.ts';
import type { XenMachine } from '../machine.ts';
import type { XenstoreDaemon } from '../xenstore/daemon.ts';
import type { Device } from './device-classes.ts';
import type { Boot, Guest } from './guest.ts';

/** What the toolstack's own work costs on dom0's CPU. Assumed values; docs/model-xen.md. */
export interface ToolstackCosts {
  /** A run of xl: process, parsing, connections. */
  readonly commandPs: Ps;
  /** A guest's page made ready. */
  readonly pagePs: Ps;
  /** A hotplug script. */
  readonly scriptPs: Ps;
}
export const DEFAULT_TOOLSTACK_COSTS: ToolstackCosts = { commandPs: 1e9, pagePs: 100_000, scriptPs: 2e9 };

export interface ToolstackOptions {
  readonly machine: XenMachine;
  readonly daemon: XenstoreDaemon;
  /** dom0's kernel. */
  readonly kernel: GuestKernel;
  readonly seed: number;
  /** Keeps the MAC addresses of hosts apart: 0 to 2047. */
  readonly hostIndex?: number;
  readonly costs?: Partial<ToolstackCosts>;
  /** What a hotplug script does, beyond what the backend does itself. */
  readonly onHotplug?: (device: Device, isOnline: boolean) => void;
  /** A guest ended, and this was done about it; for logs and tests. */
  readonly onEnd?: (guest: Guest, reason: number, action: string) => void;
}

export interface CreateOptions {
  readonly boot?: Boot;
  /** `xl create -p`. */
  readonly paused?: boolean;
}
