/** Life of domains: pause, shutdown, crash, death at any moment, and that nothing is left of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Domain,
  type GrantMapping,
  HYPERCALL,
  PAGE_SIZE,
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
  SHUTDOWN_watchdog,
  VIRQ_DOM_EXC,
  VIRQ_TIMER,
} from '../../src/hypervisor/index.ts';
import { argumentPage, checkMachine, type Lab, lab, raw } from './core-kit.ts';

describe('shutdown', () => {
  it('by the guest: it stops, is kept, and the toolstack hears of it', () => {
    const l = lab();
    const guest = l.guest();
    const heard: unknown[] = [];
    l.machine.onShutdown = (domain, reason) => heard.push([domain.domid, reason]);
    const port = l.run(l.dom0, (cpu) => l.dom0.kernel.xen.bindVirq(cpu, VIRQ_DOM_EXC));
    l.dom0.kernel.xen.setHandler(port, () => heard.push('VIRQ_DOM_EXC'));
    let ran = 0;
    guest.kernel.cpu.exec(0, 'test', () => {
      guest.kernel.xen.shutdown(guest.kernel.cpu, SHUTDOWN_poweroff);
      guest.kernel.cpu.exec(1e6, 'test', () => ran++);
    });
    l.loop.runUntil(1e12);
    expect(heard).toEqual([[guest.domid, SHUTDOWN_poweroff], 'VIRQ_DOM_EXC']);
    expect([guest.state, guest.shutdownReason, ran, guest.memory.totalPages]).toEqual(['shutdown', SHUTDOWN_poweroff, 0, 64]);
  });

  it('by a watchdog that is not fed', () => {
    const l = lab();
    const guest = l.guest();
    const set = (id: number, timeout: number) =>
      raw(l, guest, 'sched_op', 6, (at) => {
        guest.memory.setU32(at, id);
        guest.memory.setU32(at + 4, timeout);
      });
    expect([set(0, 0), set(3, 1), set(1, 5), set(0, 1), set(0, 2), set(0, 1), set(2, 0)]).toEqual([-22, -22, -22, 1, 2, -28, 0]);
    guest.kernel.cpu.setTimer(0.9e12, () => undefined);
    l.loop.runUntil(0.95e12);
    expect(set(1, 1)).toBe(0);
    l.loop.runUntil(1.8e12);
    expect(guest.state).toBe('running');
    l.loop.runUntil(3e12);
    expect([guest.state, guest.shutdownReason]).toEqual(['shutdown', SHUTDOWN_watchdog]);
  });

  it('by a kernel that took its own shared info away', () => {
    const l = lab();
    const guest = l.guest();
    const port = l.run(guest, (cpu) => guest.kernel.xen.bindVirq(cpu, VIRQ_TIMER));
    expect(port).toBeGreaterThan(0);
    expect(
      raw(l, guest, 'memory_op', 15, (at) => {
        guest.memory.setU16(at, 0x7ff0);
        guest.memory.setU64(at + 8, BigInt(guest.start.sharedInfoPfn));
      }),
    ).toBe(0);
    l.machine.raiseVirq(guest.domid, VIRQ_TIMER);
    l.loop.runUntil(1e12);
    // Queues do not need shared info; bits do.
    expect(guest.shutdownReason).toBe(null);
    const old = lab('xen-3.0.4');
    const other = old.guest();
    old.run(other, (cpu) => other.kernel.xen.bindVirq(cpu, VIRQ_TIMER));
    const at = BigInt(argumentPage(other) * PAGE_SIZE);
    other.memory.setU16(Number(at), 0x7ff0);
    other.memory.setU64(Number(at) + 8, BigInt(other.start.sharedInfoPfn));
    old.run(other, (cpu) => other.kernel.xen.hypercall(cpu, HYPERCALL.memory_op, [15n, at]));
    old.machine.raiseVirq(other.domid, VIRQ_TIMER);
    old.loop.runUntil(1e12);
    expect(other.shutdownReason).toBe(SHUTDOWN_crash);
  });
});

it('paused domains do nothing; each pause takes one unpause', () => {
  const l = lab();
  const guest = l.guest({ paused: true });
  let ran = 0;
  guest.kernel.cpu.exec(0, 'test', () => ran++);
  l.machine.pauseDomain(guest.domid);
  l.machine.unpauseDomain(guest.domid);
  l.loop.runUntil(1e9);
  expect([guest.state, ran]).toEqual(['paused', 0]);
  l.machine.unpauseDomain(guest.domid);
  l.loop.runUntil(2e9);
  expect([guest.state, ran]).toEqual(['running', 1]);
});

it('what drivers hold outside is given back once, the last first', () => {
  const l = lab();
  const guest = l.guest();
  const order: number[] = [];
  guest.kernel.onDeath(() => order.push(1));
  guest.kernel.onDeath(() => order.push(2));
  l.machine.destroyDomain(guest.domid);
  expect(order).toEqual([2, 1]);
  expect(l.machine.domains.has(guest.domid)).toBe(false);
});

// Death at any moment.

type Step = { readonly kind: number; readonly who: number; readonly other: number; readonly n: number };
const step = fc.record({ kind: fc.nat(9), who: fc.nat(2), other: fc.nat(2), n: fc.nat(7) });

/** What the guests did so far, as far as later steps need it. */
interface Life {
  readonly l: Lab;
  readonly domains: readonly Domain[];
  readonly refs: number[][];
  readonly maps: { readonly by: Domain; readonly mapping: GrantMapping }[];
  readonly ports: number[][];
}

