/** event_channel_op: each operation's argument structure, read from and written back to the caller's memory. */
import {
  EVTCHN_ALLOC_UNBOUND,
  EVTCHN_BIND_INTERDOMAIN,
  EVTCHN_BIND_IPI,
  EVTCHN_BIND_VCPU,
  EVTCHN_BIND_VIRQ,
  EVTCHN_CLOSE,
  EVTCHN_EXPAND_ARRAY,
  EVTCHN_FIFO_LINK_BITS,
  EVTCHN_INIT_CONTROL,
  EVTCHN_RESET,
  EVTCHN_SEND,
  EVTCHN_SET_PRIORITY,
  EVTCHN_STATUS,
  EVTCHN_UNMASK,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_expand_array,
  EVTCHNOP_init_control,
  EVTCHNOP_reset,
  EVTCHNOP_send,
  EVTCHNOP_set_priority,
  EVTCHNOP_status,
  EVTCHNOP_unmask,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
} from '../abi/event.ts';
import { ERRNO } from '../abi/numbers.ts';
import type { Domain } from '../domain.ts';
import type { Vcpu } from '../vcpu.ts';
import { anyDomain, type Hypercall, type HypercallHost, mayControl, u64At } from './host.ts';

type Operation = (domain: Domain, vcpu: Vcpu, at: number) => number;

export function eventChannelOp(host: HypercallHost): Hypercall {
  const calls = new EventCalls(host);
  return (domain, vcpu, command, at) => calls.call(domain, vcpu, command, at);
}

/** A command: size of its argument, and what it does. */
type Row = readonly [size: number, operation: Operation];

class EventCalls {
  readonly #host: HypercallHost;

  constructor(host: HypercallHost) {
    this.#host = host;
  }

  call(domain: Domain, vcpu: Vcpu, command: number, at: number): number {
    // By far the most frequent.
    if (command === EVTCHNOP_send)
      return domain.memory.canRead(at, EVTCHN_SEND.size) ? this.#send(domain, vcpu, at) : -ERRNO.EFAULT;
    const found = this.#operations.get(command) ?? (this.#host.era.fifoEvents ? this.#fifoOperations.get(command) : undefined);
    if (found === undefined) return -ERRNO.ENOSYS;
    const [size, operation] = found;
    return domain.memory.canWrite(at, size) ? operation(domain, vcpu, at) : -ERRNO.EFAULT;
  }

