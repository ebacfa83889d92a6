/**
 * A host as tools see it: what it has, its domains at this moment, and what may be done to them. `control.ts` turns it into Xen's structures for real tools,
 * `xl-output.ts` into their texts; `machine-host.ts` makes one of a `XenMachine`.
 */
import type { Ps } from '../../sim/index.ts';
import type { SchedulerName } from '../eras.ts';

export interface VcpuView {
  readonly id: number;
  readonly isOnline: boolean;
  readonly isBlocked: boolean;
  readonly isRunning: boolean;
  /** Time that it had a pCPU. */
  readonly runPs: Ps;
  readonly pcpu: number;
  /** pCPUs that it may use, and prefers, rising. */
  readonly hard: readonly number[];
  readonly soft: readonly number[];
}

/** A network interface's counters as its backend's side has them: received is what the guest sent. */
export interface VifView {
  readonly devid: number;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly txBytes: number;
  readonly txPackets: number;
}

export interface DomainView {
  readonly domid: number;
  readonly name: string;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  readonly pages: number;
  readonly maxPages: number;
  readonly isHvm: boolean;
  readonly isPaused: boolean;
  readonly isDying: boolean;
  /** SHUTDOWN_*, or null. */
  readonly shutdownReason: number | null;
  readonly vcpus: readonly VcpuView[];
  readonly weight: number;
  readonly cap: number;
  readonly vifs: readonly VifView[];
}

/** Parameters of the machine's scheduler. */
export interface SchedulerView {
  readonly name: SchedulerName;
  readonly tsliceMs: number;
  readonly ratelimitUs: number;
  readonly migrationDelayUs: number;
}

export interface XenVersion {
  readonly major: number;
  readonly minor: number;
  /** `.0`. */
  readonly extra: string;
}

/** Operations return 0, or a negative error number as hypercalls do. */
export interface HostView {
  readonly name: string;
  readonly version: XenVersion;
  readonly pcpus: number;
  readonly cpuKhz: number;
  readonly totalPages: number;
  readonly freePages: number;
  readonly grantVersions: readonly number[];
  readonly scheduler: SchedulerView;
  /** Rising by domid. */
  domains(): readonly DomainView[];
  pause(domid: number): number;
  unpause(domid: number): number;
  destroy(domid: number): number;
  /** As SCHEDOP_remote_shutdown. */
  shutdown(domid: number, reason: number): number;
  setAffinity(domid: number, vcpu: number, hard: readonly number[] | null, soft: readonly number[] | null): number;
  setShare(domid: number, weight: number | null, cap: number | null): number;
  setMaxPages(domid: number, pages: number): number;
  setScheduler(params: Partial<Omit<SchedulerView, 'name'>>): number;
}

/** How a domain's vCPUs look as one, as Xen's getdomaininfo says: blocked if all of them are, running if any is. */
export function domainFlags(domain: DomainView): { isBlocked: boolean; isRunning: boolean; runPs: Ps } {
  const online = domain.vcpus.filter((vcpu) => vcpu.isOnline);
  return {
    isBlocked: online.every((vcpu) => vcpu.isBlocked),
    isRunning: online.some((vcpu) => vcpu.isRunning),
    runPs: domain.vcpus.reduce((sum, vcpu) => sum + vcpu.runPs, 0),
  };
}
