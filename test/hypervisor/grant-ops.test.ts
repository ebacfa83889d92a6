/** Grants: every status, the flags that the granter sees, revocation, and pages that outlive their domain. */
import { describe, expect, it } from 'vitest';
import {
  type Domain,
  DOMID_SELF,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_bad_page,
  GNTST_bad_virt_addr,
  GNTST_general_error,
  GNTST_no_device_space,
  GNTST_okay,
  GNTST_permission_denied,
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_transitive,
  GTF_writing,
} from '../../src/hypervisor/index.ts';
import { Maptrack } from '../../src/hypervisor/maptrack.ts';
import { checkMachine, lab } from './core-kit.ts';

const HOST = GNTMAP_host_map;
const RO = GNTMAP_host_map | GNTMAP_readonly;

/** Two guests; `a` grants. `hole` is an address of `b` where nothing is. */
function pair(version: 1 | 2 = 1) {
  const l = lab();
  const a = l.guest();
  const b = l.guest();
  for (const domain of [a, b])
    if (version === 2) expect(l.run(domain, (cpu) => domain.kernel.xen.setGrantVersion(cpu, 2))).toBe(0);
  const page = a.kernel.allocPages(1);
  const hole = (b.memory.pfnLimit - 10) * 4096;
  return { l, a, b, page, hole, ops: l.machine.grantOps };
}

/** What the granter sees of the use of an entry. */
function shown(domain: Domain, ref: number): number {
  const { grants } = domain;
  const flags = grants.version === 1 ? grants.flags(ref) : (grants.statusFrames[0]?.halves[ref] ?? 0);
  return flags & (GTF_reading | GTF_writing);
}

