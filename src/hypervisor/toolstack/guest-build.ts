/**
 * The building of a domain, as `xl create` does it before there are devices: made in the hypervisor, known to xenstore, given its shares and CPUs, and introduced to
 * xenstored.
 */
import type { DomainParams } from '../sched/params.ts';
import { type CpuTopology, resolveCpus } from './cpu-ranges.ts';
import type { Done } from './device-life.ts';
import { consoleEntries, domainBuiltEntries, domainMadeEntries } from './domain-entries.ts';
import type { Guest } from './guest.ts';
import type { GuestConfig, ScheduleConfig } from './guest-config.ts';
import { applyChanges } from './store-plan.ts';
import type { Toolstack } from './toolstack.ts';

const PAGES_PER_MIB = 256;
const PS_PER_NS = 1000;

/** A configuration's words for the scheduler as the scheduler's own. */
export function domainParams(schedule: ScheduleConfig): Partial<DomainParams> {
  const { weight, cap, periodNs, sliceNs, latencyNs, extraTime } = schedule;
  return {
    ...(weight !== undefined && { weight }),
    ...(cap !== undefined && { cap }),
    ...(periodNs !== undefined && { periodPs: periodNs * PS_PER_NS }),
    ...(sliceNs !== undefined && { slicePs: sliceNs * PS_PER_NS }),
    ...(latencyNs !== undefined && { latencyPs: latencyNs * PS_PER_NS }),
    ...(extraTime !== undefined && { extraTime }),
  };
}

function pin(toolstack: Toolstack, guest: Guest): void {
  const { cpus, cpusSoft, maxVcpus } = guest.config;
  const topology: CpuTopology = { pcpus: toolstack.scheduler.pcpus };
  const all = Array.from({ length: topology.pcpus }, (_, cpu) => cpu);
  for (let vcpu = 0; vcpu < maxVcpus; vcpu++) {
    if (cpus[vcpu] === undefined && cpusSoft[vcpu] === undefined) continue;
    const hard = cpus[vcpu] === undefined ? all : resolveCpus(cpus[vcpu], topology);
    const soft = cpusSoft[vcpu] === undefined ? undefined : resolveCpus(cpusSoft[vcpu], topology);
    if (hard.length === 0)
      throw new RangeError(`vCPU ${vcpu} may run on ${cpus[vcpu]}, and the machine has ${topology.pcpus} CPUs`);
    toolstack.pin(guest.domid, vcpu, hard, soft);
  }
}

function makeDomain(toolstack: Toolstack, guest: Guest): void {
  const { config } = guest;
  guest.domain = toolstack.machine.createDomain({
    name: guest.name,
    memoryPages: config.memoryMb * PAGES_PER_MIB,
    maxPages: config.maxMemoryMb * PAGES_PER_MIB,
    vcpus: config.maxVcpus,
    paused: true,
    commandLine: config.cmdline,
    ...(config.maxGrantFrames !== undefined && { maxGrantFrames: config.maxGrantFrames }),
    ...(config.maxEventChannels !== undefined && { maxPorts: config.maxEventChannels }),
  });
  toolstack.setSchedule(guest.domid, domainParams(config.schedule));
  pin(toolstack, guest);
}

/** Builds `guest.domain`; what is wrong (memory, CPUs, parameters) comes as text, and `guest.domain` may be there then. Within an item of dom0. */
export function buildGuest(toolstack: Toolstack, guest: Guest, done: Done): void {
  const { kernel, costs, store, daemon } = toolstack;
  const config: GuestConfig = guest.config;
  kernel.cpu.exec(config.memoryMb * PAGES_PER_MIB * costs.pagePs, 'domain builder', () => {
    try {
      makeDomain(toolstack, guest);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      done(error.message);
      return;
    }
    const { domid, domain, uuid } = guest;
    if (domain === null) return;
    const changes = [
      ...domainMadeEntries(domid, uuid, config),
      ...domainBuiltEntries(domid, uuid, config, domain.start),
      ...consoleEntries(domid, domain.start),
    ];
    applyChanges(store, changes, (error) => {
      if (error !== null) done(`xenstore says ${error}`);
      else
        daemon.introduce(domid, domain.start.storePfn, domain.start.storePort, (refused) =>
          done(refused === null ? null : `xenstored does not take the domain: ${refused}`),
        );
    });
  });
}
