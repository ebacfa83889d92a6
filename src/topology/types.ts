/**
 * What a topology is once everything in it is resolved: a plain graph of nodes, switches and links, with every value filled in and
 * in one unit. It can be cloned between threads (`structuredClone`), holds no function, and names nothing that does not exist.
 * Indexes (`node`, `switch`, `link`) are positions in the arrays of `Topology`; port numbers count from 1, as on the hardware.
 */
import type { LinkSpeed, LinkWidth } from './speeds.ts';
import type { TopologyIpoib, TopologyXen } from './xen-types.ts';

/** One remark about a topology file: a mistake, or a warning that deserves a line on the terminal. Same shape as `Issue` of `sim`. */
export interface TopologyIssue {
  /** The file as the user named it, or `--option` for a command line. */
  readonly file: string;
  /** 1-based; absent where the source has no lines. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
  /** The field, as in `nodes.cpu1.hca.profile`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A whole fabric as described, ready to be built. */
export interface Topology {
  /** The file's `name`, else the generator's specification, else the file's own name without its ending. */
  readonly name: string;
  /** The file, or the generator specification, as the user gave it. */
  readonly source: string;
  readonly description?: string;
  readonly nodes: readonly TopologyNode[];
  readonly switches: readonly TopologySwitch[];
  readonly links: readonly TopologyLink[];
  readonly routing: TopologyRouting;
  /** At least the default partition. */
  readonly partitions: readonly TopologyPartition[];
  /** Point events in order of time; `for` in the source has become a second event. */
  readonly faults: readonly TopologyFault[];
  /** Where the fabric, or the larger part of it, came out of one generator: its kind and parameters. */
  readonly generated?: GeneratedShape;
  /** What is no mistake, yet should be printed once: guesses of an importer, parts that are not connected. */
  readonly warnings: readonly TopologyIssue[];
}

export type NodeRole = 'processor' | 'io';

/** A processor node or an I/O node: whatever sits at the end of links and runs programs or devices. */
export interface TopologyNode {
  readonly index: number;
  readonly name: string;
  readonly role: NodeRole;
  /** At least one. */
  readonly hcas: readonly TopologyHca[];
  /** Set for an imported InfiniBand router, which is held as an end node that forwards nothing. */
  readonly router?: true;
  readonly ipoib?: TopologyIpoib;
  readonly xen?: TopologyXen;
}

/** One channel adapter of a node. */
export interface TopologyHca {
  /** Unique on its node; `mlx4_0` style where the file does not say. */
  readonly name: string;
  /** A profile that `HcaCatalog` names. */
  readonly profile: string;
  /** Numbers that replace the profile's own, by parameter name. */
  readonly overrides: Readonly<Record<string, number>>;
  /** Node GUID. Unique in the fabric. */
  readonly guid: bigint;
  readonly systemImageGuid: bigint;
  /** NodeInfo's vendor and device id, kept by the importers. */
  readonly vendorId?: number;
  readonly deviceId?: number;
  /** NodeDescription as an importer found it; absent: the node's and HCA's name. */
  readonly description?: string;
  /** `ports[i].number === i + 1`. */
  readonly ports: readonly TopologyPort[];
  readonly qos: TopologyQos;
}

/** A port of an HCA. */
export interface TopologyPort {
  readonly number: number;
  /** Port GUID; the low half of the port's GID. */
  readonly guid: bigint;
  /** Base LID where the source gives one; else the subnet manager assigns it. */
  readonly lid?: number;
  /** LID mask count, 0–7. */
  readonly lmc: number;
  /** The link on this port, or -1. */
  readonly link: number;
}

/** How a switch queues: `voq` a queue per output, VL and input; `fifo` one queue per input and VL, with head-of-line blocking. */
export type SwitchModel = 'voq' | 'fifo';

export interface TopologySwitch {
  readonly index: number;
  readonly name: string;
  /** The product whose numbers it starts from; see `switch-types.ts`. */
  readonly type: string;
  readonly model: SwitchModel;
  /** Number of external ports, 1–254. */
  readonly portCount: number;
  /** `links[portNumber]` is the link on that port, or -1; `links[0]` is -1 (port 0 is the management port). */
  readonly links: readonly number[];
  /** From a packet's first bit in to its first bit out, unloaded, integer ps. */
  readonly latencyPs: number;
  /** Input buffer of each data VL of each port, in 64-byte blocks. */
  readonly bufferBlocks: number;
  readonly guid: bigint;
  readonly systemImageGuid: bigint;
  readonly vendorId?: number;
  readonly deviceId?: number;
  readonly description?: string;
  /** LID of port 0 where the source gives one. */
  readonly lid?: number;
  readonly lmc: number;
  readonly enhancedPort0: boolean;
  /** LifeTimeValue: a packet older than 4.096 us * 2^value is dropped; 20 and more: never. */
  readonly packetLifetime: number;
  readonly qos: TopologyQos;
  /** Trees: 0 for the switches that hosts hang on, rising to the roots. */
  readonly level?: number;
  /** Grids: position per dimension. n-trees: digits. Dragonfly: [group, router]. */
  readonly coordinates?: readonly number[];
  /** The pod, dragonfly group or chassis that it belongs to; names what a drawing may fold into one box. */
  readonly group?: string;
}

/** One end of a link. */
export type LinkEnd =
  | { readonly kind: 'node'; readonly node: number; readonly hca: number; readonly port: number }
  | { readonly kind: 'switch'; readonly switch: number; readonly port: number };

/** A cable. Both directions are alike. */
export interface TopologyLink {
  readonly index: number;
  readonly ends: readonly [LinkEnd, LinkEnd];
  readonly speed: LinkSpeed;
  readonly width: LinkWidth;
  /** Serialisation of one byte, exactly `psPerByteNumerator / psPerByteDenominator` ps (a fraction only for FDR and some 12x). */
  readonly psPerByteNumerator: number;
  readonly psPerByteDenominator: number;
  /** Largest payload: 256, 512, 1024, 2048 or 4096 bytes. */
  readonly mtu: number;
  /** One way, integer ps, at least 1. */
  readonly propagationPs: number;
  /** Probability that a bit is wrong, 0 … 1. */
  readonly bitErrorRate: number;
}

/** Virtual lanes of a port, or of every port of a switch. */
export interface TopologyQos {
  /** Data VLs in use: 1, 2, 4, 8 or 15. */
  readonly operationalVls: number;
  /** VL for each of the 16 SLs; 15 drops the packet (IBA 7.6.6). */
  readonly slToVl: readonly number[];
  readonly vlArbitration: {
    /** Up to 64 entries; weight in units of 64 bytes, 0 skips. */
    readonly high: readonly VlWeight[];
    readonly low: readonly VlWeight[];
    /** High-priority bytes before a low-priority chance, in units of 4096; 0 one packet, 255 no limit. */
    readonly highLimit: number;
  };
  /** HOQLife: a packet that heads a queue longer than 4.096 us * 2^value is dropped; 20 and more: never (IBA 18.2.5.4). */
  readonly headOfQueueLife: number;
  /** Consecutive such drops that put a VL into the stalled state, 1–7. */
  readonly vlStallCount: number;
}

export interface VlWeight {
  readonly vl: number;
  readonly weight: number;
}

/** Names the routing engine and its options; the engines live elsewhere. */
export type TopologyRouting =
  | { readonly engine: 'min-hop' }
  | { readonly engine: 'up-down'; readonly roots: readonly number[] }
  | { readonly engine: 'fat-tree'; readonly roots: readonly number[] }
  /** `datelines`: the rings of a torus are broken by SL and VL. */
  | { readonly engine: 'dor'; readonly datelines: boolean };

export interface TopologyPartition {
  readonly name: string;
  /** 15 bits, without the membership bit. */
  readonly pkey: number;
  /** By node index. */
  readonly members: readonly { readonly node: number; readonly membership: 'full' | 'limited' }[];
}

/** What happens at one moment. `text` is the line that asked for it. */
export type TopologyFault = { readonly atPs: number; readonly text: string } & (
  | { readonly kind: 'link-down' | 'link-up'; readonly link: number }
  | { readonly kind: 'bit-error-rate'; readonly link: number; readonly rate: number }
  | { readonly kind: 'switch-dies'; readonly switch: number }
  | { readonly kind: 'node-dies'; readonly node: number }
  /** The node's HCAs drain what they receive no faster than this; `null` lifts the limit. */
  | { readonly kind: 'slow-receiver'; readonly node: number; readonly bytesPerSecond: number | null }
);

/** What a generator knows about the fabric it made. */
export interface GeneratedShape {
  readonly kind: string;
  readonly parameters: Readonly<Record<string, number | readonly number[]>>;
  /** Links that it made; those added by hand are on top. */
  readonly links: number;
  /** Links across the worst even cut, where theory gives it exactly. */
  readonly bisectionLinks?: number;
}

/** What the caller knows about HCAs; handed in, because a topology only describes. */
export interface HcaCatalog {
  /** Accepted in `hca.profile`. */
  readonly profiles: readonly string[];
  /** Accepted in `hca.overrides`. */
  readonly parameters: readonly string[];
  /** Says what is wrong with an override's value, or nothing. */
  readonly check?: (profile: string, parameter: string, value: number) => string | undefined;
}
