/**
 * Classes of split devices as the toolstack knows them: what it writes into the two directories of one. Another class is another entry of the table; the
 * handshake (device-life.ts) is the same for all.
 */
import type { GuestConfig, IbConfig, VifConfig } from './guest-config.ts';
import { homeOf, libxlOf } from './domain-entries.ts';
import { entries, pruning, removal, type StoreChange } from './store-plan.ts';

type Values = Readonly<Record<string, string | number | undefined>>;

/** A device's directories, beyond what every class has (`backend`, `backend-id`, `frontend`, `frontend-id`, `online`, `state`). */
export interface DeviceKeys {
  readonly back: Values;
  /** Written by the toolstack, then the guest's own. */
  readonly front: Values;
  /** For the guest to read only. */
  readonly frontReadonly: Values;
}

export interface DeviceClass<T> {
  /** `vif`, as in the paths. */
  readonly kind: string;
  /** The devices of this class that a configuration asks for. */
  readonly listed: (config: GuestConfig) => readonly T[];
  /** Its number, if the configuration says it. */
  readonly idOf: (device: T) => number | undefined;
  readonly backendOf: (device: T) => string | undefined;
  /** The whole device: what was left out, filled in. */
  readonly complete: (device: T, giveMac: () => string) => T;
  readonly keys: (device: T, id: number) => DeviceKeys;
  /** Whether a hotplug script connects its backend (to a bridge, a block device). */
  readonly hasHotplug: boolean;
}

const DEFAULT_MTU = 1500;
const SCRIPT_FOLDER = '/etc/xen/scripts';

/** libxl_nic.c: `libxl__device_nic_setdefault`, `libxl__set_xenstore_nic`. */
const VIF: DeviceClass<VifConfig> = {
  kind: 'vif',
  listed: (config) => config.vifs,
  idOf: (vif) => vif.devid,
  backendOf: (vif) => vif.backend,
  complete: (vif, giveMac) => ({ ...vif, mac: vif.mac ?? giveMac() }),
  keys: (vif, id) => {
    const script = vif.script ?? 'vif-bridge';
    return {
      back: {
        script: script.startsWith('/') ? script : `${SCRIPT_FOLDER}/${script}`,
        vifname: vif.vifname,
        mac: vif.mac,
        ip: vif.ip,
        gatewaydev: vif.gatewaydev,
        rate: vif.rate === undefined ? undefined : `${vif.rate.bytesPerInterval},${vif.rate.intervalUs}`,
        mtu: (vif.mtu ?? DEFAULT_MTU) === DEFAULT_MTU ? undefined : vif.mtu,
        bridge: vif.bridge ?? 'xenbr0',
        handle: id,
        type: 'vif',
        'hotplug-status': '',
      },
      front: { handle: id, mac: vif.mac, trusted: (vif.trusted ?? true) ? 1 : 0 },
      frontReadonly: { mtu: vif.mtu ?? DEFAULT_MTU },
    };
  },
  hasHotplug: true,
};

/** heddle's own: verbs for a guest over a device channel. */
const VIB: DeviceClass<IbConfig> = {
  kind: 'vib',
  // A virtual function is no split device.
  listed: (config) => config.ib.filter(({ mode }) => mode === 'bypass'),
  idOf: () => undefined,
  backendOf: (ib) => ib.backend,
  complete: (ib) => ib,
  keys: (ib, id) => ({
    back: { handle: id, hca: ib.hca, port: ib.port, pkey: `0x${ib.pkey.toString(16).padStart(4, '0')}` },
    front: { handle: id },
    frontReadonly: { port: ib.port },
  }),
  hasHotplug: false,
};

/** All classes, in the order in which a new guest gets its devices. */
export const DEVICE_CLASSES = { vif: VIF, vib: VIB } as const;
export type DeviceKind = keyof typeof DEVICE_CLASSES;
export type DeviceConfig = VifConfig | IbConfig;

/** Where a device's directories are. */
export interface DevicePaths {
  readonly front: string;
  readonly back: string;
  readonly libxl: string;
}

/** A device of a guest. */
export interface Device {
  readonly kind: DeviceKind;
  readonly id: number;
  readonly domid: number;
  readonly backendDomid: number;
  readonly config: DeviceConfig;
  readonly paths: DevicePaths;
}

export function devicePaths(kind: DeviceKind, domid: number, backendDomid: number, id: number): DevicePaths {
  return {
    front: `${homeOf(domid)}/device/${kind}/${id}`,
    back: `${homeOf(backendDomid)}/backend/${kind}/${domid}/${id}`,
    libxl: `${libxlOf(domid)}/device/${kind}/${id}`,
  };
}

/** A class with its device's type forgotten: the caller keeps kind and configuration together. */
export function classOf(kind: DeviceKind): DeviceClass<DeviceConfig> {
  return DEVICE_CLASSES[kind] as unknown as DeviceClass<DeviceConfig>;
}

/** Both directories of a device and libxl's copy, for one transaction (libxl_device.c, `libxl__device_generic_add`). */
export function deviceEntries(device: Device): StoreChange[] {
  const { domid, backendDomid, paths } = device;
  const { back, front, frontReadonly } = classOf(device.kind).keys(device.config, device.id);
  const frontPerms = [`n${domid}`, `r${backendDomid}`];
  const backPerms = [`n${backendDomid}`, `r${domid}`];
  const backValues = { 'frontend-id': domid, online: 1, state: 1, ...back };
  return [
    removal(paths.libxl),
    ...entries(paths.libxl, { frontend: paths.front, backend: paths.back }),
    removal(paths.front),
    { kind: 'mkdir', path: paths.front, perms: frontPerms },
    ...entries(paths.front, { backend: paths.back }),
    ...entries(paths.front, { 'backend-id': backendDomid, state: 1, ...front }, frontPerms),
    ...entries(paths.front, frontReadonly, backPerms),
    removal(paths.back),
    { kind: 'mkdir', path: paths.back, perms: backPerms },
    ...entries(paths.back, { frontend: paths.front, ...backValues }),
    ...entries(paths.libxl, backValues),
  ];
}

/** What is taken away of a device that is gone. */
export function deviceGoneEntries({ paths }: Device): StoreChange[] {
  return [pruning(paths.front), pruning(paths.libxl), pruning(paths.back)];
}
