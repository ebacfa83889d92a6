/**
 * The schedulers by name.
 */
import type { SchedulerName } from '../eras.ts';
import { BvtPolicy } from './bvt.ts';
import { CreditPolicy } from './credit.ts';
import { Credit2Policy } from './credit2.ts';
import type { PolicyHost, SchedulerPolicy } from './policy.ts';
import { SedfPolicy } from './sedf.ts';

/** Makes the scheduler `name` for a machine. */
export function createPolicy(name: SchedulerName, host: PolicyHost): SchedulerPolicy {
  switch (name) {
    case 'credit':
      return new CreditPolicy(host);
    case 'credit2':
      return new Credit2Policy(host);
    case 'sedf':
      return new SedfPolicy(host);
    case 'bvt':
      return new BvtPolicy(host);
  }
}
