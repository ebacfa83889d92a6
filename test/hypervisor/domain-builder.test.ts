/** What a domain begins with: its start pages, ports and first grants; and that a large one costs nothing. */
import { describe, expect, it } from 'vitest';
import { ERAS, GTF_permit_access, PAGE_SIZE, START_INFO, XenMachine } from '../../src/hypervisor/index.ts';
import { EventLoop } from '../../src/sim/index.ts';
import { checkMachine, lab } from './core-kit.ts';

describe('a new domain', () => {
  it('finds its pages and ports in start info', () => {
    const l = lab();
    const guest = l.guest({ commandLine: 'root=/dev/xvda1 ro' });
    const { memory, start, sharedInfo } = guest;
    const at = start.startInfoPfn * PAGE_SIZE;
    const S = START_INFO.at;
    const text = new Uint8Array(18);
    memory.read(at + S.cmd_line, text);
    expect(new TextDecoder().decode(text)).toBe('root=/dev/xvda1 ro');
    expect(memory.u64(at + S.nr_pages)).toBe(64n);
    expect(memory.u64(at + S.shared_info)).toBe(BigInt(sharedInfo.mfn) * 4096n);
    expect(memory.u64(at + S.store_mfn)).toBe(BigInt(memory.frameAt(start.storePfn)?.mfn ?? 0));
    expect(memory.u32(at + S.store_evtchn)).toBe(start.storePort);
    expect(memory.u32(at + S['console.domU.evtchn'])).toBe(start.consolePort);
    expect(memory.u32(at + S.flags)).toBe(0);
    expect(l.dom0.memory.u32(l.dom0.start.startInfoPfn * PAGE_SIZE + S.flags)).toBe(3);
  });

  it('lets domain 0 map its xenstore ring by reference 1, and bind its port', () => {
    const l = lab();
    const guest = l.guest();
    expect(guest.grants.flags(1)).toBe(GTF_permit_access);
    const { xen } = l.dom0.kernel;
    const [mapping] = l.run(l.dom0, (cpu) => xen.mapGrants(cpu, [{ domid: guest.domid, ref: 1, readonly: false }]));
    guest.kernel.pages(guest.start.storePfn, 1).setU32(2048, 7);
    expect(mapping?.view?.u32(2048)).toBe(7);
    expect(l.run(l.dom0, (cpu) => xen.bindInterdomain(cpu, guest.domid, guest.start.storePort))).toBeGreaterThan(0);
  });

  it('costs nothing until it touches its memory', () => {
    const loop = new EventLoop();
    const machine = new XenMachine({
      loop,
      entity: 0,
      name: 'big',
      era: ERAS['xen-4.17'],
      pcpus: 2,
      memoryPages: 501 * 131_072 + 10_000,
      seed: 1,
    });
    for (let i = 0; i < 500; i++) machine.createDomain({ name: `guest${i}`, memoryPages: 131_072, vcpus: 1 });
    expect(machine.memory.framesInUse).toBeLessThan(500 * 10);
    expect(loop.pending).toBe(0);
    expect(machine.domains.get(321)?.memory.u32(131_071 * PAGE_SIZE)).toBe(0);
    expect(() => machine.createDomain({ name: 'more', memoryPages: 200_000, vcpus: 1 })).toThrow(RangeError);
    const free = machine.freePages;
    machine.destroyDomain(7);
    expect(machine.freePages - free).toBe(131_072 + 2);
  });

  it('counts domids on, and refuses one that is taken', () => {
    const l = lab();
    const [a, b] = [l.guest(), l.guest()];
    l.machine.destroyDomain(a.domid);
    expect([a.domid, b.domid, l.guest().domid, l.guest({ domid: 1 }).domid]).toEqual([1, 2, 3, 1]);
    expect(() => l.guest({ domid: 2 })).toThrow(RangeError);
    expect(() => l.machine.pauseDomain(50)).toThrow(RangeError);
    expect(() => l.guest({ memoryPages: 8 })).toThrow(RangeError);
    checkMachine(l.machine);
  });

  it('has the shares that it is given, and not those of who had its number; bad ones are refused, and nothing is left', () => {
    const l = lab();
    const first = l.guest({ weight: 512, cap: 40, affinity: [1, 2] });
    expect(l.machine.scheduler.paramsOf(first.domid)).toMatchObject({ weight: 512, cap: 40 });
    expect([...(first.vcpus[0]?.unit.hard ?? [])].slice(0, 4)).toEqual([0, 1, 1, 0]);
    l.machine.destroyDomain(first.domid);
    const free = l.machine.freePages;
    expect(() => l.guest({ domid: 1, affinity: [99] })).toThrow(RangeError);
    expect(() => l.guest({ domid: 1, weight: 0 })).toThrow(RangeError);
    expect([l.machine.freePages, l.machine.domains.size]).toEqual([free, 1]);
    expect(l.machine.scheduler.paramsOf(l.guest({ domid: 1 }).domid)).toMatchObject({ weight: 256, cap: 0 });
  });
});
