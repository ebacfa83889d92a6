/**
 * A guest that writes garbage everywhere it can: hypercall arguments, grant entries, shared info, event words. Whatever it does, nothing is thrown, no memory of another
 * domain's changes, the machine's books stay right, the others' channels work, and when it is killed nothing of it is left.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as abi from '../../src/hypervisor/abi/index.ts';
import { type Domain, type Era, ERAS } from '../../src/hypervisor/index.ts';
import { checkMachine, type Lab, lab } from './core-kit.ts';

/** Hypercalls with garbage in all: runs × calls a run. */
const RUNS = 1500;
const CALLS = 20;
const TWO_LEVEL: Era = { ...ERAS['xen-4.17'], fifoEvents: false };

/** Where the hostile guest has its arguments, and lists that they point to; where nothing is behind its addresses. */
const ARGUMENTS = 0x14000;
const LIST = 512;
const WINDOW = 200_000 * 4096;

/** A page of dom0's. */
const OWN_PFN = 100;

interface Scene {
  readonly l: Lab;
  readonly hostile: Domain;
  readonly victim: Domain;
  /** Tells whether an event from dom0 still reaches the victim. */
  readonly works: () => boolean;
  /** The victim's and dom0's pages, but for those that the hostile guest may write. */
  readonly snapshot: () => Buffer;
  readonly baseline: { readonly frames: number };
}

function scene(era: Era): Scene {
  const l = lab(era, 4096);
  const victim = l.guest({ name: 'victim' });
  const port = l.run(victim, (cpu) => victim.kernel.xen.allocUnbound(cpu, 0));
  let seen = 0;
  victim.kernel.xen.setHandler(port, () => seen++);
  const { xen } = l.dom0.kernel;
  const port0 = l.run(l.dom0, (cpu) => xen.bindInterdomain(cpu, victim.domid, port));
  const works = () => {
    const before = seen;
    l.run(l.dom0, (cpu) => xen.notify(cpu, port0));
    return seen === before + 1;
  };
  expect(works()).toBe(true);
  const secret = victim.kernel.allocPages(1);
  victim.memory.fill(secret * 4096, 4096, 0x5a);
  const writable = victim.kernel.allocPages(1);
  // Every page that is used later has its frame by now.
  for (const [domain, pfn] of [
    [victim, writable],
    [l.dom0, OWN_PFN],
  ] as const)
    domain.memory.setU8(pfn * 4096, 1);
  const frames = l.machine.memory.framesInUse;
  const hostile = l.guest({ name: 'hostile', memoryPages: 48, maxPages: 64, vcpus: 2 });
  victim.kernel.xen.grantAccess(hostile.domid, secret, true);
  victim.kernel.xen.grantAccess(hostile.domid, writable, false);
  const guarded = [victim, l.dom0].flatMap((domain) => l.machine.memory.ownedBy(domain.domid));
  const pages = guarded.filter(({ isXen, mfn }) => !isXen && mfn !== victim.memory.frameAt(writable)?.mfn);
  const snapshot = () => Buffer.concat(pages.map(({ bytes }) => bytes));
  return { l, hostile, victim, works, snapshot, baseline: { frames } };
}

/** Numbers that mean something somewhere. */
const word = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 9, 16, 0x7ff0, 0x7ff1, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 4096, 8192, 0x10001),
  fc.nat(70),
  // Machine frame numbers of this little machine, and page frame numbers.
  fc.integer({ min: 256, max: 330 }),
  fc.nat(400).map((pfn) => pfn * 4096),
  fc.integer({ min: 0, max: 0xffffffff }),
);
// Arguments that look right, field by field: what gets furthest.

