/** A backend that writes garbage: the guest's driver never throws, cuts it off where Linux would, and has everything again in the end. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LinkPacket } from '../../src/net/index.ts';
import { type NetfrontDevice, registerNetfront } from '../../src/xen-netfront/index.ts';
import { packet } from '../kit/net-pair.ts';
import { BytesView } from '../kit/bytes-view.ts';
import type { LabDevice } from '../kit/lab-device.ts';
import { type LabDomain, SplitLab } from '../kit/split-lab.ts';

const u16 = fc.nat(0xffff);
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const often = <T>(likely: fc.Arbitrary<T>, rare: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: likely }, { weight: 1, arbitrary: rare });

const action = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('rx' as const),
      offset: often(fc.nat(100), u16),
      flags: often(fc.constantFrom(0, 1, 2, 3, 4, 8, 12), u16),
      status: often(fc.integer({ min: 14, max: 1514 }), u16),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('extra' as const),
      type: often(fc.integer({ min: 1, max: 4 }), fc.nat(255)),
      flags: fc.nat(1),
      size: u16,
      gso: fc.nat(3),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('tx' as const),
      id: often(fc.constant(-1), u16),
      status: often(fc.constantFrom(0, 0xffff, 1), u16),
    }),
  },
  { weight: 6, arbitrary: fc.constant({ kind: 'push' as const }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), bytes: fc.nat(5000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('header' as const), ring: fc.nat(1), field: fc.nat(3), value: u32 }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

class BadBackend {
  readonly lab = new SplitLab();
  readonly dom0: LabDomain;
  readonly guest: LabDomain;
  readonly ends: readonly [LabDevice, LabDevice];
  readonly arrived: LinkPacket[] = [];
  device!: NetfrontDevice;
  actions = 0;
  cuts = 0;
  /** The guest's ring pages, transmit first, and how far this end has answered. */
  rings: [BytesView, BytesView] = [new BytesView(new Uint8Array(4096)), new BytesView(new Uint8Array(4096))];
  produced: [number, number] = [0, 0];
  #port = 0;

  constructor() {
    this.dom0 = this.lab.addDomain(0, 'xen-4.17');
    this.guest = this.lab.addDomain(1, 'xen-4.17');
    registerNetfront(this.guest.kernel, {
      onDevice: (device) => {
        this.device = device;
        device.onReceive = (one) => this.arrived.push(one);
      },
    });
    this.ends = this.lab.plug(this.guest, this.dom0, '0');
    Object.assign(this.ends[1].keys, { 'feature-rx-copy': '1', 'feature-sg': '1', 'feature-gso-tcpv4': '1' });
    this.lab.run();
    this.connect();
  }

  connect(): void {
    this.ends[1].setState(2);
    this.lab.run();
    const { keys } = this.ends[0];
    expect(this.ends[0].state).toBe(4);
    const frameOf = (key: string): BytesView => new BytesView(this.guest.grants.get(Number(keys[key]))!.frame);
    this.rings = [frameOf('tx-ring-ref'), frameOf('rx-ring-ref')];
    // Any bytes of a buffer are a frame then.
    for (const { frame } of this.guest.grants.values()) if (!this.rings.some(({ bytes }) => bytes === frame)) frame.fill(0x88);
    this.produced = [0, 0];
    this.#port = this.dom0.kernel.xen.bindInterdomain(this.dom0.cpus[0]!, 1, Number(keys['event-channel']));
    expect(this.#port).toBeGreaterThan(0);
    this.ends[1].setState(4);
    this.lab.run();
    expect(this.device.isUp).toBe(true);
  }

  perform(step: Action): void {
    this.actions++;
    const [tx, rx] = this.rings;
    switch (step.kind) {
      case 'rx':
      case 'extra': {
        const at = 64 + (this.produced[1]++ & 255) * 8;
        if (step.kind === 'rx') {
          rx.setU16(at + 2, step.offset);
          rx.setU16(at + 4, step.flags);
          rx.setU16(at + 6, step.status);
        } else {
          rx.setU8(at, step.type);
          rx.setU8(at + 1, step.flags);
          rx.setU16(at + 2, step.size);
          rx.setU8(at + 4, step.gso);
        }
        return;
      }
      case 'tx': {
        const at = 64 + (this.produced[0]++ & 255) * 12;
        if (step.id >= 0) tx.setU16(at, step.id);
        else tx.setU16(at, tx.u16(at + 8));
        tx.setU16(at + 2, step.status);
        return;
      }
      case 'send':
        this.guest.cpus[0]!.exec(0, 'test', () => void this.device.transmit(packet(new Uint8Array(step.bytes))));
        return;
      case 'header':
        this.rings[step.ring]!.setU32(4 * step.field, step.value);
        this.kick();
        return;
      case 'push':
        tx.setU32(8, this.produced[0]);
        rx.setU32(8, this.produced[1]);
        this.kick();
        return;
    }
  }

  kick(): void {
    this.dom0.cpus[0]!.exec(0, 'test', () => void this.dom0.kernel.xen.notify(this.dom0.cpus[0]!, this.#port));
    this.lab.run();
    if (this.device.broken === null) return;
    // Cut off: nothing is held for this backend any more. A new one starts anew.
    this.cuts++;
    expect(this.device.isUp).toBe(false);
    expect(this.guest.held).toEqual({ grants: 0, ports: 0, mappings: 0, freePages: 1200, frames: 1200 });
    this.ends[1].setState(6);
    this.lab.run();
    this.connect();
  }

  end(): void {
    this.ends[1].setState(5);
    this.lab.run();
    this.ends[1].setState(6);
    this.lab.run();
    expect(this.guest.held).toEqual({ grants: 0, ports: 0, mappings: 0, freePages: 1200, frames: 1200 });
  }
}

describe('a backend that writes garbage', () => {
  it('is survived', () => {
    let actions = 0;
    let cuts = 0;
    let arrived = 0;
    fc.assert(
      fc.property(fc.array(action, { minLength: 50, maxLength: 70, size: 'max' }), (steps) => {
        const backend = new BadBackend();
        for (const step of steps) backend.perform(step);
        backend.kick();
        backend.end();
        actions += backend.actions;
        cuts += backend.cuts;
        arrived += backend.arrived.length;
      }),
      { numRuns: 380 },
    );
    expect(actions).toBeGreaterThan(20_000);
    expect(cuts).toBeGreaterThan(300);
    expect(arrived).toBeGreaterThan(300);
  });

  const broken = (steps: readonly Action[]): { why: string | null; backend: BadBackend } => {
    const backend = new BadBackend();
    const { guest, lab } = backend;
    guest.cpus[0]!.exec(0, 'test', () => void backend.device.transmit(packet(new Uint8Array(60))));
    lab.run();
    for (const step of steps.slice(0, -1)) backend.perform(step);
    let why: string | null = null;
    const { connect } = backend;
    backend.connect = () => {};
    const watched = backend.ends[1].setState.bind(backend.ends[1]);
    backend.ends[1].setState = (state) => {
      why ??= backend.device.broken;
      watched(state);
    };
    backend.perform(steps.at(-1)!);
    backend.connect = connect;
    return { why, backend };
  };

  it.each([
    ['illegal number of transmit responses', [{ kind: 'header', ring: 0, field: 2, value: 2 }]],
    ['illegal number of receive responses', [{ kind: 'header', ring: 1, field: 2, value: 257 }]],
    ['transmit response has an incorrect id', [{ kind: 'tx', id: 256, status: 0 }, { kind: 'push' }]],
    ['transmit response for an inactive request', [{ kind: 'tx', id: 3, status: 0 }, { kind: 'push' }]],
  ] as const)('is cut off: %s', (why, steps) => {
    expect(broken(steps as readonly Action[]).why).toBe(why);
  });

  it('is cut off if it answers for a page that it still has mapped', () => {
    const { why, backend } = (() => {
      const made = new BadBackend();
      made.guest.cpus[0]!.exec(0, 'test', () => void made.device.transmit(packet(new Uint8Array(60))));
      made.lab.run();
      const ref = made.rings[0].u32(64);
      made.dom0.cpus[0]!.exec(0, 'test', () =>
        made.dom0.kernel.xen.mapGrants(made.dom0.cpus[0]!, [{ domid: 1, ref, readonly: true }]),
      );
      made.lab.run();
      made.perform({ kind: 'tx', id: -1, status: 0 });
      made.rings[0].setU32(8, 1);
      made.dom0.cpus[0]!.exec(0, 'test', () => void made.dom0.kernel.xen.notify(made.dom0.cpus[0]!, 1));
      made.lab.run(made.lab.loop.nowPs + 1e11);
      return { why: made.device.broken, backend: made };
    })();
    expect(why).toBe('grant still in use by backend domain');
    expect(backend.guest.held).toMatchObject({ grants: 1, freePages: 1199 });
    backend.dom0.cpus[0]!.exec(0, 'test', () =>
      backend.dom0.kernel.xen.unmapGrants(backend.dom0.cpus[0]!, [...backend.dom0.mappings.keys()]),
    );
    backend.lab.run(backend.lab.loop.nowPs + 3e12);
    expect(backend.guest.held).toMatchObject({ grants: 0, freePages: 1200 });
  });
});
