/**
 * Works out a node's `xen` and `ipoib` blocks: defaults, ranges of guests, units, and what must fit the node's adapters and the era.
 */
import type { NewHca } from './builder.ts';
import { didYouMean, oneOf, type Place, show } from './issue.ts';
import { expandNames } from './names.ts';
import type { GuestText, IpoibText, XenText } from './schema.ts';
import type { SettingsContext } from './settings.ts';
import { parseTimePs } from './units.ts';
import type {
  TopologyDomain,
  TopologyGuest,
  TopologyGuestIb,
  TopologyIpoib,
  TopologyScheduler,
  TopologyVif,
  TopologyXen,
} from './xen-types.ts';

const DEFAULT_VERSION = 'xen-4.17';
const DEFAULT_CPUS = 4;
const DEFAULT_MACHINE_MIB = 16_384;
const DEFAULT_DOM0_MIB = 1024;
const DEFAULT_GUEST_MIB = 512;
const MAX_GUESTS = 1000;

type DomainText = Omit<GuestText, 'vif' | 'ib' | 'load'>;

/** `ib0`, checked against the node's adapters. */
export function resolveIpoib(context: SettingsContext, text: IpoibText, hcas: readonly NewHca[], place: Place): TopologyIpoib {
  const { mode = 'datagram', address, ...where } = text;
  return { mode, ...resolvePort(context, where, hcas, place), ...(address !== undefined && { address }) };
}

function resolvePort(
  { issues }: SettingsContext,
  { hca = 0, port = 1 }: { hca?: number | undefined; port?: number | undefined },
  hcas: readonly NewHca[],
  place: Place,
): { hca: number; port: number } {
  const adapter = hcas[hca];
  if (adapter === undefined) issues.add([...place, 'hca'], `there is no HCA ${hca}; the node has ${hcas.length}, counted from 0`);
  else if (port > adapter.ports.length)
    issues.add([...place, 'port'], `${adapter.name} has no port ${port}; it has ${adapter.ports.length}`);
  return { hca, port };
}

/** A Xen host. */
export function resolveXen(context: SettingsContext, text: XenText, hcas: readonly NewHca[], place: Place): TopologyXen {
  const version = text.version ?? DEFAULT_VERSION;
  checkVersion(context, version, place);
  checkCosts(context, text.costs ?? {}, [...place, 'costs']);
  const scheduler = text.scheduler === undefined ? undefined : resolveScheduler(context, text.scheduler, version, place);
  return {
    version,
    ...(scheduler !== undefined && { scheduler }),
    cpus: text.cpus ?? DEFAULT_CPUS,
    memoryMiB: text.memory ?? DEFAULT_MACHINE_MIB,
    costs: text.costs ?? {},
    dom0: resolveDomain(context, text.dom0 ?? {}, DEFAULT_DOM0_MIB, [...place, 'dom0']),
    guests: resolveGuests(context, text.guests ?? {}, hcas, [...place, 'guests']),
    configs: text.configs ?? [],
  };
}

function checkVersion({ issues, xen }: SettingsContext, version: string, place: Place): void {
  if (xen === undefined || Object.hasOwn(xen.versions, version)) return;
  const names = Object.keys(xen.versions);
  issues.add([...place, 'version'], `found ${show(version)}; expected ${oneOf(names)}${didYouMean(version, names)}`);
}

function checkCosts({ issues, xen }: SettingsContext, costs: Readonly<Record<string, number>>, place: Place): void {
  for (const [name, value] of Object.entries(costs)) {
    if (xen !== undefined && !xen.costs.includes(name))
      issues.add([...place, name], `is no cost; accepted are ${xen.costs.join(', ')}${didYouMean(name, xen.costs)}`, true);
    else if (!name.endsWith('PerByte') && !Number.isSafeInteger(value))
      issues.add([...place, name], `found ${value}; expected whole picoseconds`);
  }
}

function resolveScheduler(
  context: SettingsContext,
  text: NonNullable<XenText['scheduler']>,
  version: string,
  place: Place,
): TopologyScheduler {
  const { name, timeslice, ratelimit, boost, kickAway } = typeof text === 'string' ? { name: text } : text;
  const at = typeof text === 'string' ? [...place, 'scheduler'] : [...place, 'scheduler', 'name'];
  const names = context.xen?.versions[version];
  if (names !== undefined && !names.includes(name))
    context.issues.add(at, `found ${show(name)}; ${version} has ${oneOf(names)}${didYouMean(name, names)}`);
  if (name !== 'credit')
    for (const [key, value] of [
      ['boost', boost],
      ['kickAway', kickAway],
    ] as const)
      if (value !== undefined)
        context.issues.add([...place, 'scheduler', key], `changes nothing: the scheduler is ${name}`, true);
  return {
    name,
    ...times(context, { timeslicePs: timeslice, ratelimitPs: ratelimit }, [...place, 'scheduler']),
    ...(boost !== undefined && { boost }),
    ...(kickAway !== undefined && { kickAway }),
  };
}

