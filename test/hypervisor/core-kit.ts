/** Machines for tests of the hypervisor's core, kernel code run to its end, and what must hold of a machine at any time. */
import { expect } from 'vitest';
import {
  type Domain,
  type DomainOptions,
  type Era,
  ERAS,
  type EraName,
  GNTMAP_device_map,
  GNTMAP_host_map,
  HYPERCALL,
  PAGE_OWN,
  XenMachine,
} from '../../src/hypervisor/index.ts';
import type { Vcpu } from '../../src/hypervisor/vcpu.ts';
import { EventLoop } from '../../src/sim/index.ts';

export interface Lab {
  readonly loop: EventLoop;
  readonly machine: XenMachine;
  readonly dom0: Domain;
  /** Another guest: 64 pages, one vCPU, unless told. */
  guest(options?: Partial<DomainOptions>): Domain;
  /** Runs `body` as kernel code of a domain, and a millisecond of everything that follows. */
  run<T>(domain: Domain, body: (cpu: Vcpu) => T): T;
}

export function lab(eraOrName: EraName | Era = 'xen-4.17', memoryPages = 65_536): Lab {
  const era = typeof eraOrName === 'string' ? ERAS[eraOrName] : eraOrName;
  const loop = new EventLoop();
  const machine = new XenMachine({ loop, entity: 0, name: 'lab', era, pcpus: 8, memoryPages, seed: 1 });
  const dom0 = machine.createDomain({ name: 'Domain-0', memoryPages: 256, vcpus: 1 });
  return {
    loop,
    machine,
    dom0,
    guest: (options) => machine.createDomain({ name: 'guest', memoryPages: 64, vcpus: 1, ...options }),
    run<T>(domain: Domain, body: (cpu: Vcpu) => T): T {
      const result: T[] = [];
      domain.kernel.cpu.exec(0, 'test', () => result.push(body(domain.kernel.cpu)));
      loop.runUntil(loop.nowPs + 1e9);
      if (result.length === 0) throw new Error(`domain ${domain.domid} did not run`);
      return result[0] as T;
    },
  };
}

/** A hypercall with its argument structure in a page: `fill` writes it, the result and the address come back. */
export function raw(
  { run }: Lab,
  domain: Domain,
  name: keyof typeof HYPERCALL,
  command: number,
  fill: (at: number) => void = () => undefined,
  rest: readonly number[] = [],
): number {
  const at = argumentPage(domain) * 4096;
  fill(at);
  return Number(
    run(domain, (cpu) => domain.kernel.xen.hypercall(cpu, HYPERCALL[name], [BigInt(command), BigInt(at), ...rest.map(BigInt)])),
  );
}

/** A page for arguments of `raw`, the same each time. */
export function argumentPage(domain: Domain): number {
  let pfn = argumentPages.get(domain);
  if (pfn === undefined) {
    pfn = domain.kernel.allocPages(1);
    argumentPages.set(domain, pfn);
  }
  return pfn;
}
const argumentPages = new WeakMap<Domain, number>();

/** What must hold between any two events: pages are counted right, and every mapping by grant is known to both sides. */
export function checkMachine({ memory, domains }: XenMachine): void {
  let pages = memory.freePages;
  for (const domain of domains.values()) {
    const own = memory.ownedBy(domain.domid);
    pages += domain.memory.totalPages + own.filter(({ isXen }) => isXen).length;
    const { maptrack } = domain.grants;
    for (const handle of maptrack.handles()) {
      const granter = domains.get(maptrack.domid(handle));
      expect(granter, 'a mapping outlives its domain').toBeDefined();
      const ref = maptrack.ref(handle);
      expect(granter?.grants.pinCount(ref)).not.toBe(0);
      expect(granter?.grants.user(ref)).toBe(domain.domid);
      expect(maptrack.flags(handle) & (GNTMAP_host_map | GNTMAP_device_map)).not.toBe(0);
      expect(granter?.grants.activeFrame(ref).pins).toBeGreaterThan(0);
      expect(granter?.grants.activeFrame(ref).owner, "a mapping of another's page").toBe(granter?.domid);
    }
    checkOwnPages(domain);
  }
  expect(pages, 'pages counted').toBe(memory.totalPages);
}

/** Behind the numbers of its reservation a domain has its own pages, each behind one number. */
function checkOwnPages({ domid, memory }: Domain): void {
  for (let pfn = 0; pfn < memory.maxPages + 1; pfn++) {
    if (memory.kindOf(pfn) !== PAGE_OWN) continue;
    const frame = memory.frameAt(pfn);
    if (frame?.owner !== domid || frame.pfn !== pfn) expect.fail(`page ${pfn} of domain ${domid} is not its own`);
  }
}
