/**
 * Eras of Xen: which scheduler, receive path and features a version had, and what its operations cost.
 *
 * Every cost can be overridden in the topology file. Costs are assumed values of the right order unless a source is named; `docs/model-xen.md` lists them.
 * Times are whole picoseconds.
 */
import type { Ps } from '../sim/index.ts';

export type EraName = 'xen-3.0' | 'xen-3.0.4' | 'xen-4.17';
export type SchedulerName = 'credit' | 'credit2' | 'sedf' | 'bvt';

/** What software of the machine costs. */
export interface XenCosts {
  /** Entry to and exit from the hypervisor, in every hypercall. */
  readonly hypercallPs: Ps;
  /** An event sent, on top of its hypercall. */
  readonly eventSendPs: Ps;
  /** Entry to the guest's event handler, and the scan of its bits. */
  readonly upcallPs: Ps;
  /** From a kick of a vCPU on another pCPU to its noticing. */
  readonly ipiPs: Ps;
  /** Scheduler and register state, when a pCPU goes from one vCPU to another. */
  readonly contextSwitchPs: Ps;
  /** Cold caches and TLB after a switch to another domain, charged to the domain that starts. */
  readonly coldCachePs: Ps;
  /** A grant mapped; unmapped. */
  readonly grantMapPs: Ps;
  readonly grantUnmapPs: Ps;
  /** TLB flush after a batch of unmaps. */
  readonly tlbFlushPs: Ps;
  /** A page transferred (rx-flip): transfer, and the guest's remapping. */
  readonly grantTransferPs: Ps;
  /** A grant copy: fixed part, and each byte. */
  readonly grantCopyPs: Ps;
  readonly copyPsPerByte: number;
  /** Pages taken from or given to the hypervisor (decrease_reservation), each. */
  readonly memoryOpPs: Ps;
  /** A request handled by xenstored in its domain. */
  readonly xenstoredPs: Ps;
  /** A device's physical interrupt: hypervisor part, before the event to the driver domain. */
  readonly physicalIrqPs: Ps;
  /** Guest kernel: entry of a system call; switch between a kernel's own threads. */
  readonly syscallPs: Ps;
  readonly guestSwitchPs: Ps;
  /** netfront: each slot sent or received; netback: each packet, and each slot. */
  readonly netfrontSlotPs: Ps;
  readonly netbackPacketPs: Ps;
  readonly netbackSlotPs: Ps;
  /** Device channel of VMM-bypass verbs: each command, at each end. */
  readonly ibChannelPs: Ps;
}

export interface Era {
  readonly name: EraName;
  readonly scheduler: SchedulerName;
  readonly schedulers: readonly SchedulerName[];
  /** credit: wakes are boosted. */
  readonly boost: boolean;
  /** Event channel ABIs. */
  readonly fifoEvents: boolean;
  /** Grant table versions. */
  readonly grantVersions: readonly (1 | 2)[];
  readonly netback: {
    readonly rxCopy: boolean;
    readonly rxFlip: boolean;
    /** Transmit maps grants (true) or copies them. */
    readonly txMap: boolean;
    readonly gso: boolean;
    readonly scatterGather: boolean;
    readonly maxQueues: number;
    readonly splitEventChannels: boolean;
    readonly multicastControl: boolean;
    readonly ctrlRing: boolean;
  };
  readonly costs: XenCosts;
}

const US = 1_000_000;
const BASE: XenCosts = {
  hypercallPs: 0.3 * US,
  eventSendPs: 0.4 * US,
  upcallPs: 0.5 * US,
  ipiPs: 1 * US,
  contextSwitchPs: 1.2 * US,
  coldCachePs: 3 * US,
  grantMapPs: 0.6 * US,
  grantUnmapPs: 0.6 * US,
  tlbFlushPs: 1 * US,
  grantTransferPs: 1.5 * US,
  grantCopyPs: 0.3 * US,
  copyPsPerByte: 500,
  memoryOpPs: 0.6 * US,
  xenstoredPs: 30 * US,
  physicalIrqPs: 1 * US,
  syscallPs: 0.5 * US,
  guestSwitchPs: 1 * US,
  netfrontSlotPs: 0.5 * US,
  netbackPacketPs: 1 * US,
  netbackSlotPs: 0.3 * US,
  ibChannelPs: 2 * US,
};

export const ERAS: Readonly<Record<EraName, Era>> = {
  'xen-3.0': {
    name: 'xen-3.0',
    scheduler: 'sedf',
    schedulers: ['sedf', 'bvt'],
    boost: false,
    fifoEvents: false,
    grantVersions: [1],
    netback: {
      rxCopy: false,
      rxFlip: true,
      txMap: true,
      gso: false,
      scatterGather: false,
      maxQueues: 1,
      splitEventChannels: false,
      multicastControl: false,
      ctrlRing: false,
    },
    costs: BASE,
  },
  'xen-3.0.4': {
    name: 'xen-3.0.4',
    scheduler: 'credit',
    schedulers: ['credit', 'sedf'],
    boost: true,
    fifoEvents: false,
    grantVersions: [1],
    netback: {
      rxCopy: true,
      rxFlip: true,
      txMap: true,
      gso: true,
      scatterGather: true,
      maxQueues: 1,
      splitEventChannels: false,
      multicastControl: false,
      ctrlRing: false,
    },
    costs: BASE,
  },
  'xen-4.17': {
    name: 'xen-4.17',
    scheduler: 'credit2',
    schedulers: ['credit2', 'credit'],
    boost: true,
    fifoEvents: true,
    grantVersions: [1, 2],
    netback: {
      rxCopy: true,
      rxFlip: false,
      txMap: true,
      gso: true,
      scatterGather: true,
      maxQueues: 4,
      splitEventChannels: true,
      multicastControl: true,
      ctrlRing: true,
    },
    costs: BASE,
  },
};