const SHAPES: readonly (readonly [number: number, command: number, struct: abi.AbiStruct, count: number])[] = [
  [20, abi.GNTTABOP_map_grant_ref, abi.GNTTAB_MAP_GRANT_REF, 2],
  [20, abi.GNTTABOP_unmap_grant_ref, abi.GNTTAB_UNMAP_GRANT_REF, 2],
  [20, abi.GNTTABOP_unmap_and_replace, abi.GNTTAB_UNMAP_AND_REPLACE, 1],
  [20, abi.GNTTABOP_copy, abi.GNTTAB_COPY, 2],
  [20, abi.GNTTABOP_copy, abi.GNTTAB_COPY, 2],
  [20, abi.GNTTABOP_transfer, abi.GNTTAB_TRANSFER, 2],
  [20, abi.GNTTABOP_setup_table, abi.GNTTAB_SETUP_TABLE, 1],
  [20, abi.GNTTABOP_set_version, abi.GNTTAB_SET_VERSION, 1],
  [20, abi.GNTTABOP_get_status_frames, abi.GNTTAB_GET_STATUS_FRAMES, 1],
  [20, abi.GNTTABOP_swap_grant_ref, abi.GNTTAB_SWAP_GRANT_REF, 1],
  [12, abi.XENMEM_increase_reservation, abi.XEN_MEMORY_RESERVATION, 0],
  [12, abi.XENMEM_decrease_reservation, abi.XEN_MEMORY_RESERVATION, 0],
  [12, abi.XENMEM_populate_physmap, abi.XEN_MEMORY_RESERVATION, 0],
  [12, abi.XENMEM_add_to_physmap, abi.XEN_ADD_TO_PHYSMAP, 0],
  [12, abi.XENMEM_remove_from_physmap, abi.XEN_REMOVE_FROM_PHYSMAP, 0],
  [13, ARGUMENTS, abi.MULTICALL_ENTRY, 2],
  [24, abi.VCPUOP_register_vcpu_info, abi.VCPU_REGISTER_VCPU_INFO, 0],
  [24, abi.VCPUOP_register_runstate_memory_area, abi.VCPU_REGISTER_RUNSTATE_MEMORY_AREA, 0],
  [29, abi.SCHEDOP_poll, abi.SCHED_POLL, 0],
  [32, abi.EVTCHNOP_alloc_unbound, abi.EVTCHN_ALLOC_UNBOUND, 0],
  [32, abi.EVTCHNOP_bind_interdomain, abi.EVTCHN_BIND_INTERDOMAIN, 0],
  [32, abi.EVTCHNOP_bind_virq, abi.EVTCHN_BIND_VIRQ, 0],
  [32, abi.EVTCHNOP_close, abi.EVTCHN_CLOSE, 0],
  [32, abi.EVTCHNOP_send, abi.EVTCHN_SEND, 0],
  [32, abi.EVTCHNOP_bind_vcpu, abi.EVTCHN_BIND_VCPU, 0],
  [32, abi.EVTCHNOP_unmask, abi.EVTCHN_UNMASK, 0],
  [32, abi.EVTCHNOP_reset, abi.EVTCHN_RESET, 0],
  [32, abi.EVTCHNOP_init_control, abi.EVTCHN_INIT_CONTROL, 0],
  [32, abi.EVTCHNOP_expand_array, abi.EVTCHN_EXPAND_ARRAY, 0],
  [32, abi.EVTCHNOP_set_priority, abi.EVTCHN_SET_PRIORITY, 0],
];
const mfn = fc.integer({ min: 256, max: 300 });
/** Pages where nothing is, and some of its own. */
const address = fc.oneof(
  fc.nat(12).map((i) => WINDOW + 4096 * i),
  fc.nat(60).map((pfn) => pfn * 4096),
);
/** Values that fit a field of this name. */
function fieldValue(name: string): fc.Arbitrary<number> {
  if (/u\.ref$/.test(name)) return fc.oneof(fc.nat(12), mfn);
  if (/ref|handle|port/.test(name)) return fc.nat(12);
  if (/dom(id|ain_id)?$/.test(name)) return fc.constantFrom(0, 1, 2, 2, 0x7ff0, 0x7ff0, 99);
  if (/gpfn/.test(name)) return fc.nat(70);
  if (/mfn|gfn/.test(name)) return mfn;
  if (/_addr|addr\.p/.test(name)) return fc.oneof({ weight: 5, arbitrary: address }, { weight: 1, arbitrary: word });
  if (/extent_start|frame_list|ports$/.test(name)) return fc.constant(ARGUMENTS + LIST);
  if (/nr_extents|nr_frames|nr_ports|version|vcpu/.test(name)) return fc.nat(3);
  if (/order|pad|mem_flags/.test(name)) return fc.nat(1);
  if (/offset|len/.test(name)) return fc.oneof(fc.constantFrom(0, 8, 4096, 65_535), fc.nat(4096));
  return fc.nat(7);
}
const shaped = fc.constantFrom(...SHAPES).chain(([number, command, struct, count]) =>
  fc.record({
    number: fc.constant(number),
    arguments: fc.constant(
      number === 13 ? [ARGUMENTS, count] : number === 24 ? [command, 0, ARGUMENTS] : [command, ARGUMENTS, count],
    ),
    fields: fc.array(fc.tuple(...Object.keys(struct.fields).map(fieldValue)), {
      minLength: Math.max(1, count),
      maxLength: Math.max(1, count),
    }),
    struct: fc.constant(struct),
    list: fc.array(fc.oneof(mfn, fc.nat(70)), { maxLength: 3 }),
    entry: fc.nat(11),
    entryFlags: fc.constantFrom(1, 1, 5, 2, 3, 0x101, 0),
    entryDomid: fc.constantFrom(0, 1, 2, 2),
    entryMfn: mfn,
  }),
);
type Shaped = typeof shaped extends fc.Arbitrary<infer T> ? T : never;

