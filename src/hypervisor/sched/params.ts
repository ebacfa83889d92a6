/**
 * What a user can set: a scheduler's parameters for a domain (`xl sched-credit -w -c`, `xm sched-sedf`, `xm sched-bvt`) and for the machine (`-s -t -r`).
 *
 * Defaults are Xen's. Each scheduler reads its own and ignores the others', so a file may set a weight for whatever scheduler runs.
 */
import type { Ps } from '../../sim/index.ts';
import type { SchedUnit } from './unit.ts';

const US = 1_000_000;
const MS = 1000 * US;

/** A domain's parameters. */
export interface DomainParams {
  /** credit, credit2: share relative to other domains'; 1 … 65535. */
  readonly weight: number;
  /** credit, credit2: per cent of one pCPU that the domain may use at most; 0 for no limit. */
  readonly cap: number;
  /** sedf: `slicePs` of CPU time in every `periodPs`; `latencyPs` is the longest wait of a domain that only has extra time. */
  readonly periodPs: Ps;
  readonly slicePs: Ps;
  readonly latencyPs: Ps;
  /** sedf: may use time that is left over. */
  readonly extraTime: boolean;
  /** sedf: weight; 0 where period and slice are given. With a period of 0 it counts for extra time only. */
  readonly sedfWeight: number;
  /** bvt: virtual time advances by this each 100 us of CPU time: an inverse weight. */
  readonly mcuAdvance: number;
  /** bvt: whether waking warps the domain back, by how much virtual time, for how long at most, and how long not after that. */
  readonly warpBack: boolean;
  readonly warpValue: number;
  readonly warpLimitPs: Ps;
  readonly unwarpLimitPs: Ps;
}

export const DEFAULT_DOMAIN_PARAMS: DomainParams = {
  weight: 256,
  cap: 0,
  periodPs: 100 * MS,
  slicePs: 0,
  latencyPs: 0,
  extraTime: true,
  sedfWeight: 0,
  mcuAdvance: 10,
  warpBack: false,
  warpValue: 0,
  warpLimitPs: 2000 * MS,
  unwarpLimitPs: 1000 * MS,
};

/** What a domain starts with: SEDF guarantees domain 0 three quarters of a pCPU. */
export function defaultParams(domid: number): DomainParams {
  return domid === 0 ? { ...DEFAULT_DOMAIN_PARAMS, periodPs: 20 * MS, slicePs: 15 * MS } : DEFAULT_DOMAIN_PARAMS;
}

/** The machine's parameters. */
export interface MachineParams {
  /** credit: time slice (1 … 1000 ms). */
  readonly tslicePs: Ps;
  /** credit, credit2: least time that a vCPU keeps the pCPU (100 us … 500 ms, at most the slice); 0 turns that off. */
  readonly ratelimitPs: Ps;
  /** credit: a vCPU that ran less than this ago stays where its cache is. */
  readonly migrationDelayPs: Ps;
  /** credit: waking vCPUs are boosted (since 3.0.4). */
  readonly boost: boolean;
  /** credit: a wake kicks the running vCPU off through a migration that boosts it, idle pCPU or not (before 4.6). */
  readonly kickAway: boolean;
  /** credit: a tick charges a whole tick to who runs then (before exact accounting, 4.1). */
  readonly tickAccounting: boolean;
  /** credit2: pCPUs that share one run queue (a socket). */
  readonly pcpusPerRunqueue: number;
  /** bvt: least time between two switches. */
  readonly contextAllowPs: Ps;
  /** bvt: who wakes up waits until who runs has had its allowance (Xen 1.x, 2003). */
  readonly wakeWaits: boolean;
}

export const DEFAULT_MACHINE_PARAMS: MachineParams = {
  tslicePs: 30 * MS,
  ratelimitPs: MS,
  migrationDelayPs: 0,
  boost: true,
  kickAway: false,
  tickAccounting: false,
  pcpusPerRunqueue: 16,
  contextAllowPs: 5 * MS,
  wakeWaits: false,
};

/** A domain as schedulers see it. */
export class SchedDomain {
  readonly domid: number;
  readonly units: SchedUnit[] = [];
  params: DomainParams;
  /** The scheduler's own state of this domain. */
  data: object | null = null;

  constructor(domid: number, params: DomainParams) {
    this.domid = domid;
    this.params = params;
  }
}
