/** What a topology says of hosts beyond their adapters: IP over InfiniBand, and a Xen hypervisor with its guests. Plain data, all values in one unit. */

/** The host's `ib0`. */
export interface TopologyIpoib {
  readonly mode: 'datagram' | 'connected';
  /** Adapter by position, port from 1. */
  readonly hca: number;
  readonly port: number;
  /** Dotted; given out in order where absent. */
  readonly address?: string;
}

export interface TopologyXen {
  /** An era of the hypervisor, such as `xen-4.17`. */
  readonly version: string;
  readonly scheduler?: TopologyScheduler;
  /** Physical CPUs. */
  readonly cpus: number;
  readonly memoryMiB: number;
  /** Parameters of the cost model that differ from the era's, in ps (or ps a byte). */
  readonly costs: Readonly<Record<string, number>>;
  readonly dom0: TopologyDomain;
  readonly guests: readonly TopologyGuest[];
  /** xl.cfg files of further guests, as named in the file, relative to it. */
  readonly configs: readonly string[];
}

/** A scheduler by name, with what it is told for all domains. */
export interface TopologyScheduler {
  readonly name: string;
  readonly timeslicePs?: number;
  readonly ratelimitPs?: number;
  /** credit: whether wakes are boosted. */
  readonly boost?: boolean;
  /** credit: whether a wake kicks the running vCPU off through a migration that boosts it, as before 4.6. */
  readonly kickAway?: boolean;
}

/** What the scheduler is told of one domain. Which of these it heeds depends on the scheduler. */
export interface TopologyDomain {
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly weight?: number;
  /** Percent of one pCPU; 0: none. */
  readonly cap?: number;
  /** pCPUs that its vCPUs may run on, as xl.cfg's `cpus`. */
  readonly cpus?: string;
  /** SEDF. */
  readonly periodPs?: number;
  readonly slicePs?: number;
  readonly extratime?: boolean;
  /** BVT. */
  readonly mcuAdvance?: number;
  readonly warpPs?: number;
}

export interface TopologyGuest extends TopologyDomain {
  readonly name: string;
  readonly vifs: readonly TopologyVif[];
  readonly ib: readonly TopologyGuestIb[];
  /** What the guest computes when it does not run the program: nothing, all the time, or so much every so often. */
  readonly load: 'idle' | 'busy' | { readonly busyPs: number; readonly everyPs: number };
  /** All that an xl.cfg file said, for the toolstack; absent for guests that the topology file itself describes. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface TopologyVif {
  readonly mac?: string;
  readonly ip?: string;
  /** Absent: routed, with proxy ARP (`vif-route`). */
  readonly bridge?: string;
  /** As xl.cfg's `rate`. */
  readonly rate?: string;
}

/** An InfiniBand device of a guest: VMM-bypass through ibfront and ibback, or a virtual function passed through. */
export interface TopologyGuestIb {
  readonly mode: 'bypass' | 'vf';
  readonly hca: number;
  readonly port: number;
}

/** What the caller knows about Xen; handed in, because a topology only describes. */
export interface XenCatalog {
  /** Eras, each with its schedulers. */
  readonly versions: Readonly<Record<string, readonly string[]>>;
  /** Accepted in `xen.costs`. */
  readonly costs: readonly string[];
}
