/**
 * One queue of a guest's interface: its rings mapped, its event channels bound, and the engines of both directions.
 */
import { BackRing, type GuestKernel, type MemoryView, RX_SLOT_BYTES, TX_SLOT_BYTES } from '../hypervisor/index.ts';
import type { KernelCpu } from '../sim/index.ts';
import type { Rate } from './credit.ts';
import { RxEngine, type RxHooks, type RxOptions } from './receive.ts';
import { TxEngine, type TxHooks } from './transmit.ts';

/** What the guest published of a queue. */
export interface QueueKeys {
  readonly txRef: number;
  readonly rxRef: number;
  readonly txPort: number;
  /** The same as `txPort` without split event channels. */
  readonly rxPort: number;
}

export interface QueueOptions extends RxOptions {
  readonly kernel: GuestKernel;
  readonly domid: number;
  /** vCPU that works for this queue. */
  readonly vcpu: number;
  readonly rate: Rate;
}

export class NetbackQueue {
  readonly tx: TxEngine;
  readonly rx: RxEngine;
  readonly cpu: KernelCpu;
  readonly #connection: Connection;

  /** Throws `RangeError` with what the guest offered in vain; nothing is held then. */
  constructor(options: QueueOptions, keys: QueueKeys, hooks: TxHooks & RxHooks) {
    const { kernel, domid, vcpu } = options;
    this.cpu = kernel.cpus[vcpu] as KernelCpu;
    const connection = new Connection(kernel, domid);
    this.#connection = connection;
    try {
      const [txPage, rxPage] = connection.map([keys.txRef, keys.rxRef]) as [MemoryView, MemoryView];
      const txPort = connection.bind(keys.txPort, vcpu);
      const rxPort = keys.rxPort === keys.txPort ? txPort : connection.bind(keys.rxPort, vcpu);
      this.tx = new TxEngine(kernel, this.cpu, domid, attach(txPage, TX_SLOT_BYTES), txPort, options.rate, hooks);
      this.rx = new RxEngine(kernel, this.cpu, domid, attach(rxPage, RX_SLOT_BYTES), rxPort, options, hooks);
      this.#listen(kernel, vcpu, txPort, txPort === rxPort ? [this.tx, this.rx] : [this.tx]);
      if (txPort !== rxPort) this.#listen(kernel, vcpu, rxPort, [this.rx]);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  close(): void {
    this.tx.close();
    this.rx.close();
    this.#connection.close();
  }

  #listen(kernel: GuestKernel, vcpu: number, port: number, engines: readonly { wake(): void }[]): void {
    const wake = (): void => {
      for (const engine of engines) engine.wake();
    };
    // Binding makes a port pending at once, on vCPU 0, wherever it belongs afterwards: the work crosses over then.
    kernel.xen.setHandler(port, vcpu === 0 ? wake : () => this.cpu.exec(0, 'netback', wake));
  }
}

/** A ring whose counters go on from where the other end has seen them. */
function attach(page: MemoryView, slotBytes: number): BackRing {
  const responses = page.u32(8);
  const ring = new BackRing(page, slotBytes, responses);
  if (ring.isOverrun) throw new RangeError(`ring counters make no sense: requests ${page.u32(0)}, responses ${responses}`);
  return ring;
}

/** Pages and ports of the other end that this end holds. */
export class Connection {
  readonly #kernel: GuestKernel;
  readonly #domid: number;
  readonly #handles: number[] = [];
  readonly #ports: number[] = [];

  constructor(kernel: GuestKernel, domid: number) {
    this.#kernel = kernel;
    this.#domid = domid;
  }

  /** Throws `RangeError` where one cannot be mapped. */
  map(refs: readonly number[]): MemoryView[] {
    const { xen, cpu } = this.#kernel;
    const mappings = xen.mapGrants(
      cpu,
      refs.map((ref) => ({ domid: this.#domid, ref, readonly: false })),
    );
    for (const mapping of mappings) if (mapping.status === 0) this.#handles.push(mapping.handle);
    return mappings.map(({ status, view }, i) => {
      if (view === null) throw new RangeError(`mapping shared ring page ${refs[i]}: grant status ${status}`);
      return view;
    });
  }

  /** Throws `RangeError` where it cannot be bound. */
  bind(remotePort: number, vcpu: number): number {
    const { xen, cpu } = this.#kernel;
    const port = xen.bindInterdomain(cpu, this.#domid, remotePort);
    if (port < 0) throw new RangeError(`binding event channel ${remotePort}: error ${port}`);
    this.#ports.push(port);
    if (vcpu !== 0) xen.bindVcpu(cpu, port, vcpu);
    return port;
  }

  close(): void {
    const { xen, cpu } = this.#kernel;
    for (const port of this.#ports) {
      xen.setHandler(port, null);
      xen.closePort(cpu, port);
    }
    if (this.#handles.length > 0) xen.unmapGrants(cpu, this.#handles);
    this.#ports.length = 0;
    this.#handles.length = 0;
  }
}
