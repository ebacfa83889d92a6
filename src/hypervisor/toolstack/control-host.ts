/**
 * The part of the tools' hypercalls that concerns the host as a whole: xen_version and sysctl (xen/include/public/version.h, sysctl.h).
 */
import {
  ERRNO,
  XEN_DOMCTL_GETDOMAININFO,
  XEN_SCHEDULER_CREDIT,
  XEN_SCHEDULER_CREDIT2,
  XEN_SYSCTL,
  XEN_SYSCTL_CPUPOOL_OP,
  XEN_SYSCTL_CPUPOOL_OP_INFO,
  XEN_SYSCTL_cpupool_op,
  XEN_SYSCTL_cputopoinfo,
  XEN_SYSCTL_GETDOMAININFOLIST,
  XEN_SYSCTL_getcpuinfo,
  XEN_SYSCTL_getdomaininfolist,
  XEN_SYSCTL_INTERFACE_VERSION,
  XEN_SYSCTL_numainfo,
  XEN_SYSCTL_PHYSINFO,
  XEN_SYSCTL_physinfo,
  XEN_SYSCTL_SCHEDULER_OP,
  XEN_SYSCTL_sched_id,
  XEN_SYSCTL_scheduler_op,
} from '../abi/index.ts';
import type { SchedulerName } from '../eras.ts';
import { domainInfoBytes, writeBitmap } from './control-domain.ts';
import {
  COMPILE_INFO,
  CPUTOPO,
  CPUTOPOINFO,
  CREDIT_SCHEDULE,
  CREDIT2_SCHEDULE,
  GETCPUINFO,
  MEMINFO,
  NUMAINFO,
  XEN_SYSCTL_CPUPOOL_OP_FREEINFO,
  XEN_SYSCTL_PHYSCAP_gnttab_v1,
  XEN_SYSCTL_PHYSCAP_gnttab_v2,
  XEN_SYSCTL_PHYSCAP_pv,
} from './control-abi.ts';
import { AbiRecord, type ClientMemory, cString } from './control-bytes.ts';
import type { HostView } from './host-view.ts';

const { EACCES, EINVAL, ENOENT, ENOSYS } = ERRNO;
/** What the tools of 4.17 call the schedulers by; BVT and SEDF keep the numbers that they had in their time (sched_ctl.h of Xen 3.0). */
const SCHEDULER_IDS: Readonly<Record<SchedulerName, number>> = {
  bvt: 0,
  sedf: 4,
  credit: XEN_SCHEDULER_CREDIT,
  credit2: XEN_SCHEDULER_CREDIT2,
};
const XEN_SYSCTL_SCHEDOP_putinfo = 0;
const PAGE_BYTES = 4096;
const LOCAL_DISTANCE = 10;
const MAX_DOMAINS = 1024;

/** xen_version: the number of the version, and texts of fixed lengths. */
export async function controlVersion(host: HostView, command: number, address: bigint, memory: ClientMemory): Promise<number> {
  const text = (content: string, length: number) => memory.write(address, cString(content, length)).then(() => 0);
  switch (command) {
    case 0:
      return (host.version.major << 16) | host.version.minor;
    case 1:
      return text(host.version.extra, 16);
    case 2: {
      const info = new Uint8Array(COMPILE_INFO.size);
      info.set(cString('heddle', 64), COMPILE_INFO.at.compiler);
      info.set(cString('heddle', 16), COMPILE_INFO.at.compile_by);
      info.set(cString('simulation', 32), COMPILE_INFO.at.compile_domain);
      return memory.write(address, info).then(() => 0);
    }
    case 3:
      return text(`xen-${host.version.major}.${host.version.minor}-x86_64`, 1024);
    case 4:
      return text('heddle', 64);
    case 5:
      // Where the hypervisor's own addresses begin in a PV guest's space on x86-64.
      return memory.write(address, new Uint8Array([0, 0, 0, 0, 0, 0x80, 0xff, 0xff])).then(() => 0);
    case 7:
      return PAGE_BYTES;
    case 9:
      return text(`sched=${host.scheduler.name}`, 1024);
    default:
      return -ENOSYS;
  }
}

