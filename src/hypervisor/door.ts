/**
 * The hypervisor's door: hypercalls by number, as from a guest's registers. Each costs an entry, is counted, and comes back with a number, whatever the arguments:
 * unknown calls and operations are -ENOSYS, addresses that do not hold are -EFAULT.
 */
import { HYPERCALL, ERRNO } from './abi/numbers.ts';
import { MULTICALL_ENTRY } from './abi/guest.ts';
import type { Domain } from './domain.ts';
import { consoleIo, xenVersion } from './hypercalls/version.ts';
import { eventChannelOp } from './hypercalls/event.ts';
import { grantTableOp } from './hypercalls/grant.ts';
import { type Hypercall, type HypercallHost, u64At } from './hypercalls/host.ts';
import { memoryOp, updateVaMapping } from './hypercalls/memory.ts';
import { schedOp, setTimerOp, vcpuOp } from './hypercalls/sched.ts';
import type { Vcpu } from './vcpu.ts';

/** Hypercall numbers are below this. */
const NUMBERS = 64;
const ENTRY = MULTICALL_ENTRY.at;

export class HypercallDoor {
  readonly #host: HypercallHost;
  readonly #calls: (Hypercall | undefined)[] = new Array(NUMBERS).fill(undefined);

  constructor(host: HypercallHost) {
    this.#host = host;
    this.install(HYPERCALL.memory_op, memoryOp(host));
    this.install(HYPERCALL.multicall, (domain, vcpu, list, count) => this.#multicall(domain, vcpu, list, count));
    this.install(HYPERCALL.update_va_mapping, updateVaMapping());
    this.install(HYPERCALL.set_timer_op, setTimerOp(host));
    this.install(HYPERCALL.xen_version, xenVersion(host));
    this.install(HYPERCALL.console_io, consoleIo(host));
    this.install(HYPERCALL.grant_table_op, grantTableOp(host));
    this.install(HYPERCALL.vcpu_op, vcpuOp(host));
    this.install(HYPERCALL.sched_op, schedOp(host));
    this.install(HYPERCALL.event_channel_op, eventChannelOp(host));
  }

  /** Adds a hypercall, or puts another in its place: domctl and sysctl are the toolstack's. */
  install(number: number, call: Hypercall): void {
    this.#calls[number] = call;
  }

  /** One hypercall of `domain` on `vcpu`, whose kernel code is running. Never throws for what a guest can give. */
  call(domain: Domain, vcpu: Vcpu, number: number, a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0): number {
    vcpu.spend(this.#host.costs.hypercallPs, 'hypercall');
    return this.#dispatch(domain, vcpu, number, a0, a1, a2, a3, a4);
  }

  #dispatch(domain: Domain, vcpu: Vcpu, number: number, a0: number, a1: number, a2: number, a3: number, a4: number): number {
    const call = this.#calls[number];
    if (number < NUMBERS) domain.account.hypercalls[number] = (domain.account.hypercalls[number] as number) + 1;
    return call === undefined ? -ERRNO.ENOSYS : call(domain, vcpu, a0, a1, a2, a3, a4);
  }

  /** multicall: a list of calls for one entry. A multicall within is refused. */
  #multicall(domain: Domain, vcpu: Vcpu, list: number, count: number): number {
    const { memory } = domain;
    for (let i = 0; i < count % 2 ** 32; i++) {
      const at = list + i * MULTICALL_ENTRY.size;
      if (!memory.canWrite(at, MULTICALL_ENTRY.size)) return -ERRNO.EFAULT;
      const number = u64At(memory, at + ENTRY.op);
      const argument = (n: number) => u64At(memory, at + ENTRY.args + 8 * n);
      const result =
        number === HYPERCALL.multicall
          ? -ERRNO.EINVAL
          : this.#dispatch(domain, vcpu, number, argument(0), argument(1), argument(2), argument(3), argument(4));
      if (!memory.canWrite(at, MULTICALL_ENTRY.size)) return -ERRNO.EFAULT;
      memory.setU64(at + ENTRY.result, BigInt.asUintN(64, BigInt(result)));
    }
    return 0;
  }
}
