/**
 * The part of the tools' hypercalls that concerns one domain: domctl (xen/include/public/domctl.h).
 */
import {
  ERRNO,
  XEN_DOMCTL,
  XEN_DOMCTL_destroydomain,
  XEN_DOMCTL_GETDOMAININFO,
  XEN_DOMCTL_GETVCPUINFO,
  XEN_DOMCTL_getdomaininfo,
  XEN_DOMCTL_getvcpuaffinity,
  XEN_DOMCTL_getvcpuinfo,
  XEN_DOMCTL_INTERFACE_VERSION,
  XEN_DOMCTL_max_mem,
  XEN_DOMCTL_pausedomain,
  XEN_DOMCTL_SCHEDOP_getinfo,
  XEN_DOMCTL_SCHEDOP_putinfo,
  XEN_DOMCTL_SCHEDULER_OP,
  XEN_DOMCTL_scheduler_op,
  XEN_DOMCTL_unpausedomain,
  XEN_DOMINF_blocked,
  XEN_DOMINF_dying,
  XEN_DOMINF_hvm_guest,
  XEN_DOMINF_paused,
  XEN_DOMINF_running,
  XEN_DOMINF_shutdown,
  XENCTL_BITMAP,
} from '../abi/index.ts';
import {
  SCHED_CREDIT,
  VCPUAFFINITY,
  XEN_DOMCTL_getnodeaffinity,
  XEN_DOMCTL_max_vcpus,
  XEN_DOMCTL_setvcpuaffinity,
  XEN_DOMINF_shutdownshift,
  XEN_DOMINF_xs_domain,
  XEN_VCPUAFFINITY_HARD,
  XEN_VCPUAFFINITY_SOFT,
} from './control-abi.ts';
import { AbiRecord, bitmapBytes, bitmapNumbers, type ClientMemory } from './control-bytes.ts';
import { type DomainView, domainFlags, type HostView } from './host-view.ts';

const { EACCES, EINVAL, ENOSYS, ESRCH } = ERRNO;
const PS_PER_NS = 1000;
const DOMID_FIRST_RESERVED = 0x7ff0;
const KIB_PER_PAGE = 4;
/** A bitmap of the caller's longer than this is a mistake of the caller's. */
const MAX_BITMAP_BYTES = 4096;

/** `struct xen_domctl_getdomaininfo` of a domain. */
export function domainInfoBytes(domain: DomainView): Uint8Array {
  const S = XEN_DOMCTL_GETDOMAININFO;
  const info = new AbiRecord(new Uint8Array(S.size));
  const { isBlocked, isRunning, runPs } = domainFlags(domain);
  const online = domain.vcpus.filter((vcpu) => vcpu.isOnline).length;
  const flags =
    (domain.isDying ? XEN_DOMINF_dying : 0) |
    (domain.isHvm ? XEN_DOMINF_hvm_guest : 0) |
    (domain.shutdownReason !== null ? XEN_DOMINF_shutdown | (domain.shutdownReason << XEN_DOMINF_shutdownshift) : 0) |
    (domain.isPaused ? XEN_DOMINF_paused : 0) |
    (isBlocked ? XEN_DOMINF_blocked : 0) |
    (isRunning ? XEN_DOMINF_running : 0) |
    (domain.domid === 0 ? XEN_DOMINF_xs_domain : 0);
  info.set(S, 'domain', domain.domid);
  info.set(S, 'flags', flags);
  info.set(S, 'tot_pages', domain.pages);
  info.set(S, 'max_pages', domain.maxPages);
  info.set(S, 'cpu_time', Math.floor(runPs / PS_PER_NS));
  info.set(S, 'nr_online_vcpus', online);
  info.set(S, 'max_vcpu_id', domain.vcpus.length - 1);
  info.bytes.set(domain.uuid, S.at.handle);
  info.set(S, 'gpaddr_bits', 48);
  return info.bytes;
}

