import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SchedulerName } from '../../src/hypervisor/eras.ts';
import { RUNSTATE_RUNNABLE, RUNSTATE_RUNNING } from '../../src/hypervisor/sched/unit.ts';
import type { Vcpu } from '../../src/hypervisor/vcpu.ts';
import { MS, POLICIES, Rig, US } from './sched-kit.ts';

type Deed =
  | 'kick'
  | 'hog'
  | 'calm'
  | 'pause'
  | 'unpause'
  | 'pin'
  | 'work'
  | 'timer'
  | 'weight'
  | 'cap'
  | 'add'
  | 'stop'
  | 'yield';
interface Step {
  readonly gapUs: number;
  readonly deed: Deed;
  readonly who: number;
  readonly amount: number;
}

const DEEDS: readonly Deed[] = [
  'kick',
  'hog',
  'calm',
  'pause',
  'unpause',
  'pin',
  'work',
  'timer',
  'weight',
  'cap',
  'add',
  'stop',
  'yield',
];
const step: fc.Arbitrary<Step> = fc.record({
  gapUs: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 30_000 })),
  deed: fc.constantFrom(...DEEDS),
  who: fc.nat(15),
  amount: fc.integer({ min: 1, max: 2000 }),
});

/** Does the steps on a machine, and looks at it whenever time passes. */
class Chaos {
  readonly rig: Rig;
  readonly log: string[] = [];
  readonly #pauses = new Map<Vcpu, number>();
  readonly #dead = new Set<Vcpu>();
  #nextDomid: number;

  constructor(policy: SchedulerName, pcpus: number, vcpus: number) {
    // Interrupts take no time here, so that an idle pCPU with work in sight is a fault at once.
    this.rig = new Rig({
      policy,
      pcpus,
      costs: { contextSwitchPs: US, coldCachePs: 2 * US, upcallPs: US / 2, hypercallPs: US / 4 },
    });
    for (let domid = 1; domid <= vcpus; domid++) this.#add(domid);
    this.#nextDomid = vcpus + 1;
  }

  #add(domid: number): void {
    const vcpu = this.rig.vcpu(domid);
    vcpu.onUpcall = () => this.log.push(`${domid} upcall ${this.rig.loop.nowPs}`);
  }

  do({ deed, who, amount }: Step): void {
    const { rig } = this;
    const vcpu = rig.vcpus[who % rig.vcpus.length]!;
    if (deed === 'add') {
      if (rig.vcpus.length < 12) this.#add(this.#nextDomid++);
      return;
    }
    if (this.#dead.has(vcpu)) return;
    const paused = this.#pauses.get(vcpu) ?? 0;
    if (deed === 'kick') vcpu.kick(rig.loop.nowPs + amount * 10);
    if (deed === 'hog' || deed === 'calm') vcpu.hog(deed === 'hog');
    if (deed === 'work') vcpu.exec(amount * US, 'work', () => this.log.push(`${vcpu.domid} work ${rig.loop.nowPs}`));
    if (deed === 'timer') vcpu.setTimer(rig.loop.nowPs + amount * US, () => vcpu.spend(amount * 100, 'late'));
    if (deed === 'yield') vcpu.yield();
    if (deed === 'pause') {
      this.#pauses.set(vcpu, paused + 1);
      vcpu.pause();
    }
    if (deed === 'unpause' && paused > 0) {
      this.#pauses.set(vcpu, paused - 1);
      vcpu.unpause();
    }
    if (deed === 'weight') rig.host.setParams(vcpu.domid, { weight: amount });
    if (deed === 'cap') rig.host.setParams(vcpu.domid, { cap: amount % 3 === 0 ? 0 : Math.min(100, amount) });
    if (deed === 'pin') {
      const all = Array.from({ length: rig.host.pcpus }, (_, id) => id);
      const some = all.filter((id) => ((amount >> id) & 1) === 1);
      rig.host.setAffinity(vcpu.domid, 0, some.length === 0 ? all : some, amount > 1000 ? [amount % rig.host.pcpus] : all);
    }
    if (deed === 'stop' && amount > 1000) {
      this.#dead.add(vcpu);
      vcpu.stop();
      this.log.push(`${vcpu.domid} dead ${rig.loop.nowPs}`);
    }
  }

  /** Runs to `untilPs`, and checks each moment when all is said. */
  run(untilPs: number, isConserving: boolean): void {
    const { loop } = this.rig;
    loop.limitPs = untilPs;
    do {
      if (loop.nextPs() > loop.nowPs) this.#check(isConserving);
    } while (loop.step());
  }

  #check(isConserving: boolean): void {
    const { host, loop, vcpus } = this.rig;
    const { running } = host;
    for (const [id, unit] of running.entries()) {
      if (unit === null) continue;
      expect(unit.hard[id]).toBe(1);
      expect(unit.pcpu).toBe(id);
      expect(unit.state).toBe(RUNSTATE_RUNNING);
      expect(unit.isRunnable && !unit.isGone).toBe(true);
    }
    for (const vcpu of vcpus) {
      const { unit } = vcpu;
      expect(unit.state === RUNSTATE_RUNNING).toBe(running.filter((one) => one === unit).length === 1);
      const used = [...vcpu.usedPs.values()].reduce((sum, ps) => sum + ps, 0);
      const { timesPs } = vcpu.runstate;
      if (used !== timesPs[0]) throw new Error(`${vcpu.domid}: ${used} ps used, ${timesPs[0]} ps running at ${loop.nowPs}`);
      // Who yields waits for somebody, and is not taken to another pCPU.
      if (!isConserving || unit.state !== RUNSTATE_RUNNABLE || (unit.data as { isYielding?: boolean }).isYielding) continue;
      for (const [id, current] of running.entries()) {
        if (current === null && unit.hard[id] === 1)
          throw new Error(`${vcpu.domid} waits while pCPU ${id} idles at ${loop.nowPs}`);
      }
    }
  }
}

