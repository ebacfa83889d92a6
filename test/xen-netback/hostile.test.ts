/** Guests that write garbage into everything that they share: nothing throws, nothing of another guest is harmed, nothing is left behind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CTRL_SLOT_BYTES, FrontRing, initSharedRing } from '../../src/hypervisor/index.ts';
import { type NetfrontDevice, registerNetfront } from '../../src/xen-netfront/index.ts';
import { packet, tcp } from '../kit/net-pair.ts';
import { RawFront } from '../kit/raw-front.ts';
import { BytesView } from '../kit/bytes-view.ts';
import type { LabDomain } from '../kit/split-lab.ts';

const u8 = fc.nat(255);
const u16 = fc.nat(0xffff);
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const index = fc.nat(7);
const often = <T>(likely: fc.Arbitrary<T>, rare: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 5, arbitrary: likely }, { weight: 1, arbitrary: rare });
/** −1 and −2 stand for the two pages that are granted. */
const gref = often(fc.constantFrom(-1, -2), u32);

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('tx' as const),
      gref,
      offset: often(fc.nat(200), u16),
      flags: often(fc.nat(15), u16),
      id: u16,
      size: often(fc.nat(300), u16),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('extra' as const),
      type: often(fc.integer({ min: 1, max: 4 }), u8),
      flags: often(fc.nat(1), u8),
      data: fc.array(u8, { maxLength: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('rx' as const), gref, id: u16 }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('packet' as const), bytes: fc.nat(9000), isGso: fc.boolean() }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'push' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('header' as const), ring: fc.boolean(), field: index, value: u32 }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('bytes' as const), at: fc.nat(4095), data: fc.uint8Array({ maxLength: 60 }) }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

class Attack {
  readonly front: RawFront;
  actions = 0;
  fatals = 0;

  /** Another guest on the same backend, and what it has sent. */
  #honest: NetfrontDevice | null = null;
  #sent = 0;
  readonly #honestGuest: LabDomain;
  readonly #others: object;

  constructor() {
    const front = new RawFront();
    this.front = front;
    this.#honestGuest = front.lab.addDomain(2, 'xen-4.17');
    registerNetfront(this.#honestGuest.kernel, {
      onDevice: (device) => {
        this.#honest = device;
      },
    });
    front.lab.plug(this.#honestGuest, front.dom0, '0');
    front.ends[0].setState(6);
    front.lab.run();
    // The first packet makes the other interface take the page that it then keeps.
    this.checkHonest();
    this.#others = front.dom0.held;
    front.ends[0].setState(1);
    front.lab.run();
    front.ends[0].setState(4);
    front.lab.run();
  }

