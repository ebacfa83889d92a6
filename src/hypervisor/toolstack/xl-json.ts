/**
 * A guest's configuration as `xl create -n` prints it: the JSON of libxl's own structure (tools/libs/light/libxl_types.idl), which leaves out what stands at its
 * default. For comparing with the real tool, and for users who keep such files.
 */
import { type CpuTopology, resolveCpus } from './cpu-ranges.ts';
import { commandLineOf } from './guest-check.ts';
import type { ChannelConfig, DiskConfig, EndAction, GuestConfigInput, PciConfig, VifConfig } from './guest-config.ts';

type Json = string | number | boolean | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

/** An object of those entries whose value is not undefined. */
function present(entries: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(entries).filter((entry): entry is [string, Json] => entry[1] !== undefined));
}

/** libxl's booleans with a default, once set. */
const defbool = (value: boolean | undefined): Json | undefined => (value === undefined ? undefined : value ? 'True' : 'False');
const kib = (mib: number | undefined): number | undefined => (mib === undefined ? undefined : mib * 1024);
const nonZero = (value: number | undefined): number | undefined => (value === 0 ? undefined : value);
/** libxl's bitmaps are whole bytes, and `all` sets all of their bits. */
const bitmapBits = (pcpus: number): number => Math.ceil(pcpus / 8) * 8;

function uuidOf(text: string): string {
  const digits = text.replaceAll('-', '').toLowerCase();
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join('-');
}

function affinity(cpus: string | readonly string[] | undefined, vcpus: number, topology: CpuTopology): Json[] | undefined {
  if (cpus === undefined || vcpus === 0) return undefined;
  const texts = typeof cpus === 'string' ? Array.from({ length: vcpus }, () => cpus) : cpus.slice(0, vcpus);
  const nodes = topology.nodes ?? [Array.from({ length: topology.pcpus }, (_, cpu) => cpu)];
  const bits = { nodes, pcpus: bitmapBits(topology.pcpus) };
  return texts.map((text) => resolveCpus(text, bits));
}

function createInfo(input: GuestConfigInput): JsonObject {
  return present({
    type: input.type ?? 'pv',
    name: input.name,
    uuid: input.uuid === undefined ? undefined : uuidOf(input.uuid),
    pool_name: input.pool,
    run_hotplug_scripts: 'True',
    driver_domain: defbool(input.driverDomain),
  });
}

function buildInfo(input: GuestConfigInput, topology: CpuTopology): JsonObject {
  const { schedule = {} } = input;
  const maxVcpus = input.maxVcpus ?? input.vcpus ?? 0;
  const pinned = Array.isArray(input.cpus) || input.cpusSoft !== undefined;
  return present({
    max_vcpus: nonZero(maxVcpus),
    avail_vcpus: input.vcpus === undefined ? undefined : Array.from({ length: input.vcpus }, (_, index) => index),
    vcpu_hard_affinity: affinity(input.cpus, maxVcpus, topology),
    vcpu_soft_affinity: affinity(input.cpusSoft, maxVcpus, topology),
    numa_placement: pinned ? 'False' : undefined,
    max_memkb: kib(input.maxMemoryMb ?? input.memoryMb),
    target_memkb: kib(input.memoryMb),
    localtime: defbool(input.localtime),
    disable_migrate: defbool(input.noMigrate),
    max_grant_frames: input.maxGrantFrames,
    max_maptrack_frames: input.maxMaptrackFrames,
    max_grant_version: input.maxGrantVersion,
    sched_params: present({
      weight: schedule.weight,
      cap: schedule.cap,
      period: schedule.periodNs,
      extratime: schedule.extraTime === undefined ? undefined : Number(schedule.extraTime),
      slice: schedule.sliceNs,
      latency: schedule.latencyNs,
    }),
    claim_mode: 'True',
    event_channels: nonZero(input.maxEventChannels),
    kernel: input.kernel,
    cmdline: commandLineOf(input),
    ramdisk: input.ramdisk,
    [`type.${input.type ?? 'pv'}`]: (input.type ?? 'pv') === 'pv' && (input.pci?.length ?? 0) > 0 ? { e820_host: 'True' } : {},
    arch_arm: {},
    arch_x86: {},
  });
}

