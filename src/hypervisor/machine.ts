/**
 * A machine that runs Xen: pCPUs, memory and domains, and their life from creation to death.
 */
import { type EventLoop, InvariantError, type Ps } from '../sim/index.ts';
import type { Domain } from './domain.ts';
import type { Era, SchedulerName, XenCosts } from './eras.ts';
import type { Xenbus } from './xenbus.ts';

export interface XenMachineOptions {
  readonly loop: EventLoop;
  readonly entity: number;
  readonly name: string;
  readonly era: Era;
  /** Default: the era's. */
  readonly costs?: XenCosts;
  readonly pcpus: number;
  /** Machine memory in pages of 4 KiB. */
  readonly memoryPages: number;
  /** Default: the era's scheduler with its default parameters. */
  readonly scheduler?: { readonly name: SchedulerName; readonly params?: Readonly<Record<string, number>> };
  readonly seed: number;
  /** For breakdowns: `KernelCpu.mark` of any domain. */
  readonly onMark?: (domid: number, stage: string, atPs: Ps) => void;
  /** Makes a domain's xenbus; called once for each domain, on its first use. */
  readonly xenbusFor?: (domain: Domain) => Xenbus;
}

export interface DomainOptions {
  readonly name: string;
  /** Default: the lowest free one. */
  readonly domid?: number;
  /** Pages at start. */
  readonly memoryPages: number;
  /** Limit of its pages; default `memoryPages`. */
  readonly maxPages?: number;
  readonly vcpus: number;
  readonly weight?: number;
  readonly cap?: number;
  /** pCPUs that each vCPU may use; default all. One list for all vCPUs. */
  readonly affinity?: readonly number[];
  readonly privileged?: boolean;
  /** Default false: it runs at once. */
  readonly paused?: boolean;
  readonly commandLine?: string;
}

export class XenMachine {
  readonly name: string;
  readonly era: Era;
  readonly costs: XenCosts;
  /** Domains that are not dead, by domid. */
  readonly domains: ReadonlyMap<number, Domain> = new Map<number, Domain>();
  /** A domain shut itself down (`reason`: SHUTDOWN_*), or crashed. */
  onShutdown: ((domain: Domain, reason: number) => void) | null = null;

  constructor(options: XenMachineOptions) {
    this.name = options.name;
    this.era = options.era;
    this.costs = options.costs ?? options.era.costs;
  }

  /** Throws `RangeError` where memory or domids are used up. */
  createDomain(_options: DomainOptions): Domain {
    throw new InvariantError('being written');
  }
  destroyDomain(_domid: number): void {
    throw new InvariantError('being written');
  }
  pauseDomain(_domid: number): void {
    throw new InvariantError('being written');
  }
  unpauseDomain(_domid: number): void {
    throw new InvariantError('being written');
  }
  /** Stops it as SCHEDOP_shutdown does. */
  shutdownDomain(_domid: number, _reason: number): void {
    throw new InvariantError('being written');
  }
}
