/**
 * Schedulers of a Xen machine: simulated time for CPU time with 128 CPU-bound guests on one pCPU, and what 500 idle guests cost. Alone: `npx tsx bench/xen-sched.ts`.
 */
import { pathToFileURL } from 'node:url';
import { BASE_COSTS, MS, POLICIES, Rig, SECOND, US } from './xen-machine.ts';
import type { BenchRow } from './types.ts';

const HOGS = 128;
const IDLE = 500;
/** Of the idle guests' own timers, as a tickless kernel has them. */
const TIMER_PS = 250 * MS;
const MIN_SPEED = 200;

export async function measure(): Promise<readonly BenchRow[]> {
  return [...POLICIES.map(busy), ...POLICIES.map(idle)];
}

/** 128 guests that compute, on one pCPU. */
function busy(policy: (typeof POLICIES)[number]): BenchRow {
  const rig = new Rig({ policy, costs: BASE_COSTS });
  for (let domid = 1; domid <= HOGS; domid++) rig.hog(domid);
  rig.run(10 * SECOND);
  const seconds = 60;
  const since = process.cpuUsage();
  const before = rig.loop.handled;
  rig.run((10 + seconds) * SECOND);
  const { user, system } = process.cpuUsage(since);
  const cpuSeconds = (user + system) / 1e6;
  return {
    name: `xen-sched/${policy}: ${HOGS} CPU-bound guests on one pCPU`,
    packetHopsPerCpuSecond: null,
    eventsPerPacketHop: null,
    cpuSeconds,
    peakMiB: null,
    figures: {
      simulatedSecondsPerCpuSecond: seconds / cpuSeconds,
      eventsPerSimulatedSecond: (rig.loop.handled - before) / seconds,
    },
    target: `>= ${MIN_SPEED} simulated s per CPU s`,
    ok: seconds / cpuSeconds >= MIN_SPEED,
  };
}

/** 500 guests with a timer each and nothing else, on two pCPUs: events beyond those that each timer needs by itself on a machine of its own. */
function idle(policy: (typeof POLICIES)[number]): BenchRow {
  const seconds = 20;
  const since = process.cpuUsage();
  const many = idleGuests(policy, IDLE, seconds);
  const { user, system } = process.cpuUsage(since);
  const eventsPerTimer = many.events / many.timers;
  const alone = idleGuests(policy, 1, seconds);
  return {
    name: `xen-sched/${policy}: ${IDLE} idle guests on two pCPUs`,
    packetHopsPerCpuSecond: null,
    eventsPerPacketHop: null,
    cpuSeconds: (user + system) / 1e6,
    peakMiB: null,
    figures: {
      eventsPerSimulatedSecond: many.events / seconds,
      timersPerSimulatedSecond: many.timers / seconds,
      eventsPerTimer,
      eventsPerTimerAlone: alone.events / alone.timers,
    },
    target: 'nothing beyond their timers',
    ok: eventsPerTimer <= (alone.events / alone.timers) * 1.1,
  };
}

function idleGuests(policy: (typeof POLICIES)[number], guests: number, seconds: number): { events: number; timers: number } {
  const rig = new Rig({ policy, pcpus: 2, costs: BASE_COSTS });
  let timers = 0;
  for (let domid = 1; domid <= guests; domid++) {
    const vcpu = rig.vcpu(domid);
    const tick = (): void => {
      timers++;
      vcpu.spend(2 * US, 'timer');
      vcpu.setTimer(vcpu.nowPs + TIMER_PS, tick);
    };
    vcpu.setTimer(Math.floor((TIMER_PS * domid) / guests), tick);
  }
  rig.run(seconds * SECOND);
  return { events: rig.loop.handled, timers };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  console.log(JSON.stringify(await measure(), null, 2));
