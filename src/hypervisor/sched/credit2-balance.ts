/**
 * credit2's loads: how many vCPUs of a run queue run or wait, averaged over about a second, and the exchange of vCPUs that makes two run queues most alike.
 */
import type { Ps } from '../../sim/index.ts';
import type { Credit2Unit, RunQueue } from './credit2-state.ts';

/** The window of the average: 2^30 ns. */
const WINDOW_PS = 2 ** 30 * 1000;
/** Least difference that is worth a move: of queues with a pCPU to spare, and of full ones (2^0 and 2^-3 vCPUs). */
const UNDERLOAD_TOLERANCE = 1;
const OVERLOAD_TOLERANCE = 0.125;

/** Counts a unit in (`change` 1) or out (−1) of its run queue's load; 0 only brings the averages up to now. */
export function loadOf(svc: Credit2Unit, change: -1 | 0 | 1, nowPs: Ps): void {
  averageUnit(svc, nowPs);
  averageQueue(svc.queue, nowPs);
  if (change === 0 || svc.load === (change === 1 ? 1 : 0)) return;
  svc.load = change === 1 ? 1 : 0;
  svc.queue.load += change;
}

function averageUnit(svc: Credit2Unit, nowPs: Ps): void {
  svc.average += (svc.load - svc.average) * Math.min(1, (nowPs - svc.averagedPs) / WINDOW_PS);
  svc.averagedPs = nowPs;
}

function averageQueue(queue: RunQueue, nowPs: Ps): void {
  queue.average += (queue.load - queue.average) * Math.min(1, (nowPs - queue.averagedPs) / WINDOW_PS);
  queue.averagedPs = nowPs;
}

/** Whether a unit may run on a run queue's pCPUs; with `isSoft`, on one that it prefers. */
function fits(svc: Credit2Unit, queue: RunQueue, isSoft: boolean): boolean {
  const { hard, soft } = svc.unit;
  return queue.pcpus.some((id) => hard[id] === 1 && (!isSoft || soft[id] === 1));
}

/** The run queue with the least load among those that a unit may use, itself not counted. */
export function leastLoaded(queues: readonly RunQueue[], svc: Credit2Unit, isSoft: boolean): RunQueue | null {
  let best: RunQueue | null = null;
  let bestLoad = Number.POSITIVE_INFINITY;
  for (const queue of queues) {
    if (!fits(svc, queue, isSoft)) continue;
    const load = queue === svc.queue ? Math.max(0, queue.average - svc.average) : queue.average;
    if (load < bestLoad) {
      best = queue;
      bestLoad = load;
    }
  }
  return best;
}

/** Looks for the queue that differs most from `own`, and sends what makes the two most alike: one unit there, one here, or both. */
export function balance(
  queues: readonly RunQueue[],
  own: RunQueue,
  nowPs: Ps,
  send: (svc: Credit2Unit, target: RunQueue) => void,
): void {
  let other: RunQueue | null = null;
  let delta = 0;
  averageQueue(own, nowPs);
  for (const queue of queues) {
    if (queue === own) continue;
    averageQueue(queue, nowPs);
    const difference = Math.abs(own.average - queue.average);
    if (difference <= delta) continue;
    delta = difference;
    other = queue;
  }
  if (other === null) return;
  const most = Math.max(own.average, other.average);
  const isUnderloaded = most < Math.max(own.pcpus.length, other.pcpus.length);
  if (delta < (isUnderloaded ? UNDERLOAD_TOLERANCE : OVERLOAD_TOLERANCE)) return;
  const { push, pull } = bestExchange(own, other, delta, nowPs);
  if (push !== null) send(push, other);
  if (pull !== null) send(pull, own);
}

interface Exchange {
  readonly push: Credit2Unit | null;
  readonly pull: Credit2Unit | null;
}

function bestExchange(own: RunQueue, other: RunQueue, deltaNow: number, nowPs: Ps): Exchange {
  let best: Exchange = { push: null, pull: null };
  let delta = deltaNow;
  const consider = (push: Credit2Unit | null, pull: Credit2Unit | null): void => {
    const moved = (push?.average ?? 0) - (pull?.average ?? 0);
    const difference = Math.abs(own.average - moved - (other.average + moved));
    if (difference >= delta) return;
    delta = difference;
    best = { push, pull };
  };
  const movable = (svc: Credit2Unit, queue: RunQueue): boolean => svc.target === null && fits(svc, queue, false);
  for (const svc of own.units) averageUnit(svc, nowPs);
  for (const svc of other.units) averageUnit(svc, nowPs);
  const pulls = other.units.filter((svc) => movable(svc, own));
  for (const push of own.units.filter((svc) => movable(svc, other))) {
    for (const pull of pulls) consider(push, pull);
    consider(push, null);
  }
  for (const pull of pulls) consider(null, pull);
  return best;
}