  /** Writes a port that was made, or hands on the errno. */
  #answer(domain: Domain, at: number, port: number): number {
    if (port < 0) return port;
    domain.memory.setU32(at, port);
    return 0;
  }

  /** The domain named, if the caller may act for it; else an errno. */
  #target(domain: Domain, domid: number): Domain | number {
    const found = anyDomain(this.#host, domain, domid);
    if (found === undefined) return -ERRNO.ESRCH;
    return mayControl(domain, found) ? found : -ERRNO.EPERM;
  }

  readonly #send: Operation = (domain, vcpu, at) => {
    vcpu.spend(this.#host.costs.eventSendPs, 'event');
    const result = domain.events.send(domain.memory.u32(at));
    if (result < 0) return result;
    domain.account.eventsSent++;
    if (result === 1) this.#host.sendEvent(domain.events.targetDomid, domain.events.targetPort, vcpu.nowPs);
    return 0;
  };

  readonly #allocUnbound: Operation = (domain, _vcpu, at) => {
    const { memory } = domain;
    const A = EVTCHN_ALLOC_UNBOUND.at;
    const owner = this.#target(domain, memory.u16(at + A.dom));
    if (typeof owner === 'number') return owner;
    const remote = anyDomain(this.#host, domain, memory.u16(at + A.remote_dom))?.domid ?? memory.u16(at + A.remote_dom);
    return this.#answer(domain, at + A.port, owner.events.allocUnbound(remote));
  };

  readonly #bindInterdomain: Operation = (domain, vcpu, at) => {
    const { memory } = domain;
    const B = EVTCHN_BIND_INTERDOMAIN.at;
    const port = domain.events.bindInterdomain(memory.u16(at + B.remote_dom), memory.u32(at + B.remote_port), vcpu.nowPs);
    return this.#answer(domain, at + B.local_port, port);
  };

  readonly #bindVirq: Operation = (domain, _vcpu, at) => {
    const { memory } = domain;
    const B = EVTCHN_BIND_VIRQ.at;
    return this.#answer(domain, at + B.port, domain.events.bindVirq(memory.u32(at + B.virq), memory.u32(at + B.vcpu)));
  };

  readonly #bindIpi: Operation = (domain, _vcpu, at) =>
    this.#answer(domain, at + EVTCHN_BIND_IPI.at.port, domain.events.bindIpi(domain.memory.u32(at + EVTCHN_BIND_IPI.at.vcpu)));

  readonly #status: Operation = (domain, _vcpu, at) => {
    const { memory } = domain;
    const S = EVTCHN_STATUS.at;
    const owner = this.#target(domain, memory.u16(at + S.dom));
    if (typeof owner === 'number') return owner;
    const found = owner.events.status(memory.u32(at + S.port));
    if (found === null) return -ERRNO.EINVAL;
    memory.setU32(at + S.status, found.status);
    memory.setU32(at + S.vcpu, found.vcpu);
    if (found.status === EVTCHNSTAT_unbound) memory.setU16(at + S.u, found.domid);
    else if (found.status === EVTCHNSTAT_interdomain) {
      memory.setU16(at + S.u, found.domid);
      memory.setU32(at + S.u + 4, found.port);
    } else if (found.status === EVTCHNSTAT_virq) memory.setU32(at + S.u, found.virq);
    return 0;
  };

  readonly #bindVcpu: Operation = (domain, _vcpu, at) => {
    const B = EVTCHN_BIND_VCPU.at;
    return domain.events.bindVcpu(domain.memory.u32(at + B.port), domain.memory.u32(at + B.vcpu));
  };

  readonly #reset: Operation = (domain, _vcpu, at) => {
    const owner = this.#target(domain, domain.memory.u16(at));
    if (typeof owner === 'number') return owner;
    owner.events.reset();
    return 0;
  };

  readonly #initControl: Operation = (domain, _vcpu, at) => {
    const { memory } = domain;
    const I = EVTCHN_INIT_CONTROL.at;
    const vcpuId = memory.u32(at + I.vcpu);
    const result = domain.events.initControl(u64At(memory, at + I.control_gfn), memory.u32(at + I.offset), vcpuId);
    if (result === 0) memory.setU8(at + I.link_bits, EVTCHN_FIFO_LINK_BITS);
    return result;
  };

  readonly #setPriority: Operation = (domain, _vcpu, at) => {
    const P = EVTCHN_SET_PRIORITY.at;
    return domain.events.setPriority(domain.memory.u32(at + P.port), domain.memory.u32(at + P.priority));
  };

  readonly #operations = new Map<number, Row>([
    [EVTCHNOP_alloc_unbound, [EVTCHN_ALLOC_UNBOUND.size, this.#allocUnbound]],
    [EVTCHNOP_bind_interdomain, [EVTCHN_BIND_INTERDOMAIN.size, this.#bindInterdomain]],
    [EVTCHNOP_bind_virq, [EVTCHN_BIND_VIRQ.size, this.#bindVirq]],
    [EVTCHNOP_bind_ipi, [EVTCHN_BIND_IPI.size, this.#bindIpi]],
    [EVTCHNOP_close, [EVTCHN_CLOSE.size, (domain, _vcpu, at) => domain.events.close(domain.memory.u32(at))]],
    [EVTCHNOP_status, [EVTCHN_STATUS.size, this.#status]],
    [EVTCHNOP_bind_vcpu, [EVTCHN_BIND_VCPU.size, this.#bindVcpu]],
    [EVTCHNOP_unmask, [EVTCHN_UNMASK.size, (domain, vcpu, at) => domain.events.unmask(domain.memory.u32(at), vcpu.nowPs)]],
    [EVTCHNOP_reset, [EVTCHN_RESET.size, this.#reset]],
  ]);
  readonly #fifoOperations = new Map<number, Row>([
    [EVTCHNOP_init_control, [EVTCHN_INIT_CONTROL.size, this.#initControl]],
    [
      EVTCHNOP_expand_array,
      [EVTCHN_EXPAND_ARRAY.size, (domain, vcpu, at) => domain.events.expandArray(u64At(domain.memory, at), vcpu.nowPs)],
    ],
    [EVTCHNOP_set_priority, [EVTCHN_SET_PRIORITY.size, this.#setPriority]],
  ]);
}