function writeShaped(
  { memory, grants }: Domain,
  { struct, fields, list, entry, entryFlags, entryDomid, entryMfn }: Shaped,
): void {
  if (!memory.canWrite(ARGUMENTS, 4096)) return;
  memory.fill(ARGUMENTS, 1024, 0);
  for (const [i, values] of fields.entries())
    for (const [j, [offset, size]] of Object.values(struct.fields).entries()) {
      const at = ARGUMENTS + i * struct.size + offset;
      const value = values[j] as number;
      if (size === 2) memory.setU16(at, value);
      else if (size === 1) memory.setU8(at, value);
      else memory.setU32(at, value);
    }
  for (const [i, value] of list.entries()) memory.setU32(ARGUMENTS + LIST + 8 * i, value);
  grants.setGrantee(entry, entryDomid);
  grants.setMfn(entry, entryMfn);
  grants.setFlags(entry, entryFlags);
}

const number = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(12, 13, 14, 15, 17, 18, 20, 20, 20, 20, 24, 29, 32, 32, 32, 35, 36) },
  { weight: 1, arbitrary: fc.nat(80) },
);
const argument = fc.oneof(
  { weight: 5, arbitrary: fc.nat(16).map(BigInt) },
  // The page of arguments, or near it.
  { weight: 8, arbitrary: fc.nat(600).map((offset) => BigInt(ARGUMENTS + offset * 8)) },
  { weight: 2, arbitrary: word.map(BigInt) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
);
const call = fc.record({
  number,
  arguments: fc.array(argument, { minLength: 3, maxLength: 5 }),
  // Where it writes before that: its arguments, its grant entries, shared info or event words.
  words: fc.array(word, { maxLength: 24 }),
  at: fc.nat(1023),
  entry: fc.nat(40),
  entryWords: fc.array(word, { maxLength: 4 }),
  shared: fc.nat(1023),
  sharedWord: word,
});
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;

function writeGarbage({ memory, grants, sharedInfo }: Domain, garbage: Call): void {
  for (const [i, value] of garbage.words.entries()) {
    const at = ARGUMENTS + 8 * Math.floor(i / 2) + 4 * (i % 2);
    if (memory.canWrite(at, 4)) memory.setU32(at, value);
  }
  const table = grants.frames[0];
  for (const [i, value] of garbage.entryWords.entries()) if (table !== undefined) table.words[garbage.entry * 2 + i] = value;
  sharedInfo.words[garbage.shared % 784] = garbage.sharedWord;
  // Pages 5 and 6 have the control blocks and event words, where there are such.
  for (const pfn of [5, 6]) if (memory.canWrite(pfn * 4096, 4096)) memory.setU32(pfn * 4096 + garbage.at * 4, garbage.sharedWord);
}

function ends({ hostile, l, baseline }: Scene): void {
  if (l.machine.domains.has(hostile.domid)) l.machine.destroyDomain(hostile.domid);
  l.loop.runUntil(l.loop.nowPs + 1e9);
  expect(hostile.state).toBe('dead');
  expect(l.machine.memory.framesInUse, 'frames').toBe(baseline.frames);
  checkMachine(l.machine);
  expect(
    l.machine.memory
      .ownedBy(0)
      .concat(l.machine.memory.ownedBy(1))
      .filter(({ pins }) => pins > 0).length,
  ).toBe(pinned(l));
}

/** Pages of dom0 and the victim that event channels hold. */
function pinned(l: Lab): number {
  return l.dom0.events.isFifo ? 4 : 0;
}

function attack(s: Scene, calls: readonly (Call | Shaped)[]): void {
  const { hostile, l } = s;
  for (const garbage of calls) {
    let result: bigint | null = null;
    hostile.kernel.cpu.exec(0, 'attack', () => {
      if ('struct' in garbage) writeShaped(hostile, garbage);
      else writeGarbage(hostile, garbage);
      result = hostile.kernel.xen.hypercall(hostile.kernel.cpu, garbage.number, garbage.arguments.map(BigInt));
    });
    l.loop.runUntil(l.loop.nowPs + 1e9);
    if (hostile.state !== 'running' || hostile.downVcpus.size > 0) break;
    // An hour of virtual time may pass in one call with a long list.
    if (result === null) l.loop.runUntil(l.loop.nowPs + 1e16);
  }
}

/** What backends do with the hostile guest's grants, whatever is in them. */
function useGrants({ l, hostile }: Scene): void {
  const { dom0, machine } = l;
  const { xen } = dom0.kernel;
  l.run(dom0, (cpu) => {
    const maps = xen.mapGrants(
      cpu,
      [0, 1, 2, 3, 9].map((ref) => ({ domid: hostile.domid, ref, readonly: true })),
    );
    xen.copyGrants(
      cpu,
      [1, 8, 9, 10].map((ref) => ({
        source: { domid: 0x7ff0, pfn: OWN_PFN, offset: 0 },
        destination: { domid: hostile.domid, ref, offset: ref },
        length: 64,
      })),
    );
    const handles = maps.filter(({ status }) => status === 0).map(({ handle }) => handle);
    expect(xen.unmapGrants(cpu, handles).every((status) => status === 0)).toBe(true);
  });
  checkMachine(machine);
}

it.each([
  ['bits', TWO_LEVEL],
  ['queues', ERAS['xen-4.17']],
] as const)('harms nobody (%s)', (_name, era) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(call, shaped, shaped), { minLength: CALLS, maxLength: CALLS }), (calls) => {
      const s = scene(era);
      // dom0's page of arguments changes by its own calls: pages are compared while only the hostile guest runs.
      const before = s.snapshot();
      attack(s, calls);
      expect(s.snapshot().equals(before), "others' memory").toBe(true);
      checkMachine(s.l.machine);
      useGrants(s);
      expect(s.works(), 'a channel of others').toBe(true);
      ends(s);
    }),
    { numRuns: RUNS },
  );
});

it('there are as many cases as promised', () => expect(2 * RUNS * CALLS).toBeGreaterThanOrEqual(60_000));
