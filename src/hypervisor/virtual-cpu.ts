/** What event channels ask of a virtual CPU: to be told that an upcall is pending. */
import type { Ps } from '../sim/index.ts';

export interface UpcallTarget {
  /** An upcall is pending from `atPs` on: a vCPU that is blocked wakes, one that runs is interrupted. */
  kick(atPs: Ps): void;
}
