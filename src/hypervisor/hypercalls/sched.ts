/** sched_op, set_timer_op and vcpu_op: what a guest says about its vCPUs. */
import {
  SCHED_POLL,
  SCHED_REMOTE_SHUTDOWN,
  SCHED_SHUTDOWN,
  SCHED_WATCHDOG,
  SCHEDOP_block,
  SCHEDOP_poll,
  SCHEDOP_remote_shutdown,
  SCHEDOP_shutdown,
  SCHEDOP_shutdown_code,
  SCHEDOP_watchdog,
  SCHEDOP_yield,
  VCPU_REGISTER_RUNSTATE_MEMORY_AREA,
  VCPU_REGISTER_VCPU_INFO,
  VCPU_RUNSTATE_INFO,
  VCPU_SET_PERIODIC_TIMER,
  VCPU_SET_SINGLESHOT_TIMER,
  VCPUOP_down,
  VCPUOP_get_runstate_info,
  VCPUOP_initialise,
  VCPUOP_is_up,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_register_vcpu_info,
  VCPUOP_set_periodic_timer,
  VCPUOP_set_singleshot_timer,
  VCPUOP_stop_periodic_timer,
  VCPUOP_stop_singleshot_timer,
  VCPUOP_up,
} from '../abi/guest.ts';
import { ERRNO } from '../abi/numbers.ts';
import type { Domain } from '../domain.ts';
import type { Vcpu } from '../vcpu.ts';
import { type Hypercall, type HypercallHost, u64At } from './host.ts';

const PS_PER_NS = 1000;
const PS_PER_S = 1e12;
const MAX_POLL_PORTS = 128;
/** VCPU_SSHOTTMR_future: -ETIME if the time is past already. */
const SINGLESHOT_FUTURE = 1;
const ETIME = 62;
/** set_periodic_timer takes no less than this. */
const MIN_PERIOD_NS = 1_000_000;
const WATCHDOGS = 2;

/** `state` and times of a vCPU as `struct vcpu_runstate_info` at `at`; nothing where that cannot be written. */
export function writeRunstate(domain: Domain, vcpu: Vcpu, at: number): boolean {
  const { memory } = domain;
  if (!memory.canWrite(at, VCPU_RUNSTATE_INFO.size)) return false;
  const { state, entryPs, timesPs } = vcpu.runstate;
  const R = VCPU_RUNSTATE_INFO.at;
  memory.setU32(at + R.state, state);
  memory.setU64(at + R.state_entry_time, BigInt(Math.floor(entryPs / PS_PER_NS)));
  for (const [i, timePs] of timesPs.entries()) memory.setU64(at + R.time + 8 * i, BigInt(Math.floor(timePs / PS_PER_NS)));
  return true;
}

