/**
 * The hypercalls that Xen's own tools make, answered for a simulated host: xen_version, sysctl, domctl, and what little else xl and xentop ask.
 *
 * The caller is a real program with its memory elsewhere; structures are Xen's to the byte (interface versions 0x15, Xen 4.17). A call happens between two
 * events of the simulation and takes no virtual time.
 */
import { ERRNO, HYPERCALL } from '../abi/index.ts';
import {
  MULTICALL_ENTRY,
  REMOTE_SHUTDOWN,
  XENMEM_get_sharing_freed_pages,
  XENMEM_get_sharing_shared_pages,
  XENMEM_maximum_ram_page,
} from './control-abi.ts';
import { AbiRecord, type ClientMemory } from './control-bytes.ts';
import { controlDomctl } from './control-domain.ts';
import { controlSysctl, controlVersion } from './control-host.ts';
import type { HostView } from './host-view.ts';

const { EINVAL, ENOSYS, EPERM } = ERRNO;
const SCHEDOP_remote_shutdown = 4;

async function remoteShutdown(host: HostView, address: bigint, memory: ClientMemory): Promise<number> {
  const call = new AbiRecord(await memory.read(address, REMOTE_SHUTDOWN.size));
  return host.shutdown(call.get(REMOTE_SHUTDOWN, 'domain_id'), call.get(REMOTE_SHUTDOWN, 'reason') & 0xff);
}

function memoryOp(host: HostView, command: bigint): number {
  const op = Number(command & 0x3fn);
  if (op === XENMEM_maximum_ram_page) return host.totalPages - 1;
  return op === XENMEM_get_sharing_freed_pages || op === XENMEM_get_sharing_shared_pages ? 0 : -ENOSYS;
}

/** A list of calls; each one's result stands in its entry (libxenctrl makes memory_op so, whose results may be long). */
async function multicall(host: HostView, address: bigint, count: bigint, memory: ClientMemory): Promise<number> {
  if (count > 64n) return -EINVAL;
  for (let index = 0n; index < count; index++) {
    const at = address + index * BigInt(MULTICALL_ENTRY.size);
    const entry = new AbiRecord(await memory.read(at, MULTICALL_ENTRY.size));
    const view = new DataView(entry.bytes.buffer, entry.bytes.byteOffset);
    const args = [0, 1, 2, 3, 4].map((arg) => view.getBigUint64(MULTICALL_ENTRY.at.args + 8 * arg, true));
    const number = entry.get(MULTICALL_ENTRY, 'op');
    const result = number === HYPERCALL.multicall ? -ENOSYS : await controlHypercall(host, number, args, memory);
    view.setBigInt64(MULTICALL_ENTRY.at.result, BigInt(result), true);
    await memory.write(at, entry.bytes);
  }
  return 0;
}

/**
 * Answers one hypercall of a tool: `args` as in registers, addresses in `memory`. Returns what the hypercall returns: 0 or more, or a negative error number.
 * Calls that no tool of ours needs are -ENOSYS, which tools take for a hypervisor built without them.
 */
export async function controlHypercall(
  host: HostView,
  number: number,
  args: readonly bigint[],
  memory: ClientMemory,
): Promise<number> {
  const [a = 0n, b = 0n] = args;
  switch (number) {
    case HYPERCALL.xen_version:
      return controlVersion(host, Number(a), b, memory);
    case HYPERCALL.sysctl:
      return controlSysctl(host, a, memory);
    case HYPERCALL.domctl:
      return controlDomctl(host, a, memory);
    case HYPERCALL.memory_op:
      return memoryOp(host, a);
    case HYPERCALL.multicall:
      return multicall(host, a, b, memory);
    case HYPERCALL.sched_op:
      return a === BigInt(SCHEDOP_remote_shutdown) ? remoteShutdown(host, b, memory) : -EPERM;
    default:
      return -ENOSYS;
  }
}