describe.each([1, 2] as const)('mapping, version %i', (version) => {
  it('shows reading and writing while it lasts, and refuses to revoke', () => {
    const { l, a, b, page } = pair(version);
    a.memory.setU32(page * 4096, 0x1234);
    const ref = a.kernel.xen.grantAccess(b.domid, page, false);
    const [mapping] = l.run(b, (cpu) => b.kernel.xen.mapGrants(cpu, [{ domid: a.domid, ref, readonly: false }]));
    expect(mapping?.status).toBe(GNTST_okay);
    expect(shown(a, ref)).toBe(GTF_reading | GTF_writing);
    expect(a.kernel.xen.endAccess(ref)).toBe(false);
    expect(mapping?.view?.u32(0)).toBe(0x1234);
    mapping?.view?.setU32(4, 77);
    expect(a.memory.u32(page * 4096 + 4)).toBe(77);
    expect(l.run(b, (cpu) => b.kernel.xen.unmapGrants(cpu, [mapping?.handle ?? -1]))).toEqual([GNTST_okay]);
    expect(shown(a, ref)).toBe(0);
    expect(() => mapping?.view?.u32(0)).toThrow(RangeError);
    expect(a.kernel.xen.endAccess(ref)).toBe(true);
    checkMachine(l.machine);
  });

  it('twice for reading and once for writing: each flag goes with its last user', () => {
    const { a, b, page, hole, ops } = pair(version);
    const ref = a.kernel.xen.grantAccess(b.domid, page, false);
    const handles = [RO, RO, HOST].map((flags, i) => {
      expect(ops.map(b, hole + i * 4096, flags, ref, a.domid)).toBe(GNTST_okay);
      return ops.handle;
    });
    expect(shown(a, ref)).toBe(GTF_reading | GTF_writing);
    expect(ops.unmap(b, hole + 2 * 4096, 0, handles[2] as number)).toBe(GNTST_okay);
    expect(shown(a, ref)).toBe(GTF_reading);
    expect(ops.unmap(b, hole, 0, handles[0] as number)).toBe(GNTST_okay);
    expect(shown(a, ref)).toBe(GTF_reading);
    expect(ops.unmap(b, hole + 4096, 0, handles[1] as number)).toBe(GNTST_okay);
    expect(shown(a, ref)).toBe(0);
  });

  it('a write through a read-only mapping faults', () => {
    const { l, a, b, page } = pair(version);
    const ref = a.kernel.xen.grantAccess(b.domid, page, true);
    const map = (readonly: boolean) => l.run(b, (cpu) => b.kernel.xen.mapGrants(cpu, [{ domid: a.domid, ref, readonly }]))[0];
    expect(map(false)?.status).toBe(GNTST_general_error);
    expect(shown(a, ref)).toBe(0);
    const mapping = map(true);
    expect(mapping?.status).toBe(GNTST_okay);
    expect(() => mapping?.view?.setU8(0, 1)).toThrow(RangeError);
    expect(shown(a, ref)).toBe(GTF_reading);
  });

  it('each refusal has its status, and leaves nothing behind', () => {
    const { l, a, b, page, hole, ops } = pair(version);
    const ref = a.kernel.xen.grantAccess(b.domid, page, false);
    const toDom0 = a.kernel.xen.grantAccess(0, page, false);
    const map = (flags: number, of: number, domid = a.domid, at = hole) => ops.map(b, at, flags, of, domid);
    expect(map(0, ref)).toBe(GNTST_bad_gntref);
    expect(map(HOST, ref, 77)).toBe(GNTST_bad_domain);
    expect(map(HOST, a.grants.entryCount)).toBe(GNTST_bad_gntref);
    expect(map(HOST, ref + 100)).toBe(GNTST_general_error);
    expect(map(HOST, toDom0)).toBe(GNTST_general_error);
    expect(map(HOST, ref, a.domid, 4096)).toBe(GNTST_general_error);
    expect(map(HOST, ref, a.domid, b.memory.length)).toBe(GNTST_general_error);
    expect(map(HOST, ref, a.domid, 2 ** 63)).toBe(GNTST_general_error);
    a.grants.setMfn(ref, b.memory.frameAt(9)?.mfn ?? 0);
    expect(map(HOST, ref)).toBe(GNTST_bad_page);
    a.grants.setMfn(ref, a.sharedInfo.mfn);
    expect(map(HOST, ref)).toBe(GNTST_bad_page);
    a.grants.setFlags(ref, GTF_accept_transfer);
    expect(map(HOST, ref)).toBe(GNTST_general_error);
    expect(shown(a, ref)).toBe(0);
    expect(b.grants.maptrack.count).toBe(0);
    checkMachine(l.machine);
  });

  it('unmapping: bad handle, bad address, bad bus address', () => {
    const { a, b, page, hole, ops } = pair(version);
    const ref = a.kernel.xen.grantAccess(b.domid, page, false);
    expect(ops.unmap(b, hole, 0, 0)).toBe(GNTST_bad_handle);
    expect(ops.map(b, hole, HOST | GNTMAP_device_map, ref, a.domid)).toBe(GNTST_okay);
    const { handle, mfn } = ops;
    expect(ops.unmap(b, hole, 0, handle + 1)).toBe(GNTST_bad_handle);
    expect(ops.unmap(b, hole + 4096, 0, handle)).toBe(GNTST_bad_virt_addr);
    expect(ops.unmap(b, 4096, 0, handle)).toBe(GNTST_general_error);
    expect(ops.unmap(b, hole, 4096, handle)).toBe(GNTST_general_error);
    // Nothing asked for, nothing done.
    expect(ops.unmap(b, 0, 0, handle)).toBe(GNTST_okay);
    expect(ops.unmap(b, hole, 0, handle)).toBe(GNTST_okay);
    expect(shown(a, ref)).toBe(GTF_reading | GTF_writing);
    expect(ops.unmap(b, 0, mfn * 4096, handle)).toBe(GNTST_okay);
    expect(shown(a, ref)).toBe(0);
    expect(ops.unmap(b, 0, mfn * 4096, handle)).toBe(GNTST_bad_handle);
  });

  it('unmap and replace puts a page of the own in the place', () => {
    const { l, a, b, page, hole, ops } = pair(version);
    const ref = a.kernel.xen.grantAccess(b.domid, page, false);
    expect(ops.map(b, hole, HOST, ref, a.domid)).toBe(GNTST_okay);
    const own = b.kernel.allocPages(1);
    b.memory.setU8(own * 4096, 42);
    expect(ops.unmap(b, hole, 0, ops.handle, own * 4096)).toBe(GNTST_okay);
    expect(b.memory.u8(hole)).toBe(42);
    expect(() => b.memory.u8(own * 4096)).toThrow(RangeError);
    checkMachine(l.machine);
  });

  it('counters do not overflow', () => {
    const { a, b, page, hole, ops } = pair(version);
    const ref = a.kernel.xen.grantAccess(b.domid, page, false);
    for (let i = 0; i < 128; i++) expect(ops.map(b, 0, GNTMAP_device_map | GNTMAP_readonly, ref, a.domid)).toBe(GNTST_okay);
    expect(ops.map(b, hole, HOST, ref, a.domid)).toBe(GNTST_general_error);
  });

  it('a domain that dies keeps pages that others have mapped, until they unmap them', () => {
    const { l, a, b, page } = pair(version);
    const inUse = l.machine.memory.framesInUse;
    expect(inUse).toBeGreaterThan(0);
    const ref = a.kernel.xen.grantAccess(b.domid, page, false);
    a.memory.setU32(page * 4096, 99);
    const [mapping] = l.run(b, (cpu) => b.kernel.xen.mapGrants(cpu, [{ domid: a.domid, ref, readonly: true }]));
    l.machine.destroyDomain(a.domid);
    expect(a.state).toBe('dying');
    expect(a.memory.totalPages).toBe(1);
    // New domains take frames, not this one.
    const c = l.guest();
    for (let pfn = 0; pfn < 64; pfn++) c.memory.setU32(pfn * 4096, 0xffffffff);
    expect(mapping?.view?.u32(0)).toBe(99);
    expect(l.run(b, (cpu) => b.kernel.xen.unmapGrants(cpu, [mapping?.handle ?? -1]))).toEqual([GNTST_okay]);
    expect(a.state).toBe('dead');
    expect(l.machine.domains.has(a.domid)).toBe(false);
    checkMachine(l.machine);
  });
});