  /** The guest beside is served as if nothing were. */
  checkHonest(): void {
    const sent = packet(new Uint8Array(100).fill(this.#sent));
    this.#honestGuest.cpus[0].exec(0, 'test', () => void this.#honest?.transmit(sent));
    this.#sent++;
    this.front.lab.run();
    expect(this.front.arrivedOthers).toHaveLength(this.#sent);
    expect(this.front.arrivedOthers.at(-1)?.data).toEqual(sent.data);
  }

  /** The guest lets go: nothing of it is left. */
  end(): void {
    this.front.ends[0].setState(6);
    this.front.lab.run();
    expect(this.front.dom0.held).toEqual(this.#others);
  }

  refOf(value: number): number {
    if (value === -1) return this.front.dataRef;
    return value === -2 ? this.front.writableRef : value;
  }

  perform(step: Action): void {
    const { front } = this;
    this.actions++;
    switch (step.kind) {
      case 'tx':
        front.slot({ ...step, gref: this.refOf(step.gref) });
        return;
      case 'extra':
        front.extra(step.type, step.flags, ...step.data);
        return;
      case 'rx':
        front.buffer(step.id, this.refOf(step.gref));
        return;
      case 'packet': {
        const gso = step.isGso ? { type: 'tcpv4' as const, size: 500 } : null;
        const sent = packet(tcp(Math.max(40, step.bytes)), { protocol: 0x800, checksumBlank: true, gso });
        front.dom0.cpus[0].exec(0, 'test', () => void front.vif.transmit(sent));
        return;
      }
      case 'push':
        front.push();
        this.revive();
        return;
      case 'header':
        (step.ring ? front.tx : front.rx).view.setU32(4 * (step.field % 4), step.value);
        front.kick();
        front.lab.run();
        this.revive();
        return;
      case 'bytes':
        front.data.set(step.data.subarray(0, 4096 - step.at), step.at);
        return;
    }
  }

  /** A guest that was cut off lets go and connects anew, with fresh rings. */
  revive(): void {
    const { front } = this;
    if (front.vif.fatal === null) return;
    this.fatals++;
    expect(front.vif.isUp).toBe(false);
    expect(front.dom0.held).toEqual(this.#others);
    for (const state of [6, 1] as const) {
      front.ends[0].setState(state);
      front.lab.run();
    }
    expect(front.ends[1].state).toBe(2);
    for (const ring of [front.tx, front.rx]) {
      ring.view.fill(0, 4096, 0);
      initSharedRing(ring.view);
      ring.reqProdPvt = 0;
      ring.rspCons = 0;
    }
    front.ends[0].setState(4);
    front.lab.run();
    expect(front.vif.isUp).toBe(true);
  }
}

describe('a guest that writes garbage', () => {
  it('into the slots and counters of its rings', () => {
    let actions = 0;
    let fatals = 0;
    fc.assert(
      fc.property(fc.array(action, { minLength: 60, maxLength: 80, size: 'max' }), (steps) => {
        const attack = new Attack();
        for (const step of steps) attack.perform(step);
        attack.front.push();
        attack.revive();
        attack.checkHonest();
        attack.end();
        actions += attack.actions;
        fatals += attack.fatals;
      }),
      { numRuns: 330 },
    );
    expect(actions).toBeGreaterThan(20_000);
    expect(fatals).toBeGreaterThan(300);
  });

  it('into its control ring', () => {
    const message = fc.tuple(
      often(fc.integer({ min: 1, max: 10 }), u16),
      often(fc.constantFrom(-1, -2, 0, 1, 2, 16), u32),
      often(fc.nat(200), u32),
      often(fc.nat(200), u32),
    );
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 60 }), fc.option(u32, { freq: 6 }), (messages, producer) => {
        const page = new BytesView(new Uint8Array(4096));
        initSharedRing(page);
        const ring = new FrontRing(page, CTRL_SLOT_BYTES);
        const front = new RawFront();
        const port = front.guest.kernel.xen.allocUnbound(front.guest.cpus[0], 0);
        for (const state of [6, 1] as const) {
          front.ends[0].setState(state);
          front.lab.run();
        }
        Object.assign(front.ends[0].keys, {
          'ctrl-ring-ref': String(front.guest.grant(0, page.bytes)),
          'event-channel-ctrl': String(port),
        });
        front.ends[0].setState(4);
        front.lab.run();
        expect(front.vif.isUp).toBe(true);
        for (const [type, ...data] of messages) {
          const at = ring.nextRequest();
          page.setU16(at, 7);
          page.setU16(at + 2, type);
          data.forEach((value, i) => {
            page.setU32(at + 4 + 4 * i, value === -1 ? front.dataRef : value === -2 ? front.writableRef : value);
          });
        }
        ring.pushRequests();
        if (producer !== null) page.setU32(0, producer);
        front.guest.cpus[0].exec(0, 'test', () => void front.guest.kernel.xen.notify(front.guest.cpus[0], port));
        front.lab.run();
        if (producer === null) expect(ring.unconsumedResponses).toBe(messages.length);
        front.dom0.cpus[0].exec(0, 'test', () => void front.vif.transmit(packet(tcp(100), { protocol: 0x800 })));
        front.ends[0].setState(6);
        front.lab.run();
        expect(front.dom0.held).toEqual({ grants: 0, ports: 0, mappings: 0, freePages: 1200, frames: 1200 });
      }),
      { numRuns: 300 },
    );
  });
});