/** What every sysctl works on; `at` is where the union begins. */
interface Sysctl {
  readonly host: HostView;
  readonly call: AbiRecord;
  readonly memory: ClientMemory;
  readonly at: number;
}

function physinfo({ host, call, at }: Sysctl): number {
  const S = XEN_SYSCTL_PHYSINFO;
  // What the caller left on its stack must not come back as capabilities.
  call.bytes.fill(0, at, at + S.size);
  const grants = host.grantVersions.includes(2) ? XEN_SYSCTL_PHYSCAP_gnttab_v2 : 0;
  call.set(S, 'threads_per_core', 1, at);
  call.set(S, 'cores_per_socket', host.pcpus, at);
  call.set(S, 'nr_cpus', host.pcpus, at);
  call.set(S, 'max_cpu_id', host.pcpus - 1, at);
  call.set(S, 'nr_nodes', 1, at);
  call.set(S, 'max_node_id', 0, at);
  call.set(S, 'cpu_khz', host.cpuKhz, at);
  call.set(S, 'capabilities', XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 | grants, at);
  call.set(S, 'total_pages', host.totalPages, at);
  call.set(S, 'free_pages', host.freePages, at);
  return 0;
}

async function domainInfoList({ host, call, memory, at }: Sysctl): Promise<number> {
  const S = XEN_SYSCTL_GETDOMAININFOLIST;
  const first = call.get(S, 'first_domain', at);
  const most = Math.min(call.get(S, 'max_domains', at), MAX_DOMAINS);
  const found = host
    .domains()
    .filter((domain) => domain.domid >= first)
    .slice(0, most);
  const bytes = new Uint8Array(found.length * XEN_DOMCTL_GETDOMAININFO.size);
  for (const [index, domain] of found.entries()) bytes.set(domainInfoBytes(domain), index * XEN_DOMCTL_GETDOMAININFO.size);
  if (found.length > 0) await memory.write(call.address(S, 'buffer', at), bytes);
  call.set(S, 'num_domains', found.length, at);
  return 0;
}

/** All CPUs and domains are in pool 0. INFO asks for the next pool at or above a number. */
async function cpupoolOp({ host, call, memory, at }: Sysctl): Promise<number> {
  const S = XEN_SYSCTL_CPUPOOL_OP;
  const op = call.get(S, 'op', at);
  if (op === XEN_SYSCTL_CPUPOOL_OP_FREEINFO) {
    await writeBitmap(memory, call, at + S.at.cpumap, []);
    return 0;
  }
  if (op !== XEN_SYSCTL_CPUPOOL_OP_INFO) return -ENOSYS;
  if (call.get(S, 'cpupool_id', at) > 0) return -ENOENT;
  call.set(S, 'cpupool_id', 0, at);
  call.set(S, 'sched_id', SCHEDULER_IDS[host.scheduler.name], at);
  call.set(S, 'n_dom', host.domains().length, at);
  await writeBitmap(
    memory,
    call,
    at + S.at.cpumap,
    Array.from({ length: host.pcpus }, (_, cpu) => cpu),
  );
  return 0;
}

function schedulerParams({ host, call, at }: Sysctl): number {
  const S = XEN_SYSCTL_SCHEDULER_OP;
  const u = at + S.at.u;
  const isPut = call.get(S, 'cmd', at) === XEN_SYSCTL_SCHEDOP_putinfo;
  const { scheduler } = host;
  if (scheduler.name === 'credit2') {
    if (isPut) return host.setScheduler({ ratelimitUs: call.get(CREDIT2_SCHEDULE, 'ratelimit_us', u) });
    call.set(CREDIT2_SCHEDULE, 'ratelimit_us', scheduler.ratelimitUs, u);
    return 0;
  }
  if (scheduler.name !== 'credit') return -EINVAL;
  if (isPut)
    return host.setScheduler({
      tsliceMs: call.get(CREDIT_SCHEDULE, 'tslice_ms', u),
      ratelimitUs: call.get(CREDIT_SCHEDULE, 'ratelimit_us', u),
      migrationDelayUs: call.get(CREDIT_SCHEDULE, 'vcpu_migr_delay_us', u),
    });
  call.set(CREDIT_SCHEDULE, 'tslice_ms', scheduler.tsliceMs, u);
  call.set(CREDIT_SCHEDULE, 'ratelimit_us', scheduler.ratelimitUs, u);
  call.set(CREDIT_SCHEDULE, 'vcpu_migr_delay_us', scheduler.migrationDelayUs, u);
  return 0;
}

