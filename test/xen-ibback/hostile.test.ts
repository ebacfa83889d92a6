/** A guest that writes its ring by hand: what it may do, what it is refused, and that nothing of what it writes hurts anybody. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeAnswer,
  encodeRequest,
  EVENT_ENTRIES,
  FrontRing,
  initSharedRing,
  setSlotId,
  slotErrno,
  VIB_COMMANDS,
  VIB_FRONT_KEYS,
  VIB_SLOT_BYTES,
  type VibCommand,
  type VibFields,
  writeList,
  XENBUS_STATE,
} from '../../src/hypervisor/index.ts';
import { Errno } from '../../src/verbs/index.ts';
import { IbLab, type IbLabOptions } from '../kit/ib-lab.ts';
import { BytesView } from '../kit/bytes-view.ts';
import type { LabDevice } from '../kit/lab-device.ts';
import type { LabDomain } from '../kit/split-lab.ts';

/** The bytes of a domain's page. */
function frameOf(domain: LabDomain, pfn: number): Uint8Array {
  return (domain.kernel.pages(pfn, 1) as BytesView).bytes;
}

/** The front of a device, played by the test. */
class Guest {
  readonly domain: LabDomain;
  readonly front: LabDevice;
  readonly back: LabDevice;
  readonly ring: FrontRing;
  readonly pages: Uint8Array[];
  readonly lab: IbLab;
  #id = 1;

  constructor(lab: IbLab, domid: number) {
    this.lab = lab;
    this.domain = lab.lab.addDomain(domid, lab.era, { pages: 64 });
    const [front, back] = lab.lab.plug(this.domain, lab.dom0, `${domid}`);
    this.front = front;
    this.back = back;
    lab.wire.run(lab.lab.loop.nowPs + 100_000_000);
    this.pages = [0, 1, 2, 3].map((pfn) => frameOf(this.domain, pfn));
    initSharedRing(new BytesView(this.pages[0]!));
    this.ring = new FrontRing(new BytesView(this.pages[0]!), VIB_SLOT_BYTES);
    const refs = this.pages.map((page) => this.domain.grant(0, page));
    const ports = [0, 1].map(() => this.domain.kernel.xen.allocUnbound(this.domain.kernel.cpu, 0));
    VIB_FRONT_KEYS.forEach((key, i) => {
      front.keys[key] = String([...refs, ...ports][i]);
    });
    this.commandPort = ports[0]!;
    front.publish({}, XENBUS_STATE.connected);
    this.settle();
  }

  readonly commandPort: number;

  get isOpen(): boolean {
    return this.lab.backend.channels.has(this.back.path);
  }

  get owned() {
    return this.lab.backend.channels.get(this.back.path)?.objects.counts;
  }

  settle(): void {
    this.lab.wire.run(this.lab.lab.loop.nowPs + 10_000_000_000);
  }

  /** Puts a slot into the ring, and gives the answer's. */
  raw(bytes: Uint8Array): Uint8Array | null {
    this.ring.view.write(this.ring.nextRequest(), bytes);
    this.ring.pushRequests();
    this.knock();
    if (this.ring.unconsumedResponses !== 1) return null;
    const answer = new Uint8Array(VIB_SLOT_BYTES);
    this.ring.view.read(this.ring.slot(this.ring.rspCons), answer);
    this.ring.rspCons = (this.ring.rspCons + 1) >>> 0;
    return answer;
  }

  knock(): void {
    const { cpu, xen } = this.domain.kernel;
    cpu.exec(0, 'test', () => xen.notify(cpu, this.commandPort));
    this.settle();
  }

