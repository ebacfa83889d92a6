/** Hypercalls by number: what each returns, what it writes, what it costs, and that bad addresses are -EFAULT. */
import { describe, expect, it } from 'vitest';
import {
  DOMID_SELF,
  ERAS,
  GNTTAB_SETUP_TABLE,
  HYPERCALL,
  MULTICALL_ENTRY,
  PAGE_SIZE,
  VIRQ_TIMER,
  XEN_ADD_TO_PHYSMAP,
  XEN_MEMORY_RESERVATION,
} from '../../src/hypervisor/index.ts';
import { argumentPage, checkMachine, lab, raw } from './core-kit.ts';

const US = 1e6;

function guestLab(era: Parameters<typeof lab>[0] = 'xen-4.17', options = {}) {
  const l = lab(era);
  const guest = l.guest(options);
  const at = argumentPage(guest) * PAGE_SIZE;
  const call = (name: keyof typeof HYPERCALL, ...args: number[]) =>
    Number(l.run(guest, (cpu) => guest.kernel.xen.hypercall(cpu, HYPERCALL[name], args.map(BigInt))));
  return { l, guest, memory: guest.memory, at, call };
}

describe('what the hypervisor says of itself', () => {
  it('version, texts, features, page size', () => {
    const { call, memory, at } = guestLab();
    const text = () => {
      const bytes = new Uint8Array(32);
      memory.read(at, bytes);
      return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
    };
    expect(call('xen_version', 0, 0)).toBe(4 * 65_536 + 17);
    expect([call('xen_version', 1, at), text()]).toEqual([0, '.0-heddle']);
    expect([call('xen_version', 3, at), text()]).toEqual([0, 'xen-4.17-x86_64 ']);
    expect(call('xen_version', 7, 0)).toBe(4096);
    expect([call('xen_version', 6, at), call('xen_version', 99, at), call('xen_version', 1, 2 ** 50)]).toEqual([-22, -38, -14]);
    expect(guestLab('xen-3.0.4').call('xen_version', 0, 0)).toBe(3 * 65_536);
  });

  it('its console is for domain 0', () => {
    const { l, call, at } = guestLab();
    expect(call('console_io', 0, 4, at)).toBe(-1);
    const text = new TextEncoder().encode('booting\n');
    l.dom0.memory.write(0x30000, text);
    const write = (length: number, from: number) =>
      Number(l.run(l.dom0, (cpu) => l.dom0.kernel.xen.hypercall(cpu, HYPERCALL.console_io, [0n, BigInt(length), BigInt(from)])));
    expect([write(8, 0x30000), write(8, 2 ** 48)]).toEqual([0, -14]);
    expect(new TextDecoder().decode(l.machine.console.bytes)).toBe('booting\n');
  });

  it('numbers that are none, and hypercalls of later versions', () => {
    const { call, guest, l } = guestLab('xen-3.0.4');
    expect([call('mmu_update'), call('hypfs_op'), call('domctl')]).toEqual([-38, -38, -38]);
    expect(l.run(guest, (cpu) => guest.kernel.xen.hypercall(cpu, 1e6, []))).toBe(-38n);
    // FIFO channels and version 2 are not there; 3.0 cannot copy.
    expect([call('event_channel_op', 11, 0x10000), guest.grants.limits.maxVersion]).toEqual([-38, 1]);
    expect(guestLab('xen-3.0').call('grant_table_op', 5, 0x10000, 0)).toBe(-38);
    expect([call('grant_table_op', 5, 0x10000, 0), call('grant_table_op', 12, 0x10000, 1)]).toEqual([0, -38]);
  });
});

