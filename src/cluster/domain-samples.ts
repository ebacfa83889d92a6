/** Samples of domains put together: those of all hosts at one time make one sample, given out in order of time once no host can add to it. */
import type { Ps } from '../sim/index.ts';
import type { DomainsMessage } from './messages.ts';
import type { DomainSample, RunOptions } from './types.ts';

/** Gives out every sample before `nowPs`, which all hosts have passed, and takes its messages off the list. */
export function flushSamples(messages: DomainsMessage[], nowPs: Ps, give: RunOptions['onDomains']): void {
  const due = messages.filter(({ timePs }) => timePs < nowPs);
  if (due.length === 0) return;
  const later = messages.filter(({ timePs }) => timePs >= nowPs);
  messages.splice(0, messages.length, ...later);
  const byTime = new Map<Ps, DomainsMessage[]>();
  for (const message of due) byTime.set(message.timePs, [...(byTime.get(message.timePs) ?? []), message]);
  for (const [atPs, parts] of [...byTime].sort((a, b) => a[0] - b[0])) give?.(sampleOf(atPs, parts));
}

function sampleOf(atPs: Ps, parts: readonly DomainsMessage[]): DomainSample {
  return { atPs, domains: [...parts].sort((a, b) => a.node - b.node).flatMap((part) => part.domains) };
}
