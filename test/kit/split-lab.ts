/**
 * A machine just large enough for split drivers: domains with frames, grants, event channels and devices, all plain and all counted,
 * so that a test can ask what is still held, and can be the other end itself.
 */
import {
  type Era,
  type EraName,
  ERAS,
  type GrantCopySide,
  type GuestKernel,
  type GuestXen,
  PAGE_SIZE,
  type XenbusDevice,
  type XenbusDriverInstance,
} from '../../src/hypervisor/index.ts';
import { BareKernelCpu, EventLoop, type KernelCpu, RandomStream } from '../../src/sim/index.ts';
import { BytesView, FramesView } from './bytes-view.ts';
import { LabDevice } from './lab-device.ts';

const US = 1_000_000;
const SELF = 0x7ff0;

interface Grant {
  kind: 'access' | 'transfer';
  domid: number;
  frame: Uint8Array;
  isReadonly: boolean;
  /** Mappings of it. */
  pins: number;
  came: Uint8Array | null;
}

interface Port {
  readonly owner: LabDomain;
  readonly remoteDomid: number;
  peer: Port | null;
  handler: (() => void) | null;
  isPending: boolean;
  cpu: KernelCpu;
}

/** A CPU that stops with its domain. */
class LabCpu extends BareKernelCpu {
  isDead = false;
  /** Called before each item: a test may strike there. */
  static beforeItem: (() => void) | null = null;

  override exec(costPs: number, cause: string, effect: () => void): void {
    super.exec(costPs, cause, () => {
      if (this.isDead) return;
      LabCpu.beforeItem?.();
      if (!this.isDead) effect();
    });
  }
}

export class LabDomain {
  readonly domid: number;
  readonly lab: SplitLab;
  readonly kernel: GuestKernel;
  readonly cpus: LabCpu[];
  /** By pfn; undefined: no frame under it; null: one that nobody has looked at yet. */
  readonly frames: (Uint8Array | null | undefined)[] = [];
  readonly grants = new Map<number, Grant>();
  readonly ports = new Map<number, Port>();
  readonly mappings = new Map<number, Grant>();
  /** Frames that came by transfer and are not under a pfn yet. */
  readonly loose = new Map<number, Uint8Array>();
  readonly devices: LabDevice[] = [];
  isDead = false;
  freePfns: number[] = [];
  #nextRef = 8;
  #nextPort = 1;
  #nextHandle = 0;
  #nextLoose = 1000;

  constructor(lab: SplitLab, domid: number, era: Era, pages: number, vcpus: number) {
    this.lab = lab;
    this.domid = domid;
    this.cpus = Array.from({ length: vcpus }, () => new LabCpu(lab.loop, domid, { interruptPs: US, timerPs: US }));
    for (let pfn = 0; pfn < pages; pfn++) {
      this.frames.push(null);
      this.freePfns.push(pages - 1 - pfn);
    }
    const memory = new FramesView(pages, (pfn) => this.frame(pfn));
    this.kernel = {
      domid,
      name: `dom${domid}`,
      era,
      cpu: this.cpus[0],
      cpus: this.cpus,
      memory,
      xen: this.#xen(era),
      xenbus: {
        store: {} as GuestKernel['xenbus']['store'],
        registerFrontend: (_type, probe) => lab.frontends.set(domid, probe),
        registerBackend: (_type, probe) => lab.backends.set(domid, probe),
      },
      random: new RandomStream(1, `dom${domid}`),
      allocPages: (count) => {
        if (count !== 1 || this.freePfns.length === 0) throw new RangeError('no page');
        return this.freePfns.pop()!;
      },
      freePages: (pfn) => {
        if (this.frames[pfn] === undefined) throw new Error(`freed pfn ${pfn} without a frame`);
        if (this.freePfns.includes(pfn)) throw new Error(`freed pfn ${pfn} twice`);
        for (const grant of this.grants.values()) {
          if (grant.kind === 'access' && grant.frame === this.frames[pfn]) throw new Error(`freed pfn ${pfn} while granted`);
        }
        this.freePfns.push(pfn);
      },
      pages: (pfn) => new BytesView(this.frame(pfn)!),
      onDeath: () => {},
    };
  }

  /** The frame under a pfn, undefined if there is none. */
  frame(pfn: number): Uint8Array | undefined {
    if (this.frames[pfn] === null) this.frames[pfn] = new Uint8Array(PAGE_SIZE);
    return this.frames[pfn] ?? undefined;
  }

  /** Everything held: to be compared with before. */
  get held(): { grants: number; ports: number; mappings: number; freePages: number; frames: number } {
    return {
      grants: this.grants.size,
      ports: this.ports.size,
      mappings: this.mappings.size,
      freePages: this.freePfns.length,
      frames: this.frames.filter((frame) => frame !== undefined).length + this.loose.size,
    };
  }