describe.each([1, 2] as const)('copying, version %i', (version) => {
  it('moves bytes between grants and own pages, and releases what it used', () => {
    const { l, a, b, page } = pair(version);
    const ref = a.kernel.xen.grantAccess(b.domid, page, false);
    const own = b.kernel.allocPages(1);
    b.memory.write(own * 4096 + 10, Uint8Array.of(1, 2, 3));
    const statuses = l.run(b, (cpu) =>
      b.kernel.xen.copyGrants(cpu, [
        { source: { domid: DOMID_SELF, pfn: own, offset: 10 }, destination: { domid: a.domid, ref, offset: 4093 }, length: 3 },
        { source: { domid: a.domid, ref, offset: 4094 }, destination: { domid: DOMID_SELF, pfn: own, offset: 0 }, length: 2 },
        { source: { domid: a.domid, ref, offset: 4094 }, destination: { domid: DOMID_SELF, pfn: own, offset: 0 }, length: 3 },
      ]),
    );
    expect(statuses).toEqual([GNTST_okay, GNTST_okay, GNTST_bad_copy_arg]);
    const bytes = new Uint8Array(3);
    a.memory.read(page * 4096 + 4093, bytes);
    expect([...bytes]).toEqual([1, 2, 3]);
    expect([b.memory.u8(own * 4096), b.memory.u8(own * 4096 + 1)]).toEqual([2, 3]);
    expect(shown(a, ref)).toBe(0);
    expect(a.grants.activeCount).toBe(0);
    expect(b.account.bytesCopied).toBe(5);
  });

  it('each refusal has its status', () => {
    const { a, b, page, ops } = pair(version);
    const ref = a.kernel.xen.grantAccess(b.domid, page, true);
    const mfn = b.memory.frameAt(9)?.mfn ?? 0;
    const into = (domid: number, of: number) => ops.copy(b, false, DOMID_SELF, mfn, 0, true, domid, of, 0, 8);
    const from = (domid: number, of: number) => ops.copy(b, true, domid, of, 0, false, DOMID_SELF, mfn, 0, 8);
    expect(from(a.domid, ref)).toBe(GNTST_okay);
    expect(into(a.domid, ref)).toBe(GNTST_general_error);
    expect(from(99, ref)).toBe(GNTST_bad_domain);
    expect(from(a.domid, 1e6)).toBe(GNTST_bad_gntref);
    expect(ops.copy(b, false, a.domid, mfn, 0, false, DOMID_SELF, mfn, 0, 8)).toBe(GNTST_permission_denied);
    const foreign = a.memory.frameAt(page)?.mfn ?? 0;
    expect(ops.copy(b, false, DOMID_SELF, foreign, 0, false, DOMID_SELF, mfn, 0, 8)).toBe(GNTST_bad_page);
    expect(ops.copy(b, false, DOMID_SELF, 2 ** 52, 0, false, DOMID_SELF, mfn, 0, 8)).toBe(GNTST_bad_page);
    expect(shown(a, ref)).toBe(0);
  });
});

