/** What a guest and the hypervisor share: shared info, start info, runstate, and the arguments of the remaining hypercalls (xen.h, sched.h, vcpu.h, memory.h, version.h). All checked against the headers by test/interop/xen-abi.test.ts. */
import { layout } from './layout.ts';

// Domain numbers.
export const DOMID_FIRST_RESERVED = 32752;
export const DOMID_SELF = 32752;
export const DOMID_IO = 32753;
export const DOMID_XEN = 32754;
export const DOMID_COW = 32755;
export const DOMID_INVALID = 32756;

// Scheduling.
export const SCHEDOP_yield = 0;
export const SCHEDOP_block = 1;
export const SCHEDOP_shutdown = 2;
export const SCHEDOP_poll = 3;
export const SCHEDOP_remote_shutdown = 4;
export const SCHEDOP_shutdown_code = 5;
export const SCHEDOP_watchdog = 6;
export const SCHEDOP_pin_override = 7;
export const SHUTDOWN_poweroff = 0;
export const SHUTDOWN_reboot = 1;
export const SHUTDOWN_suspend = 2;
export const SHUTDOWN_crash = 3;
export const SHUTDOWN_watchdog = 4;
export const SHUTDOWN_soft_reset = 5;
export const SHUTDOWN_MAX = 5;

// vCPUs.
export const VCPUOP_initialise = 0;
export const VCPUOP_up = 1;
export const VCPUOP_down = 2;
export const VCPUOP_is_up = 3;
export const VCPUOP_get_runstate_info = 4;
export const VCPUOP_register_runstate_memory_area = 5;
export const VCPUOP_set_periodic_timer = 6;
export const VCPUOP_stop_periodic_timer = 7;
export const VCPUOP_set_singleshot_timer = 8;
export const VCPUOP_stop_singleshot_timer = 9;
export const VCPUOP_register_vcpu_info = 10;
export const VCPUOP_send_nmi = 11;
export const VCPUOP_get_physid = 12;
export const RUNSTATE_running = 0;
export const RUNSTATE_runnable = 1;
export const RUNSTATE_blocked = 2;
export const RUNSTATE_offline = 3;
export const XEN_LEGACY_MAX_VCPUS = 32;

// Memory.
export const XENMEM_increase_reservation = 0;
export const XENMEM_decrease_reservation = 1;
export const XENMEM_maximum_ram_page = 2;
export const XENMEM_current_reservation = 3;
export const XENMEM_maximum_reservation = 4;
export const XENMEM_populate_physmap = 6;
export const XENMEM_add_to_physmap = 7;
export const XENMEM_maximum_gpfn = 14;
export const XENMEM_remove_from_physmap = 15;
export const XENMAPSPACE_shared_info = 0;
export const XENMAPSPACE_grant_table = 1;

// Version.
export const XENVER_version = 0;
export const XENVER_extraversion = 1;
export const XENVER_compile_info = 2;
export const XENVER_capabilities = 3;
export const XENVER_changeset = 4;
export const XENVER_platform_parameters = 5;
export const XENVER_get_features = 6;
export const XENVER_pagesize = 7;
export const XENVER_guest_handle = 8;
export const XENVER_commandline = 9;
export const XENVER_build_id = 10;

// Console.
export const CONSOLEIO_write = 0;
export const CONSOLEIO_read = 1;

// start_info.flags.
export const SIF_PRIVILEGED = 1;
export const SIF_INITDOMAIN = 2;

