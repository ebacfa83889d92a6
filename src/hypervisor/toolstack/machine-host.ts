/** A `XenMachine` as tools see it (`HostView`): what `xl` over a socket and `heddle`'s own lists are told of it. */
import type { Domain } from '../domain.ts';
import { ERRNO } from '../abi/numbers.ts';
import { RUNSTATE_BLOCKED, RUNSTATE_RUNNING } from '../sched/unit.ts';
import type { DomainView, HostView, SchedulerView, VcpuView, VifView, XenVersion } from './host-view.ts';
import type { Toolstack } from './toolstack.ts';

const VERSIONS: Readonly<Record<string, XenVersion>> = {
  'xen-3.0': { major: 3, minor: 0, extra: '.0-heddle' },
  'xen-3.0.4': { major: 3, minor: 0, extra: '.4-heddle' },
  'xen-4.17': { major: 4, minor: 17, extra: '.0-heddle' },
};
const PS_PER_US = 1e6;
const PS_PER_MS = 1e9;
/** What the simulated CPUs are said to run at: programs' costs do not depend on it. */
const CPU_KHZ = 3_000_000;

export interface MachineHostOptions {
  /** Counters of a domain's interfaces, from whoever has the backends. */
  readonly vifsOf?: (domid: number) => readonly VifView[];
}

function uuidBytes(text: string): Uint8Array {
  const digits = text.replaceAll('-', '');
  return Uint8Array.from({ length: 16 }, (_, index) => Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16));
}

const setCpus = (mask: Uint8Array): number[] => [...mask.keys()].filter((cpu) => mask[cpu] !== 0);

function vcpuViews(domain: Domain, online: number): VcpuView[] {
  return domain.vcpus.map((vcpu, id) => {
    const { state, timesPs } = vcpu.runstate;
    return {
      id,
      isOnline: id < online,
      isBlocked: state === RUNSTATE_BLOCKED,
      isRunning: state === RUNSTATE_RUNNING,
      runPs: timesPs[RUNSTATE_RUNNING],
      pcpu: vcpu.unit.pcpu,
      hard: setCpus(vcpu.unit.hard),
      soft: setCpus(vcpu.unit.soft),
    };
  });
}

/** Does what may be refused for its values; 0, or the error's number. */
function attempt(work: () => void): number {
  try {
    work();
    return 0;
  } catch (error) {
    if (error instanceof RangeError) return -ERRNO.EINVAL;
    throw error;
  }
}

/** The view of `toolstack`'s machine. Reading it changes nothing; its operations take effect between events. */
export function machineHost(toolstack: Toolstack, options: MachineHostOptions = {}): HostView {
  const { machine, scheduler } = toolstack;
  const view = (domain: Domain): DomainView => {
    const guest = toolstack.find(domain.domid);
    const { weight, cap } = scheduler.paramsOf(domain.domid);
    return {
      domid: domain.domid,
      name: domain.domid === 0 ? 'Domain-0' : (guest?.name ?? domain.name),
      uuid: uuidBytes(guest?.uuid ?? toolstack.domain0Uuid),
      pages: domain.memory.totalPages,
      maxPages: domain.memory.maxPages,
      isHvm: guest?.config.type === 'hvm',
      isPaused: domain.state === 'paused',
      isDying: domain.state === 'dying',
      shutdownReason: domain.shutdownReason,
      vcpus: vcpuViews(domain, guest?.onlineVcpus ?? domain.vcpus.length),
      weight,
      cap,
      vifs: options.vifsOf?.(domain.domid) ?? [],
    };
  };
  const known = (domid: number, work: (domain: Domain) => number): number => {
    const domain = machine.domains.get(domid);
    return domain === undefined ? -ERRNO.ESRCH : work(domain);
  };
  return {
    name: machine.name,
    version: VERSIONS[machine.era.name] ?? { major: 4, minor: 17, extra: '.0-heddle' },
    pcpus: scheduler.pcpus,
    cpuKhz: CPU_KHZ,
    grantVersions: machine.era.grantVersions,
    get totalPages() {
      return machine.memory.totalPages;
    },
    get freePages() {
      return machine.memory.freePages;
    },
    get scheduler(): SchedulerView {
      const { tslicePs, ratelimitPs, migrationDelayPs } = scheduler.params;
      return {
        name: scheduler.policyName,
        tsliceMs: tslicePs / PS_PER_MS,
        ratelimitUs: ratelimitPs / PS_PER_US,
        migrationDelayUs: migrationDelayPs / PS_PER_US,
      };
    },
    domains: () => [...machine.domains.values()].sort((a, b) => a.domid - b.domid).map(view),
    pause: (domid) => known(domid, () => attempt(() => machine.pauseDomain(domid))),
    unpause: (domid) => known(domid, () => attempt(() => machine.unpauseDomain(domid))),
    destroy: (domid) => known(domid, () => attempt(() => machine.destroyDomain(domid))),
    shutdown: (domid, reason) => known(domid, () => attempt(() => machine.shutdownDomain(domid, reason))),
    setAffinity: (domid, vcpu, hard, soft) =>
      known(domid, (domain) => {
        const unit = domain.vcpus[vcpu]?.unit;
        if (unit === undefined) return -ERRNO.ESRCH;
        return attempt(() => scheduler.setAffinity(domid, vcpu, hard ?? setCpus(unit.hard), soft ?? undefined));
      }),
    setShare: (domid, weight, cap) =>
      known(domid, () =>
        attempt(() => scheduler.setParams(domid, { ...(weight !== null && { weight }), ...(cap !== null && { cap }) })),
      ),
    setMaxPages: (domid, pages) =>
      known(domid, ({ memory }) => {
        if (pages < memory.totalPages) return -ERRNO.EINVAL;
        memory.maxPages = pages;
        return 0;
      }),
    setScheduler: ({ tsliceMs, ratelimitUs, migrationDelayUs }) =>
      attempt(() =>
        scheduler.setMachineParams({
          ...(tsliceMs !== undefined && { tslicePs: tsliceMs * PS_PER_MS }),
          ...(ratelimitUs !== undefined && { ratelimitPs: ratelimitUs * PS_PER_US }),
          ...(migrationDelayUs !== undefined && { migrationDelayPs: migrationDelayUs * PS_PER_US }),
        }),
      ),
  };
}
