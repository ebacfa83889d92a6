/**
 * A domain: its memory, grant table, event channels, vCPUs and kernel, and the account of what it asked of the hypervisor.
 *
 * `XenMachine` makes and destroys domains; nobody else constructs one.
 */
import type { DomainAccount } from './account.ts';
import type { EventChannels } from './event-channels.ts';
import type { GrantTable } from './grant-table.ts';
import type { DomainMemory } from './memory.ts';
import type { DomainKernel } from './domain-kernel.ts';
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
  /** xenstore's ring (grant reference 1 to domain 0) and the domain's port for it. */
  readonly storePfn: number;
  readonly storePort: number;
  /** The console ring (grant reference 0 to domain 0) and its port. */
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
  readonly vcpus: readonly Vcpu[] = [];
  kernel!: DomainKernel;
  start!: StartPages;
  /** SHUTDOWN_* once it is shut down, else null. */
  shutdownReason: number | null = null;
  state: DomainState = 'paused';

  constructor(parts: {
    domid: number;
    name: string;
    privileged: boolean;
    account: DomainAccount;
    memory: DomainMemory;
    grants: GrantTable;
    events: EventChannels;
  }) {
    this.domid = parts.domid;
    this.name = parts.name;
    this.privileged = parts.privileged;
    this.account = parts.account;
    this.memory = parts.memory;
    this.grants = parts.grants;
    this.events = parts.events;
  }
}