  /** Grants a page for a test that plays the guest. */
  grant(domid: number, frame: Uint8Array, isReadonly = false): number {
    const ref = this.#nextRef++;
    this.grants.set(ref, { kind: 'access', domid, frame, isReadonly, pins: 0, came: null });
    return ref;
  }

  #find(domid: number, ref: number): Grant | number {
    const owner = this.lab.domains.get(domid);
    if (owner === undefined || owner.isDead) return -2;
    const grant = owner.grants.get(ref);
    return grant !== undefined && grant.domid === this.domid ? grant : -3;
  }

  #side(side: GrantCopySide, isWritten: boolean): Uint8Array | number {
    if (side.ref === undefined) return side.domid === SELF ? (this.frame(side.pfn!) ?? -9) : -8;
    const grant = this.#find(side.domid, side.ref);
    if (typeof grant === 'number') return grant;
    if (grant.kind !== 'access') return -3;
    return isWritten && grant.isReadonly ? -1 : grant.frame;
  }

  #charge(cpu: KernelCpu, ps: number): void {
    const { costs } = this.kernel.era;
    cpu.spend(costs.hypercallPs + ps, 'hypercall');
  }

  #xen(era: Era): GuestXen {
    const { costs } = era;
    return {
      grantAccess: (domid, pfn, isReadonly) => this.grant(domid, this.frame(pfn)!, isReadonly),
      endAccess: (ref) => {
        const grant = this.grants.get(ref);
        if (grant === undefined) throw new Error(`ended grant ${ref}, which is none`);
        if (grant.pins > 0) return false;
        return this.grants.delete(ref);
      },
      grantTransfer: (domid) => {
        const ref = this.#nextRef++;
        this.grants.set(ref, { kind: 'transfer', domid, frame: new Uint8Array(0), isReadonly: false, pins: 0, came: null });
        return ref;
      },
      endTransfer: (ref) => {
        const grant = this.grants.get(ref)!;
        this.grants.delete(ref);
        if (grant.came === null) return null;
        const mfn = this.#nextLoose++;
        this.loose.set(mfn, grant.came);
        return mfn;
      },
      mapGrants: (cpu, maps) => {
        this.#charge(cpu, maps.length * costs.grantMapPs);
        return maps.map(({ domid, ref, readonly }) => {
          const grant = this.#find(domid, ref);
          if (typeof grant === 'number') return { status: grant, handle: -1, view: null };
          if (grant.kind !== 'access' || (grant.isReadonly && !readonly)) return { status: -1, handle: -1, view: null };
          grant.pins++;
          const handle = this.#nextHandle++;
          this.mappings.set(handle, grant);
          return { status: 0, handle, view: new BytesView(grant.frame, readonly) };
        });
      },
      unmapGrants: (cpu, handles) => {
        this.#charge(cpu, handles.length * costs.grantUnmapPs + costs.tlbFlushPs);
        return handles.map((handle) => {
          const grant = this.mappings.get(handle);
          if (grant === undefined) throw new Error(`unmapped handle ${handle}, which is none`);
          grant.pins--;
          this.mappings.delete(handle);
          return 0;
        });
      },
      copyGrants: (cpu, copies) => {
        let ps = 0;
        const statuses = copies.map(({ source, destination, length }) => {
          ps += costs.grantCopyPs + length * costs.copyPsPerByte;
          this.lab.copies++;
          if (source.offset + length > PAGE_SIZE || destination.offset + length > PAGE_SIZE) return -10;
          const from = this.#side(source, false);
          const to = this.#side(destination, true);
          if (typeof from === 'number') return from;
          if (typeof to === 'number') return to;
          to.set(from.subarray(source.offset, source.offset + length), destination.offset);
          return 0;
        });
        this.#charge(cpu, ps);
        return statuses;
      },
      transferGrants: (cpu, transfers) => {
        this.#charge(cpu, transfers.length * costs.grantTransferPs);
        return transfers.map(({ pfn, domid, ref }) => {
          const frame = this.frame(pfn);
          if (frame === undefined) return -9;
          this.frames[pfn] = undefined;
          const grant = this.#find(domid, ref);
          if (typeof grant === 'number') return grant;
          if (grant.kind !== 'transfer' || grant.came !== null) return -3;
          grant.came = frame;
          return 0;
        });
      },
      allocUnbound: (_cpu, domid) => this.#open(domid),
      bindInterdomain: (_cpu, domid, remotePort) => {
        const remote = this.lab.domains.get(domid)?.ports.get(remotePort);
        if (remote === undefined || remote.peer !== null || remote.remoteDomid !== this.domid) return -22;
        const port = this.#open(domid);
        const own = this.ports.get(port)!;
        own.peer = remote;
        remote.peer = own;
        return port;
      },
      bindVirq: () => -38,
      closePort: (_cpu, port) => {
        const own = this.ports.get(port);
        if (own === undefined) return -22;
        if (own.peer !== null) own.peer.peer = null;
        this.ports.delete(port);
        return 0;
      },
      notify: (cpu, port) => {
        this.#charge(cpu, costs.eventSendPs);
        const peer = this.ports.get(port)?.peer;
        if (peer === undefined || peer === null) return -22;
        this.lab.notifications++;
        if (peer.isPending || peer.owner.isDead) return 0;
        peer.isPending = true;
        peer.cpu.interrupt('event', () => {
          peer.isPending = false;
          peer.handler?.();
        });
        return 0;
      },
      bindVcpu: (_cpu, port, vcpu) => {
        this.ports.get(port)!.cpu = this.cpus[vcpu];
        return 0;
      },
      setPriority: () => 0,
      setHandler: (port, handler) => {
        const own = this.ports.get(port);
        if (own !== undefined) own.handler = handler;
      },
      mask: () => {},
      unmask: () => {},
      releasePages: (cpu, pfns) => {
        this.#charge(cpu, pfns.length * costs.memoryOpPs);
        for (const pfn of pfns) this.frames[pfn] = undefined;
        return pfns.length;
      },
      populatePages: (cpu, pfns) => {
        this.#charge(cpu, pfns.length * costs.memoryOpPs);
        for (const pfn of pfns) {
          if (this.frames[pfn] !== undefined) throw new Error(`populated pfn ${pfn}, which has a frame`);
          this.frames[pfn] = null;
        }
        return pfns.length;
      },
      mapOwnFrame: (_cpu, pfn, mfn) => {
        this.frames[pfn] = this.loose.get(mfn)!;
        this.loose.delete(mfn);
        return 0;
      },
      shutdown: () => 0,
      hypercall: () => -38n,
    };
  }

  #open(remoteDomid: number): number {
    const port = this.#nextPort++;
    this.ports.set(port, {
      owner: this,
      remoteDomid,
      peer: null,
      handler: null,
      isPending: false,
      cpu: this.cpus[0],
    });
    return port;
  }

  /** Stops at once; what it mapped is let go, its event channels close, its frames stay only where others have them mapped. */
  kill(): void {
    this.isDead = true;
    for (const cpu of this.cpus) cpu.isDead = true;
    for (const grant of this.mappings.values()) grant.pins--;
    this.mappings.clear();
    for (const port of this.ports.values()) if (port.peer !== null) port.peer.peer = null;
    this.ports.clear();
    for (const device of this.devices) device.otherIsGone();
  }
}

