/** xen_version and console_io: what the hypervisor says of itself, and its own console. */
import {
  CONSOLEIO_read,
  CONSOLEIO_write,
  XEN_COMPILE_INFO,
  XEN_FEATURE_INFO,
  XENVER_capabilities,
  XENVER_changeset,
  XENVER_commandline,
  XENVER_compile_info,
  XENVER_extraversion,
  XENVER_get_features,
  XENVER_guest_handle,
  XENVER_pagesize,
  XENVER_platform_parameters,
  XENVER_version,
} from '../abi/guest.ts';
import { ERRNO } from '../abi/numbers.ts';
import type { Domain } from '../domain.ts';
import type { EraName } from '../eras.ts';
import { PAGE_SIZE } from '../memory-view.ts';
import { type Hypercall, type HypercallHost, setU64At } from './host.ts';

const VERSIONS: Readonly<Record<EraName, { readonly major: number; readonly minor: number; readonly extra: string }>> = {
  'xen-3.0': { major: 3, minor: 0, extra: '.0-heddle' },
  'xen-3.0.4': { major: 3, minor: 0, extra: '.4-heddle' },
  'xen-4.17': { major: 4, minor: 17, extra: '.0-heddle' },
};
/** Where a 64-bit hypervisor's own addresses begin. */
const VIRT_START = 0xffff_8000_0000_0000n;
/** XENFEAT_* of submap 0: supervisor-mode kernels (3), GNTTABOP_map may give new page table entries (mmu_pt_update_preserve_ad is 5). */
const FEATURES = (1 << 3) | (1 << 5);
const encoder = new TextEncoder();

/** A C string in a field of `size` bytes. */
function writeText(domain: Domain, at: number, text: string, size: number): number {
  if (!domain.memory.canWrite(at, size)) return -ERRNO.EFAULT;
  const bytes = new Uint8Array(size);
  encoder.encodeInto(text.slice(0, size - 1), bytes);
  domain.memory.write(at, bytes);
  return 0;
}

/** The fields of version information, also for `sysctl`'s readers. */
export function versionText(era: EraName): { readonly major: number; readonly minor: number; readonly extra: string } {
  return VERSIONS[era];
}

export function xenVersion(host: HypercallHost): Hypercall {
  const { major, minor, extra } = VERSIONS[host.era.name];

  function compileInfo(domain: Domain, at: number): number {
    if (!domain.memory.canWrite(at, XEN_COMPILE_INFO.size)) return -ERRNO.EFAULT;
    const C = XEN_COMPILE_INFO.fields;
    const texts = [
      [C.compiler, 'heddle'],
      [C.compile_by, 'heddle'],
      [C.compile_domain, 'simulated'],
      [C.compile_date, 'at the beginning of time'],
    ] as const;
    for (const [[offset, size], text] of texts) writeText(domain, at + offset, text, size);
    return 0;
  }

  function features(domain: Domain, at: number): number {
    if (!domain.memory.canWrite(at, XEN_FEATURE_INFO.size)) return -ERRNO.EFAULT;
    if (domain.memory.u32(at + XEN_FEATURE_INFO.at.submap_idx) !== 0) return -ERRNO.EINVAL;
    domain.memory.setU32(at + XEN_FEATURE_INFO.at.submap, FEATURES);
    return 0;
  }

  function platform(domain: Domain, at: number): number {
    if (!domain.memory.canWrite(at, 8)) return -ERRNO.EFAULT;
    domain.memory.setU64(at, VIRT_START);
    return 0;
  }

  function handle(domain: Domain, at: number): number {
    if (!domain.memory.canWrite(at, 16)) return -ERRNO.EFAULT;
    domain.memory.fill(at, 16, 0);
    setU64At(domain.memory, at + 8, domain.domid);
    return 0;
  }

  return (domain, _vcpu, command, at) => {
    switch (command) {
      case XENVER_version:
        return major * 0x10000 + minor;
      case XENVER_extraversion:
        return writeText(domain, at, extra, 16);
      case XENVER_compile_info:
        return compileInfo(domain, at);
      case XENVER_capabilities:
        return writeText(domain, at, `xen-${major}.${minor}-x86_64 `, 1024);
      case XENVER_changeset:
        return writeText(domain, at, 'unavailable', 64);
      case XENVER_platform_parameters:
        return platform(domain, at);
      case XENVER_get_features:
        return features(domain, at);
      case XENVER_pagesize:
        return PAGE_SIZE;
      case XENVER_guest_handle:
        return handle(domain, at);
      case XENVER_commandline:
        return writeText(domain, at, '', 1024);
      default:
        return -ERRNO.ENOSYS;
    }
  };
}

/** console_io: for privileged domains. Nothing is ever typed at the machine's console. */
export function consoleIo(host: HypercallHost): Hypercall {
  return (domain, _vcpu, command, count, at) => {
    if (!domain.privileged) return -ERRNO.EPERM;
    if (command === CONSOLEIO_read) return 0;
    if (command !== CONSOLEIO_write) return -ERRNO.ENOSYS;
    const length = count % 2 ** 32;
    if (!domain.memory.canRead(at, length)) return -ERRNO.EFAULT;
    const bytes = new Uint8Array(length);
    domain.memory.read(at, bytes);
    host.print(bytes);
    return 0;
  };
}
