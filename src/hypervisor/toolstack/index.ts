/**
 * The toolstack: guests described, made, changed and ended, as xl and libxl do it.
 *
 *   guest-config, guest-check                what a guest is; checks and defaults
 *   xl-lexer, xl-parser, xl-keys, xl-cfg     xl.cfg files
 *   device-specs, disk-spec, vif-rate, cpu-ranges   the small languages within their texts
 *   xl-json                                  a configuration as `xl create -n` prints it
 */
export { type CpuTopology, cpuRangeFault, formatCpus, resolveCpus } from './cpu-ranges.ts';
export { checkGuestConfig, commandLineOf, type GuestCheck } from './guest-check.ts';
export * from './guest-config.ts';
export { parseRate } from './vif-rate.ts';
export { formatXlIssues, parseXlConfig, XL_KEYS, type XlConfigOptions, type XlConfigResult } from './xl-cfg.ts';
export { xlCreateJson } from './xl-json.ts';
export { CONTROL_LAYOUTS, CONTROL_NUMBERS } from './control-abi.ts';
export { controlHypercall } from './control.ts';
export type { ClientMemory } from './control-bytes.ts';
export {
  type DomainView,
  domainFlags,
  type HostView,
  type SchedulerView,
  type VcpuView,
  type VifView,
  type XenVersion,
} from './host-view.ts';