/** Without a place to write to, these ask how many there are. */
async function cpuTopology({ host, call, memory, at }: Sysctl): Promise<number> {
  const address = call.address(CPUTOPOINFO, 'cputopo', at);
  if (address !== 0n) {
    const count = Math.min(call.get(CPUTOPOINFO, 'num_cpus', at), host.pcpus);
    const table = new AbiRecord(new Uint8Array(count * CPUTOPO.size));
    for (let cpu = 0; cpu < count; cpu++) table.set(CPUTOPO, 'core', cpu, cpu * CPUTOPO.size);
    if (count > 0) await memory.write(address, table.bytes);
  }
  call.set(CPUTOPOINFO, 'num_cpus', host.pcpus, at);
  return 0;
}

async function numaInfo({ host, call, memory, at }: Sysctl): Promise<number> {
  const meminfo = call.address(NUMAINFO, 'meminfo', at);
  const distance = call.address(NUMAINFO, 'distance', at);
  const room = call.get(NUMAINFO, 'num_nodes', at);
  if (meminfo !== 0n && room > 0) {
    const info = new AbiRecord(new Uint8Array(MEMINFO.size));
    info.set(MEMINFO, 'memsize', host.totalPages * PAGE_BYTES);
    info.set(MEMINFO, 'memfree', host.freePages * PAGE_BYTES);
    await memory.write(meminfo, info.bytes);
  }
  if (distance !== 0n && room > 0) await memory.write(distance, new Uint8Array([LOCAL_DISTANCE, 0, 0, 0]));
  call.set(NUMAINFO, 'num_nodes', 1, at);
  return 0;
}

/** Idle times are not kept: the count is zero. */
function cpuInfo({ call, at }: Sysctl): number {
  call.set(GETCPUINFO, 'nr_cpus', 0, at);
  return 0;
}

function sysctlOf(context: Sysctl, cmd: number): number | Promise<number> {
  switch (cmd) {
    case XEN_SYSCTL_physinfo:
      return physinfo(context);
    case XEN_SYSCTL_sched_id:
      context.call.bytes.set([SCHEDULER_IDS[context.host.scheduler.name], 0, 0, 0], context.at);
      return 0;
    case XEN_SYSCTL_getdomaininfolist:
      return domainInfoList(context);
    case XEN_SYSCTL_getcpuinfo:
      return cpuInfo(context);
    case XEN_SYSCTL_cputopoinfo:
      return cpuTopology(context);
    case XEN_SYSCTL_numainfo:
      return numaInfo(context);
    case XEN_SYSCTL_cpupool_op:
      return cpupoolOp(context);
    case XEN_SYSCTL_scheduler_op:
      return schedulerParams(context);
    default:
      return -ENOSYS;
  }
}

/** XEN_SYSCTL_* of `struct xen_sysctl` at `address`. */
export async function controlSysctl(host: HostView, address: bigint, memory: ClientMemory): Promise<number> {
  const call = new AbiRecord(await memory.read(address, XEN_SYSCTL.size));
  if (call.get(XEN_SYSCTL, 'interface_version') !== XEN_SYSCTL_INTERFACE_VERSION) return -EACCES;
  const result = await sysctlOf({ host, call, memory, at: XEN_SYSCTL.at.u }, call.get(XEN_SYSCTL, 'cmd'));
  if (result >= 0) await memory.write(address, call.bytes);
  return result;
}
