/**
 * A domain's kernel as drivers see it (`GuestKernel`): CPUs, memory, pages, hypercalls, xenbus, and what is to be done when the domain dies.
 */
import type { RandomStream } from '../sim/index.ts';
import type { Domain } from './domain.ts';
import type { Era } from './eras.ts';
import type { GuestKernel } from './guest-kernel.ts';
import type { HypercallXen } from './hypercall-xen.ts';
import type { DomainMemory } from './memory.ts';
import type { MemoryView } from './memory-view.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PageView } from './page-view.ts';
import type { Vcpu } from './vcpu.ts';
import type { Xenbus } from './xenbus.ts';

export class DomainKernel implements GuestKernel {
  readonly domid: number;
  readonly name: string;
  readonly era: Era;
  readonly cpus: readonly Vcpu[];
  readonly memory: DomainMemory;
  readonly xen: HypercallXen;
  readonly random: RandomStream;
  readonly #domain: Domain;
  readonly #pages: PageAllocator;
  readonly #makeXenbus: (domain: Domain) => Xenbus;
  #xenbus: Xenbus | null = null;
  readonly #cleanUps: (() => void)[] = [];

  constructor(parts: {
    readonly domain: Domain;
    readonly era: Era;
    readonly xen: HypercallXen;
    readonly random: RandomStream;
    readonly pages: PageAllocator;
    readonly makeXenbus: (domain: Domain) => Xenbus;
  }) {
    this.#domain = parts.domain;
    this.domid = parts.domain.domid;
    this.name = parts.domain.name;
    this.era = parts.era;
    this.cpus = parts.domain.vcpus;
    this.memory = parts.domain.memory;
    this.xen = parts.xen;
    this.random = parts.random;
    this.#pages = parts.pages;
    this.#makeXenbus = parts.makeXenbus;
  }

  get cpu(): Vcpu {
    return this.cpus[0] as Vcpu;
  }

  get xenbus(): Xenbus {
    this.#xenbus ??= this.#makeXenbus(this.#domain);
    return this.#xenbus;
  }

  /** Pages that `allocPages` can still give. */
  get freePageCount(): number {
    return this.#pages.freeCount;
  }

  allocPages(count: number): number {
    return this.#pages.take(count);
  }

  freePages(pfn: number, count: number): void {
    this.#pages.put(pfn, count);
  }

  pages(pfn: number, count: number): MemoryView {
    return new PageView(this.memory, pfn, count);
  }

  onDeath(cleanUp: () => void): void {
    this.#cleanUps.push(cleanUp);
  }

  /** The domain dies: runs what `onDeath` was given, the last first, once. */
  die(): void {
    for (;;) {
      const cleanUp = this.#cleanUps.pop();
      if (cleanUp === undefined) return;
      cleanUp();
    }
  }
}
