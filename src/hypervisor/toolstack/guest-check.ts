/**
 * Checks a guest's configuration, wherever it came from, and fills in what was left out: the rules that libxl applies to the whole
 * (tools/libs/light/libxl_create.c), and those of this simulation.
 */
import type { Issue } from '../../sim/index.ts';
import { cpuRangeFault } from './cpu-ranges.ts';
import { normalMac } from './device-specs.ts';
import {
  DEFAULT_MEMORY_MB,
  END_ACTIONS,
  type GuestConfig,
  type GuestConfigInput,
  IB_MODES,
  type IbConfig,
  MAX_VCPUS,
  type VifConfig,
} from './guest-config.ts';

export interface GuestCheck {
  /** Null if there are issues. */
  readonly config: GuestConfig | null;
  /** `path` is the field: `vifs[0].mac`. */
  readonly issues: readonly Issue[];
}

type Refuse = (path: string, message: string) => void;

const UUID = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;
/** Xen's own limit on a name is the store's: it is a value there, but tools print it and users type it. */
const NAME = /^[^\s/][^\n\r\t/]{0,79}$/;

function checkWhole(path: string, value: number | undefined, least: number, most: number, refuse: Refuse): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  refuse(path, `found ${value}, accepted is a whole number from ${least} to ${most}`);
}

function checkCpus(path: string, cpus: string | readonly string[] | undefined, refuse: Refuse): void {
  if (cpus === undefined) return;
  for (const [index, text] of (typeof cpus === 'string' ? [cpus] : cpus).entries()) {
    const fault = cpuRangeFault(text);
    if (fault !== null) refuse(typeof cpus === 'string' ? path : `${path}[${index}]`, fault);
  }
}

function checkVifs(input: GuestConfigInput, refuse: Refuse): void {
  const ids = new Map<number, number>();
  const macs = new Map<string, number>();
  for (const [index, vif] of (input.vifs ?? []).entries()) {
    const path = `vifs[${index}]`;
    const id = vif.devid ?? index;
    if (ids.has(id)) refuse(path, `found the number ${id} of vifs[${ids.get(id)}] again, accepted is a number for each`);
    ids.set(id, index);
    checkWhole(`${path}.mtu`, vif.mtu, 0, 65535, refuse);
    checkWhole(`${path}.devid`, vif.devid, 0, 4095, refuse);
    checkWhole(`${path}.rate`, vif.rate?.bytesPerInterval, 0, Number.MAX_SAFE_INTEGER, refuse);
    checkWhole(`${path}.rate`, vif.rate?.intervalUs, 1, 0xffff_ffff, refuse);
    if (vif.mac === undefined) continue;
    const mac = normalMac(vif.mac);
    if (mac === null)
      refuse(`${path}.mac`, `found ${JSON.stringify(vif.mac)}, accepted are six bytes in hexadecimal with colons`);
    else if (macs.has(mac))
      refuse(`${path}.mac`, `found ${mac} of vifs[${macs.get(mac)}] again, accepted is an address for each`);
    else macs.set(mac, index);
  }
}

function checkDisks(input: GuestConfigInput, refuse: Refuse): void {
  const seen = new Map<string, number>();
  for (const [index, { vdev }] of (input.disks ?? []).entries()) {
    if (seen.has(vdev))
      refuse(`disks[${index}]`, `found vdev ${JSON.stringify(vdev)} of disks[${seen.get(vdev)}] again, accepted is one for each`);
    seen.set(vdev, index);
  }
}

function checkIb(input: GuestConfigInput, refuse: Refuse): void {
  for (const [index, ib] of (input.ib ?? []).entries()) {
    const path = `ib[${index}]`;
    if (!IB_MODES.includes(ib.mode))
      refuse(`${path}.mode`, `found ${JSON.stringify(ib.mode)}, accepted are ${IB_MODES.join(', ')}`);
    checkWhole(`${path}.hca`, ib.hca, 0, 15, refuse);
    checkWhole(`${path}.port`, ib.port, 1, 255, refuse);
    checkWhole(`${path}.pkey`, ib.pkey, 1, 0xffff, refuse);
  }
}

function checkNumbers(input: GuestConfigInput, refuse: Refuse): void {
  checkWhole('memoryMb', input.memoryMb, 1, 0x100_0000, refuse);
  checkWhole('maxMemoryMb', input.maxMemoryMb, 1, 0x100_0000, refuse);
  checkWhole('vcpus', input.vcpus, 1, MAX_VCPUS, refuse);
  checkWhole('maxVcpus', input.maxVcpus, 1, MAX_VCPUS, refuse);
  checkWhole('maxGrantVersion', input.maxGrantVersion, 0, 2, refuse);
  for (const field of ['maxGrantFrames', 'maxMaptrackFrames', 'maxEventChannels'] as const)
    checkWhole(field, input[field], 0, 0x7fff_ffff, refuse);
  checkWhole('schedule.weight', input.schedule?.weight, 1, 65535, refuse);
  checkWhole('schedule.cap', input.schedule?.cap, 0, 65535, refuse);
  if (input.maxMemoryMb !== undefined && (input.memoryMb ?? 0) > input.maxMemoryMb)
    refuse('maxMemoryMb', `found ${input.maxMemoryMb}, accepted is at least the memory, ${input.memoryMb}`);
  if (input.maxVcpus !== undefined && (input.vcpus ?? 1) > input.maxVcpus)
    refuse('maxVcpus', `found ${input.maxVcpus}, accepted is at least vcpus, ${input.vcpus ?? 1}`);
}