export class SplitLab {
  readonly loop = new EventLoop();
  readonly domains = new Map<number, LabDomain>();
  readonly frontends = new Map<number, (device: XenbusDevice) => XenbusDriverInstance>();
  readonly backends = new Map<number, (device: XenbusDevice) => XenbusDriverInstance>();
  /** Events and copies so far. */
  notifications = 0;
  copies = 0;

  addDomain(domid: number, eraName: EraName, options: { pages?: number; vcpus?: number } = {}): LabDomain {
    const domain = new LabDomain(this, domid, ERAS[eraName], options.pages ?? 1200, options.vcpus ?? 1);
    this.domains.set(domid, domain);
    return domain;
  }

  /** As the toolstack does: both directories; drivers find them. A side without a driver is the test's own. */
  plug(
    front: LabDomain,
    back: LabDomain,
    id: string,
    config: Readonly<Record<string, string>> = {},
  ): readonly [LabDevice, LabDevice] {
    const frontEnd = new LabDevice(front, id, back.domid);
    const backEnd = new LabDevice(back, id, front.domid);
    front.devices.push(frontEnd);
    back.devices.push(backEnd);
    frontEnd.other = backEnd;
    backEnd.other = frontEnd;
    Object.assign(frontEnd.keys, { mac: '00:16:3e:00:00:01', handle: id }, config);
    Object.assign(backEnd.keys, { mac: '00:16:3e:00:00:01', handle: id, online: '1' }, config);
    for (const [end, driver, domain] of [
      [frontEnd, this.frontends.get(front.domid), front],
      [backEnd, this.backends.get(back.domid), back],
    ] as const) {
      if (driver === undefined) continue;
      domain.cpus[0].exec(0, 'xenbus', () => {
        end.instance = driver(end);
        end.look();
      });
    }
    return [frontEnd, backEnd];
  }

  /** Runs all events up to `untilPs`, default: until nothing is left. */
  run(untilPs: number = Number.MAX_SAFE_INTEGER): void {
    this.loop.runUntil(untilPs);
  }

  /** `strike` is called before the `n`-th item of any CPU from now on. */
  strikeAt(n: number, strike: () => void): () => number {
    let items = 0;
    LabCpu.beforeItem = () => {
      if (items++ !== n) return;
      strike();
    };
    return () => {
      LabCpu.beforeItem = null;
      return items;
    };
  }
}
