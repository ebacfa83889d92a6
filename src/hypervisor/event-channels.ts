/**
 * A domain's event channels: what each port is bound to, and the hypercalls that change that. How a pending event is shown to the guest is the business of an *event ABI*:
 * bits in shared info (`event-2l.ts`), or queues of linked words (`event-fifo.ts`). After xen/common/event_channel.c.
 *
 * Every function that a guest can reach returns 0 or more, or a negative errno, whatever the arguments.
 */
import type { Ps } from '../sim/index.ts';
import {
  EVTCHN_FIFO_PRIORITY_DEFAULT,
  EVTCHN_FIFO_PRIORITY_MIN,
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_ipi,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  NR_VIRQS,
  VIRQ_DEBUG,
  VIRQ_TIMER,
  VIRQ_XENOPROF,
  VIRQ_XENPMU,
} from './abi/event.ts';
import { DOMID_SELF } from './abi/guest.ts';
import { ERRNO } from './abi/numbers.ts';
import { FifoEvents } from './event-fifo.ts';
import { TwoLevelEvents } from './event-2l.ts';
import type { Frame, MachineMemory } from './machine-memory.ts';
import type { VcpuInfos } from './vcpu-info.ts';

// States of a port: those that EVTCHNOP_status reports, and one for port 0.
const FREE = EVTCHNSTAT_closed;
const UNBOUND = EVTCHNSTAT_unbound;
const INTERDOMAIN = EVTCHNSTAT_interdomain;
const VIRQ = EVTCHNSTAT_virq;
const IPI = EVTCHNSTAT_ipi;
const RESERVED = 6;

/** VIRQs that every vCPU has of its own; the others belong to a domain. */
const VCPU_VIRQS: readonly number[] = [VIRQ_TIMER, VIRQ_DEBUG, VIRQ_XENOPROF, VIRQ_XENPMU];

/** What an event ABI does for a port. */
export interface EventAbi {
  /** Ports are below this. */
  readonly portLimit: number;
  /** Marks `port` pending for the vCPU that it is bound to. */
  setPending(port: number, atPs: Ps): void;
  clearPending(port: number): void;
  isPending(port: number): boolean;
  isMasked(port: number): boolean;
  unmask(port: number, atPs: Ps): void;
  /** The port must not be used again yet: it is still in a queue. */
  isBusy(port: number): boolean;
}

/** One port. */
export class Port {
  state: number = FREE;
  /** INTERDOMAIN: the other end. UNBOUND: who may bind (then `remotePort` means nothing). */
  remoteDomid = 0;
  remotePort = 0;
  virq = 0;
  /** vCPU that gets its events. */
  vcpu = 0;
  priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
  /** FIFO: queue that it was last linked to, and an event that came before there was a word for it. */
  lastVcpu = 0;
  lastPriority = EVTCHN_FIFO_PRIORITY_DEFAULT;
  isEarly = false;
}

/** What event operations need of another domain. */
export interface EventParty {
  readonly domid: number;
  readonly privileged: boolean;
  readonly events: EventChannels;
}

/** What EVTCHNOP_status reports. */
export interface PortStatus {
  readonly status: number;
  readonly vcpu: number;
  /** The union: who may bind; domain and port; VIRQ. */
  readonly domid: number;
  readonly port: number;
  readonly virq: number;
}

export class EventChannels {
  readonly domid: number;
  readonly vcpuCount: number;
  readonly infos: VcpuInfos;
  /** Port by number; those above are free. */
  readonly ports: Port[] = [];
  abi: EventAbi;
  /** `port` became pending that was not: for vCPUs that poll. */
  onPending: ((port: number, atPs: Ps) => void) | null = null;
  /** Where the next `notify` goes, set by `send`. */
  targetDomid = 0;
  targetPort = 0;

  readonly #machine: MachineMemory;
  readonly #maxPorts: number;
  readonly #lookup: (domid: number) => EventParty | undefined;
  readonly #virqPorts: number[];
  /** No port below this is free. */
  #firstFree = 1;

  /**
   * `sharedInfo` is the frame with the 2-level bits; `lookup` finds domains by number. The domain's ports are below `maxPorts`, whatever the event ABI allows.
   */
  constructor(parts: {
    readonly domid: number;
    readonly machine: MachineMemory;
    readonly infos: VcpuInfos;
    readonly sharedInfo: Frame;
    readonly maxPorts: number;
    readonly lookup: (domid: number) => EventParty | undefined;
  }) {
    this.domid = parts.domid;
    this.infos = parts.infos;
    this.vcpuCount = parts.infos.count;
    this.#machine = parts.machine;
    this.#maxPorts = parts.maxPorts;
    this.#lookup = parts.lookup;
    this.#virqPorts = new Array(this.vcpuCount * NR_VIRQS).fill(0);
    this.#twoLevel = new TwoLevelEvents(this, parts.sharedInfo);
    this.abi = this.#twoLevel;
    const zero = new Port();
    zero.state = RESERVED;
    this.ports.push(zero);
  }
  readonly #twoLevel: TwoLevelEvents;

