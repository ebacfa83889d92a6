/** A node's `xen` block as a topology file has it; a part of `export-file.ts`. */
import type { Fields } from './export-file.ts';
import { formatTime } from './units.ts';
import type { TopologyDomain, TopologyGuest, TopologyScheduler, TopologyXen } from './xen-types.ts';

/** What a loader would have read. Undefined fields are left out. */
export function xenFields(xen: TopologyXen): Fields {
  const { version, scheduler, cpus, memoryMiB, costs, dom0, guests, configs } = xen;
  return {
    version,
    scheduler: scheduler && schedulerFields(scheduler),
    cpus,
    memory: memoryMiB,
    costs: Object.keys(costs).length === 0 ? undefined : costs,
    dom0: domainFields(dom0),
    guests: guests.length === 0 ? undefined : Object.fromEntries(guests.map((guest) => [guest.name, guestFields(guest)])),
    configs: configs.length === 0 ? undefined : configs,
  };
}

function schedulerFields({ name, timeslicePs, ratelimitPs, boost, kickAway }: TopologyScheduler): Fields {
  return { name, timeslice: time(timeslicePs), ratelimit: time(ratelimitPs), boost, kickAway };
}

function domainFields(domain: TopologyDomain): Fields {
  const { memoryMiB, vcpus, weight, cap, cpus, periodPs, slicePs, extratime, mcuAdvance, warpPs } = domain;
  return {
    memory: memoryMiB,
    vcpus,
    weight,
    cap,
    cpus,
    period: time(periodPs),
    slice: time(slicePs),
    extratime,
    mcuAdvance,
    warp: time(warpPs),
  };
}

function guestFields(guest: TopologyGuest): Fields {
  const { vifs, ib, load } = guest;
  return {
    ...domainFields(guest),
    vif: vifs.length === 0 ? undefined : vifs.map((vif) => ({ ...vif })),
    ib: ib.length === 0 ? undefined : ib.map((device) => ({ ...device })),
    load: loadFields(load),
  };
}

function loadFields(load: TopologyGuest['load']): Fields[string] {
  if (load === 'idle') return undefined;
  return typeof load === 'string' ? load : { busy: formatTime(load.busyPs), every: formatTime(load.everyPs) };
}

function time(ps: number | undefined): string | undefined {
  return ps === undefined ? undefined : formatTime(ps);
}