describe('version 2', () => {
  /** Writes an entry by hand: flags, grantee, two halves and a frame or reference. */
  function entry(domain: Domain, ref: number, flags: number, grantee: number, half2: number, half3: number, last: number): void {
    const frame = domain.grants.frames[ref >>> 8];
    if (frame === undefined) throw new Error('no such entry');
    const at = (ref & 255) * 16;
    new Uint16Array(frame.bytes.buffer, frame.bytes.byteOffset + at, 4).set([flags, grantee, half2, half3]);
    frame.words[at / 4 + 2] = last;
    frame.words[at / 4 + 3] = 0;
  }

  it('a part of a page can be copied within its bounds, and not mapped', () => {
    const { a, b, page, hole, ops } = pair(2);
    entry(a, 20, GTF_permit_access | GTF_sub_page, b.domid, 100, 50, a.memory.frameAt(page)?.mfn ?? 0);
    const mfn = b.memory.frameAt(9)?.mfn ?? 0;
    const from = (offset: number, length: number) => ops.copy(b, true, a.domid, 20, offset, false, DOMID_SELF, mfn, 0, length);
    expect(from(100, 50)).toBe(GNTST_okay);
    expect(from(99, 2)).toBe(GNTST_general_error);
    expect(from(149, 2)).toBe(GNTST_general_error);
    expect(from(100, 51)).toBe(GNTST_general_error);
    expect(ops.map(b, hole, HOST, 20, a.domid)).toBe(GNTST_general_error);
  });

  it('a transitive grant leads one step further, for copies', () => {
    const { l, a, b, page, hole, ops } = pair(2);
    const c = l.guest();
    expect(l.run(c, (cpu) => c.kernel.xen.setGrantVersion(cpu, 2))).toBe(0);
    a.memory.setU8(page * 4096, 7);
    const behind = a.kernel.xen.grantAccess(b.domid, page, true);
    entry(b, 21, GTF_transitive, c.domid, a.domid, 0, behind);
    const mfn = c.memory.frameAt(9)?.mfn ?? 0;
    const from = (domid: number, ref: number) => ops.copy(c, true, domid, ref, 0, false, DOMID_SELF, mfn, 0, 1);
    expect(from(b.domid, 21)).toBe(GNTST_okay);
    expect(c.memory.u8(9 * 4096)).toBe(7);
    expect([shown(a, behind), shown(b, 21)]).toEqual([0, 0]);
    // Writing is not granted behind, two steps are too many, and a circle is none.
    expect(ops.copy(c, false, DOMID_SELF, mfn, 0, true, b.domid, 21, 0, 1)).toBe(GNTST_general_error);
    entry(c, 22, GTF_transitive, a.domid, b.domid, 0, 21);
    entry(b, 21, GTF_transitive, c.domid, a.domid, 0, behind);
    expect(ops.copy(a, true, c.domid, 22, 0, false, DOMID_SELF, a.memory.frameAt(9)?.mfn ?? 0, 0, 1)).toBe(GNTST_general_error);
    entry(b, 23, GTF_transitive, c.domid, b.domid, 0, 21);
    expect(from(b.domid, 23)).toBe(GNTST_general_error);
    entry(b, 24, GTF_transitive, c.domid, 999, 0, behind);
    expect(from(b.domid, 24)).toBe(GNTST_general_error);
    expect(ops.map(c, hole, HOST, 21, b.domid)).toBe(GNTST_bad_page);
    expect([a.grants.activeCount, b.grants.activeCount, c.grants.activeCount]).toEqual([0, 0, 0]);
  });

  it('the version changes while nothing is in use, and keeps the reserved entries', () => {
    const { l, a, b, page, hole, ops } = pair(1);
    const store = a.grants.mfn(1);
    const ref = a.kernel.xen.grantAccess(b.domid, page, false);
    expect(ops.map(b, hole, HOST, ref, a.domid)).toBe(GNTST_okay);
    expect(l.run(a, (cpu) => a.kernel.xen.setGrantVersion(cpu, 2))).toBe(-16);
    expect(ops.unmap(b, hole, 0, ops.handle)).toBe(GNTST_okay);
    // The console's and xenstore's pages may be in use meanwhile.
    expect(ops.map(l.dom0, (l.dom0.memory.pfnLimit - 1) * 4096, HOST, 1, a.domid)).toBe(GNTST_okay);
    for (const version of [2, 1] as const) {
      expect(l.run(a, (cpu) => a.kernel.xen.setGrantVersion(cpu, version))).toBe(0);
      expect([a.grants.version, a.grants.mfn(1), shown(a, 1)]).toEqual([version, store, GTF_reading | GTF_writing]);
    }
    expect(a.grants.setVersion(3)).toBe(-22);
    expect(lab('xen-3.0.4').guest().grants.setVersion(2)).toBe(-38);
    checkMachine(l.machine);
  });
});