function diskJson(disk: DiskConfig): JsonObject {
  return present({
    backend_domname: disk.backend,
    pdev_path: disk.target,
    vdev: disk.vdev,
    backend: disk.backendType,
    format: disk.format,
    script: disk.script,
    removable: disk.cdrom ? 1 : undefined,
    readwrite: disk.writable ? 1 : undefined,
    is_cdrom: disk.cdrom ? 1 : undefined,
    direct_io_safe: disk.directIoSafe,
    discard_enable: defbool(disk.discard),
    specification: disk.specification,
    trusted: defbool(disk.trusted),
  });
}

function nicJson(vif: VifConfig, index: number): JsonObject {
  return present({
    backend_domname: vif.backend,
    devid: vif.devid ?? index,
    mtu: nonZero(vif.mtu),
    model: vif.model,
    mac: vif.mac,
    ip: vif.ip,
    bridge: vif.bridge,
    ifname: vif.vifname,
    script: vif.script,
    nictype: vif.type === undefined ? undefined : vif.type === 'ioemu' ? 'vif_ioemu' : 'vif',
    rate_bytes_per_interval: nonZero(vif.rate?.bytesPerInterval),
    rate_interval_usecs: vif.rate?.intervalUs,
    gatewaydev: vif.gatewaydev,
    trusted: defbool(vif.trusted),
  });
}

const setFlag = (value: boolean | undefined): boolean | undefined => (value === true ? true : undefined);

function pciJson(pci: PciConfig): JsonObject {
  const { address } = pci;
  return present({
    func: nonZero(Math.max(0, address?.func ?? 0)),
    dev: nonZero(address?.device),
    bus: nonZero(address?.bus),
    domain: nonZero(address?.domain),
    vdevfn: nonZero((pci.virtualSlot ?? 0) << 3),
    vfunc_mask: address === undefined ? undefined : address.func < 0 ? 0xffff_ffff : 1,
    msitranslate: setFlag(pci.msiTranslate),
    power_mgmt: setFlag(pci.powerManagement),
    permissive: setFlag(pci.permissive),
    seize: setFlag(pci.seize),
    rdm_policy: pci.rdmPolicy ?? 'strict',
    name: pci.name,
  });
}

function channelJson(channel: ChannelConfig, index: number): JsonObject {
  return present({
    backend_domname: channel.backend,
    devid: index,
    name: channel.name,
    [`connection.${channel.connection}`]: channel.connection === 'socket' ? { path: channel.path ?? '' } : {},
  });
}

const ACTIONS: Readonly<Record<EndAction, string>> = {
  destroy: 'destroy',
  restart: 'restart',
  'rename-restart': 'restart_rename',
  preserve: 'preserve',
  'coredump-destroy': 'coredump_destroy',
  'coredump-restart': 'coredump_restart',
  'soft-reset': 'soft_reset',
};
const actionJson = (action: EndAction): string | undefined => (action === 'destroy' ? undefined : ACTIONS[action]);

function many<T>(devices: readonly T[] | undefined, json: (device: T, index: number) => JsonObject): Json[] | undefined {
  return devices === undefined || devices.length === 0 ? undefined : devices.map(json);
}

/** The value that `xl create -n` would print for `input`; without a `uuid` where none was given, where xl makes one up. */
export function xlCreateJson(input: GuestConfigInput, topology: CpuTopology): JsonObject {
  return present({
    c_info: createInfo(input),
    b_info: buildInfo(input, topology),
    disks: many(input.disks, diskJson),
    nics: many(input.vifs, nicJson),
    pcidevs: many(input.pci, pciJson),
    channels: many(input.channels, channelJson),
    on_poweroff: actionJson(input.onPoweroff ?? 'destroy'),
    on_reboot: actionJson(input.onReboot ?? 'restart'),
    on_watchdog: actionJson(input.onWatchdog ?? 'destroy'),
    on_crash: actionJson(input.onCrash ?? 'destroy'),
    on_soft_reset: actionJson(input.onSoftReset ?? 'soft-reset'),
  });
}