describe('costs', () => {
  it('are spent on the calling CPU', () => {
    const { l, guest } = guestLab();
    const { xen, cpu } = guest.kernel;
    const price = (body: () => void) =>
      l.run(guest, () => {
        const before = cpu.nowPs;
        body();
        return (cpu.nowPs - before) / US;
      });
    const c = ERAS['xen-4.17'].costs;
    const at = argumentPage(guest) * PAGE_SIZE;
    const port = l.run(guest, () => xen.allocUnbound(cpu, 0));
    expect(price(() => xen.hypercall(cpu, HYPERCALL.xen_version, [0n, 0n]))).toBeCloseTo(c.hypercallPs / US, 6);
    expect(price(() => xen.notify(cpu, port))).toBeCloseTo((c.hypercallPs + c.eventSendPs) / US, 6);
    const ref = guest.kernel.xen.grantAccess(0, 40, false);
    l.run(l.dom0, (cpu0) => {
      const own = l.dom0.kernel.xen;
      const from = cpu0.nowPs;
      const maps = own.mapGrants(
        cpu0,
        [0, 1, 2].map(() => ({ domid: guest.domid, ref, readonly: true })),
      );
      const mapped = cpu0.nowPs;
      own.unmapGrants(
        cpu0,
        maps.map(({ handle }) => handle),
      );
      expect((mapped - from) / US).toBeCloseTo((c.hypercallPs + 3 * c.grantMapPs) / US, 6);
      expect((cpu0.nowPs - mapped) / US).toBeCloseTo((c.hypercallPs + 3 * c.grantUnmapPs + c.tlbFlushPs) / US, 6);
      const before = cpu0.nowPs;
      const side = { domid: guest.domid, ref, offset: 0 };
      own.copyGrants(cpu0, [{ source: side, destination: { domid: DOMID_SELF, pfn: 99, offset: 0 }, length: 1500 }]);
      expect((cpu0.nowPs - before) / US).toBeCloseTo((c.hypercallPs + c.grantCopyPs + 1500 * c.copyPsPerByte) / US, 6);
    });
    // A list in a multicall enters once.
    for (let i = 0; i < 3; i++) {
      memorySetMulticall(guest.memory, at + i * MULTICALL_ENTRY.size, HYPERCALL.xen_version, [7n]);
    }
    const before = guest.account.hypercalls[HYPERCALL.xen_version] as number;
    expect(price(() => xen.hypercall(cpu, HYPERCALL.multicall, [BigInt(at), 3n]))).toBeCloseTo(c.hypercallPs / US, 6);
    expect(guest.memory.u64(at + MULTICALL_ENTRY.size + 8)).toBe(4096n);
    expect(guest.account.hypercalls[HYPERCALL.xen_version]).toBe(before + 3);
  });
});

function memorySetMulticall(memory: { setU64(at: number, value: bigint): void }, at: number, op: number, args: bigint[]): void {
  memory.setU64(at, BigInt(op));
  for (const [i, value] of args.entries()) memory.setU64(at + 16 + 8 * i, value);
}

it('multicalls write each result, refuse to nest, and stop at bad addresses', () => {
  const { call, memory, at } = guestLab();
  memorySetMulticall(memory, at, HYPERCALL.multicall, [BigInt(at), 1n]);
  memorySetMulticall(memory, at + 64, 60, []);
  expect(call('multicall', at, 2)).toBe(0);
  expect([BigInt.asIntN(64, memory.u64(at + 8)), BigInt.asIntN(64, memory.u64(at + 72))]).toEqual([-22n, -38n]);
  expect([call('multicall', 2 ** 40, 1), call('multicall', 2 ** 40, 0)]).toEqual([-14, 0]);
});