export function schedOp(host: HypercallHost): Hypercall {
  /** With masked upcalls an idle vCPU would sleep for ever: blocking unmasks them, and one that is pending is delivered. */
  function block(domain: Domain, vcpu: Vcpu): number {
    const { infos } = domain.events;
    infos.setMasked(vcpu.id, false);
    if (infos.isPending(vcpu.id)) vcpu.kick(vcpu.nowPs);
    return 0;
  }

  /** Waits, once the vCPU is idle, for any of some ports, masked ones too. */
  function poll(domain: Domain, vcpu: Vcpu, at: number): number {
    const { memory, events } = domain;
    if (!memory.canRead(at, SCHED_POLL.size)) return -ERRNO.EFAULT;
    const list = u64At(memory, at + SCHED_POLL.at.ports);
    const count = memory.u32(at + SCHED_POLL.at.nr_ports);
    const timeoutNs = u64At(memory, at + SCHED_POLL.at.timeout);
    if (count > MAX_POLL_PORTS) return -ERRNO.EINVAL;
    if (!memory.canRead(list, 4 * count)) return -ERRNO.EFAULT;
    const ports = Array.from({ length: count }, (_, i) => memory.u32(list + 4 * i));
    if (ports.some((port) => events.status(port) === null)) return -ERRNO.EINVAL;
    if (ports.some((port) => events.abi.isPending(port))) return 0;
    domain.pollers.set(vcpu.id, ports);
    if (timeoutNs !== 0) vcpu.setTimer(Math.max(vcpu.nowPs, timeoutNs * PS_PER_NS), () => domain.pollers.delete(vcpu.id));
    return 0;
  }

  function remoteShutdown(domain: Domain, at: number): number {
    if (!domain.memory.canRead(at, SCHED_REMOTE_SHUTDOWN.size)) return -ERRNO.EFAULT;
    const target = host.lookup(domain.memory.u16(at + SCHED_REMOTE_SHUTDOWN.at.domain_id));
    if (target === undefined) return -ERRNO.ESRCH;
    if (!domain.privileged) return -ERRNO.EPERM;
    host.shutdown(target, domain.memory.u32(at + SCHED_REMOTE_SHUTDOWN.at.reason) & 0xff);
    return 0;
  }

  function watchdog(domain: Domain, vcpu: Vcpu, at: number): number {
    if (!domain.memory.canRead(at, SCHED_WATCHDOG.size)) return -ERRNO.EFAULT;
    const id = domain.memory.u32(at + SCHED_WATCHDOG.at.id);
    const timeoutS = domain.memory.u32(at + SCHED_WATCHDOG.at.timeout);
    if (id > WATCHDOGS) return -ERRNO.EINVAL;
    const atPs = vcpu.nowPs + timeoutS * PS_PER_S;
    if (id === 0) {
      if (timeoutS === 0) return -ERRNO.EINVAL;
      const free = domain.watchdogs.indexOf(0);
      if (free < 0) return -ERRNO.ENOSPC;
      host.setWatchdog(domain, free, atPs);
      return free + 1;
    }
    if (domain.watchdogs[id - 1] === 0) return -ERRNO.EINVAL;
    host.setWatchdog(domain, id - 1, timeoutS === 0 ? null : atPs);
    return 0;
  }

  return (domain, vcpu, command, at) => {
    switch (command) {
      case SCHEDOP_yield:
        vcpu.yield();
        return 0;
      case SCHEDOP_block:
        return block(domain, vcpu);
      case SCHEDOP_poll:
        return poll(domain, vcpu, at);
      case SCHEDOP_shutdown:
      case SCHEDOP_shutdown_code: {
        if (!domain.memory.canRead(at, SCHED_SHUTDOWN.size)) return -ERRNO.EFAULT;
        const reason = domain.memory.u32(at) & 0xff;
        if (command === SCHEDOP_shutdown) host.shutdown(domain, reason);
        else domain.shutdownCode = reason;
        return 0;
      }
      case SCHEDOP_remote_shutdown:
        return remoteShutdown(domain, at);
      case SCHEDOP_watchdog:
        return watchdog(domain, vcpu, at);
      default:
        return -ERRNO.ENOSYS;
    }
  };
}

/** set_timer_op: VIRQ_TIMER at a time in ns; 0 stops the timer. */
export function setTimerOp(host: HypercallHost): Hypercall {
  return (domain, vcpu, timeoutNs) => {
    const atPs = timeoutNs === 0 ? null : Math.max(vcpu.nowPs, timeoutNs * PS_PER_NS);
    // A time that is a negative number of 64 bits is past.
    host.setVcpuTimer(domain, vcpu.id, 'single', timeoutNs >= 2 ** 63 ? vcpu.nowPs : atPs, 0);
    return 0;
  };
}

/** An operation on vCPU `target`, its argument at `at`. */
type VcpuOperation = (domain: Domain, caller: Vcpu, target: Vcpu, at: number) => number;

export function vcpuOp(host: HypercallHost): Hypercall {
  const calls = new VcpuCalls(host);
  return (domain, vcpu, command, vcpuId, at) => calls.call(domain, vcpu, command, vcpuId, at);
}

class VcpuCalls {
  readonly #host: HypercallHost;

  constructor(host: HypercallHost) {
    this.#host = host;
  }

