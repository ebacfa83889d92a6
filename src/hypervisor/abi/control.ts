/** Control: domctl and sysctl, the toolstack's hypercalls (domctl.h, sysctl.h). All checked against the headers by test/interop/xen-abi.test.ts. */
import { layout } from './layout.ts';

// Versions, commands and flags.
export const XEN_DOMCTL_INTERFACE_VERSION = 21;
export const XEN_SYSCTL_INTERFACE_VERSION = 21;
export const XEN_SYSCTL_getdomaininfolist = 6;
export const XEN_SYSCTL_physinfo = 3;
export const XEN_SYSCTL_sched_id = 4;
export const XEN_SYSCTL_cpupool_op = 18;
export const XEN_SYSCTL_scheduler_op = 19;
export const XEN_SYSCTL_cputopoinfo = 16;
export const XEN_SYSCTL_numainfo = 17;
export const XEN_SYSCTL_getcpuinfo = 8;
export const XEN_SYSCTL_readconsole = 1;
export const XEN_SYSCTL_CPUPOOL_OP_INFO = 3;
export const XEN_DOMCTL_getdomaininfo = 5;
export const XEN_DOMCTL_pausedomain = 3;
export const XEN_DOMCTL_unpausedomain = 4;
export const XEN_DOMCTL_destroydomain = 2;
export const XEN_DOMCTL_scheduler_op = 16;
export const XEN_DOMCTL_SCHEDOP_putinfo = 0;
export const XEN_DOMCTL_SCHEDOP_getinfo = 1;
export const XEN_DOMCTL_getvcpuinfo = 14;
export const XEN_DOMCTL_getvcpuaffinity = 25;
export const XEN_DOMCTL_max_mem = 11;
export const XEN_DOMCTL_createdomain = 1;
export const XEN_DOMINF_dying = 1;
export const XEN_DOMINF_shutdown = 4;
export const XEN_DOMINF_paused = 8;
export const XEN_DOMINF_blocked = 16;
export const XEN_DOMINF_running = 32;
export const XEN_DOMINF_hvm_guest = 2;
export const XEN_SCHEDULER_CREDIT = 5;
export const XEN_SCHEDULER_CREDIT2 = 6;

export const XEN_DOMCTL = layout('struct xen_domctl', 144, {
  cmd: [0, 4],
  interface_version: [4, 4],
  domain: [8, 2],
  u: [16, 128],
});
export const XEN_DOMCTL_GETDOMAININFO = layout('struct xen_domctl_getdomaininfo', 112, {
  domain: [0, 2],
  flags: [4, 4],
  tot_pages: [8, 8],
  max_pages: [16, 8],
  outstanding_pages: [24, 8],
  shr_pages: [32, 8],
  paged_pages: [40, 8],
  shared_info_frame: [48, 8],
  cpu_time: [56, 8],
  nr_online_vcpus: [64, 4],
  max_vcpu_id: [68, 4],
  ssidref: [72, 4],
  handle: [76, 16],
  cpupool: [92, 4],
  gpaddr_bits: [96, 1],
});
export const XEN_DOMCTL_SCHEDULER_OP = layout('struct xen_domctl_scheduler_op', 24, {
  sched_id: [0, 4],
  cmd: [4, 4],
  u: [8, 16],
});
export const XEN_DOMCTL_GETVCPUINFO = layout('struct xen_domctl_getvcpuinfo', 24, {
  vcpu: [0, 4],
  online: [4, 1],
  blocked: [5, 1],
  running: [6, 1],
  cpu_time: [8, 8],
  cpu: [16, 4],
});
export const XEN_SYSCTL = layout('struct xen_sysctl', 136, { cmd: [0, 4], interface_version: [4, 4], u: [8, 128] });
export const XEN_SYSCTL_GETDOMAININFOLIST = layout('struct xen_sysctl_getdomaininfolist', 24, {
  first_domain: [0, 2],
  max_domains: [4, 4],
  buffer: [8, 8],
  num_domains: [16, 4],
});
export const XEN_SYSCTL_PHYSINFO = layout('struct xen_sysctl_physinfo', 112, {
  threads_per_core: [0, 4],
  cores_per_socket: [4, 4],
  nr_cpus: [8, 4],
  max_cpu_id: [12, 4],
  nr_nodes: [16, 4],
  max_node_id: [20, 4],
  cpu_khz: [24, 4],
  capabilities: [28, 4],
  arch_capabilities: [32, 4],
  total_pages: [40, 8],
  free_pages: [48, 8],
  scrub_pages: [56, 8],
  outstanding_pages: [64, 8],
  hw_cap: [80, 32],
});
export const XEN_SYSCTL_CPUPOOL_OP = layout('struct xen_sysctl_cpupool_op', 40, {
  op: [0, 4],
  cpupool_id: [4, 4],
  sched_id: [8, 4],
  domid: [12, 4],
  cpu: [16, 4],
  n_dom: [20, 4],
  cpumap: [24, 16],
});
export const XEN_SYSCTL_SCHEDULER_OP = layout('struct xen_sysctl_scheduler_op', 32, {
  cpupool_id: [0, 4],
  sched_id: [4, 4],
  cmd: [8, 4],
  u: [16, 16],
});
export const XENCTL_BITMAP = layout('struct xenctl_bitmap', 16, { bitmap: [0, 8], nr_bits: [8, 4] });
