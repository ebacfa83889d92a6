/**
 * A domain: its memory, grant table, event channels, vCPUs and kernel, and the account of what it asked of the hypervisor.
 *
 * `XenMachine` makes and destroys domains; nobody else constructs one.
 */
import type { DomainAccount } from './account.ts';
import type { DomainKernel } from './domain-kernel.ts';
import type { EventChannels } from './event-channels.ts';
import type { GrantTable } from './grant-table.ts';
import { writeRunstate } from './hypercalls/sched.ts';
import type { Frame } from './machine-memory.ts';
import type { DomainMemory } from './memory.ts';
import type { Vcpu } from './vcpu.ts';

/**
 * `paused`: made, or paused by the toolstack, nothing runs. `shutdown`: it called SCHEDOP_shutdown; nothing runs, everything is kept. `dying`: destroyed, but pages of
 * it are still mapped by others. `dead`: gone.
 */
export type DomainState = 'paused' | 'running' | 'shutdown' | 'dying' | 'dead';

/** Where the builder put what a domain finds at its start. Page frame numbers of the domain, and its ports. */
export interface StartPages {
  readonly startInfoPfn: number;
  readonly sharedInfoPfn: number;
  /** xenstore's ring (grant reference 1 to domain 0) and the domain's port for it, unbound, for domain 0. */
  readonly storePfn: number;
  readonly storePort: number;
  /** The console ring (grant reference 0 to domain 0) and its port, unbound, for domain 0. */
  readonly consolePfn: number;
  readonly consolePort: number;
}

export class Domain {
  readonly domid: number;
  readonly name: string;
  /** May use domctl and sysctl, and act for other domains. */
  readonly privileged: boolean;
  readonly account: DomainAccount;
  readonly memory: DomainMemory;
  readonly grants: GrantTable;
  readonly events: EventChannels;
  readonly sharedInfo: Frame;
  readonly vcpus: readonly Vcpu[];
  /** Set by the machine, which builds it last. */
  kernel!: DomainKernel;
  start!: StartPages;
  /** SHUTDOWN_* once it is shut down, else null. */
  shutdownReason: number | null = null;
  /** What SCHEDOP_shutdown_code said the reason will be. */
  shutdownCode: number | null = null;
  isDying = false;
  isDead = false;
  /** Pauses by the toolstack: each takes one unpause. */
  pauseCount = 0;

  // What the guest told the hypervisor, by vCPU.
  /** Address of a `struct vcpu_runstate_info` that is kept up to date; null where none is registered. */
  readonly runstateAreas: (number | null)[];
  /** vCPUs that VCPUOP_down took offline. */
  readonly downVcpus = new Set<number>();
  /** vCPUs in SCHEDOP_poll, and the ports that they wait for. */
  readonly pollers = new Map<number, readonly number[]>();
  /** Handles of the running watchdog timers; 0 where there is none. */
  readonly watchdogs: number[] = [0, 0];

  constructor(parts: {
    readonly domid: number;
    readonly name: string;
    readonly privileged: boolean;
    readonly account: DomainAccount;
    readonly memory: DomainMemory;
    readonly grants: GrantTable;
    readonly events: EventChannels;
    readonly sharedInfo: Frame;
    readonly vcpus: readonly Vcpu[];
  }) {
    this.domid = parts.domid;
    this.name = parts.name;
    this.privileged = parts.privileged;
    this.account = parts.account;
    this.memory = parts.memory;
    this.grants = parts.grants;
    this.events = parts.events;
    this.sharedInfo = parts.sharedInfo;
    this.vcpus = parts.vcpus;
    this.runstateAreas = parts.vcpus.map(() => null);
  }

  get state(): DomainState {
    if (this.isDead) return 'dead';
    if (this.isDying) return 'dying';
    if (this.shutdownReason !== null) return 'shutdown';
    return this.pauseCount > 0 ? 'paused' : 'running';
  }

  /** Writes a vCPU's times where the guest wants to read them. */
  writeRunstate(vcpu: Vcpu): void {
    const at = this.runstateAreas[vcpu.id];
    if (at !== null && at !== undefined) writeRunstate(this, vcpu, at);
  }
}
