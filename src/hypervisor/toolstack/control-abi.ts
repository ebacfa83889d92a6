/**
 * Structures and numbers of domctl and sysctl that only the toolstack's door needs, beside those of ../abi/control.ts (xen/include/public/domctl.h, sysctl.h, sched.h,
 * version.h). test/interop/xl.test.ts has a C compiler check them against the headers.
 */
import { layout } from '../abi/layout.ts';

export const XEN_DOMCTL_setvcpuaffinity = 9;
export const XEN_DOMCTL_max_vcpus = 15;
export const XEN_DOMCTL_setdomainhandle = 17;
export const XEN_DOMCTL_resumedomain = 27;
export const XEN_DOMCTL_getnodeaffinity = 69;
export const XEN_SYSCTL_CPUPOOL_OP_FREEINFO = 7;
export const XEN_VCPUAFFINITY_HARD = 1;
export const XEN_VCPUAFFINITY_SOFT = 2;
export const XEN_DOMINF_shutdownshift = 16;
export const XEN_DOMINF_xs_domain = 128;
export const XEN_SYSCTL_PHYSCAP_pv = 2;
export const XEN_SYSCTL_PHYSCAP_gnttab_v1 = 256;
export const XEN_SYSCTL_PHYSCAP_gnttab_v2 = 512;
export const XENMEM_maximum_ram_page = 2;
export const XENMEM_get_sharing_freed_pages = 18;
export const XENMEM_get_sharing_shared_pages = 19;

export const CONTROL_NUMBERS = {
  XEN_DOMCTL_setvcpuaffinity,
  XEN_DOMCTL_max_vcpus,
  XEN_DOMCTL_setdomainhandle,
  XEN_DOMCTL_resumedomain,
  XEN_DOMCTL_getnodeaffinity,
  XEN_SYSCTL_CPUPOOL_OP_FREEINFO,
  XEN_VCPUAFFINITY_HARD,
  XEN_VCPUAFFINITY_SOFT,
  XEN_DOMINF_shutdownshift,
  XEN_DOMINF_xs_domain,
  XEN_SYSCTL_PHYSCAP_pv,
  XEN_SYSCTL_PHYSCAP_gnttab_v1,
  XEN_SYSCTL_PHYSCAP_gnttab_v2,
  XENMEM_maximum_ram_page,
  XENMEM_get_sharing_freed_pages,
  XENMEM_get_sharing_shared_pages,
} as const;

export const VCPUAFFINITY = layout('struct xen_domctl_vcpuaffinity', 40, {
  vcpu: [0, 4],
  flags: [4, 4],
  cpumap_hard: [8, 16],
  cpumap_soft: [24, 16],
});
export const SCHED_CREDIT = layout('struct xen_domctl_sched_credit', 4, { weight: [0, 2], cap: [2, 2] });
export const CREDIT_SCHEDULE = layout('struct xen_sysctl_credit_schedule', 12, {
  tslice_ms: [0, 4],
  ratelimit_us: [4, 4],
  vcpu_migr_delay_us: [8, 4],
});
export const CREDIT2_SCHEDULE = layout('struct xen_sysctl_credit2_schedule', 4, { ratelimit_us: [0, 4] });
export const CPUTOPO = layout('struct xen_sysctl_cputopo', 12, { core: [0, 4], socket: [4, 4], node: [8, 4] });
export const CPUTOPOINFO = layout('struct xen_sysctl_cputopoinfo', 16, { num_cpus: [0, 4], cputopo: [8, 8] });
export const MEMINFO = layout('struct xen_sysctl_meminfo', 16, { memsize: [0, 8], memfree: [8, 8] });
export const NUMAINFO = layout('struct xen_sysctl_numainfo', 24, { num_nodes: [0, 4], meminfo: [8, 8], distance: [16, 8] });
export const GETCPUINFO = layout('struct xen_sysctl_getcpuinfo', 24, { max_cpus: [0, 4], info: [8, 8], nr_cpus: [16, 4] });
export const REMOTE_SHUTDOWN = layout('struct sched_remote_shutdown', 8, { domain_id: [0, 2], reason: [4, 4] });
export const MULTICALL_ENTRY = layout('struct multicall_entry', 64, { op: [0, 8], result: [8, 8], args: [16, 48] });
export const COMPILE_INFO = layout('struct xen_compile_info', 144, {
  compiler: [0, 64],
  compile_by: [64, 16],
  compile_domain: [80, 32],
  compile_date: [112, 32],
});

export const CONTROL_LAYOUTS = [
  VCPUAFFINITY,
  SCHED_CREDIT,
  CREDIT_SCHEDULE,
  CREDIT2_SCHEDULE,
  CPUTOPO,
  CPUTOPOINFO,
  MEMINFO,
  NUMAINFO,
  GETCPUINFO,
  REMOTE_SHUTDOWN,
  MULTICALL_ENTRY,
  COMPILE_INFO,
];