export const SCHED_SHUTDOWN = layout('struct sched_shutdown', 4, { reason: [0, 4] });
export const SCHED_REMOTE_SHUTDOWN = layout('struct sched_remote_shutdown', 8, { domain_id: [0, 2], reason: [4, 4] });
export const SCHED_WATCHDOG = layout('struct sched_watchdog', 8, { id: [0, 4], timeout: [4, 4] });
export const VCPU_REGISTER_RUNSTATE_MEMORY_AREA = layout('struct vcpu_register_runstate_memory_area', 8, { 'addr.p': [0, 8] });
export const VCPU_REGISTER_VCPU_INFO = layout('struct vcpu_register_vcpu_info', 16, { mfn: [0, 8], offset: [8, 4] });
export const VCPU_SET_SINGLESHOT_TIMER = layout('struct vcpu_set_singleshot_timer', 16, {
  timeout_abs_ns: [0, 8],
  flags: [8, 4],
});
export const VCPU_SET_PERIODIC_TIMER = layout('struct vcpu_set_periodic_timer', 8, { period_ns: [0, 8] });
export const XEN_MEMORY_RESERVATION = layout('struct xen_memory_reservation', 32, {
  extent_start: [0, 8],
  nr_extents: [8, 8],
  extent_order: [16, 4],
  mem_flags: [20, 4],
  domid: [24, 2],
});
export const XEN_ADD_TO_PHYSMAP = layout('struct xen_add_to_physmap', 24, {
  domid: [0, 2],
  size: [2, 2],
  space: [4, 4],
  idx: [8, 8],
  gpfn: [16, 8],
});
export const XEN_REMOVE_FROM_PHYSMAP = layout('struct xen_remove_from_physmap', 16, { domid: [0, 2], gpfn: [8, 8] });
export const MULTICALL_ENTRY = layout('struct multicall_entry', 64, { op: [0, 8], result: [8, 8], args: [16, 48] });
export const XEN_FEATURE_INFO = layout('struct xen_feature_info', 8, { submap_idx: [0, 4], submap: [4, 4] });
export const XEN_COMPILE_INFO = layout('struct xen_compile_info', 144, {
  compiler: [0, 64],
  compile_by: [64, 16],
  compile_domain: [80, 32],
  compile_date: [112, 32],
});
export const XEN_PLATFORM_PARAMETERS = layout('struct xen_platform_parameters', 8, { virt_start: [0, 8] });
export const VCPU_TIME_INFO = layout('struct vcpu_time_info', 32, {
  version: [0, 4],
  tsc_timestamp: [8, 8],
  system_time: [16, 8],
  tsc_to_system_mul: [24, 4],
  tsc_shift: [28, 1],
});
export const VCPU_INFO = layout('struct vcpu_info', 64, {
  evtchn_upcall_pending: [0, 1],
  evtchn_upcall_mask: [1, 1],
  evtchn_pending_sel: [8, 8],
  arch: [16, 16],
  time: [32, 32],
});
export const SHARED_INFO = layout('struct shared_info', 3136, {
  vcpu_info: [0, 2048],
  evtchn_pending: [2048, 512],
  evtchn_mask: [2560, 512],
  wc_version: [3072, 4],
  wc_sec: [3076, 4],
  wc_nsec: [3080, 4],
  arch: [3088, 48],
});
export const START_INFO = layout('struct start_info', 1168, {
  magic: [0, 32],
  nr_pages: [32, 8],
  shared_info: [40, 8],
  flags: [48, 4],
  store_mfn: [56, 8],
  store_evtchn: [64, 4],
  'console.domU.mfn': [72, 8],
  'console.domU.evtchn': [80, 4],
  pt_base: [88, 8],
  nr_pt_frames: [96, 8],
  mfn_list: [104, 8],
  mod_start: [112, 8],
  mod_len: [120, 8],
  cmd_line: [128, 1024],
  first_p2m_pfn: [1152, 8],
  nr_p2m_frames: [1160, 8],
});
export const VCPU_RUNSTATE_INFO = layout('struct vcpu_runstate_info', 48, {
  state: [0, 4],
  state_entry_time: [8, 8],
  time: [16, 32],
});
export const SCHED_POLL = layout('struct sched_poll', 24, { ports: [0, 8], nr_ports: [8, 4], timeout: [16, 8] });