describe('memory', () => {
  const R = XEN_MEMORY_RESERVATION.at;
  function reservation(
    { l, guest, memory, at }: ReturnType<typeof guestLab>,
    command: number,
    list: number[],
    domid = DOMID_SELF,
  ) {
    const result = raw(l, guest, 'memory_op', command, () => {
      memory.fill(at, XEN_MEMORY_RESERVATION.size, 0);
      memory.setU64(at + R.extent_start, BigInt(at + 512));
      memory.setU64(at + R.nr_extents, BigInt(list.length));
      memory.setU16(at + R.domid, domid);
      for (const [i, value] of list.entries()) memory.setU64(at + 512 + 8 * i, BigInt(value));
    });
    return [result, ...list.map((_, i) => Number(memory.u64(at + 512 + 8 * i)))];
  }

  it('pages go back and come again', () => {
    const g = guestLab('xen-4.17', { maxPages: 66 });
    const { guest, memory, l, call, at } = g;
    const mfn = memory.frameAt(40)?.mfn ?? 0;
    expect(reservation(g, 1, [mfn])[0]).toBe(1);
    expect([memory.kindOf(40), memory.totalPages]).toEqual([0, 63]);
    expect(reservation(g, 1, [mfn, mfn])[0]).toBe(0);
    const [done, first] = reservation(g, 6, [40, 64, 5]);
    expect([done, memory.frameAt(40)?.mfn]).toEqual([2, first]);
    // Two more are allowed, then no more.
    expect(reservation(g, 0, [0, 0, 0])[0]).toBe(1);
    expect(memory.totalPages).toBe(66);
    memory.setU16(at, DOMID_SELF);
    expect([call('memory_op', 3, at), call('memory_op', 4, at)]).toEqual([66, 66]);
    memory.setU16(at, 0);
    expect(call('memory_op', 3, at)).toBe(-1);
    memory.setU16(at, 99);
    expect([call('memory_op', 3, at), call('memory_op', 3, 2 ** 45), call('memory_op', 5, at)]).toEqual([-3, -14, -38]);
    // Of others' pages, and for others, nothing.
    expect(reservation(g, 1, [l.dom0.memory.frameAt(9)?.mfn ?? 0])[0]).toBe(0);
    expect(reservation(g, 1, [memory.frameAt(41)?.mfn ?? 0], 0)[0]).toBe(0);
    expect(reservation(g, 1, [guest.sharedInfo.mfn])[0]).toBe(0);
    checkMachine(l.machine);
  });

  it('the kernel gives back and takes pages by number', () => {
    const { l, guest, memory } = guestLab();
    const { xen } = guest.kernel;
    const pfns = Array.from({ length: 20 }, (_, i) => 40 + i);
    expect(l.run(guest, (cpu) => xen.releasePages(cpu, pfns))).toBe(20);
    expect(memory.totalPages).toBe(44);
    expect(l.run(guest, (cpu) => xen.populatePages(cpu, [...pfns, 7, 8]))).toBe(20);
    expect([memory.totalPages, memory.u32(45 * PAGE_SIZE)]).toEqual([64, 0]);
  });

  it('the table of grants and shared info can be put elsewhere', () => {
    const { l, guest, memory, call, at } = guestLab();
    const A = XEN_ADD_TO_PHYSMAP.at;
    const add = (space: number, index: number, gpfn: number, domid = DOMID_SELF) => {
      memory.setU16(at + A.domid, domid);
      memory.setU32(at + A.space, space);
      memory.setU64(at + A.idx, BigInt(index));
      memory.setU64(at + A.gpfn, BigInt(gpfn));
      return call('memory_op', 7, at);
    };
    const place = memory.pfnLimit - 5;
    expect([add(0, 0, place), add(1, 2, place + 1)]).toEqual([0, 0]);
    expect([memory.frameAt(place)?.mfn, memory.frameAt(place + 1)?.mfn]).toEqual([
      guest.sharedInfo.mfn,
      guest.grants.frames[2]?.mfn,
    ]);
    expect(memory.kindOf(guest.start.sharedInfoPfn)).toBe(0);
    // On a page of its own: that goes back.
    expect([add(0, 0, 50), memory.totalPages]).toEqual([0, 63]);
    expect([add(0, 1, place), add(1, 64, place), add(4, 0, place), add(0, 0, 2 ** 40), add(0, 0, place, 0)]).toEqual([
      -22, -22, -38, -22, -1,
    ]);
    memory.setU16(at, DOMID_SELF);
    memory.setU32(at + GNTTAB_SETUP_TABLE.at.nr_frames, 2);
    memory.setU64(at + GNTTAB_SETUP_TABLE.at.frame_list, BigInt(at + 64));
    expect([call('grant_table_op', 2, at, 1), memory.u16(at + GNTTAB_SETUP_TABLE.at.status)]).toEqual([0, 0]);
    expect(Number(memory.u64(at + 72))).toBe(guest.grants.frames[1]?.mfn);
    expect([
      call('grant_table_op', 2, at, 2),
      call('grant_table_op', 2, 2 ** 44, 1),
      call('grant_table_op', 0, at, 2 ** 31),
    ]).toEqual([-22, -14, -22]);
    checkMachine(l.machine);
  });

  it('a page table entry moves a frame of the own, and no other', () => {
    const { l, memory, call } = guestLab();
    memory.setU32(40 * PAGE_SIZE, 5);
    const mfn = memory.frameAt(40)?.mfn ?? 0;
    expect(call('update_va_mapping', 50 * PAGE_SIZE, mfn * PAGE_SIZE + 1)).toBe(0);
    expect([memory.u32(50 * PAGE_SIZE), memory.kindOf(40), memory.isWritable(50)]).toEqual([5, 0, false]);
    expect(call('update_va_mapping', 40 * PAGE_SIZE, (l.dom0.memory.frameAt(9)?.mfn ?? 0) * PAGE_SIZE + 3)).toBe(-22);
    expect([call('update_va_mapping', 50 * PAGE_SIZE, 0), memory.kindOf(50), memory.totalPages]).toEqual([0, 0, 64]);
    expect(call('update_va_mapping', 2 ** 50, 3)).toBe(-22);
    checkMachine(l.machine);
  });
});