function act({ l, domains, refs, maps, ports }: Life, { kind, who, other, n }: Step): void {
  const domain = domains[who] as Domain;
  const peer = domains[other] as Domain;
  if (domain.state !== 'running') return;
  const { xen, cpu } = domain.kernel;
  const own = ports[who] as number[];
  cpu.exec(1000 * n, 'test', () => {
    const page = 30 + n;
    if (kind === 0) refs[who]?.push(xen.grantAccess(peer.domid, page, n % 2 === 0));
    else if (kind === 1)
      for (const mapping of xen.mapGrants(cpu, [{ domid: peer.domid, ref: refs[other]?.at(-1 - n) ?? 9, readonly: n % 2 === 0 }]))
        maps.push({ by: domain, mapping });
    else if (kind === 2) {
      const found = maps.findIndex(({ by, mapping }) => by === domain && mapping.status === 0);
      if (found >= 0)
        xen.unmapGrants(
          cpu,
          maps.splice(found, 1).map(({ mapping }) => mapping.handle),
        );
    } else if (kind === 3) own.push(xen.allocUnbound(cpu, peer.domid));
    else if (kind === 4) own.push(xen.bindInterdomain(cpu, peer.domid, ports[other]?.at(-1 - n) ?? 1));
    else if (kind === 5) xen.notify(cpu, own.at(-1 - n) ?? 1);
    else if (kind === 6) xen.closePort(cpu, own.pop() ?? 9);
    else if (kind === 7) xen.releasePages(cpu, [page]);
    else if (kind === 8) xen.populatePages(cpu, [page]);
    else if (kind === 9 && peer.state === 'running')
      xen.transferGrants(cpu, [{ pfn: page + 8, domid: peer.domid, ref: peer.kernel.xen.grantTransfer(domain.domid) }]);
  });
  l.loop.runUntil(l.loop.nowPs + 3e6 * n);
}

/** Everything dies, in some order: then the machine is as it was. */
function endAll({ l, domains }: Life, first: number): void {
  for (let i = 0; i < domains.length; i++) {
    const { domid } = domains[(first + i) % domains.length] as Domain;
    if (l.machine.domains.has(domid)) l.machine.destroyDomain(domid);
    checkMachine(l.machine);
    l.loop.runUntil(l.loop.nowPs + 1e9);
  }
}

it('a domain killed at any moment leaves no page, grant or channel', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(2), fc.nat(40), (steps, victim, when) => {
      const l = lab('xen-4.17', 2000);
      const free = l.machine.freePages;
      const frames = l.machine.memory.framesInUse;
      const domains = [0, 1, 2].map(() => l.guest({ maxPages: 80 }));
      const life: Life = { l, domains, refs: [[], [], []], maps: [], ports: [[], [], []] };
      for (const [i, one] of steps.entries()) {
        if (i === when) l.machine.destroyDomain((domains[victim] as Domain).domid);
        act(life, one);
      }
      checkMachine(l.machine);
      endAll(life, victim);
      expect(l.machine.domains.size).toBe(1);
      expect([l.machine.freePages, l.machine.memory.framesInUse]).toEqual([free, frames]);
      expect(domains.map(({ grants, events }) => [grants.activeCount, grants.maptrack.count, events.openCount])).toEqual(
        domains.map(() => [0, 0, 0]),
      );
    }),
    { numRuns: 300 },
  );
});