  ask<C extends VibCommand>(
    command: C,
    fields: Partial<VibFields<C>>,
  ): { errno: number; answer: ReturnType<typeof decodeAnswer<C>> } {
    const bytes = encodeRequest(command, { gid: new Uint8Array(16), dgid: new Uint8Array(16), ...fields } as never);
    setSlotId(bytes, this.#id++);
    const answer = this.raw(bytes);
    if (answer === null) throw new Error(`${command} was not answered`);
    return { errno: slotErrno(answer), answer: decodeAnswer(command, answer) };
  }

  /** A list page that names frames; its grant. */
  list(frames: readonly number[], next = 0): number {
    const page = new Uint8Array(4096);
    writeList(new BytesView(page), frames, next);
    return this.domain.grant(0, page, true);
  }
}

const lab = (options: IbLabOptions = {}) => new IbLab({ guests: 0, hosts: 2, ...options });

describe('a guest that writes its commands itself', () => {
  it('makes objects, and gets at no others', () => {
    const shared = lab();
    const [a, b] = [new Guest(shared, 1), new Guest(shared, 2)];
    const pd = a.ask('allocPd', {}).answer.pd;
    const cq = a.ask('createCq', { cqe: 16 }).answer.cq;
    const caps = { maxSendWr: 4, maxRecvWr: 4, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
    const made = a.ask('createQp', { type: 2, pd, sendCq: cq, recvCq: cq, ...caps });
    expect(made.errno).toBe(0);
    const { qpn } = made.answer;
    const region = { pd, access: 1, addr: 8192n, length: 4096n, iova: 8192n, pages: 1, list: a.list([5]) };
    const mr = a.ask('regMr', region);
    expect([mr.errno, mr.answer.lkey]).toEqual([0, mr.answer.rkey]);
    const mine = b.ask('allocPd', {}).answer.pd;
    const mineCq = b.ask('createCq', { cqe: 16 }).answer.cq;
    const refused = [
      b.ask('destroyQp', { qpn }),
      b.ask('modifyQp', { qpn, mask: 1, qpState: 6 }),
      b.ask('queryQp', { qpn }),
      b.ask('deallocPd', { pd }),
      b.ask('destroyCq', { cq }),
      b.ask('resizeCq', { cq, cqe: 4 }),
      b.ask('deregMr', { lkey: mr.answer.lkey }),
      b.ask('deallocMw', { index: mr.answer.lkey >>> 8 }),
      b.ask('createQp', { type: 2, pd: mine, sendCq: mineCq, recvCq: cq, ...caps }),
      b.ask('createQp', { type: 2, pd, sendCq: mineCq, recvCq: mineCq, ...caps }),
      b.ask('createQp', { type: 1, pd: mine, sendCq: mineCq, recvCq: mineCq, ...caps }),
      b.ask('createAh', { pd, dlid: 1, avPort: 1 }),
      b.ask('regMr', { ...region, list: b.list([5]) }),
      b.ask('attachMcast', { qpn, lid: 0xc001 }),
      b.ask('createCq', { cqe: 16, channel: 1 }),
    ];
    expect(refused.map(({ errno }) => errno)).toEqual(refused.map(() => Errno.EINVAL));
    expect(a.owned).toMatchObject({ pd: 1, cq: 1, qp: 1, mr: 1 });
    expect(b.owned).toMatchObject({ pd: 1, cq: 1, all: 2 });
  });

  it('must own the frames that it names, and name enough of them', () => {
    const guest = new Guest(lab(), 1);
    const pd = guest.ask('allocPd', {}).answer.pd;
    const region = { pd, access: 1, addr: 8192n, length: 8192n, iova: 8192n };
    const errno = (pages: number, list: number) => guest.ask('regMr', { ...region, pages, list }).errno;
    expect(errno(2, guest.list([5, 6]))).toBe(0);
    expect(errno(2, guest.list([5, 9999]))).toBe(Errno.EFAULT);
    expect(errno(1, guest.list([5]))).toBe(Errno.EFAULT);
    expect(errno(2, guest.list([5]))).toBe(Errno.EFAULT);
    expect(errno(2, 4711)).toBe(Errno.EFAULT);
    expect(errno(0, 0)).toBe(Errno.EFAULT);
    expect(errno(0xffffffff, guest.list([5, 6]))).toBe(Errno.EFAULT);
    const long = Array.from({ length: 511 }, () => 5);
    const region512 = { ...region, length: 512n * 4096n, pages: 512 };
    expect(guest.ask('regMr', { ...region512, list: guest.list(long, guest.list([6])) }).errno).toBe(0);
    expect(guest.ask('regMr', { ...region512, list: guest.list(long, 0) }).errno).toBe(Errno.EFAULT);
    expect(guest.lab.dom0.mappings.size).toBe(4);
  });

  it('leaves nothing behind when it closes, dies, or overruns a counter', () => {
    for (const end of ['close', 'kill', 'overrun', 'events'] as const) {
      const shared = lab();
      const { hca } = shared.wire.hosts[0]!;
      const before = shared.dom0.held;
      const guest = new Guest(shared, 1);
      const pd = guest.ask('allocPd', {}).answer.pd;
      const { channel } = guest.ask('createChannel', {}).answer;
      const cq = guest.ask('createCq', { cqe: 16, channel }).answer.cq;
      const srq = guest.ask('createSrq', { pd, maxWr: 4, maxSge: 1 }).answer.srq;
      const caps = { maxSendWr: 4, maxRecvWr: 0, maxSendSge: 1, maxRecvSge: 0, maxInlineData: 0 };
      const { qpn } = guest.ask('createQp', { type: 4, pd, sendCq: cq, recvCq: cq, srq, ...caps }).answer;
      const gid = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0xff : i));
      expect(guest.ask('modifyQp', { qpn, mask: 1 | 16 | 32 | 64, qpState: 1, portNum: 1, qkey: 5 }).errno).toBe(0);
      expect(guest.ask('attachMcast', { qpn, lid: 0xc001, gid }).errno).toBe(0);
      guest.ask('allocMw', { pd, type: 2 });
      guest.ask('regMr', { pd, access: 1, addr: 0n, length: 1n, iova: 0n, pages: 1, list: guest.list([5]) });
      guest.ask('createAh', { pd, dlid: 1, avPort: 1 });
      guest.ask('allocUar', {});
      guest.ask('listen', { serviceId: 77n });
      expect(guest.owned?.all).toBe(9);
      const { objects } = [...shared.backend.channels.values()][0]!;
      if (end === 'close') guest.front.publish({}, XENBUS_STATE.closed);
      else if (end === 'kill') guest.domain.kill();
      else if (end === 'overrun') {
        new BytesView(guest.pages[0]!).setU32(0, 0x8000_0000);
        guest.knock();
      } else {
        new BytesView(guest.pages[1]!).setU32(4, EVENT_ENTRIES);
        const { cpu, xen } = guest.domain.kernel;
        cpu.exec(0, 'test', () => xen.notify(cpu, guest.commandPort + 1));
      }
      guest.settle();
      expect(objects.counts.all).toBe(0);
      expect(hca.findQp(qpn)).toBe(Errno.ENOENT);
      expect(shared.dom0.held).toEqual(before);
      expect([shared.uars.size, shared.backend.channels.size]).toEqual([0, 0]);
      expect([shared.backend.mappedPages, shared.backend.boundPorts]).toEqual([0, 0]);
      expect(guest.back.errors.length).toBe(end === 'overrun' || end === 'events' ? 1 : 0);
    }
  });

  it('is closed for keys that are missing, no numbers, or stand for nothing', () => {
    for (const [key, value] of [
      ['ring-ref', undefined],
      ['ring-ref', '-1'],
      ['event-ref', '77777'],
      ['event-channel', 'seven'],
      ['event-channel-events', '4000'],
    ] as const) {
      const shared = lab();
      const before = shared.dom0.held;
      const domain = shared.lab.addDomain(1, shared.era, { pages: 8 });
      const [front, back] = shared.lab.plug(domain, shared.dom0, '0');
      shared.wire.run(100_000_000);
      const refs = [0, 1, 2, 3].map((pfn) => domain.grant(0, frameOf(domain, pfn)));
      const ports = [0, 1].map(() => domain.kernel.xen.allocUnbound(domain.kernel.cpu, 0));
      VIB_FRONT_KEYS.forEach((name, i) => {
        front.keys[name] = String([...refs, ...ports][i]);
      });
      if (value === undefined) delete front.keys[key];
      else front.keys[key] = value;
      front.publish({}, XENBUS_STATE.connected);
      shared.wire.run(200_000_000);
      expect(back.errors).toHaveLength(1);
      expect(shared.dom0.held).toEqual(before);
    }
  });

  it('hurts nobody with whatever it writes, in 12,000 commands, and is answered each time', () => {
    const shared = lab();
    const witness = new Guest(shared, 2);
    const pd = witness.ask('allocPd', {}).answer.pd;
    const cq = witness.ask('createCq', { cqe: 16 }).answer.cq;
    const counts = witness.owned;
    const guest = new Guest(shared, 1);
    const refs = [guest.list([5, 6]), guest.list([9999]), guest.list([5], 12)];
    const op = fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: Object.keys(VIB_COMMANDS).length + 1 }) },
      { weight: 1, arbitrary: fc.nat(0xffff) },
    );
    const word = fc.oneof(
      fc.nat(8),
      fc.nat(0xffff),
      fc.nat(0xffffffff),
      fc.constantFrom(...refs, pd, cq, 0x7fffffff, 0xffffffff),
    );
    const slot = fc.tuple(op, fc.array(word, { minLength: 30, maxLength: 30 }));
    const errnos = new Map<number, number>();
    let commands = 0;
    fc.assert(
      fc.property(fc.array(slot, { minLength: 60, maxLength: 60 }), (slots) => {
        for (const [number, words] of slots) {
          const bytes = new Uint8Array(VIB_SLOT_BYTES);
          const data = new DataView(bytes.buffer);
          data.setUint16(0, number, true);
          for (const [i, value] of words.entries()) data.setUint32(8 + 4 * i, value, true);
          const answer = guest.raw(bytes);
          commands++;
          if (answer === null) return false;
          const errno = slotErrno(answer);
          errnos.set(errno, (errnos.get(errno) ?? 0) + 1);
        }
        return true;
      }),
      { numRuns: 200, seed: 3 },
    );
    expect(commands).toBeGreaterThanOrEqual(12_000);
    // Every kind of answer came: done, refused, not there, bad frames.
    expect([...errnos.keys()]).toEqual(expect.arrayContaining([0, Errno.EINVAL, Errno.ENOSYS, Errno.EFAULT, Errno.EBUSY]));
    expect(guest.isOpen).toBe(true);
    expect(witness.owned).toEqual(counts);
    expect(witness.ask('destroyCq', { cq }).errno).toBe(0);
    guest.domain.kill();
    guest.settle();
    expect(shared.backend.channels.size).toBe(1);
  });
});
