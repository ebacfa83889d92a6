/** Event channels: states and errors of every operation, edges and masks, and that queues of words show the same events as bits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Domain,
  DOMID_SELF,
  type Era,
  ERAS,
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_ipi,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  VIRQ_DOM_EXC,
  VIRQ_TIMER,
} from '../../src/hypervisor/index.ts';
import type { Vcpu } from '../../src/hypervisor/vcpu.ts';
import { type Lab, lab } from './core-kit.ts';

const TWO_LEVEL: Era = { ...ERAS['xen-4.17'], fifoEvents: false };
const FIFO: Era = ERAS['xen-4.17'];

/** A channel from dom0 to a guest. */
function channel(era: Era, options = {}) {
  const l = lab(era);
  const guest = l.guest(options);
  const port = l.run(guest, (cpu) => guest.kernel.xen.allocUnbound(cpu, 0));
  const port0 = l.run(l.dom0, (cpu) => l.dom0.kernel.xen.bindInterdomain(cpu, guest.domid, port));
  return { l, guest, port, port0, notify: () => l.run(l.dom0, (cpu) => l.dom0.kernel.xen.notify(cpu, port0)) };
}

describe.each([
  ['2-level', TWO_LEVEL],
  ['FIFO', FIFO],
] as const)('%s', (_name, era) => {
  it('binds, sends, closes; the other end becomes unbound and can be bound again', () => {
    const { l, guest, port, port0, notify } = channel(era);
    expect(guest.events.isFifo).toBe(era.fifoEvents);
    expect(guest.events.status(port)).toMatchObject({ status: EVTCHNSTAT_interdomain, domid: 0, port: port0, vcpu: 0 });
    let seen = 0;
    guest.kernel.xen.setHandler(port, () => seen++);
    expect(notify()).toBe(0);
    expect(seen).toBe(1);
    expect(l.run(l.dom0, (cpu) => l.dom0.kernel.xen.closePort(cpu, port0))).toBe(0);
    expect(guest.events.status(port)).toMatchObject({ status: EVTCHNSTAT_unbound, domid: 0 });
    expect(l.dom0.events.status(port0)?.status).toBe(EVTCHNSTAT_closed);
    // To nobody, without complaint.
    expect(l.run(guest, (cpu) => guest.kernel.xen.notify(cpu, port))).toBe(0);
    expect(notify()).toBe(-22);
    expect(l.run(l.dom0, (cpu) => l.dom0.kernel.xen.bindInterdomain(cpu, guest.domid, port))).toBe(port0);
    expect(notify()).toBe(0);
    expect(seen).toBe(2);
  });

  it('binding raises the event that may have been lost', () => {
    const l = lab(era);
    const guest = l.guest();
    const port = l.run(guest, (cpu) => guest.kernel.xen.allocUnbound(cpu, 0));
    let seen = 0;
    l.run(l.dom0, (cpu) => {
      const own = l.dom0.kernel.xen.bindInterdomain(cpu, guest.domid, port);
      l.dom0.kernel.xen.setHandler(own, () => seen++);
    });
    expect(seen).toBe(1);
  });

  it('many sends before the target runs are one event', () => {
    const { l, guest, port, port0 } = channel(era);
    let seen = 0;
    guest.kernel.xen.setHandler(port, () => seen++);
    l.machine.pauseDomain(guest.domid);
    l.run(l.dom0, (cpu) => {
      for (let i = 0; i < 50; i++) l.dom0.kernel.xen.notify(cpu, port0);
    });
    expect([seen, guest.events.abi.isPending(port)]).toEqual([0, true]);
    l.machine.unpauseDomain(guest.domid);
    l.loop.runUntil(l.loop.nowPs + 1e9);
    expect([seen, guest.events.abi.isPending(port)]).toEqual([1, false]);
    expect([guest.account.upcalls, guest.account.eventsReceived, l.dom0.account.eventsSent]).toEqual([1, 1, 50]);
  });

  it('an event at a masked port waits for unmasking', () => {
    const { l, guest, port, notify } = channel(era);
    let seen = 0;
    guest.kernel.xen.setHandler(port, () => seen++);
    guest.kernel.xen.mask(port);
    notify();
    notify();
    expect([seen, guest.events.abi.isPending(port), guest.events.abi.isMasked(port)]).toEqual([0, true, true]);
    l.run(guest, (cpu) => guest.kernel.xen.unmask(cpu, port));
    expect([seen, guest.events.abi.isPending(port), guest.events.abi.isMasked(port)]).toEqual([1, false, false]);
    // Without an event, unmasking asks nobody.
    const calls = guest.account.hypercallCount;
    guest.kernel.xen.mask(port);
    l.run(guest, (cpu) => guest.kernel.xen.unmask(cpu, port));
    expect(guest.account.hypercallCount).toBe(calls);
  });

  it('events that come before there is a handler are kept for it', () => {
    const { l, guest, port, notify } = channel(era);
    notify();
    let seen = 0;
    l.run(guest, () => guest.kernel.xen.setHandler(port, () => seen++));
    expect(seen).toBe(1);
  });

  it('go to the vCPU that the port is bound to', () => {
    const { l, guest, port, notify } = channel(era, { vcpus: 40 });
    for (const vcpu of [0, 3, 35]) {
      const upcalls: number[] = [];
      expect(l.run(guest, (cpu) => guest.kernel.xen.bindVcpu(cpu, port, vcpu))).toBe(0);
      for (const own of guest.vcpus) {
        const inner = own.onUpcall;
        own.onUpcall = () => {
          upcalls.push(own.id);
          inner();
        };
      }
      let seen = 0;
      guest.kernel.xen.setHandler(port, () => seen++);
      notify();
      expect([seen, new Set(upcalls)]).toEqual([1, new Set([vcpu])]);
    }
    expect(l.run(guest, (cpu) => guest.kernel.xen.bindVcpu(cpu, port, 40))).toBe(-2);
    expect(l.run(guest, (cpu) => guest.kernel.xen.bindVcpu(cpu, 999, 0))).toBe(-22);
  });

  it('VIRQs: one port each, per vCPU or per domain', () => {
    const l = lab(era);
    const guest = l.guest({ vcpus: 2 });
    const bind = (virq: number, vcpu = 0) => l.run(guest, (cpu) => guest.kernel.xen.bindVirq(cpu, virq, vcpu));
    const [timer0, timer1, exception] = [bind(VIRQ_TIMER), bind(VIRQ_TIMER, 1), bind(VIRQ_DOM_EXC)] as const;
    expect([bind(VIRQ_TIMER, 1), bind(VIRQ_DOM_EXC), bind(VIRQ_DOM_EXC, 1), bind(24), bind(VIRQ_TIMER, 2)]).toEqual([
      -17, -17, -22, -22, -2,
    ]);
    const seen: number[] = [];
    for (const port of [timer0, timer1, exception]) guest.kernel.xen.setHandler(port, () => seen.push(port));
    expect(guest.events.status(timer1)).toMatchObject({ status: EVTCHNSTAT_virq, virq: VIRQ_TIMER, vcpu: 1 });
    l.machine.raiseVirq(guest.domid, VIRQ_TIMER, 1);
    l.machine.raiseVirq(guest.domid, VIRQ_DOM_EXC);
    l.loop.runUntil(l.loop.nowPs + 1e9);
    expect(seen.sort()).toEqual([timer1, exception].sort());
    // A vCPU's own VIRQ stays; a domain's may move.
    expect(l.run(guest, (cpu) => guest.kernel.xen.bindVcpu(cpu, timer1, 0))).toBe(-22);
    expect(l.run(guest, (cpu) => guest.kernel.xen.bindVcpu(cpu, exception, 1))).toBe(0);
    l.run(guest, (cpu) => guest.kernel.xen.closePort(cpu, exception));
    expect(bind(VIRQ_DOM_EXC)).toBe(exception);
  });

  it('IPIs go to themselves', () => {
    const l = lab(era);
    const guest = l.guest({ vcpus: 2 });
    const port = guest.events.bindIpi(1);
    expect(guest.events.status(port)).toMatchObject({ status: EVTCHNSTAT_ipi, vcpu: 1 });
    expect(guest.events.send(port)).toBe(1);
    expect([guest.events.targetDomid, guest.events.targetPort]).toEqual([guest.domid, port]);
    expect(guest.events.bindIpi(2)).toBe(-2);
    expect(guest.events.bindVcpu(port, 0)).toBe(-22);
  });

  it('refuses what does not fit', () => {
    const { l, guest, port, port0 } = channel(era, { maxPorts: 8 });
    const bind = (domid: number, remote: number) => l.dom0.events.bindInterdomain(domid, remote, 0);
    expect([bind(99, 1), bind(guest.domid, 0), bind(guest.domid, port), bind(guest.domid, 500)]).toEqual([-3, -22, -22, -22]);
    expect([guest.events.close(0), guest.events.close(7), guest.events.close(-1), guest.events.send(0)]).toEqual([
      -22, -22, -22, -22,
    ]);
    // Not for this domain.
    const other = l.guest();
    expect(other.events.bindInterdomain(guest.domid, guest.events.allocUnbound(0), 0)).toBe(-22);
    while (guest.events.allocUnbound(0) > 0);
    expect(guest.events.allocUnbound(0)).toBe(-28);
    expect(guest.events.openCount).toBe(7);
    expect(l.dom0.events.status(port0)?.domid).toBe(guest.domid);
    guest.events.reset();
    expect([guest.events.openCount, guest.events.isFifo]).toEqual([0, false]);
    expect(l.dom0.events.status(port0)?.status).toBe(EVTCHNSTAT_unbound);
  });

  it('a domain can talk to itself', () => {
    const l = lab(era);
    const guest = l.guest();
    const a = guest.events.allocUnbound(DOMID_SELF);
    const b = guest.events.bindInterdomain(DOMID_SELF, a, 0);
    expect(guest.events.send(a)).toBe(1);
    expect(guest.events.targetPort).toBe(b);
    expect(guest.events.close(b)).toBe(0);
    expect(guest.events.status(a)?.status).toBe(EVTCHNSTAT_unbound);
  });
});

