/**
 * What xl and xentop print, from a simulated host: the same columns, so that whoever knows the tools reads it, and scripts that read them go on working
 * (tools/xl/xl_info.c, xl_vcpu.c, xl_sched.c, xl_nic.c; tools/xentop/xentop.c of 4.17). test/interop/xl.test.ts compares with the tools.
 */
import type { Ps } from '../../sim/index.ts';
import { formatCpus } from './cpu-ranges.ts';
import { type DomainView, domainFlags, type HostView } from './host-view.ts';

const PS_PER_NS = 1000;
const NS_PER_S = 1e9;
const PAGES_PER_MIB = 256;
const KIB_PER_PAGE = 4;

const left = (value: string | number, width: number): string => String(value).padEnd(width);
const right = (value: string | number, width: number): string => String(value).padStart(width);

/** `%.1f` of C, which rounds a tie to the even digit. */
export function oneDecimal(value: number): string {
  const isTie = Number.isInteger(value * 4) && !Number.isInteger(value * 2);
  if (!isTie) return value.toFixed(1);
  const tenths = Math.floor(value * 10);
  return ((tenths % 2 === 0 ? tenths : tenths + 1) / 10).toFixed(1);
}

/** CPU time as xl prints it: a C float of nanoseconds, in seconds. */
const cpuSeconds = (ps: Ps): string => oneDecimal(Math.fround(Math.floor(ps / PS_PER_NS)) / NS_PER_S);

/** Letters of the reasons that a domain shut down for, by SHUTDOWN_*. */
const REASON_LETTERS = '-rscwS';

function stateLetters(domain: DomainView): string {
  const { isBlocked, isRunning } = domainFlags(domain);
  const reason = domain.shutdownReason ?? 0;
  return [
    // Xen counts a domain that cannot run as neither.
    isRunning ? 'r' : '-',
    isBlocked ? 'b' : '-',
    domain.isPaused ? 'p' : '-',
    domain.shutdownReason !== null ? 's' : '-',
    REASON_LETTERS[reason] ?? '?',
    domain.isDying ? 'd' : '-',
  ].join('');
}

const onlineVcpus = (domain: DomainView): number => domain.vcpus.filter(({ isOnline }) => isOnline).length;

/** `xl list`. */
export function xlList(host: HostView): string {
  const rows = host.domains().map((domain) => {
    const memory = Math.floor((domain.pages * KIB_PER_PAGE) / 1024);
    const columns = [left(domain.name, 40), right(domain.domid, 5), right(memory, 5), right(onlineVcpus(domain), 5)].join(' ');
    return `${columns}     ${stateLetters(domain)}  ${right(cpuSeconds(domainFlags(domain).runPs), 8)}\n`;
  });
  return `Name                                        ID   Mem VCPUs\tState\tTime(s)\n${rows.join('')}`;
}

/** `xl vcpu-list`. */
export function xlVcpuList(host: HostView): string {
  const head = `${left('Name', 32)} ${right('ID', 5)} ${right('VCPU', 5)} ${right('CPU', 5)} ${right('State', 5)} ${right('Time(s)', 9)} Affinity (Hard / Soft)\n`;
  const rows = host.domains().flatMap((domain) =>
    domain.vcpus.map((vcpu) => {
      const place = `${left(domain.name, 32)} ${right(domain.domid, 5)} ${right(vcpu.id, 5)}`;
      const state = `${right(vcpu.isRunning ? 'r' : '-', 3)}${vcpu.isBlocked ? 'b' : '-'}`;
      const cpu = vcpu.isOnline ? `${right(vcpu.pcpu, 5)} ${state}- ` : `${right('-', 5)} ${right('-', 3)}-p `;
      const affinity = `${formatCpus(vcpu.hard, host.pcpus)} / ${formatCpus(vcpu.soft, host.pcpus)}`;
      return `${place}${vcpu.isOnline ? ' ' : ''}${cpu}${right(cpuSeconds(vcpu.runPs), 9)}  ${affinity}\n`;
    }),
  );
  return head + rows.join('');
}

/** `xl sched-credit` or `xl sched-credit2`, whichever runs; empty under another scheduler. */
export function xlSchedCredit(host: HostView): string {
  const { name, tsliceMs, ratelimitUs, migrationDelayUs } = host.scheduler;
  if (name !== 'credit' && name !== 'credit2') return '';
  const machine =
    name === 'credit'
      ? `tslice=${tsliceMs}ms ratelimit=${ratelimitUs}us migration-delay=${migrationDelayUs}us`
      : `ratelimit=${ratelimitUs}us`;
  const row = (columns: readonly (string | number)[]) =>
    `${left(columns[0]!, 33)} ${right(columns[1]!, 4)} ${right(columns[2]!, 6)} ${right(columns[3]!, 4)}\n`;
  const rows = host.domains().map(({ name: domain, domid, weight, cap }) => row([domain, domid, weight, cap]));
  return `Cpupool Pool-0: ${machine}\n${row(['Name', 'ID', 'Weight', 'Cap'])}${rows.join('')}`;
}