function play(policy: SchedulerName, pcpus: number, vcpus: number, steps: readonly Step[]): Chaos {
  const chaos = new Chaos(policy, pcpus, vcpus);
  // BVT and SEDF do not balance: with several pCPUs they may leave work at one and idle at another. SEDF also leaves less than a quantum before a period unused.
  const isConserving = policy === 'credit' || policy === 'credit2' || (policy === 'bvt' && pcpus === 1);
  let atPs = 0;
  for (const one of steps) {
    atPs += one.gapUs * US;
    chaos.run(atPs, isConserving);
    chaos.rig.loop.nowPs = atPs;
    chaos.do(one);
  }
  chaos.run(atPs + 200 * MS, isConserving);
  return chaos;
}

describe('chaos of wakes, blocks, pauses, pins, births and deaths', () => {
  it.each(POLICIES)('%s keeps every rule at every moment', (policy) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 8 }),
        fc.array(step, { maxLength: 60 }),
        (pcpus, vcpus, steps) => {
          play(policy, pcpus, vcpus, steps);
        },
      ),
      { numRuns: policy === 'sedf' ? 40 : 120 },
    );
  });

  it.each(POLICIES)('%s gives the same run twice', (policy) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 40 }), (pcpus, steps) => {
        const [a, b] = [play(policy, pcpus, 5, steps), play(policy, pcpus, 5, steps)];
        expect(a.log).toEqual(b.log);
        expect(a.rig.vcpus.map(({ runstate }) => runstate)).toEqual(b.rig.vcpus.map(({ runstate }) => runstate));
      }),
      { numRuns: 20 },
    );
  });

  it.each(POLICIES)('%s: machines with nothing to do have no events', (policy) => {
    const rig = new Rig({ policy, pcpus: 2 });
    const vcpus = [1, 2, 3].map((domid) => rig.vcpu(domid, { cap: 50 }));
    for (const vcpu of vcpus) vcpu.exec(MS, 'work', () => undefined);
    rig.run(200 * MS);
    expect(rig.loop.pending).toBe(0);
  });
});