describe('FIFO alone', () => {
  it('higher priorities first', () => {
    const { l, guest, port, port0 } = channel(FIFO);
    const second = l.run(guest, (cpu) => guest.kernel.xen.allocUnbound(cpu, 0));
    const second0 = l.run(l.dom0, (cpu) => l.dom0.kernel.xen.bindInterdomain(cpu, guest.domid, second));
    const seen: number[] = [];
    for (const own of [port, second]) guest.kernel.xen.setHandler(own, () => seen.push(own));
    expect(l.run(guest, (cpu) => guest.kernel.xen.setPriority(cpu, second, 3))).toBe(0);
    expect(l.run(guest, (cpu) => guest.kernel.xen.setPriority(cpu, second, 16))).toBe(-22);
    l.machine.pauseDomain(guest.domid);
    l.run(l.dom0, (cpu) => [port0, second0].map((own) => l.dom0.kernel.xen.notify(cpu, own)));
    l.machine.unpauseDomain(guest.domid);
    l.loop.runUntil(l.loop.nowPs + 1e9);
    expect(seen).toEqual([second, port]);
    const old = channel(TWO_LEVEL);
    expect(old.l.run(old.guest, (cpu) => old.guest.kernel.xen.setPriority(cpu, old.port, 3))).toBe(-38);
  });

  it('more than a page of event words', () => {
    const l = lab(FIFO);
    const guest = l.guest({ maxPorts: 5000 });
    const ports = l.run(guest, (cpu) => Array.from({ length: 3000 }, () => guest.kernel.xen.allocUnbound(cpu, 0)));
    const last = ports.at(-1) as number;
    expect(last).toBe(3002);
    const port0 = l.run(l.dom0, (cpu) => l.dom0.kernel.xen.bindInterdomain(cpu, guest.domid, last));
    let seen = 0;
    guest.kernel.xen.setHandler(last, () => seen++);
    l.run(l.dom0, (cpu) => l.dom0.kernel.xen.notify(cpu, port0));
    expect(seen).toBe(1);
  });

  it('control blocks and pages of words must be the own, and fit', () => {
    const l = lab({ ...FIFO, fifoEvents: false });
    const guest = l.guest();
    const mfn = guest.memory.frameAt(40)?.mfn ?? 0;
    const { events } = guest;
    expect(events.expandArray(mfn, 0)).toBe(-95);
    const foreign = l.dom0.memory.frameAt(40)?.mfn ?? 0;
    expect([events.initControl(mfn, 4096 - 64, 0), events.initControl(mfn, 4, 0), events.initControl(foreign, 0, 0)]).toEqual([
      -22, -22, -22,
    ]);
    expect(events.initControl(mfn, 0, 1)).toBe(-2);
    expect([events.isFifo, events.initControl(mfn, 8, 0), events.initControl(mfn, 8, 0), events.isFifo]).toEqual([
      false,
      0,
      -22,
      true,
    ]);
    expect(events.expandArray(foreign, 0)).toBe(-22);
    for (let i = 0; i < 128; i++) expect(events.expandArray(mfn, 0)).toBe(0);
    expect(events.expandArray(mfn, 0)).toBe(-28);
    // Held as long as the hypervisor writes there.
    expect(guest.memory.givePage(mfn)).toBe(true);
    expect(l.machine.memory.frame(mfn)).not.toBe(null);
    events.reset();
    expect(l.machine.memory.frame(mfn)).toBe(null);
  });
});

