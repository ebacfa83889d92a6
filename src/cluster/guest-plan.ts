/**
 * Guests from a topology file or an xl.cfg file, as the toolstack takes them: one configuration each, checked, with addresses given out.
 */
import {
  checkGuestConfig,
  type GuestConfig,
  type GuestConfigInput,
  type IbConfig,
  parseRate,
  type VifConfig,
} from '../hypervisor/index.ts';
import { ConfigError, type Issue } from '../sim/index.ts';
import type { TopologyGuest, TopologyVif } from '../topology/index.ts';

const PS_PER_NS = 1000;
const DEFAULT_PARTITION = 0xffff;

/** A vif with its addresses. */
export interface VifAddress {
  readonly ip: string;
  readonly mac: string;
}

/**
 * The toolstack's configuration of a guest; `addresses` belong to its vifs, in order. `path` names the guest in messages. Throws `ConfigError` with all that is wrong.
 */
export function guestConfigOf(guest: TopologyGuest, addresses: readonly VifAddress[], file: string, path: string): GuestConfig {
  const issues: Issue[] = [];
  const input: GuestConfigInput =
    guest.config === undefined
      ? {
          name: guest.name,
          memoryMb: guest.memoryMiB,
          vcpus: guest.vcpus,
          ...(guest.cpus !== undefined && { cpus: guest.cpus }),
          schedule: scheduleOf(guest),
          vifs: guest.vifs.map((vif, i) => vifOf(vif, addresses[i] as VifAddress, issues, `${path}.vif[${i}]`, file)),
          ib: guest.ib.map(({ mode, hca, port }): IbConfig => ({ mode, hca, port, pkey: DEFAULT_PARTITION })),
        }
      : withAddresses(guest.config as unknown as GuestConfigInput, addresses);
  const checked = checkGuestConfig(input, file);
  issues.push(...checked.issues.map((issue) => ({ ...issue, file, path: `${path}.${issue.path}` })));
  if (issues.length > 0 || checked.config === null) throw new ConfigError(issues);
  return checked.config;
}

function scheduleOf({ weight, cap, periodPs, slicePs, extratime }: TopologyGuest): NonNullable<GuestConfigInput['schedule']> {
  return {
    ...(weight !== undefined && { weight }),
    ...(cap !== undefined && { cap }),
    ...(periodPs !== undefined && { periodNs: periodPs / PS_PER_NS }),
    ...(slicePs !== undefined && { sliceNs: slicePs / PS_PER_NS }),
    ...(extratime !== undefined && { extraTime: extratime }),
  };
}

function vifOf({ bridge, rate }: TopologyVif, { ip, mac }: VifAddress, issues: Issue[], path: string, file: string): VifConfig {
  const limit = rate === undefined ? undefined : parseRate(rate);
  if (typeof limit === 'string') issues.push({ file, path: `${path}.rate`, message: limit });
  return {
    ip,
    mac,
    ...(bridge === undefined ? { script: 'vif-route' } : { bridge }),
    ...(typeof limit === 'object' && { rate: limit }),
  };
}

function withAddresses(input: GuestConfigInput, addresses: readonly VifAddress[]): GuestConfigInput {
  return { ...input, vifs: (input.vifs ?? []).map((vif, i) => ({ ...vif, ...addresses[i] })) };
}

/** A guest of an xl.cfg file as a topology holds it: what the simulation itself looks at, and the whole configuration for the toolstack. */
export function guestFromXlConfig(config: GuestConfig): TopologyGuest {
  const { weight, cap } = config.schedule;
  return {
    name: config.name,
    memoryMiB: config.memoryMb,
    vcpus: config.vcpus,
    ...(weight !== undefined && { weight }),
    ...(cap !== undefined && { cap }),
    vifs: config.vifs.map(
      ({ mac, ip, bridge }): TopologyVif => ({
        ...(mac !== undefined && { mac }),
        ...(ip !== undefined && { ip }),
        ...(bridge !== undefined && { bridge }),
      }),
    ),
    ib: config.ib.flatMap(({ mode, hca, port }) => (mode === 'netfront' ? [] : [{ mode, hca, port }])),
    load: 'idle',
    config: config as unknown as Readonly<Record<string, unknown>>,
  };
}