describe('vCPUs and timers', () => {
  it('runstate is written where the guest wants it, and sums to the time', () => {
    const { l, guest, memory, at } = guestLab();
    expect(raw(l, guest, 'vcpu_op', 5, () => memory.setU64(at, BigInt(at + 256)), [])).toBe(-2);
    const register = () => {
      memory.setU64(at, BigInt(at + 256));
      return Number(l.run(guest, (cpu) => guest.kernel.xen.hypercall(cpu, HYPERCALL.vcpu_op, [5n, 0n, BigInt(at)])));
    };
    expect(register()).toBe(0);
    expect(memory.u32(at + 256)).toBe(0);
    guest.kernel.cpu.setTimer(5e12, () => undefined);
    l.loop.runUntil(6e12);
    const times = [0, 1, 2, 3].map((i) => Number(memory.u64(at + 256 + 16 + 8 * i)));
    const sum = times.reduce((a, b) => a + b, 0);
    expect(Math.abs(sum - 5e9)).toBeLessThan(100_000);
    expect(times[2]).toBeGreaterThan(4.9e9);
    const get = (address: bigint) => Number(l.run(guest, (cpu) => guest.kernel.xen.hypercall(cpu, 24, [4n, 0n, address])));
    expect([get(BigInt(at)), get(2n ** 60n)]).toEqual([0, -14]);
  });

  it('timers raise VIRQ_TIMER, once or again and again', () => {
    const { l, guest, memory, at, call } = guestLab();
    const port = l.run(guest, (cpu) => guest.kernel.xen.bindVirq(cpu, VIRQ_TIMER));
    const seen: number[] = [];
    guest.kernel.xen.setHandler(port, () => seen.push(Math.round(l.loop.nowPs / 1e9)));
    expect(call('set_timer_op', 20_000_000)).toBe(0);
    expect(call('set_timer_op', 30_000_000)).toBe(0);
    l.loop.runUntil(100e9);
    expect(seen).toEqual([30]);
    memory.setU64(at, 10_000_000n);
    expect(call('vcpu_op', 6, 0, at)).toBe(0);
    l.loop.runUntil(l.loop.nowPs + 35e9);
    expect(seen.slice(2).map((ms, i) => ms - (seen[i + 1] as number))).toEqual([10, 10]);
    memory.setU64(at, 10n);
    expect([call('vcpu_op', 6, 0, at), call('vcpu_op', 7, 0), call('vcpu_op', 8, 0, 2 ** 41)]).toEqual([-22, 0, -14]);
    l.loop.runUntil(300e9);
    expect(seen.length).toBe(4);
  });

  it('up and down, and the last one stays', () => {
    const { call } = guestLab('xen-4.17', { vcpus: 2 });
    expect([call('vcpu_op', 3, 1), call('vcpu_op', 2, 1), call('vcpu_op', 3, 1), call('vcpu_op', 2, 0)]).toEqual([1, 0, 0, -22]);
    expect([call('vcpu_op', 1, 1), call('vcpu_op', 3, 1), call('vcpu_op', 3, 2), call('vcpu_op', 0, 0)]).toEqual([0, 1, -2, -17]);
  });

  it('polling wakes for a masked port', () => {
    const { l, guest, memory, at, call } = guestLab();
    const port = l.run(guest, (cpu) => guest.kernel.xen.allocUnbound(cpu, 0));
    const port0 = l.run(l.dom0, (cpu) => l.dom0.kernel.xen.bindInterdomain(cpu, guest.domid, port));
    guest.kernel.xen.mask(port);
    memory.fill(at, 64, 0);
    memory.setU64(at, BigInt(at + 32));
    memory.setU32(at + 8, 1);
    memory.setU32(at + 32, port);
    expect([call('sched_op', 3, at), guest.pollers.size]).toEqual([0, 1]);
    l.run(l.dom0, (cpu) => l.dom0.kernel.xen.notify(cpu, port0));
    expect(guest.pollers.size).toBe(0);
    memory.setU32(at + 32, 4000);
    expect([call('sched_op', 3, at), call('sched_op', 99, at), call('sched_op', 0), call('sched_op', 1)]).toEqual([
      -22, -38, 0, 0,
    ]);
    memory.setU32(at + 8, 129);
    expect([call('sched_op', 3, at), call('sched_op', 3, 2 ** 42)]).toEqual([-22, -14]);
    expect(call('sched_op', 4, at)).toBe(-3);
  });
});
