/**
 * The credit scheduler's books: who is active, what credit everyone gets each accounting period, and what running costs.
 *
 * One credit is 100 us of CPU time; they are kept here in ns of it. The accounting timer stands still while nobody is active: then it would change nothing.
 */
import type { Ps } from '../../sim/index.ts';
import type { SchedDomain } from './params.ts';
import type { PolicyHost } from './policy.ts';
import type { SchedTimer } from './timer.ts';
import type { SchedUnit } from './unit.ts';

export const PRI_BOOST = 0;
export const PRI_UNDER = -1;
export const PRI_OVER = -2;
export const PRI_IDLE = -64;

const PS_PER_NS = 1000;
const MS = 1_000_000_000;

/** A vCPU's credit and place. */
export class CreditUnit {
  readonly unit: SchedUnit;
  readonly domain: CreditDomain;
  pri = PRI_UNDER;
  creditNs = 0;
  /** Up to when its running is charged. */
  startPs: Ps = 0;
  /** When it last left a pCPU. */
  lastRanPs: Ps = 0;
  isQueued = false;
  isYielding = false;
  /** Earns credit. */
  isActive = false;
  /** Held back by its domain's cap. */
  isParked = false;
  /** Was sent to another pCPU, so that it wakes up there without having slept. */
  isMoved = false;

  constructor(unit: SchedUnit, domain: CreditDomain) {
    this.unit = unit;
    this.domain = domain;
  }
}

export class CreditDomain {
  readonly domain: SchedDomain;
  /** Its units that earn credit, the latest first. */
  readonly active: CreditUnit[] = [];

  constructor(domain: SchedDomain) {
    this.domain = domain;
  }
}

export class CreditAccounting {
  /** Accountings that changed priorities so far. */
  epoch = 0;
  /** Ticks in a time slice. */
  ticks = 3;
  readonly #host: PolicyHost;
  readonly #timer: SchedTimer;
  readonly #active: CreditDomain[] = [];
  /** Sum of all active units' credit after the last accounting. */
  #balanceNs = 0;
  /** When the accounting timer's grid began, and how far it is. */
  #gridPs: Ps = 0;

  constructor(host: PolicyHost) {
    this.#host = host;
    this.#timer = host.timer(() => this.#account());
    this.parametersChanged();
  }

  parametersChanged(): void {
    this.ticks = this.#host.params.tslicePs < 3 * MS ? 1 : 3;
    if (this.#timer.duePs === Number.POSITIVE_INFINITY) this.#gridPs = this.#host.nowPs;
  }

  /** Charges what `svc` ran since it was charged last. */
  burn(svc: CreditUnit, nowPs: Ps): void {
    if (this.#host.params.tickAccounting) return;
    const ns = Math.floor((nowPs - svc.startPs) / PS_PER_NS);
    svc.creditNs -= ns;
    svc.startPs += ns * PS_PER_NS;
  }

  /** A tick found `svc` running. */
  tick(svc: CreditUnit, nowPs: Ps): void {
    if (this.#host.params.tickAccounting) svc.creditNs -= this.#host.params.tslicePs / this.ticks / PS_PER_NS;
    else this.burn(svc, nowPs);
  }

  /** Makes a unit earn credit. */
  start(svc: CreditUnit): void {
    if (svc.isActive) return;
    svc.isActive = true;
    const { domain } = svc;
    if (domain.active.length === 0) this.#active.unshift(domain);
    domain.active.unshift(svc);
    if (this.#timer.duePs === Number.POSITIVE_INFINITY) this.#restart();
  }

  stop(svc: CreditUnit): void {
    if (!svc.isActive) return;
    svc.isActive = false;
    const { domain } = svc;
    domain.active.splice(domain.active.indexOf(svc), 1);
    if (domain.active.length === 0) this.#active.splice(this.#active.indexOf(domain), 1);
  }

  /** Goes on where the timer would be had it run all the time; accountings left out would have forgotten the balance. */
  #restart(): void {
    const { nowPs, params } = this.#host;
    const passed = Math.floor((nowPs - this.#gridPs) / params.tslicePs);
    if (passed > 0) this.#balanceNs = 0;
    this.#gridPs += passed * params.tslicePs;
    this.#timer.set(this.#gridPs + params.tslicePs);
  }

  #account(): void {
    const { nowPs, params } = this.#host;
    this.#gridPs = nowPs;
    const weightTotal = this.#active.reduce((sum, { domain, active }) => sum + domain.params.weight * active.length, 0);
    if (weightTotal === 0) {
      this.#balanceNs = 0;
      return;
    }
    const periodNs = params.tslicePs / PS_PER_NS;
    let creditTotal = periodNs * this.#host.pcpus + Math.max(0, -this.#balanceNs);
    let weightLeft = weightTotal;
    let balance = 0;
    let isExtra = false;
    for (const one of [...this.#active]) {
      const { domain, active } = one;
      const count = active.length;
      weightLeft -= domain.params.weight * count;
      let peak = count * periodNs;
      if (this.#balanceNs < 0) peak += Math.ceil((-this.#balanceNs * domain.params.weight * count) / weightTotal);
      let cap = 0;
      if (domain.params.cap !== 0) {
        cap = Math.ceil((domain.params.cap * periodNs) / 100);
        peak = Math.min(peak, cap);
        cap = Math.ceil(cap / count);
      }
      let fair = Math.ceil((creditTotal * domain.params.weight * count) / weightTotal);
      if (fair < peak) isExtra = true;
      else {
        // What it cannot use, those after it get.
        if (weightLeft > 0) creditTotal += Math.ceil(((fair - peak) * weightTotal) / weightLeft);
        if (isExtra) {
          this.#active.splice(this.#active.indexOf(one), 1);
          this.#active.unshift(one);
        }
        fair = peak;
      }
      for (const svc of [...active]) balance += this.#grant(svc, Math.ceil(fair / count), cap, periodNs);
    }
    this.#balanceNs = balance;
    this.epoch++;
    this.#timer.set(nowPs + params.tslicePs);
  }

  /** Gives one unit its credit, and its priority for it. Returns its credit then. */
  #grant(svc: CreditUnit, fairNs: number, capNs: number, periodNs: number): number {
    svc.creditNs += fairNs;
    if (svc.creditNs < 0) {
      svc.pri = PRI_OVER;
      if (capNs !== 0 && svc.creditNs < -capNs && !svc.isParked) {
        svc.isParked = true;
        this.#host.pause(svc.unit);
      }
      svc.creditNs = Math.max(svc.creditNs, -periodNs);
    } else {
      svc.pri = PRI_UNDER;
      if (svc.isParked) {
        this.#host.unpause(svc.unit);
        svc.isParked = false;
      }
      if (svc.creditNs > periodNs) {
        this.stop(svc);
        svc.creditNs = Math.floor(svc.creditNs / 2);
      }
    }
    return svc.creditNs;
  }
}