describe('transfer', () => {
  it('moves a page to who offered a slot', () => {
    const { l, a, b } = pair();
    b.memory.maxPages = 65;
    const ref = b.kernel.xen.grantTransfer(a.domid);
    const given = a.kernel.allocPages(1);
    a.memory.setU32(given * 4096, 0xabcd);
    expect(b.kernel.xen.endTransfer(b.kernel.xen.grantTransfer(a.domid))).toBe(null);
    const statuses = l.run(a, (cpu) => a.kernel.xen.transferGrants(cpu, [{ pfn: given, domid: b.domid, ref }]));
    expect(statuses).toEqual([GNTST_okay]);
    expect([a.memory.totalPages, b.memory.totalPages]).toEqual([63, 65]);
    expect(() => a.memory.u32(given * 4096)).toThrow(RangeError);
    const mfn = b.kernel.xen.endTransfer(ref);
    const at = b.memory.pfnLimit - 1;
    expect(l.run(b, (cpu) => b.kernel.xen.mapOwnFrame(cpu, at, mfn ?? 0))).toBe(0);
    expect(b.memory.u32(at * 4096)).toBe(0xabcd);
    checkMachine(l.machine);
  });

  it('each refusal has its status; the page is lost but for a bad one', () => {
    const { l, a, b, page, hole, ops } = pair();
    b.memory.maxPages = 65;
    const mfnOf = (pfn: number) => a.memory.frameAt(pfn)?.mfn ?? 0;
    const ref = b.kernel.xen.grantTransfer(a.domid);
    expect(ops.transfer(a, 1, b.domid, ref)).toBe(GNTST_bad_page);
    expect(ops.transfer(a, b.memory.frameAt(9)?.mfn ?? 0, b.domid, ref)).toBe(GNTST_bad_page);
    expect(ops.transfer(a, a.sharedInfo.mfn, b.domid, ref)).toBe(GNTST_bad_page);
    const mapped = a.kernel.xen.grantAccess(b.domid, page, false);
    expect(ops.map(b, hole, HOST, mapped, a.domid)).toBe(GNTST_okay);
    expect(ops.transfer(a, mfnOf(page), b.domid, ref)).toBe(GNTST_bad_page);
    expect(a.memory.totalPages).toBe(64);
    expect(ops.transfer(a, mfnOf(20), 99, ref)).toBe(GNTST_bad_domain);
    expect(ops.transfer(a, mfnOf(21), b.domid, ref + 1)).toBe(GNTST_general_error);
    expect(ops.transfer(a, mfnOf(22), b.domid, 1e6)).toBe(GNTST_general_error);
    expect(a.memory.totalPages).toBe(61);
    expect(ops.transfer(a, mfnOf(23), b.domid, ref)).toBe(GNTST_okay);
    // The slot is used, and then the domain is full.
    expect(ops.transfer(a, mfnOf(24), b.domid, ref)).toBe(GNTST_general_error);
    expect(ops.transfer(a, mfnOf(25), b.domid, b.kernel.xen.grantTransfer(a.domid))).toBe(GNTST_general_error);
    checkMachine(l.machine);
  });
});

it('references run out, and so do handles', () => {
  const l = lab();
  const a = l.guest({ maxGrantFrames: 1 });
  const refs = Array.from({ length: 504 }, () => a.kernel.xen.grantAccess(0, 9, true));
  expect(new Set(refs).size).toBe(504);
  expect(() => a.kernel.xen.grantAccess(0, 9, true)).toThrow(RangeError);
  expect(a.kernel.xen.endAccess(refs[3] as number)).toBe(true);
  expect(a.kernel.xen.grantAccess(0, 9, true)).toBe(refs[3]);
  expect(a.grants.flags(refs[3] as number)).toBe(GTF_permit_access | GTF_readonly);
  const track = new Maptrack(2);
  expect([track.take(), track.take(), track.take()]).toEqual([0, 1, -1]);
  track.put(0);
  expect(track.take()).toBe(0);
  expect(GNTST_no_device_space).toBe(-7);
});
