/**
 * credit2's caps: a domain has a budget for every 10 ms, which its vCPUs draw on in quotas; without budget they are held back until the next period.
 */
import { BUDGET_PERIOD_PS, Credit2Domain, type Credit2Unit, MIN_TIMER_PS } from './credit2-state.ts';
import type { SchedDomain } from './params.ts';
import type { PolicyHost } from './policy.ts';

const NEVER = Number.POSITIVE_INFINITY;

export class Credit2Budgets {
  readonly #host: PolicyHost;

  constructor(host: PolicyHost) {
    this.#host = host;
  }

  /** The books of a new domain. */
  open(domain: SchedDomain): Credit2Domain {
    const own: Credit2Domain = new Credit2Domain(
      domain,
      this.#host.timer(() => this.#replenish(own)),
    );
    return own;
  }

  /** Draws a quota if the unit has none left; false if there is none to be had: then the unit is held back. */
  grab(svc: Credit2Unit): boolean {
    if (svc.budgetPs > 0) return true;
    const { domain } = svc;
    domain.budgetPs += svc.budgetPs;
    svc.budgetPs = 0;
    if (domain.budgetPs <= 0) {
      this.#park(svc);
      return false;
    }
    if (domain.timer.duePs === NEVER) this.#restart(domain);
    svc.budgetPs = Math.min(domain.budgetPs, svc.quotaPs);
    domain.budgetPs -= svc.budgetPs;
    return true;
  }

  /** A unit that leaves its pCPU returns what it has not used. */
  giveBack(svc: Credit2Unit): void {
    const { domain } = svc;
    if (domain.cap === 0 || svc.budgetPs <= 0) return;
    domain.budgetPs += svc.budgetPs;
    svc.budgetPs = 0;
    if (domain.budgetPs > 0) this.#unpark(domain);
  }

  /** The domain's cap, or the number of its units, may be another. `interrupt` makes a unit that runs draw on the budget at once. */
  capChanged(own: Credit2Domain, interrupt: (svc: Credit2Unit) => void): void {
    const { cap } = own.domain.params;
    const before = own.cap;
    own.cap = cap;
    own.totalPs = (BUDGET_PERIOD_PS / 100) * cap;
    const { units } = own.domain;
    for (const { data, isRunning } of units) {
      const svc = data as Credit2Unit | null;
      if (svc === null) continue;
      svc.quotaPs = cap === 0 ? 0 : Math.max(Math.floor(own.totalPs / units.length), MIN_TIMER_PS);
      if (cap === 0) svc.budgetPs = NEVER;
      else if (svc.budgetPs === NEVER) {
        svc.budgetPs = 0;
        if (isRunning) interrupt(svc);
      }
    }
    if (cap > 0 && before === 0) {
      own.budgetPs = own.totalPs;
      own.periodPs = this.#host.nowPs;
    } else if (cap === 0 && before > 0) {
      own.timer.clear();
      this.#unpark(own);
    }
  }

  /** The periods go on as if the timer had run all the time: nobody has drawn on the budget meanwhile. */
  #restart(own: Credit2Domain): void {
    const { nowPs } = this.#host;
    own.periodPs = nowPs - ((nowPs - own.periodPs) % BUDGET_PERIOD_PS);
    own.timer.set(own.periodPs + BUDGET_PERIOD_PS);
  }

  #replenish(own: Credit2Domain): void {
    own.periodPs = this.#host.nowPs;
    // The whole budget is there: nothing to be done before somebody draws on it.
    if (own.budgetPs === own.totalPs) return;
    own.budgetPs = Math.min(own.budgetPs + own.totalPs, own.totalPs);
    own.timer.set(this.#host.nowPs + BUDGET_PERIOD_PS);
    if (own.budgetPs > 0) this.#unpark(own);
  }

  #park(svc: Credit2Unit): void {
    const { domain } = svc;
    if (domain.parked.has(svc)) return;
    domain.parked.add(svc);
    this.#host.pause(svc.unit);
  }

  #unpark(domain: Credit2Domain): void {
    const parked = [...domain.parked];
    domain.parked.clear();
    for (const svc of parked) this.#host.unpause(svc.unit);
  }
}
