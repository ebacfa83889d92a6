/** The account of a host's domains: CPU time by state and cause, and what each asked of the hypervisor and sent over its interfaces. */
import {
  type Domain,
  HYPERCALL,
  RUNSTATE_blocked,
  RUNSTATE_offline,
  RUNSTATE_runnable,
  RUNSTATE_running,
  type VifView,
} from '../hypervisor/index.ts';
import type { Ps } from '../sim/index.ts';
import type { DomainReport } from './types.ts';

const NAMES = Object.fromEntries(Object.entries(HYPERCALL).map(([name, number]) => [number, name]));
const KIB_PER_PAGE = 4;

/** The account of a domain up to now. `place` is its name in reports, `vifs` its interfaces as their backend counts them. */
export function reportDomain(domain: Domain, place: string, vifs: readonly VifView[]): DomainReport {
  const { vcpus, account } = domain;
  const sum = (state: number): Ps => vcpus.reduce((total, vcpu) => total + (vcpu.runstate.timesPs[state] as Ps), 0);
  const causes = new Map<string, Ps>();
  for (const vcpu of vcpus) for (const [cause, ps] of vcpu.usedPs) causes.set(cause, (causes.get(cause) ?? 0) + ps);
  const hypercalls: Record<string, number> = {};
  account.hypercalls.forEach((count, number) => {
    if (count > 0) hypercalls[NAMES[number] ?? `${number}`] = count;
  });
  const total = (bytes: (vif: VifView) => number) => vifs.reduce((all, vif) => all + bytes(vif), 0);
  return {
    place,
    domid: domain.domid,
    name: domain.name,
    state: domain.state,
    vcpus: vcpus.length,
    memoryKib: domain.memory.totalPages * KIB_PER_PAGE,
    runningPs: sum(RUNSTATE_running),
    runnablePs: sum(RUNSTATE_runnable),
    blockedPs: sum(RUNSTATE_blocked),
    offlinePs: sum(RUNSTATE_offline),
    usedPs: Object.fromEntries([...causes].filter(([, ps]) => ps > 0).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))),
    hypercalls,
    eventsSent: account.eventsSent,
    eventsReceived: account.eventsReceived,
    upcalls: account.upcalls,
    grants: { ...account.grants },
    bytesCopied: account.bytesCopied,
    // As the guest sees it: what its backend received, it sent.
    vifs: {
      count: vifs.length,
      txBytes: total((vif) => vif.rxBytes),
      txPackets: total((vif) => vif.rxPackets),
      rxBytes: total((vif) => vif.txBytes),
      rxPackets: total((vif) => vif.txPackets),
    },
  };
}