  call(domain: Domain, vcpu: Vcpu, command: number, vcpuId: number, at: number): number {
    const target = domain.vcpus[vcpuId];
    if (target === undefined) return -ERRNO.ENOENT;
    const found = this.#withArgument.get(command);
    if (found !== undefined) return domain.memory.canRead(at, found[0]) ? found[1](domain, vcpu, target, at) : -ERRNO.EFAULT;
    switch (command) {
      case VCPUOP_initialise:
        return -ERRNO.EEXIST;
      case VCPUOP_up:
        return this.#setDown(domain, target, false);
      case VCPUOP_down:
        return this.#setDown(domain, target, true);
      case VCPUOP_is_up:
        return domain.downVcpus.has(vcpuId) ? 0 : 1;
      case VCPUOP_get_runstate_info:
        return writeRunstate(domain, target, at) ? 0 : -ERRNO.EFAULT;
      case VCPUOP_stop_periodic_timer:
      case VCPUOP_stop_singleshot_timer:
        this.#host.setVcpuTimer(domain, target.id, command === VCPUOP_stop_periodic_timer ? 'periodic' : 'single', null, 0);
        return 0;
      default:
        return -ERRNO.ENOSYS;
    }
  }

  readonly #singleshot: VcpuOperation = (domain, caller, target, at) => {
    const timeoutNs = u64At(domain.memory, at + VCPU_SET_SINGLESHOT_TIMER.at.timeout_abs_ns);
    const isPast = timeoutNs * PS_PER_NS < caller.nowPs;
    if (isPast && (domain.memory.u32(at + VCPU_SET_SINGLESHOT_TIMER.at.flags) & SINGLESHOT_FUTURE) !== 0) return -ETIME;
    this.#host.setVcpuTimer(domain, target.id, 'single', Math.max(caller.nowPs, timeoutNs * PS_PER_NS), 0);
    return 0;
  };

  readonly #periodic: VcpuOperation = (domain, caller, target, at) => {
    const periodNs = u64At(domain.memory, at);
    if (periodNs < MIN_PERIOD_NS || periodNs > Number.MAX_SAFE_INTEGER / PS_PER_NS) return -ERRNO.EINVAL;
    this.#host.setVcpuTimer(domain, target.id, 'periodic', caller.nowPs + periodNs * PS_PER_NS, periodNs * PS_PER_NS);
    return 0;
  };

  readonly #registerInfo: VcpuOperation = (domain, caller, target, at) => {
    const frame = domain.grants.frameOf(u64At(domain.memory, at + VCPU_REGISTER_VCPU_INFO.at.mfn));
    const offset = domain.memory.u32(at + VCPU_REGISTER_VCPU_INFO.at.offset);
    return domain.events.infos.register(target.id, frame, offset, caller.nowPs);
  };

  readonly #registerRunstate: VcpuOperation = (domain, _caller, target, at) => {
    domain.runstateAreas[target.id] = u64At(domain.memory, at);
    domain.writeRunstate(target);
    return 0;
  };

  /** Operations with an argument in memory, and its size. */
  readonly #withArgument = new Map<number, readonly [size: number, operation: VcpuOperation]>([
    [VCPUOP_set_singleshot_timer, [VCPU_SET_SINGLESHOT_TIMER.size, this.#singleshot]],
    [VCPUOP_set_periodic_timer, [VCPU_SET_PERIODIC_TIMER.size, this.#periodic]],
    [VCPUOP_register_vcpu_info, [VCPU_REGISTER_VCPU_INFO.size, this.#registerInfo]],
    [VCPUOP_register_runstate_memory_area, [VCPU_REGISTER_RUNSTATE_MEMORY_AREA.size, this.#registerRunstate]],
  ]);

  #setDown(domain: Domain, target: Vcpu, isDown: boolean): number {
    if (domain.downVcpus.has(target.id) === isDown) return 0;
    if (isDown && domain.downVcpus.size === domain.vcpus.length - 1) return -ERRNO.EINVAL;
    if (isDown) {
      domain.downVcpus.add(target.id);
      target.pause();
    } else {
      domain.downVcpus.delete(target.id);
      target.unpause();
    }
    return 0;
  }
}