function checkTexts(input: GuestConfigInput, refuse: Refuse): void {
  if (input.name === '') refuse('name', 'found none, accepted is a name: every domain has one');
  else if (!NAME.test(input.name))
    refuse('name', `found ${JSON.stringify(input.name)}, accepted are up to 80 characters without / and line ends`);
  else if (/^\d+$/.test(input.name))
    refuse('name', `found ${JSON.stringify(input.name)}, accepted are names that are not numbers: those are domain ids`);
  if (input.uuid !== undefined && !UUID.test(input.uuid))
    refuse('uuid', `found ${JSON.stringify(input.uuid)}, accepted is the form 00112233-4455-6677-8899-aabbccddeeff`);
  for (const field of ['onPoweroff', 'onReboot', 'onCrash', 'onWatchdog', 'onSoftReset'] as const) {
    const value = input[field];
    if (value !== undefined && !END_ACTIONS.includes(value))
      refuse(field, `found ${JSON.stringify(value)}, accepted are ${END_ACTIONS.join(', ')}`);
  }
}

/** One text for each vCPU: a single one is every vCPU's; entries beyond the last vCPU are dropped, as xl does. */
function perVcpu(cpus: string | readonly string[] | undefined, vcpus: number): readonly string[] {
  if (cpus === undefined) return [];
  return typeof cpus === 'string' ? Array.from({ length: vcpus }, () => cpus) : cpus.slice(0, vcpus);
}

/** The kernel's command line: `cmdline`, or else `root` and `extra` (xl.cfg(5)). */
export function commandLineOf(input: Pick<GuestConfigInput, 'cmdline' | 'root' | 'extra'>): string | undefined {
  if (input.cmdline !== undefined) return input.cmdline;
  const parts = [
    ...(input.root === undefined ? [] : [`root=${input.root}`]),
    ...(input.extra === undefined ? [] : [input.extra]),
  ];
  return parts.length === 0 ? undefined : parts.join(' ');
}

const routedVif = ({ backend }: IbConfig): VifConfig => ({ script: 'vif-route', ...(backend !== undefined && { backend }) });

function complete(input: GuestConfigInput): GuestConfig {
  const { ib = [] } = input;
  const vcpus = input.vcpus ?? 1;
  const maxVcpus = input.maxVcpus ?? vcpus;
  const memoryMb = input.memoryMb ?? input.maxMemoryMb ?? DEFAULT_MEMORY_MB;
  return {
    ...input,
    type: input.type ?? 'pv',
    memoryMb,
    maxMemoryMb: input.maxMemoryMb ?? memoryMb,
    vcpus,
    maxVcpus,
    cpus: perVcpu(input.cpus, maxVcpus),
    cpusSoft: perVcpu(input.cpusSoft, maxVcpus),
    schedule: input.schedule ?? {},
    cmdline: commandLineOf(input) ?? '',
    disks: input.disks ?? [],
    // InfiniBand behind netback is a network interface that is routed on to IPoIB.
    vifs: [...(input.vifs ?? []), ...ib.filter(({ mode }) => mode === 'netfront').map(routedVif)],
    channels: input.channels ?? [],
    pci: input.pci ?? [],
    ib: ib.filter(({ mode }) => mode !== 'netfront'),
    onPoweroff: input.onPoweroff ?? 'destroy',
    onReboot: input.onReboot ?? 'restart',
    onCrash: input.onCrash ?? 'destroy',
    onWatchdog: input.onWatchdog ?? 'destroy',
    onSoftReset: input.onSoftReset ?? 'soft-reset',
    noMigrate: input.noMigrate ?? false,
    driverDomain: input.driverDomain ?? false,
    localtime: input.localtime ?? false,
  };
}

/** Checks what a user said of a guest and fills in defaults. `file` is the name that issues carry; they have no lines here. */
export function checkGuestConfig(input: GuestConfigInput, file: string): GuestCheck {
  const issues: Issue[] = [];
  const refuse: Refuse = (path, message) => issues.push({ file, path, message });
  checkTexts(input, refuse);
  checkNumbers(input, refuse);
  checkCpus('cpus', input.cpus, refuse);
  checkCpus('cpusSoft', input.cpusSoft, refuse);
  checkVifs(input, refuse);
  checkDisks(input, refuse);
  checkIb(input, refuse);
  return { config: issues.length === 0 ? complete(input) : null, issues };
}
