/** What hypercalls need of the machine, and what they share: numbers of 64 bits, and the domain that an argument names. */
import type { Ps } from '../../sim/index.ts';
import { DOMID_SELF } from '../abi/guest.ts';
import type { Domain } from '../domain.ts';
import type { Era, XenCosts } from '../eras.ts';
import type { GrantOps } from '../grant-ops.ts';
import type { MachineMemory } from '../machine-memory.ts';
import type { DomainMemory } from '../memory.ts';
import type { Vcpu } from '../vcpu.ts';

/** One hypercall: arguments as in registers, unsigned; beyond 2^53 they are rounded, which no valid one is. Returns 0 or more, or a negative errno. */
export type Hypercall = (domain: Domain, vcpu: Vcpu, a0: number, a1: number, a2: number, a3: number, a4: number) => number;

export interface HypercallHost {
  readonly era: Era;
  readonly costs: XenCosts;
  readonly memory: MachineMemory;
  readonly grantOps: GrantOps;
  /** A domain that is not dead. */
  lookup(domid: number): Domain | undefined;
  /** Time now. */
  readonly nowPs: Ps;
  /** An event reaches a port at `atPs`, which may be now. */
  sendEvent(domid: number, port: number, atPs: Ps): void;
  /** VIRQ_TIMER of a vCPU at `atPs`, then each `periodPs` if that is not 0; null stops it. */
  setVcpuTimer(domain: Domain, vcpuId: number, kind: 'single' | 'periodic', atPs: Ps | null, periodPs: Ps): void;
  /** SCHEDOP_shutdown. */
  shutdown(domain: Domain, reason: number): void;
  /** A domain's watchdog: its shutdown at `atPs`; null stops it. */
  setWatchdog(domain: Domain, index: number, atPs: Ps | null): void;
  /** Text for the machine's console. */
  print(bytes: Uint8Array): void;
}

/** A number of 64 bits as a `number`: exact below 2^53. */
export function u64At(memory: DomainMemory, at: number): number {
  return memory.u32(at) + memory.u32(at + 4) * 2 ** 32;
}

export function setU64At(memory: DomainMemory, at: number, value: number): void {
  memory.setU32(at, value % 2 ** 32);
  memory.setU32(at + 4, Math.floor(value / 2 ** 32));
}

/** The domain that a caller names: itself by DOMID_SELF, or any by number. */
export function anyDomain(host: HypercallHost, caller: Domain, domid: number): Domain | undefined {
  return domid === DOMID_SELF || domid === caller.domid ? caller : host.lookup(domid);
}

/** Whether the caller may act on `target`. */
export function mayControl(caller: Domain, target: Domain): boolean {
  return caller === target || caller.privileged;
}