// The same random life on bits and on queues.

const PORTS = 6;
type Step = { readonly kind: 'send' | 'mask' | 'unmask' | 'move'; readonly port: number; readonly vcpu: number };
const steps = (...kinds: Step['kind'][]) =>
  fc.array(
    fc.array(fc.record({ kind: fc.constantFrom('send', 'send', ...kinds), port: fc.nat(PORTS - 1), vcpu: fc.nat(1) }), {
      maxLength: 8,
    }),
    { maxLength: 12 },
  );

/** Plays it; returns every run of a handler, with its time. Checks that no event is lost. */
function play(era: Era, batches: readonly (readonly Step[])[]): string[] {
  const l = lab(era);
  const guest = l.guest({ vcpus: 2 });
  const { xen } = guest.kernel;
  const ports = l.run(guest, (cpu) => Array.from({ length: PORTS }, () => xen.allocUnbound(cpu, 0)));
  const far = l.run(l.dom0, (cpu) => ports.map((port) => l.dom0.kernel.xen.bindInterdomain(cpu, guest.domid, port)));
  const log: string[] = [];
  /** When each port's last event was marked, and when it was last handled. */
  const sentPs = ports.map(() => -1);
  const handledPs = ports.map(() => -1);
  const masked = new Set<number>();
  for (const [i, port] of ports.entries())
    xen.setHandler(port, () => {
      expect(masked.has(i), 'a masked port').toBe(false);
      log.push(`${l.loop.nowPs} ${i}`);
      handledPs[i] = l.loop.nowPs;
    });
  for (const batch of batches) {
    const sends = batch.filter(({ kind }) => kind === 'send');
    playSends(l, sends, far, sentPs);
    playOwn(l, guest, batch, ports, masked);
    l.loop.runUntil(l.loop.nowPs + 1e9);
    for (const [i, port] of ports.entries()) {
      if (guest.events.abi.isPending(port)) expect(masked.has(i), `port ${i} waits for nothing`).toBe(true);
      else expect(handledPs[i], `event of port ${i} is lost`).toBeGreaterThanOrEqual(sentPs[i] as number);
    }
  }
  return log.sort();
}

