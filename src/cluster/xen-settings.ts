/** From what a topology says of a Xen host to what scheduler and machine are told. */
import { type MachineParams, resolveCpus } from '../hypervisor/index.ts';
import type { XenPlan } from './host-plan.ts';

/** Parameters of the scheduler for all domains. */
export function schedulerParams({ scheduler }: XenPlan): Partial<MachineParams> {
  const { timeslicePs, ratelimitPs, boost, kickAway } = scheduler ?? {};
  return {
    ...(timeslicePs !== undefined && { tslicePs: timeslicePs }),
    ...(ratelimitPs !== undefined && { ratelimitPs }),
    ...(boost !== undefined && { boost }),
    ...(kickAway !== undefined && { kickAway }),
  };
}

/** The pCPUs that a text names. */
export function pcpusOf(text: string, pcpus: number): number[] {
  return resolveCpus(text, { pcpus });
}