/** Writes a set of numbers into a `xenctl_bitmap` of the caller's, which may be shorter or longer. */
export async function writeBitmap(
  memory: ClientMemory,
  record: AbiRecord,
  at: number,
  numbers: readonly number[],
): Promise<void> {
  const address = record.address(XENCTL_BITMAP, 'bitmap', at);
  const bytes = (record.get(XENCTL_BITMAP, 'nr_bits', at) + 7) >> 3;
  if (address !== 0n && bytes > 0 && bytes <= MAX_BITMAP_BYTES) await memory.write(address, bitmapBytes(numbers, bytes));
}

async function readBitmap(memory: ClientMemory, record: AbiRecord, at: number): Promise<number[]> {
  const address = record.address(XENCTL_BITMAP, 'bitmap', at);
  const bytes = (record.get(XENCTL_BITMAP, 'nr_bits', at) + 7) >> 3;
  if (address === 0n || bytes === 0 || bytes > MAX_BITMAP_BYTES) return [];
  return bitmapNumbers(await memory.read(address, bytes));
}

/** What every domctl of one domain works on; `at` is where the union begins. */
interface Domctl {
  readonly host: HostView;
  readonly domain: DomainView;
  readonly call: AbiRecord;
  readonly memory: ClientMemory;
  readonly at: number;
}

async function vcpuAffinity({ host, domain, call, memory, at }: Domctl, isSet: boolean): Promise<number> {
  const vcpu = domain.vcpus[call.get(VCPUAFFINITY, 'vcpu', at)];
  if (vcpu === undefined) return -ESRCH;
  const flags = call.get(VCPUAFFINITY, 'flags', at);
  const wantsHard = (flags & XEN_VCPUAFFINITY_HARD) !== 0;
  const wantsSoft = (flags & XEN_VCPUAFFINITY_SOFT) !== 0;
  if (!wantsHard && !wantsSoft) return -EINVAL;
  const hardAt = at + VCPUAFFINITY.at.cpumap_hard;
  const softAt = at + VCPUAFFINITY.at.cpumap_soft;
  if (!isSet) {
    if (wantsHard) await writeBitmap(memory, call, hardAt, vcpu.hard);
    if (wantsSoft) await writeBitmap(memory, call, softAt, vcpu.soft);
    return 0;
  }
  const present = (cpu: number) => cpu < host.pcpus;
  const hard = wantsHard ? (await readBitmap(memory, call, hardAt)).filter(present) : null;
  const soft = wantsSoft ? (await readBitmap(memory, call, softAt)).filter(present) : null;
  if (hard?.length === 0) return -EINVAL;
  const result = host.setAffinity(domain.domid, vcpu.id, hard, soft);
  if (result !== 0) return result;
  // What took effect goes back: soft as far as hard allows it.
  const effective = hard ?? vcpu.hard;
  if (hard !== null) await writeBitmap(memory, call, hardAt, hard);
  if (soft !== null)
    await writeBitmap(
      memory,
      call,
      softAt,
      soft.filter((cpu) => effective.includes(cpu)),
    );
  return 0;
}

function schedulerOp({ host, domain, call, at }: Domctl): number {
  const S = XEN_DOMCTL_SCHEDULER_OP;
  const { name } = host.scheduler;
  if (name !== 'credit' && name !== 'credit2') return -ENOSYS;
  const cmd = call.get(S, 'cmd', at);
  const u = at + S.at.u;
  if (cmd === XEN_DOMCTL_SCHEDOP_putinfo) {
    const weight = call.get(SCHED_CREDIT, 'weight', u);
    const cap = call.get(SCHED_CREDIT, 'cap', u);
    // Xen's own words for "as it is": weight 0, cap all ones.
    return host.setShare(domain.domid, weight === 0 ? null : weight, cap === 0xffff ? null : cap);
  }
  if (cmd !== XEN_DOMCTL_SCHEDOP_getinfo) return -EINVAL;
  call.set(SCHED_CREDIT, 'weight', domain.weight, u);
  call.set(SCHED_CREDIT, 'cap', domain.cap, u);
  return 0;
}