function playSends(l: Lab, sends: readonly Step[], far: readonly number[], sentPs: number[]): void {
  const { cpu, xen } = l.dom0.kernel;
  cpu.exec(0, 'test', () => {
    for (const { port } of sends) {
      xen.notify(cpu, far[port] as number);
      sentPs[port] = cpu.nowPs;
    }
  });
  if (sends.length > 0) l.loop.runUntil(l.loop.nowPs + 2e6);
}

function playOwn(l: Lab, guest: Domain, batch: readonly Step[], ports: readonly number[], masked: Set<number>): void {
  const { xen } = guest.kernel;
  const own = (cpu: Vcpu) => {
    for (const { kind, port, vcpu } of batch) {
      if (kind === 'mask') {
        xen.mask(ports[port] as number);
        masked.add(port);
      } else if (kind === 'unmask') {
        masked.delete(port);
        xen.unmask(cpu, ports[port] as number);
      } else if (kind === 'move') xen.bindVcpu(cpu, ports[port] as number, vcpu);
    }
  };
  l.run(guest, own);
}

it('bits and queues show the same events at the same times', () => {
  fc.assert(
    fc.property(steps('send', 'mask', 'unmask'), (batches) => {
      expect(play(FIFO, batches)).toEqual(play(TWO_LEVEL, batches));
    }),
    { numRuns: 100 },
  );
});

// A queue keeps an event that is linked already, so where it is handled may differ; that it is handled may not.
it.each([TWO_LEVEL, FIFO])('no event is lost while ports move between vCPUs', (era) => {
  fc.assert(
    fc.property(steps('send', 'move', 'move', 'mask', 'unmask'), (batches) => {
      play(era, batches);
    }),
    { numRuns: 100 },
  );
});