/** `xl info`, without what only a real machine has. */
export function xlInfo(host: HostView): string {
  const { major, minor, extra } = host.version;
  const grants = host.grantVersions.map((version) => ` gnttab-v${version}`).join('');
  const fields: readonly (readonly [string, string | number])[] = [
    ['host', host.name],
    ['nr_cpus', host.pcpus],
    ['max_cpu_id', host.pcpus - 1],
    ['nr_nodes', 1],
    ['cores_per_socket', host.pcpus],
    ['threads_per_core', 1],
    ['cpu_mhz', `${Math.floor(host.cpuKhz / 1000)}.${String(host.cpuKhz % 1000).padStart(3, '0')}`],
    ['hw_caps', Array(8).fill('00000000').join(':')],
    ['virt_caps', `pv${grants}`],
    ['total_memory', Math.floor(host.totalPages / PAGES_PER_MIB)],
    ['free_memory', Math.floor(host.freePages / PAGES_PER_MIB)],
    ['sharing_freed_memory', 0],
    ['sharing_used_memory', 0],
    ['outstanding_claims', 0],
    ['free_cpus', 0],
    ['xen_major', major],
    ['xen_minor', minor],
    ['xen_extra', extra],
    ['xen_version', `${major}.${minor}${extra}`],
    ['xen_caps', `xen-${major}.${minor}-x86_64`],
    ['xen_scheduler', host.scheduler.name],
    ['xen_pagesize', 4096],
  ];
  return fields.map(([name, value]) => `${left(name, 23)}: ${value}\n`).join('');
}

/** An interface as `xl network-list` has it. */
export interface NetworkRow {
  readonly devid: number;
  readonly backendDomid: number;
  readonly mac: string;
  /** XENBUS_STATE of the frontend. */
  readonly state: number;
  /** −1 where the frontend has none yet. */
  readonly eventChannel: number;
  readonly txRingRef: number;
  readonly rxRingRef: number;
  readonly backendPath: string;
}

/** `xl network-list`. */
export function xlNetworkList(rows: readonly NetworkRow[]): string {
  const head = `${left('Idx', 3)} ${left('BE', 2)} ${left('Mac Addr.', 17)} ${left('handle', 6)} ${left('state', 5)} ${left('evt-ch', 6)} ${right('tx-', 5)}/${left('rx-ring-ref', 5)} ${left('BE-path', 30)}\n`;
  const body = rows.map((row) => {
    const start = `${left(row.devid, 3)} ${left(row.backendDomid, 2)} ${row.mac}`;
    const numbers = `${right(row.devid, 6)} ${right(row.state, 5)} ${right(row.eventChannel, 6)} ${right(row.txRingRef, 5)}/${left(row.rxRingRef, 11)}`;
    return `${start}${numbers} ${left(row.backendPath, 30)}\n`;
  });
  return head + body.join('');
}

/** What xentop keeps of a sample, to say how much CPU was used since. */
export interface TopSample {
  readonly atPs: Ps;
  readonly runPs: ReadonlyMap<number, Ps>;
}

export function topSample(host: HostView, atPs: Ps): TopSample {
  return { atPs, runPs: new Map(host.domains().map((domain) => [domain.domid, domainFlags(domain).runPs])) };
}

const TOP_COLUMNS = [
  ['NAME', 10],
  ['STATE', 6],
  ['CPU(sec)', 10],
  ['CPU(%)', 6],
  ['MEM(k)', 10],
  ['MEM(%)', 6],
  ['MAXMEM(k)', 10],
  ['MAXMEM(%)', 9],
  ['VCPUS', 5],
  ['NETS', 4],
  ['NETTX(k)', 8],
  ['NETRX(k)', 8],
  ['VBDS', 4],
  ['VBD_OO', 8],
  ['VBD_RD', 8],
  ['VBD_WR', 8],
  ['VBD_RSECT', 10],
  ['VBD_WSECT', 10],
  ['SSID', 4],
] as const;

function topState(domain: DomainView): string {
  const { isBlocked, isRunning } = domainFlags(domain);
  const isCrashed = domain.shutdownReason === 3;
  const flags = [domain.isDying, domain.shutdownReason !== null && !isCrashed, isBlocked, isCrashed, domain.isPaused, isRunning];
  return flags.map((isSet, index) => (isSet ? 'dsbcpr'[index] : '-')).join('');
}

function topFields(domain: DomainView, host: HostView, usedPs: Ps | null, elapsedPs: Ps): string[] {
  const share = (pages: number) => oneDecimal((pages / host.totalPages) * 100);
  const sum = (bytes: (vif: DomainView['vifs'][number]) => number) => domain.vifs.reduce((total, vif) => total + bytes(vif), 0);
  const percent = usedPs === null || elapsedPs <= 0 ? 0 : (usedPs / elapsedPs) * 100;
  return [
    domain.name,
    topState(domain),
    String(Math.floor(domainFlags(domain).runPs / 1e12)),
    oneDecimal(percent),
    String(domain.pages * KIB_PER_PAGE),
    share(domain.pages),
    String(domain.maxPages * KIB_PER_PAGE),
    share(domain.maxPages),
    String(domain.vcpus.length),
    String(domain.vifs.length),
    // As the interface in dom0 has it, and xentop with it: sent is what the guest received.
    String(Math.floor(sum((vif) => vif.txBytes) / 1024)),
    String(Math.floor(sum((vif) => vif.rxBytes) / 1024)),
    '0',
    ...Array<string>(5).fill('0'),
    '0',
  ];
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** One round of `xentop -b` at virtual time `atPs`; `before` is the sample of the round before, null in the first. */
export function xentopRound(host: HostView, atPs: Ps, before: TopSample | null): string {
  const header = TOP_COLUMNS.map(([name, width]) => right(name, width)).join(' ');
  const byName = [...host.domains()].sort((a, b) => compareText(a.name.toLowerCase(), b.name.toLowerCase()));
  const rows = byName.map((domain) => {
    const last = before?.runPs.get(domain.domid);
    const used = last === undefined ? null : domainFlags(domain).runPs - last;
    const fields = topFields(domain, host, used, before === null ? 0 : atPs - before.atPs);
    return fields.map((field, index) => right(field, TOP_COLUMNS[index]![1])).join(' ');
  });
  return [header, ...rows].map((row) => `${row}\n`).join('');
}
