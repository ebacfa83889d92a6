/**
 * Limits of the schedulers' parameters, as Xen checks them (public/sysctl.h, public/domctl.h, sched_sedf.c, sched_bvt.c). Times in ps.
 */
import type { DomainParams, MachineParams } from './params.ts';

const US = 1_000_000;
const MS = 1000 * US;

/** Throws `RangeError` for the first value outside of its limits. */
export function checkDomainParams(params: DomainParams): void {
  within('weight', params.weight, 1, 65_535);
  within('cap', params.cap, 0, 65_534);
  const { periodPs, slicePs, sedfWeight } = params;
  within('sedf weight', sedfWeight, 0, 65_535);
  within('latency', params.latencyPs, 0, 10_000 * MS);
  if (sedfWeight === 0 || periodPs !== 0) within('period', periodPs, 10 * US, 10_000 * MS);
  if (sedfWeight === 0 && (slicePs !== 0 || !params.extraTime)) within('slice', slicePs, 5 * US, periodPs);
  within('mcu advance', params.mcuAdvance, 1, 2 ** 31 - 1);
  within('warp value', params.warpValue, 0, 2 ** 31 - 1);
  within('warp limit', params.warpLimitPs, 0, 1e6 * MS);
  within('unwarp limit', params.unwarpLimitPs, 0, 1e6 * MS);
}

/** Throws `RangeError` for the first value outside of its limits. */
export function checkMachineParams(params: MachineParams): void {
  within('time slice', params.tslicePs, 100 * US, 1000 * MS);
  if (params.ratelimitPs !== 0) within('rate limit', params.ratelimitPs, 100 * US, Math.min(500 * MS, params.tslicePs));
  within('migration delay', params.migrationDelayPs, 0, 1e6 * US);
  within('pCPUs of a run queue', params.pcpusPerRunqueue, 1, 4096);
  within('context switch allowance', params.contextAllowPs, 10 * US, 10_000 * MS);
}

function within(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new RangeError(`${name} ${value}: a whole number from ${least} to ${most} is accepted`);
}
