/**
 * What a fabric is made of, as plain data: made by `cluster` from a topology, structured-cloneable, so that it can cross to a worker thread.
 * Times are integer picoseconds, sizes are bytes unless the name says `Blocks` (64-byte flow-control blocks). Switch ports are numbered from 1, as
 * on the box and in the LFT; host ports have one port each and are named by their index in `hostPorts`, which is the *handle* in packet records.
 */

/** An LFT entry that drops the packet. */
export const LFT_DROP = 255;
/** A 5-bit life-time code from which on there is no limit (IBA: 4.096 us << code; 20 and above disable). */
export const LIFE_UNLIMITED = 20;

/** One row of a VL arbitration table. */
export interface VlArbEntry {
  readonly vl: number;
  /** In units of 64 bytes, 0 … 255; 0 skips the entry. */
  readonly weight: number;
}

/** VL arbitration of one output port (IBA volume 1, 7.6.9). */
export interface VlArbSpec {
  readonly high: readonly VlArbEntry[];
  readonly low: readonly VlArbEntry[];
  /** Bytes of high-priority data, in units of 4096, before low priority gets a chance; 255 = no limit, 0 = one packet. */
  readonly highLimit: number;
}

/** P_Key enforcement at a switch port (IBA 10.9.3), as a subnet manager sets it for the adapter behind the port. */
export interface PartitionSpec {
  /** The adapter's P_Keys (16 bits, bit 15 = full member). */
  readonly table: readonly number[];
  /** Packets from the adapter must carry one of its keys. */
  readonly enforceIn: boolean;
  /** Packets to the adapter must carry a key that matches one of its own, and not both may be limited. */
  readonly enforceOut: boolean;
}

/** Buffer room per data VL in blocks: one number for every VL, or one per VL. */
export type BufferBlocks = number | readonly number[];

export interface SwitchSpec {
  readonly name: string;
  /** External ports, 1 … portCount (at most 254). */
  readonly portCount: number;
  /** `voq`: queues per output, VL and input. `fifo`: one queue per input and VL, head-of-line blocking, one packet at a time read from an input. */
  readonly model: 'voq' | 'fifo';
  /** First bit in to first bit out of an idle switch. */
  readonly latencyPs: number;
  /** From the moment buffer room is free until the credit update is on the wire and decoded at its far end, propagation apart. Default 0. */
  readonly creditReturnPs?: number;
  readonly bufferBlocks: BufferBlocks;
  /** Other buffers for single ports, by port number. */
  readonly portBufferBlocks?: Readonly<Record<number, BufferBlocks>>;
  /** Operational data VLs, 1 … 15. */
  readonly dataVls: number;
  /** Room for VL15 packets per port in blocks. Default 64. */
  readonly vl15Blocks?: number;
  /** Output port by destination LID; 255 drops, 0 is the switch itself. */
  readonly lft: Uint8Array;
  /** Output ports by multicast LID (0xC000 … 0xFFFE). */
  readonly mft?: ReadonlyMap<number, readonly number[]> | readonly (readonly [number, readonly number[]])[];
  /** 16 entries (the same for every port pair) or (portCount+1)² × 16, index ((in × (portCount+1)) + out) × 16 + SL. 15 drops. Default: identity. */
  readonly sl2vl?: Uint8Array;
  /** For all ports, or by port number. Default: round robin over the data VLs, 4096 bytes each. */
  readonly vlArb?: VlArbSpec | Readonly<Record<number, VlArbSpec>>;
  /** Head-of-queue life, code per port number, or one for all; 20 and above: no limit. Default 20. */
  readonly hoqLife?: number | Readonly<Record<number, number>>;
  /** Consecutive head-of-queue drops on a VL that stall it for eight head-of-queue lives; 0 = never. Default 0. */
  readonly vlStallCount?: number;
  /** Packet life time in the switch, code; 20 and above: no limit. Default 20. */
  readonly lifeTime?: number;
  readonly partitions?: Readonly<Record<number, PartitionSpec>>;
  /** Who wins among inputs that ask at the same time for one output in a `fifo` switch. Default `round-robin`. */
  readonly tie?: 'round-robin' | 'random';
}

export interface HostPortSpec {
  readonly name: string;
  /** The node it belongs to: faults name nodes. */
  readonly node: number;
  /** Whose output batch gets what arrives here (a worker thread's group). Default 0. */
  readonly group?: number;
  readonly lid: number;
  readonly lmc?: number;
  readonly dataVls: number;
  readonly bufferBlocks: BufferBlocks;
  /** 16 entries; default identity. */
  readonly sl2vl?: Uint8Array;
  readonly vlArb?: VlArbSpec;
  /** The host takes a received packet out of the port's buffer at this rate; 0 = at once. Credits come back when it is out. */
  readonly sinkPsPerByte?: number;
  /** From the last byte's arrival until the host begins to take the packet out. Default 0. */
  readonly sinkLatencyPs?: number;
  readonly creditReturnPs?: number;
}

