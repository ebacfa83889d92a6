/**
 * The toolstack: guests described, made, changed and ended, as xl and libxl do it.
 *
 *   guest-config, guest-check                what a guest is; checks and defaults
 *   xl-lexer, xl-parser, xl-keys, xl-cfg     xl.cfg files
 *   device-specs, disk-spec, vif-rate, cpu-ranges   the small languages within their texts
 *   xl-json                                  a configuration as `xl create -n` prints it
 *   toolstack, toolstack-options, guest, guest-build, guest-end   life of guests
 *   identities, store-wait                   MAC addresses and UUIDs; waiting for a node
 *   guest-control                            a guest's side of shutdown and reboot
 *   device-classes, device-life              vif, vib: what the toolstack writes of them; attached and detached
 *   domain-entries, store-plan               what is written of domains; transactions as lists
 *   host-view, machine-host                  a host as tools see it
 *   control-*                                hypercalls of real tools, answered out of that
 *   xl-output, network-rows                  the tools' texts
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
export { type Device, type DeviceConfig, DEVICE_CLASSES, type DeviceKeys, type DeviceKind } from './device-classes.ts';
export type { Done } from './device-life.ts';
export { endingOf } from './guest-end.ts';
export { type Boot, Guest, type GuestState } from './guest.ts';
export { obeyShutdown, SHUTDOWN_REASONS, type ShutdownRequest } from './guest-control.ts';
export { machineHost, type MachineHostOptions } from './machine-host.ts';
export { readNetworkRows } from './network-rows.ts';
export { applyChanges, type StoreChange } from './store-plan.ts';
export { Toolstack } from './toolstack.ts';
export {
  type CreateOptions,
  DEFAULT_TOOLSTACK_COSTS,
  type ToolstackCosts,
  type ToolstackOptions,
} from './toolstack-options.ts';
export {
  type NetworkRow,
  type TopSample,
  topSample,
  xentopRound,
  xlInfo,
  xlList,
  xlNetworkList,
  xlSchedCredit,
  xlVcpuList,
} from './xl-output.ts';
