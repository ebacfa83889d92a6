/**
 * The seam between a machine's pCPUs and a scheduler: what the machine tells a scheduler (Xen's `struct scheduler`), and what a scheduler may ask of the machine.
 *
 * A scheduler decides only; the machine switches. `schedule` is called on a pCPU after its schedule interrupt (`raise`) or when the slice of the last decision is over.
 */
import type { Ps } from '../../sim/index.ts';
import type { SchedulerName } from '../eras.ts';
import type { MachineParams, SchedDomain } from './params.ts';
import type { SchedTimer } from './timer.ts';
import type { SchedUnit } from './unit.ts';

export interface SchedulerPolicy {
  readonly name: SchedulerName;
  /** How long the last decision of `schedule` holds; Infinity until somebody raises the pCPU. */
  readonly slicePs: Ps;
  /** A new unit: gets its `data` and a pCPU. It is not runnable yet. */
  insert(unit: SchedUnit): void;
  /** The unit is gone; it neither runs nor waits. */
  remove(unit: SchedUnit): void;
  /** The unit is runnable (or was told so again). */
  wake(unit: SchedUnit): void;
  /** It is not runnable any more. */
  sleep(unit: SchedUnit): void;
  /** It gives way: at the next decision others go first. */
  yield(unit: SchedUnit): void;
  /** The pCPU where a unit that is on the move should go; within its hard affinity. */
  pick(unit: SchedUnit): number;
  /** The unit, neither running nor waiting, belongs to `pcpu` from now on. */
  move(unit: SchedUnit, pcpu: number): void;
  /** Who runs on `pcpu` next; null for nobody. */
  schedule(pcpu: number): SchedUnit | null;
  /** The unit has left its pCPU, and everything of it is in memory. */
  contextSaved(unit: SchedUnit): void;
  /** Parameters of a domain or of the machine, or a unit's affinity, are other than they were. */
  domainChanged(domain: SchedDomain): void;
  machineChanged(): void;
  affinityChanged(unit: SchedUnit): void;
}

/** What a scheduler may ask of its machine. */
export interface PolicyHost {
  readonly nowPs: Ps;
  readonly pcpus: number;
  readonly params: MachineParams;
  /** Who has the pCPU; null while it idles. */
  current(pcpu: number): SchedUnit | null;
  /** The schedule interrupt: `schedule(pcpu)` will be called, at once or as soon as the interrupt is there. */
  raise(pcpu: number): void;
  /** The slice under way on `pcpu` ends at `atPs`, which is sooner than was decided. */
  shorten(pcpu: number, atPs: Ps): void;
  timer(fire: () => void): SchedTimer;
  /** Marks a running unit as on the move: it leaves its pCPU at the next decision and wakes up where `pick` says. */
  migrate(unit: SchedUnit): void;
  /** The pCPU with the fewest units among those that `unit` may use. */
  leastPopulated(unit: SchedUnit): number;
  /** Holds a unit back, and lets it go again. */
  pause(unit: SchedUnit): void;
  unpause(unit: SchedUnit): void;
}

/** The next pCPU after `from` in a mask, round about; −1 if it is empty. */
export function cycle(from: number, mask: Uint8Array): number {
  const n = mask.length;
  for (let i = 1; i <= n; i++) {
    const at = (from + i) % n;
    if (mask[at] === 1) return at;
  }
  return -1;
}

/** Whether a unit prefers some of the pCPUs that it may run on to the others. */
export function hasSoftAffinity(unit: SchedUnit): boolean {
  const { hard, soft } = unit;
  let inside = false;
  let outside = false;
  for (let i = 0; i < hard.length; i++) {
    if (hard[i] === 0) continue;
    if (soft[i] === 1) inside = true;
    else outside = true;
  }
  return inside && outside;
}

/** Writes the pCPUs of a balancing step into `target`: with `isSoft` those that the unit prefers, else all that it may use. */
export function affinityMask(unit: SchedUnit, isSoft: boolean, target: Uint8Array): void {
  for (let i = 0; i < target.length; i++) target[i] = (unit.hard[i] as number) & (isSoft ? (unit.soft[i] as number) : 1);
}

/** `a &= b`; whether anything is left. */
export function intersect(a: Uint8Array, b: Uint8Array): boolean {
  let any = 0;
  for (let i = 0; i < a.length; i++) any |= a[i] = (a[i] as number) & (b[i] as number);
  return any !== 0;
}