export interface LinkEnd {
  readonly kind: 'switch' | 'host';
  /** Index in `switches` or in `hostPorts`. */
  readonly index: number;
  /** Switch port, 1 … portCount; ignored for a host. */
  readonly port: number;
}

export interface LinkSpec {
  readonly a: LinkEnd;
  readonly b: LinkEnd;
  /** May be fractional (FDR); the duration of each packet is rounded up to a picosecond. */
  readonly psPerByte: number;
  readonly propagationPs: number;
  /** Probability that a bit on the wire is wrong. Default 0. */
  readonly bitErrorRate?: number;
  /** NeighborMTU of both ends: a switch discards what is longer than this and all headers together. Default: no limit. */
  readonly mtuBytes?: number;
}

/** A change at a time. `target`: a link index; a switch index for `switch-dead`; a node for `node-dead` and `slow-receiver`. */
export interface FaultSpec {
  readonly atPs: number;
  readonly kind: 'link-down' | 'link-up' | 'bit-error-rate' | 'switch-dead' | 'node-dead' | 'slow-receiver';
  readonly target: number;
  /** The bit error rate, or the sink's ps per byte. */
  readonly value?: number;
}

export type TrafficPattern =
  /** From `sources` (default: all) to another host drawn from `destinations` (default: all). */
  | { readonly kind: 'uniform'; readonly sources?: readonly number[]; readonly destinations?: readonly number[] }
  /** From each host of each part to another host of its part; hosts in no part are silent. */
  | { readonly kind: 'uniform-within'; readonly parts: readonly (readonly number[])[] }
  /** A seeded random permutation without fixed points. */
  | { readonly kind: 'permutation' }
  /** Host i sends to host (i + by) mod N. */
  | { readonly kind: 'shift'; readonly by: number }
  /** A seeded random half sends to the other half and back, in pairs. */
  | { readonly kind: 'bisection' }
  /** `sources` (default: all others) send to host `to`. */
  | { readonly kind: 'incast'; readonly to: number; readonly sources?: readonly number[] }
  /** `fraction` of each host's packets go to host `to`, the rest uniformly. */
  | { readonly kind: 'hot-spot'; readonly to: number; readonly fraction: number }
  /** Each host goes round all others, starting behind itself. */
  | { readonly kind: 'all-to-all' }
  /** Destination host by source host; −1 = silent. */
  | { readonly kind: 'table'; readonly to: readonly number[] };

/** Synthetic traffic made inside the kernel, without payload and without HCA. */
export interface TrafficSpec {
  readonly pattern: TrafficPattern;
  /**
   * `open`: arrivals at `load` times the host link's rate, Poisson or evenly spaced; a packet that finds `queueLimit` packets waiting at its host is
   * refused and counted. `closed`: each host keeps `outstanding` packets under way; the next is made when one has left the host, or,
   * with `responsePs`, that long after it has arrived.
   */
  readonly mode:
    | {
        readonly kind: 'open';
        readonly load: number;
        readonly spacing?: 'poisson' | 'even' | 'slotted';
        readonly queueLimit?: number;
      }
    | { readonly kind: 'closed'; readonly outstanding: number; readonly responsePs?: number };
  /** Wire bytes (LRH … VCRC) and how often each size is drawn. */
  readonly sizes: readonly { readonly wireBytes: number; readonly weight: number }[];
  /** SLs drawn uniformly. Default [0]. */
  readonly sls?: readonly number[];
  /** Instead: the SL of each path, at `place[source] × places + place[destination]`; places are switches, say. */
  readonly pathSls?: { readonly sls: Uint8Array; readonly place: readonly number[]; readonly places: number };
  readonly startPs?: number;
  /** No packet is made from then on. Default: never ends. */
  readonly stopPs?: number;
  /** Deliveries before this time are not measured. Default 0. */
  readonly measureFromPs?: number;
  /** Keep accepted bytes per (source, destination). Default: true up to 512 hosts. */
  readonly perFlow?: boolean;
}

export interface FabricSpec {
  readonly seed: number;
  readonly switches: readonly SwitchSpec[];
  readonly hostPorts: readonly HostPortSpec[];
  readonly links: readonly LinkSpec[];
  readonly faults?: readonly FaultSpec[];
  /** The largest packet on the wire; each buffer must hold one. Default 4096 + 128. */
  readonly maxWireBytes?: number;
  /** The smallest packet on the wire: enters the lookahead. Default 26 (LRH, BTH, ICRC, VCRC), or the smallest of `traffic`. */
  readonly minWireBytes?: number;
  readonly traffic?: TrafficSpec;
}

/** Flow-control blocks of a packet. */
export function blocksOf(wireBytes: number): number {
  return (wireBytes + 63) >> 6;
}
