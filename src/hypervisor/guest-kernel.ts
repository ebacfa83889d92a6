/**
 * What kernel code of a domain (drivers, toolstack, dom0's daemons) gets from its machine: CPUs, memory, hypercalls, events, xenbus.
 * Drivers see this and nothing else of the hypervisor, and nothing at all of the driver at the other end.
 */
import type { KernelCpu, RandomStream } from '../sim/index.ts';
import type { Era } from './eras.ts';
import type { GuestXen } from './guest-xen.ts';
import type { MemoryView } from './memory-view.ts';
import type { Xenbus } from './xenbus.ts';

export interface GuestKernel {
  readonly domid: number;
  readonly name: string;
  readonly era: Era;
  /** vCPU 0, where drivers work that do not spread over several. */
  readonly cpu: KernelCpu;
  /** All vCPUs. */
  readonly cpus: readonly KernelCpu[];
  /** The domain's memory by guest-physical address. */
  readonly memory: MemoryView;
  /** Hypercalls, grants and events, typed; every call goes through the real argument structures in guest memory. */
  readonly xen: GuestXen;
  readonly xenbus: Xenbus;
  readonly random: RandomStream;
  /** Takes `count` consecutive free pages and returns the first one's frame number (pfn; its address is pfn × 4096). Throws `RangeError` where there are none. */
  allocPages(count: number): number;
  freePages(pfn: number, count: number): void;
  /** A view of whole pages of the domain's own. */
  pages(pfn: number, count: number): MemoryView;
  /** Called once when the domain dies, whatever kills it; for what a driver holds outside of the domain (an HCA's objects). */
  onDeath(cleanUp: () => void): void;
}
