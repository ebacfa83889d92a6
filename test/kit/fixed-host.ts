/** A Xen host that stands still, for tests of what tools see of one: operations are recorded and change what is seen, and nothing runs. */
import type { DomainView, HostView, SchedulerView, VcpuView } from '../../src/hypervisor/index.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A domain of one vCPU that waits; `changes` say what else it is. */
export function fixedDomain(domid: number, name: string, changes: Partial<DomainView> = {}): Writable<DomainView> {
  const uuid = new Uint8Array(16);
  uuid[15] = domid;
  return {
    domid,
    name,
    uuid,
    pages: 8192,
    maxPages: 8192,
    isHvm: false,
    isPaused: false,
    isDying: false,
    shutdownReason: null,
    vcpus: [fixedVcpu(0)],
    weight: 256,
    cap: 0,
    vifs: [],
    ...changes,
  };
}

export function fixedVcpu(id: number, changes: Partial<VcpuView> = {}): VcpuView {
  return { id, isOnline: true, isBlocked: true, isRunning: false, runPs: 0, pcpu: 0, hard: [0, 1], soft: [0, 1], ...changes };
}

export class FixedHost implements HostView {
  readonly name = 'host';
  readonly version = { major: 4, minor: 17, extra: '.0-heddle' };
  pcpus = 2;
  readonly cpuKhz = 3_000_000;
  readonly totalPages = 1 << 20;
  readonly freePages = 1 << 19;
  readonly grantVersions = [1, 2];
  scheduler: SchedulerView = { name: 'credit', tsliceMs: 30, ratelimitUs: 1000, migrationDelayUs: 0 };
  readonly list: Writable<DomainView>[];

  constructor(domains: Writable<DomainView>[] = [fixedDomain(0, 'Domain-0')]) {
    this.list = domains;
  }

  domains(): readonly DomainView[] {
    return this.list;
  }

  #change(domid: number, changes: Partial<DomainView>): number {
    const domain = this.list.find((one) => one.domid === domid);
    if (domain === undefined) return -3;
    Object.assign(domain, changes);
    return 0;
  }

  pause = (domid: number) => this.#change(domid, { isPaused: true });
  unpause = (domid: number) => this.#change(domid, { isPaused: false });
  shutdown = (domid: number, reason: number) => this.#change(domid, { shutdownReason: reason });
  destroy = (domid: number) => this.#change(domid, { isDying: true });
  setMaxPages = (domid: number, pages: number) => this.#change(domid, { maxPages: pages });

  setAffinity(domid: number, vcpu: number, hard: readonly number[] | null, soft: readonly number[] | null): number {
    const change = { ...(hard !== null && { hard }), ...(soft !== null && { soft }) };
    const vcpus = this.list.find((one) => one.domid === domid)?.vcpus ?? [];
    return this.#change(domid, { vcpus: vcpus.map((one) => (one.id === vcpu ? { ...one, ...change } : one)) });
  }

  setShare(domid: number, weight: number | null, cap: number | null): number {
    return this.#change(domid, { ...(weight !== null && { weight }), ...(cap !== null && { cap }) });
  }

  setScheduler(params: Partial<Omit<SchedulerView, 'name'>>): number {
    this.scheduler = { ...this.scheduler, ...params };
    return 0;
  }
}
