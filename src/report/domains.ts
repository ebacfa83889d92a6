/** The account of domains for a reader: a table as xentop has it, what each used its CPU time for, and what it asked of the hypervisor. */
import { formatTable } from './table.ts';

/** One domain's account. Same shape as in a run's result. */
export interface DomainsReport {
  /** `cpu1` is Domain-0 there, `cpu1/web1` a guest. */
  readonly place: string;
  readonly domid: number;
  readonly name: string;
  readonly state: string;
  readonly vcpus: number;
  readonly memoryKib: number;
  readonly runningPs: number;
  readonly runnablePs: number;
  readonly blockedPs: number;
  readonly offlinePs: number;
  readonly usedPs: Readonly<Record<string, number>>;
  readonly hypercalls: Readonly<Record<string, number>>;
  readonly eventsSent: number;
  readonly eventsReceived: number;
  readonly upcalls: number;
  readonly grants: Readonly<Record<string, number>>;
  readonly bytesCopied: number;
  readonly vifs: {
    readonly count: number;
    readonly txBytes: number;
    readonly txPackets: number;
    readonly rxBytes: number;
    readonly rxPackets: number;
  };
}

const right = (title: string) => ({ title, align: 'right' as const });
const us = (ps: number) => (ps / 1e6).toFixed(1);
const sumOf = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Three tables: where each domain's time went, by state and by cause, and its dealings with the hypervisor. */
export function formatDomains(domains: readonly DomainsReport[]): string[] {
  return [...formatStates(domains), '', ...formatCauses(domains), '', ...formatDealings(domains)];
}

function formatStates(domains: readonly DomainsReport[]): string[] {
  const columns = [
    { title: 'domain' },
    right('id'),
    right('vCPUs'),
    right('running us'),
    right('runnable us'),
    right('blocked us'),
    right('offline us'),
  ];
  return formatTable(
    columns,
    domains.map((one) => [
      one.place,
      String(one.domid),
      String(one.vcpus),
      us(one.runningPs),
      us(one.runnablePs),
      us(one.blockedPs),
      us(one.offlinePs),
    ]),
  );
}

function formatCauses(domains: readonly DomainsReport[]): string[] {
  const columns = [{ title: 'domain' }, { title: 'CPU time for' }, right('us'), right('share')];
  return formatTable(
    columns,
    domains.flatMap((one) =>
      Object.entries(one.usedPs).map(([cause, ps], i) => [
        i === 0 ? one.place : '',
        cause,
        us(ps),
        `${((100 * ps) / sumOf(one.usedPs)).toFixed(1)} %`,
      ]),
    ),
  );
}

/** Exits per packet: hypercalls that a domain made for each packet that passed its interfaces. */
function formatDealings(domains: readonly DomainsReport[]): string[] {
  const columns = [
    { title: 'domain' },
    right('hypercalls'),
    right('events sent'),
    right('received'),
    right('upcalls'),
    right('grant map'),
    right('unmap'),
    right('copy'),
    right('transfer'),
    right('packets out'),
    right('in'),
    right('exits a packet'),
  ];
  return formatTable(
    columns,
    domains.map((one) => {
      const packets = one.vifs.txPackets + one.vifs.rxPackets;
      const grants = ['map', 'unmap', 'copy', 'transfer'].map((kind) => String(one.grants[kind] ?? 0));
      return [
        one.place,
        String(sumOf(one.hypercalls)),
        String(one.eventsSent),
        String(one.eventsReceived),
        String(one.upcalls),
        ...grants,
        String(one.vifs.txPackets),
        String(one.vifs.rxPackets),
        packets === 0 ? '' : (sumOf(one.hypercalls) / packets).toFixed(2),
      ];
    }),
  );
}

/** One screen of `heddle top` at a virtual time; `before` is the screen's data before, for shares and rates. */
export function formatTop(
  domains: readonly DomainsReport[],
  atPs: number,
  before: readonly DomainsReport[],
  beforePs: number,
): string[] {
  const columns = [
    { title: 'NAME' },
    { title: 'STATE' },
    right('CPU(sec)'),
    right('CPU(%)'),
    right('WAIT(%)'),
    right('MEM(k)'),
    right('VCPUS'),
    right('NETS'),
    right('NETTX(k)'),
    right('NETRX(k)'),
    right('HCALL/s'),
    right('EVT/s'),
    right('GNT/s'),
  ];
  const elapsed = atPs - beforePs;
  const last = new Map(before.map((one) => [one.place, one]));
  const rows = domains.map((one) => {
    const old = last.get(one.place);
    const share = (now: number, then: number | undefined) =>
      elapsed > 0 ? ((100 * (now - (then ?? 0))) / elapsed).toFixed(1) : '0.0';
    const rate = (now: number, then: number | undefined) =>
      elapsed > 0 ? String(Math.round(((now - (then ?? 0)) * 1e12) / elapsed)) : '0';
    return [
      one.place,
      one.state,
      (one.runningPs / 1e12).toFixed(3),
      share(one.runningPs, old?.runningPs),
      share(one.runnablePs, old?.runnablePs),
      String(one.memoryKib),
      String(one.vcpus),
      String(one.vifs.count),
      String(Math.floor(one.vifs.txBytes / 1024)),
      String(Math.floor(one.vifs.rxBytes / 1024)),
      rate(sumOf(one.hypercalls), old && sumOf(old.hypercalls)),
      rate(one.eventsSent, old?.eventsSent),
      rate(sumOf(one.grants), old && sumOf(old.grants)),
    ];
  });
  return [`heddle top - ${(atPs / 1e9).toFixed(3)} ms of virtual time, ${domains.length} domains`, ...formatTable(columns, rows)];
}