function vcpuInfo({ domain, call, at }: Domctl): number {
  const S = XEN_DOMCTL_GETVCPUINFO;
  const vcpu = domain.vcpus[call.get(S, 'vcpu', at)];
  if (vcpu === undefined) return -ESRCH;
  call.set(S, 'online', Number(vcpu.isOnline), at);
  call.set(S, 'blocked', Number(vcpu.isBlocked), at);
  call.set(S, 'running', Number(vcpu.isRunning), at);
  call.set(S, 'cpu_time', Math.floor(vcpu.runPs / PS_PER_NS), at);
  call.set(S, 'cpu', vcpu.pcpu, at);
  return 0;
}

function domctlOf(context: Domctl, cmd: number): number | Promise<number> {
  const { host, domain, call, memory, at } = context;
  const { domid } = domain;
  switch (cmd) {
    case XEN_DOMCTL_pausedomain:
      return domid === 0 ? -EINVAL : host.pause(domid);
    case XEN_DOMCTL_unpausedomain:
      return host.unpause(domid);
    case XEN_DOMCTL_destroydomain:
      return domid === 0 ? -EINVAL : host.destroy(domid);
    case XEN_DOMCTL_getvcpuinfo:
      return vcpuInfo(context);
    case XEN_DOMCTL_getvcpuaffinity:
      return vcpuAffinity(context, false);
    case XEN_DOMCTL_setvcpuaffinity:
      return vcpuAffinity(context, true);
    case XEN_DOMCTL_scheduler_op:
      return schedulerOp(context);
    case XEN_DOMCTL_max_mem:
      return host.setMaxPages(domid, Math.floor(call.get(MAX_MEM, 'max_memkb', at) / KIB_PER_PAGE));
    case XEN_DOMCTL_max_vcpus:
      // The vCPUs of a domain are made with it; asking for as many again is no mistake.
      return call.get(MAX_VCPUS_CALL, 'max', at) === domain.vcpus.length ? 0 : -EINVAL;
    case XEN_DOMCTL_getnodeaffinity:
      return writeBitmap(memory, call, at, [0]).then(() => 0);
    default:
      return -ENOSYS;
  }
}

/** Single numbers in the union. */
const MAX_MEM = { c: 'struct xen_domctl_max_mem', size: 8, fields: { max_memkb: [0, 8] }, at: { max_memkb: 0 } } as const;
const MAX_VCPUS_CALL = { c: 'struct xen_domctl_max_vcpus', size: 4, fields: { max: [0, 4] }, at: { max: 0 } } as const;

/** XEN_DOMCTL_* of `struct xen_domctl` at `address`. */
export async function controlDomctl(host: HostView, address: bigint, memory: ClientMemory): Promise<number> {
  const call = new AbiRecord(await memory.read(address, XEN_DOMCTL.size));
  if (call.get(XEN_DOMCTL, 'interface_version') !== XEN_DOMCTL_INTERFACE_VERSION) return -EACCES;
  const cmd = call.get(XEN_DOMCTL, 'cmd');
  const domid = call.get(XEN_DOMCTL, 'domain');
  const at = XEN_DOMCTL.at.u;
  const domains = host.domains();
  let result: number;
  if (cmd === XEN_DOMCTL_getdomaininfo) {
    // This one finds the next domain at or above the number.
    const domain = domid >= DOMID_FIRST_RESERVED ? undefined : domains.find((one) => one.domid >= domid);
    if (domain === undefined) return -ESRCH;
    call.bytes.set(domainInfoBytes(domain), at);
    call.set(XEN_DOMCTL, 'domain', domain.domid);
    result = 0;
  } else {
    const domain = domains.find((one) => one.domid === domid);
    if (domain === undefined) return -ESRCH;
    result = await domctlOf({ host, domain, call, memory, at }, cmd);
  }
  if (result >= 0) await memory.write(address, call.bytes);
  return result;
}