  get isFifo(): boolean {
    return this.abi !== this.#twoLevel;
  }

  /** Ports that are not closed. */
  get openCount(): number {
    return this.ports.filter(({ state }) => state !== FREE && state !== RESERVED).length;
  }

  /** The port if its number is one; closed ports included. */
  #port(port: number): Port | undefined {
    return this.ports[port];
  }

  #allocate(): number {
    let firstBusy = -1;
    for (let port = this.#firstFree; port < Math.min(this.abi.portLimit, this.#maxPorts); port++) {
      if (port === this.ports.length) this.ports.push(new Port());
      if ((this.ports[port] as Port).state !== FREE) continue;
      if (this.abi.isBusy(port)) {
        if (firstBusy < 0) firstBusy = port;
        continue;
      }
      this.#firstFree = firstBusy < 0 ? port + 1 : firstBusy;
      return port;
    }
    return -ERRNO.ENOSPC;
  }

  #free(port: number): void {
    const own = this.ports[port] as Port;
    this.abi.clearPending(port);
    own.state = FREE;
    own.vcpu = 0;
    own.virq = 0;
    own.priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    own.isEarly = false;
    this.#firstFree = Math.min(this.#firstFree, port);
  }

  /** EVTCHNOP_alloc_unbound: the port. */
  allocUnbound(remoteDomid: number): number {
    const port = this.#allocate();
    if (port < 0) return port;
    const own = this.ports[port] as Port;
    own.state = UNBOUND;
    own.remoteDomid = remoteDomid === DOMID_SELF ? this.domid : remoteDomid;
    return port;
  }

  /** EVTCHNOP_bind_interdomain: the local port, which is pending at once, since events may have been lost. */
  bindInterdomain(remoteDomid: number, remotePort: number, atPs: Ps): number {
    const remote = remoteDomid === DOMID_SELF ? this : this.#lookup(remoteDomid)?.events;
    if (remote === undefined) return -ERRNO.ESRCH;
    const port = this.#allocate();
    if (port < 0) return port;
    const other = remote.#port(remotePort);
    if (other === undefined || other.state !== UNBOUND || other.remoteDomid !== this.domid) {
      this.#firstFree = Math.min(this.#firstFree, port);
      return -ERRNO.EINVAL;
    }
    const own = this.ports[port] as Port;
    own.state = INTERDOMAIN;
    own.remoteDomid = remote.domid;
    own.remotePort = remotePort;
    other.state = INTERDOMAIN;
    other.remotePort = port;
    this.abi.setPending(port, atPs);
    return port;
  }

  /** EVTCHNOP_bind_virq: the port. */
  bindVirq(virq: number, vcpu: number): number {
    if (virq >= NR_VIRQS) return -ERRNO.EINVAL;
    if (!VCPU_VIRQS.includes(virq) && vcpu !== 0) return -ERRNO.EINVAL;
    if (vcpu >= this.vcpuCount) return -ERRNO.ENOENT;
    if (this.#virqPorts[vcpu * NR_VIRQS + virq] !== 0) return -ERRNO.EEXIST;
    const port = this.#allocate();
    if (port < 0) return port;
    const own = this.ports[port] as Port;
    own.state = VIRQ;
    own.virq = virq;
    own.vcpu = vcpu;
    this.#virqPorts[vcpu * NR_VIRQS + virq] = port;
    return port;
  }

  /** EVTCHNOP_bind_ipi: the port. */
  bindIpi(vcpu: number): number {
    if (vcpu >= this.vcpuCount) return -ERRNO.ENOENT;
    const port = this.#allocate();
    if (port < 0) return port;
    const own = this.ports[port] as Port;
    own.state = IPI;
    own.vcpu = vcpu;
    return port;
  }

  /** EVTCHNOP_close. The other end becomes unbound, for this domain to bind again. */
  close(port: number): number {
    const own = this.#port(port);
    if (own === undefined || own.state === FREE || own.state === RESERVED) return -ERRNO.EINVAL;
    if (own.state === VIRQ) this.#virqPorts[this.#virqIndex(own)] = 0;
    if (own.state === INTERDOMAIN) {
      const remote = own.remoteDomid === this.domid ? this : this.#lookup(own.remoteDomid)?.events;
      const other = remote?.ports[own.remotePort];
      if (other !== undefined && other !== own) {
        other.state = UNBOUND;
        other.remoteDomid = this.domid;
      }
    }
    this.#free(port);
    return 0;
  }

  /** Global VIRQs are kept under vCPU 0, wherever their events go. */
  #virqIndex({ virq, vcpu }: Port): number {
    return (VCPU_VIRQS.includes(virq) ? vcpu : 0) * NR_VIRQS + virq;
  }

  /**
   * EVTCHNOP_send: 1 if an event is to be marked at `targetPort` of `targetDomid` (the caller does that when its time has come), 0 if nobody is there, or an errno.
   */
  send(port: number): number {
    const own = this.#port(port);
    if (own === undefined) return -ERRNO.EINVAL;
    if (own.state === UNBOUND) return 0;
    if (own.state !== INTERDOMAIN && own.state !== IPI) return -ERRNO.EINVAL;
    this.targetDomid = own.state === IPI ? this.domid : own.remoteDomid;
    this.targetPort = own.state === IPI ? port : own.remotePort;
    return 1;
  }

  /** An event arrives at a port of this domain's; nothing if the port has been closed since it was sent. */
  deliver(port: number, atPs: Ps): void {
    const own = this.#port(port);
    if (own !== undefined && (own.state === INTERDOMAIN || own.state === IPI)) this.abi.setPending(port, atPs);
  }

  /** A virtual interrupt; nothing if it is not bound. */
  raiseVirq(virq: number, vcpu: number, atPs: Ps): void {
    const port = this.#virqPorts[(VCPU_VIRQS.includes(virq) ? vcpu : 0) * NR_VIRQS + virq] as number;
    if (port !== 0) this.abi.setPending(port, atPs);
  }

  /** EVTCHNOP_status; null for a number that is no port. */
  status(port: number): PortStatus | null {
    const own = this.#port(port);
    if (own === undefined) return null;
    const { state, vcpu, remoteDomid: domid, remotePort, virq } = own;
    return { status: state === RESERVED ? EVTCHNSTAT_closed : state, vcpu, domid, port: remotePort, virq };
  }

  /** EVTCHNOP_bind_vcpu. */
  bindVcpu(port: number, vcpu: number): number {
    if (vcpu >= this.vcpuCount) return -ERRNO.ENOENT;
    const own = this.#port(port);
    if (own === undefined) return -ERRNO.EINVAL;
    const isMovable =
      own.state === UNBOUND || own.state === INTERDOMAIN || (own.state === VIRQ && !VCPU_VIRQS.includes(own.virq));
    if (!isMovable) return -ERRNO.EINVAL;
    own.vcpu = vcpu;
    return 0;
  }

  /** EVTCHNOP_unmask: an event that came while the port was masked is delivered now. */
  unmask(port: number, atPs: Ps): number {
    if (this.#port(port) === undefined) return -ERRNO.EINVAL;
    this.abi.unmask(port, atPs);
    return 0;
  }

  /** EVTCHNOP_set_priority. */
  setPriority(port: number, priority: number): number {
    const own = this.#port(port);
    if (own === undefined) return -ERRNO.EINVAL;
    if (!this.isFifo) return -ERRNO.ENOSYS;
    if (priority > EVTCHN_FIFO_PRIORITY_MIN) return -ERRNO.EINVAL;
    own.priority = priority;
    return 0;
  }

  /** EVTCHNOP_init_control: the vCPU's control block; the first call changes the domain to FIFO channels. `mfn` is a page of the domain's own. */
  initControl(mfn: number, offset: number, vcpu: number): number {
    if (vcpu >= this.vcpuCount) return -ERRNO.ENOENT;
    const frame = this.#ownFrame(mfn);
    if (this.abi instanceof FifoEvents) return this.abi.addControlBlock(frame, offset, vcpu);
    const fifo = new FifoEvents(this, this.#machine);
    const result = fifo.addControlBlock(frame, offset, vcpu);
    if (result < 0) return result;
    for (const [port, own] of this.ports.entries()) own.isEarly = this.#twoLevel.isPending(port);
    this.abi = fifo;
    return result;
  }

  /** EVTCHNOP_expand_array: one page more of event words. */
  expandArray(mfn: number, atPs: Ps): number {
    return this.abi instanceof FifoEvents ? this.abi.addPage(this.#ownFrame(mfn), atPs) : -ERRNO.EOPNOTSUPP;
  }

  #ownFrame(mfn: number): Frame | null {
    const frame = this.#machine.frame(mfn);
    return frame === null || frame.owner !== this.domid || frame.isXen ? null : frame;
  }

  /** EVTCHNOP_reset, and a domain's death: every port is closed, and events are 2-level again. */
  reset(): void {
    for (let port = 1; port < this.ports.length; port++) this.close(port);
    if (this.abi instanceof FifoEvents) this.abi.release();
    this.abi = this.#twoLevel;
    this.ports.length = 1;
    this.#firstFree = 1;
  }
}
