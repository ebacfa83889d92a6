/**
 * What a guest is: name, memory, CPUs, devices, and what becomes of it when it ends. The same type whether it comes from an xl.cfg file, from a
 * topology's `guests:` or from a program. Names and defaults are those of xl.cfg(5), in plain units.
 *
 * `GuestConfigInput` is what a user said; `completeGuestConfig` (guest-check.ts) checks it and fills in the rest.
 */

export type GuestType = 'pv' | 'pvh' | 'hvm';

/** What the toolstack does when a domain has ended: xl.cfg(5), "Event Actions". */
export const END_ACTIONS = [
  'destroy',
  'restart',
  'rename-restart',
  'preserve',
  'coredump-destroy',
  'coredump-restart',
  'soft-reset',
] as const;
export type EndAction = (typeof END_ACTIONS)[number];

/** A limit on what a network interface may send: credit of bytes, given again at each interval. */
export interface RateLimit {
  readonly bytesPerInterval: number;
  readonly intervalUs: number;
}

/** A network interface. */
export interface VifConfig {
  /** `00:16:3e:…`; one is given out where it is left out. */
  readonly mac?: string;
  readonly bridge?: string;
  /** The guest's addresses, as text: for routed set-ups and for the guest's own kernel. */
  readonly ip?: string;
  readonly type?: 'vif' | 'ioemu';
  readonly model?: string;
  readonly script?: string;
  readonly vifname?: string;
  /** The driver domain's name or number; Domain-0 where it is left out. */
  readonly backend?: string;
  readonly gatewaydev?: string;
  readonly mtu?: number;
  readonly rate?: RateLimit;
  readonly trusted?: boolean;
  /** Its number where it is not its place in the list. */
  readonly devid?: number;
}

/** A block device. Described and checked; no driver serves it yet. */
export interface DiskConfig {
  readonly target?: string;
  readonly format: 'raw' | 'qcow' | 'qcow2' | 'vhd' | 'qed' | 'empty';
  readonly vdev: string;
  readonly writable: boolean;
  readonly cdrom: boolean;
  readonly backend?: string;
  readonly backendType?: 'phy' | 'qdisk' | 'tap' | 'standalone';
  readonly specification?: 'xen' | 'virtio';
  readonly script?: string;
  readonly discard?: boolean;
  readonly directIoSafe?: boolean;
  readonly trusted?: boolean;
}

/** A console with a name, to talk to a program in the backend domain. */
export interface ChannelConfig {
  readonly name?: string;
  readonly connection: 'pty' | 'socket';
  readonly path?: string;
  readonly backend?: string;
}

/** A PCI function passed through: by address or by the name that it was made assignable under. */
export interface PciConfig {
  readonly address?: {
    readonly domain: number;
    readonly bus: number;
    readonly device: number /** -1: all. */;
    readonly func: number;
  };
  readonly name?: string;
  readonly virtualSlot?: number;
  readonly permissive?: boolean;
  readonly msiTranslate?: boolean;
  readonly powerManagement?: boolean;
  readonly seize?: boolean;
  readonly rdmPolicy?: 'strict' | 'relaxed';
}

/** How a guest gets at InfiniBand. */
export const IB_MODES = ['bypass', 'netfront', 'vf'] as const;
export type IbMode = (typeof IB_MODES)[number];

/** InfiniBand for a guest: verbs through a device channel with VMM-bypass, IPoIB behind netback, or an SR-IOV virtual function. */
export interface IbConfig {
  readonly mode: IbMode;
  /** Which adapter of the host, from 0. */
  readonly hca: number;
  /** Which port, from 1. */
  readonly port: number;
  /** The partition, membership bit included. */
  readonly pkey: number;
  /** The driver domain's name or number; Domain-0 where it is left out. */
  readonly backend?: string;
}

/** Parameters of the schedulers; what a scheduler does not know is ignored by it, as in Xen. */
export interface ScheduleConfig {
  /** credit, credit2: share of CPU time, 1 to 65535. */
  readonly weight?: number;
  /** Percent of one CPU at most; 0 for no limit. */
  readonly cap?: number;
  /** SEDF, in nanoseconds. */
  readonly periodNs?: number;
  readonly sliceNs?: number;
  readonly latencyNs?: number;
  readonly extraTime?: boolean;
}

/** What a user says of a guest. */
export interface GuestConfigInput {
  readonly name: string;
  readonly type?: GuestType;
  readonly uuid?: string;
  readonly memoryMb?: number;
  readonly maxMemoryMb?: number;
  readonly vcpus?: number;
  readonly maxVcpus?: number;
  /** Physical CPUs for each vCPU, in xl.cfg's words ("0-3,^1", "all", "node:0"); a text alone is for all of them. */
  readonly cpus?: string | readonly string[];
  readonly cpusSoft?: string | readonly string[];
  readonly schedule?: ScheduleConfig;
  readonly pool?: string;
  readonly kernel?: string;
  readonly ramdisk?: string;
  readonly cmdline?: string;
  readonly root?: string;
  readonly extra?: string;
  readonly disks?: readonly DiskConfig[];
  readonly vifs?: readonly VifConfig[];
  readonly channels?: readonly ChannelConfig[];
  readonly pci?: readonly PciConfig[];
  readonly ib?: readonly IbConfig[];
  readonly onPoweroff?: EndAction;
  readonly onReboot?: EndAction;
  readonly onCrash?: EndAction;
  readonly onWatchdog?: EndAction;
  readonly onSoftReset?: EndAction;
  readonly noMigrate?: boolean;
  readonly driverDomain?: boolean;
  readonly maxGrantFrames?: number;
  readonly maxMaptrackFrames?: number;
  readonly maxGrantVersion?: number;
  readonly maxEventChannels?: number;
  readonly localtime?: boolean;
}

/** Keys that stay optional in a complete configuration: nothing stands for them. */
type LeftOpen =
  | 'uuid'
  | 'pool'
  | 'kernel'
  | 'ramdisk'
  | 'root'
  | 'extra'
  | 'maxGrantFrames'
  | 'maxMaptrackFrames'
  | 'maxGrantVersion'
  | 'maxEventChannels';

/** A guest's whole configuration: checked, and what was left out filled in. */
export type GuestConfig = Pick<GuestConfigInput, LeftOpen> &
  Omit<Required<GuestConfigInput>, LeftOpen | 'cpus' | 'cpusSoft'> & {
    /** One for each vCPU that has one. */
    readonly cpus: readonly string[];
    readonly cpusSoft: readonly string[];
  };

/** libxl's own default, in MiB. */
export const DEFAULT_MEMORY_MB = 32;
/** As many as shared info has room for (XEN_LEGACY_MAX_VCPUS). */
export const MAX_VCPUS = 32;