/** Times by the name of their field with `Ps`; those that are not given are left out. */
function times<K extends string>(
  { issues }: SettingsContext,
  texts: Readonly<Record<K, string | undefined>>,
  place: Place,
): Partial<Record<K, number>> {
  const result: Partial<Record<K, number>> = {};
  for (const [key, text] of Object.entries(texts) as [K, string | undefined][]) {
    if (text === undefined) continue;
    const value = parseTimePs(text);
    if (value === undefined || value < 1)
      issues.add([...place, key.slice(0, -2)], `found ${show(text)}; expected a time in whole picoseconds`);
    else result[key] = value;
  }
  return result;
}

function resolveDomain(context: SettingsContext, text: DomainText, memoryMiB: number, place: Place): TopologyDomain {
  const { weight, cap, cpus, extratime, mcuAdvance } = text;
  return {
    memoryMiB: text.memory ?? memoryMiB,
    vcpus: text.vcpus ?? 1,
    ...(weight !== undefined && { weight }),
    ...(cap !== undefined && { cap }),
    ...(cpus !== undefined && { cpus }),
    ...(extratime !== undefined && { extratime }),
    ...(mcuAdvance !== undefined && { mcuAdvance }),
    ...times(context, { periodPs: text.period, slicePs: text.slice, warpPs: text.warp }, place),
  };
}

function resolveGuests(
  context: SettingsContext,
  texts: Readonly<Record<string, GuestText>>,
  hcas: readonly NewHca[],
  place: Place,
): TopologyGuest[] {
  const guests = new Map<string, TopologyGuest>();
  for (const [pattern, text] of Object.entries(texts)) {
    const at = [...place, pattern];
    const expansion = expandNames(pattern);
    if ('error' in expansion) {
      context.issues.add(at, `${show(pattern)} ${expansion.error}`, true);
      continue;
    }
    const { names } = expansion;
    if (names.length > 1) refuseIdentity(context, text, names.length, at);
    const settings = resolveGuest(context, text, hcas, at);
    for (const name of names) {
      if (guests.has(name) || name === 'Domain-0') context.issues.add(at, `the name ${show(name)} is taken`, true);
      else guests.set(name, { ...settings, name });
    }
  }
  if (guests.size > MAX_GUESTS) context.issues.add(place, `${guests.size} guests; at most ${MAX_GUESTS}`);
  return [...guests.values()];
}

function resolveGuest(
  context: SettingsContext,
  text: GuestText,
  hcas: readonly NewHca[],
  place: Place,
): Omit<TopologyGuest, 'name'> {
  return {
    ...resolveDomain(context, text, DEFAULT_GUEST_MIB, place),
    vifs: (text.vif ?? []).map((vif): TopologyVif => ({ ...vif }) as TopologyVif),
    ib: (text.ib ?? []).map(
      ({ mode, ...where }, i): TopologyGuestIb => ({ mode, ...resolvePort(context, where, hcas, [...place, 'ib', i]) }),
    ),
    load: resolveLoad(context, text.load, [...place, 'load']),
  };
}

function resolveLoad(context: SettingsContext, text: GuestText['load'], place: Place): TopologyGuest['load'] {
  if (text === undefined || typeof text === 'string') return text ?? 'idle';
  const { busyPs = 1, everyPs = 1 } = times(context, { busyPs: text.busy, everyPs: text.every }, place);
  if (busyPs > everyPs) context.issues.add([...place, 'busy'], 'is longer than every');
  return { busyPs, everyPs };
}

function refuseIdentity({ issues }: SettingsContext, text: GuestText, count: number, place: Place): void {
  (text.vif ?? []).forEach((vif, i) => {
    for (const key of ['mac', 'ip'] as const)
      if (vif[key] !== undefined)
        issues.add([...place, 'vif', i, key], `belongs to one alone, but ${show(place.at(-1))} stands for ${count}`, true);
  });
}
