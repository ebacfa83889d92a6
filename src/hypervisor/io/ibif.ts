/**
 * The device channel of VMM-bypass verbs (xenbus device type `vib`): what a guest's verbs driver and its backend say to each other. `docs/ibif.md` is this file in prose.
 *
 * Xen-IB's own channel was never published, so this ABI is the project's, built as Xen builds such things: an io/ring.h ring of commands with 128-byte slots, a page of events from
 * the backend, two pages for management datagrams, two event channels. All numbers are little-endian. Only what is privileged goes through here; posts, polls and doorbells
 * go from the guest's memory to the adapter.
 *
 * A slot as request:   0 op u16   2 zero u16    4 id u32   8 … fields of the command
 * A slot as response:  0 op u16   2 errno u16   4 id u32   8 … fields of the answer (zero unless errno is 0)
 */
import type { MemoryView } from '../memory-view.ts';

/** Bytes of a slot; a page holds 16. */
export const VIB_SLOT_BYTES = 128;
/** Version of this ABI, in the backend's directory under `version`. */
export const VIB_VERSION = 1;
export const VIB_TYPE = 'vib';

/** Kinds of a field: unsigned little-endian integers, and the 16 bytes of a GID. */
export type VibKind = 'u8' | 'u16' | 'u32' | 'u64' | 'gid';
type Fields = Readonly<Record<string, readonly [offset: number, kind: VibKind]>>;

/** Guest memory that the adapter is to use: `pages` frames, named by the chain of lists whose first page is granted under `list`. */
const PAGES = { pages: [120, 'u32'], list: [124, 'u32'] } as const;

/** An address vector, from byte 52 on. */
const ADDRESS = {
  dlid: [52, 'u16'],
  sl: [54, 'u8'],
  srcPathBits: [55, 'u8'],
  staticRate: [56, 'u8'],
  avPort: [57, 'u8'],
  isGlobal: [58, 'u8'],
  hopLimit: [59, 'u8'],
  flowLabel: [60, 'u32'],
  trafficClass: [64, 'u8'],
  sgidIndex: [65, 'u8'],
  dgid: [72, 'gid'],
} as const;

/** Every command: its number, and where its fields and those of its answer stand. */
export const VIB_COMMANDS = {
  queryDevice: {
    op: 1,
    request: {},
    response: {
      nodeGuid: [8, 'u64'],
      maxQp: [16, 'u32'],
      maxCq: [20, 'u32'],
      maxMr: [24, 'u32'],
      maxPd: [28, 'u32'],
      maxSrq: [32, 'u32'],
      maxAh: [36, 'u32'],
      maxQpWr: [40, 'u32'],
      maxCqe: [44, 'u32'],
      maxSge: [48, 'u32'],
      ports: [52, 'u8'],
    },
  },
  queryPort: {
    op: 2,
    request: { portNum: [8, 'u8'] },
    response: { state: [8, 'u8'], lmc: [9, 'u8'], lid: [10, 'u16'], smLid: [12, 'u16'], mtu: [14, 'u16'], pkeys: [16, 'u16'] },
  },
  queryGid: { op: 3, request: { portNum: [8, 'u8'], index: [12, 'u32'] }, response: { gid: [16, 'gid'] } },
  queryPkey: { op: 4, request: { portNum: [8, 'u8'], index: [12, 'u32'] }, response: { pkey: [8, 'u16'] } },
  allocUar: { op: 5, request: {}, response: { uar: [8, 'u32'] } },
  deallocUar: { op: 6, request: { uar: [8, 'u32'] }, response: {} },
  allocPd: { op: 7, request: {}, response: { pd: [8, 'u32'] } },
  deallocPd: { op: 8, request: { pd: [8, 'u32'] }, response: {} },
  regMr: {
    op: 9,
    request: {
      pd: [8, 'u32'],
      access: [12, 'u32'],
      addr: [16, 'u64'],
      length: [24, 'u64'],
      iova: [32, 'u64'],
      ...PAGES,
    },
    response: { lkey: [8, 'u32'], rkey: [12, 'u32'] },
  },
  deregMr: { op: 10, request: { lkey: [8, 'u32'] }, response: {} },
  allocMw: { op: 11, request: { pd: [8, 'u32'], type: [12, 'u8'] }, response: { rkey: [8, 'u32'] } },
  /** `index` is the R_Key without its low byte, which binds change. */
  deallocMw: { op: 12, request: { index: [8, 'u32'] }, response: {} },
  createChannel: { op: 13, request: {}, response: { channel: [8, 'u32'] } },
  destroyChannel: { op: 14, request: { channel: [8, 'u32'] }, response: {} },
  createCq: {
    op: 15,
    request: { cqe: [8, 'u32'], channel: [12, 'u32'], ...PAGES },
    response: { cq: [8, 'u32'] },
  },
  resizeCq: { op: 16, request: { cq: [8, 'u32'], cqe: [12, 'u32'], ...PAGES }, response: {} },
  modifyCq: { op: 17, request: { cq: [8, 'u32'], count: [12, 'u32'], periodUs: [16, 'u32'] }, response: {} },
  destroyCq: { op: 18, request: { cq: [8, 'u32'] }, response: {} },
  createSrq: {
    op: 19,
    request: { pd: [8, 'u32'], maxWr: [12, 'u32'], maxSge: [16, 'u32'], ...PAGES },
    response: { srq: [8, 'u32'] },
  },
  modifySrq: { op: 20, request: { srq: [8, 'u32'], limit: [12, 'u32'] }, response: {} },
  querySrq: { op: 21, request: { srq: [8, 'u32'] }, response: { maxWr: [8, 'u32'], maxSge: [12, 'u32'], limit: [16, 'u32'] } },
  destroySrq: { op: 22, request: { srq: [8, 'u32'] }, response: {} },
  createQp: {
    op: 23,
    request: {
      pd: [8, 'u32'],
      type: [12, 'u8'],
      sigAll: [13, 'u8'],
      sendCq: [16, 'u32'],
      recvCq: [20, 'u32'],
      srq: [24, 'u32'],
      maxSendWr: [28, 'u32'],
      maxRecvWr: [32, 'u32'],
      maxSendSge: [36, 'u32'],
      maxRecvSge: [40, 'u32'],
      maxInlineData: [44, 'u32'],
      ...PAGES,
    },
    response: { qpn: [8, 'u32'] },
  },
  modifyQp: {
    op: 24,
    request: {
      qpn: [8, 'u32'],
      mask: [12, 'u32'],
      qpState: [16, 'u8'],
      curQpState: [17, 'u8'],
      pathMtu: [18, 'u8'],
      pathMigState: [19, 'u8'],
      qkey: [20, 'u32'],
      rqPsn: [24, 'u32'],
      sqPsn: [28, 'u32'],
      destQpNum: [32, 'u32'],
      qpAccessFlags: [36, 'u32'],
      pkeyIndex: [40, 'u16'],
      maxRdAtomic: [42, 'u8'],
      maxDestRdAtomic: [43, 'u8'],
      minRnrTimer: [44, 'u8'],
      portNum: [45, 'u8'],
      timeout: [46, 'u8'],
      retryCnt: [47, 'u8'],
      rnrRetry: [48, 'u8'],
      drainNotify: [49, 'u8'],
      ...ADDRESS,
    },
    response: {},
  },
  queryQp: { op: 25, request: { qpn: [8, 'u32'] }, response: { state: [8, 'u8'], destQpn: [12, 'u32'] } },
  destroyQp: { op: 26, request: { qpn: [8, 'u32'] }, response: {} },
  createAh: { op: 27, request: { pd: [8, 'u32'], ...ADDRESS }, response: { ah: [8, 'u32'] } },
  destroyAh: { op: 28, request: { ah: [8, 'u32'] }, response: {} },
  attachMcast: { op: 29, request: { qpn: [8, 'u32'], lid: [12, 'u16'], gid: [16, 'gid'] }, response: {} },
  detachMcast: { op: 30, request: { qpn: [8, 'u32'], lid: [12, 'u16'], gid: [16, 'gid'] }, response: {} },
  /** Sends the 256 bytes in place `slot` of the page of outgoing datagrams. */
  sendMad: {
    op: 31,
    request: { portNum: [8, 'u8'], slot: [9, 'u8'], sl: [10, 'u8'], srcPathBits: [11, 'u8'], dlid: [12, 'u16'] },
    response: {},
  },
  listen: { op: 32, request: { serviceId: [8, 'u64'] }, response: {} },
  unlisten: { op: 33, request: { serviceId: [8, 'u64'] }, response: {} },
} as const satisfies Readonly<Record<string, { op: number; request: Fields; response: Fields }>>;

export type VibCommand = keyof typeof VIB_COMMANDS;
type ValueOf<K> = K extends 'u64' ? bigint : K extends 'gid' ? Uint8Array : number;
type Values<F> = { readonly [N in keyof F]: F[N] extends readonly [number, infer K] ? ValueOf<K> : never };
/** What a command carries. */
export type VibFields<C extends VibCommand> = Values<(typeof VIB_COMMANDS)[C]['request']>;
export type VibAnswer<C extends VibCommand> = Values<(typeof VIB_COMMANDS)[C]['response']>;
/** A command as it stands in a slot. */
export type VibRequest = { readonly [C in VibCommand]: { readonly command: C } & VibFields<C> }[VibCommand];

type AnyValues = Readonly<Record<string, number | bigint | Uint8Array>>;

const NAMES = new Map<number, VibCommand>(
  (Object.keys(VIB_COMMANDS) as VibCommand[]).map((name) => [VIB_COMMANDS[name].op, name]),
);

/** The slot of a command, its id left 0. A value too large for its field keeps its low bits. */
export function encodeRequest<C extends VibCommand>(command: C, fields: VibFields<C>): Uint8Array {
  const bytes = new Uint8Array(VIB_SLOT_BYTES);
  new DataView(bytes.buffer).setUint16(0, VIB_COMMANDS[command].op, true);
  putFields(bytes, VIB_COMMANDS[command].request, fields as AnyValues);
  return bytes;
}

/** What a slot asks for; null for an op that is not known. Any bytes may stand there. */
export function decodeRequest(bytes: Uint8Array): VibRequest | null {
  const command = NAMES.get(view(bytes).getUint16(0, true));
  if (command === undefined) return null;
  return { command, ...takeFields(bytes, VIB_COMMANDS[command].request) } as unknown as VibRequest;
}

/** The slot of an answer to the request in `request`. `fields` are those of the answer, if `errno` is 0. */
export function encodeResponse(request: Uint8Array, errno: number, fields: AnyValues): Uint8Array {
  const bytes = new Uint8Array(VIB_SLOT_BYTES);
  bytes.set(request.subarray(0, 8));
  view(bytes).setUint16(2, errno, true);
  const command = NAMES.get(view(request).getUint16(0, true));
  if (errno === 0 && command !== undefined) putFields(bytes, VIB_COMMANDS[command].response, fields);
  return bytes;
}

/** The fields of an answer. */
export function decodeAnswer<C extends VibCommand>(command: C, bytes: Uint8Array): VibAnswer<C> {
  return takeFields(bytes, VIB_COMMANDS[command].response) as unknown as VibAnswer<C>;
}

/** Id and errno of a slot. */
export function slotId(bytes: Uint8Array): number {
  return view(bytes).getUint32(4, true);
}
export function setSlotId(bytes: Uint8Array, id: number): void {
  view(bytes).setUint32(4, id, true);
}
export function slotErrno(bytes: Uint8Array): number {
  return view(bytes).getUint16(2, true);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset);
}

function putFields(bytes: Uint8Array, fields: Fields, values: AnyValues): void {
  const data = view(bytes);
  for (const [name, [at, kind]] of Object.entries(fields)) {
    const value = values[name] ?? 0;
    if (kind === 'gid') bytes.set(value as Uint8Array, at);
    else if (kind === 'u64') data.setBigUint64(at, BigInt.asUintN(64, BigInt(value as bigint)), true);
    else if (kind === 'u32') data.setUint32(at, Number(value), true);
    else if (kind === 'u16') data.setUint16(at, Number(value), true);
    else data.setUint8(at, Number(value));
  }
}

function takeFields(bytes: Uint8Array, fields: Fields): AnyValues {
  const data = view(bytes);
  const values: Record<string, number | bigint | Uint8Array> = {};
  for (const [name, [at, kind]] of Object.entries(fields)) {
    if (kind === 'gid') values[name] = bytes.slice(at, at + 16);
    else if (kind === 'u64') values[name] = data.getBigUint64(at, true);
    else if (kind === 'u32') values[name] = data.getUint32(at, true);
    else values[name] = kind === 'u16' ? data.getUint16(at, true) : data.getUint8(at);
  }
  return values;
}

/** Keys that the frontend writes beside its state. */
export const VIB_FRONT_KEYS = [
  'ring-ref',
  'event-ref',
  'mad-tx-ref',
  'mad-rx-ref',
  'event-channel',
  'event-channel-events',
] as const;

/** A list page: how many frames it names, the grant of the next list page or 0, then the frames (u64 each). */
export const LIST_ENTRIES = 511;

/** Frames that a list page names; at most what fits. */
export function listCount(page: MemoryView): number {
  return Math.min(page.u32(0), LIST_ENTRIES);
}

export function listNext(page: MemoryView): number {
  return page.u32(4);
}

export function listFrame(page: MemoryView, i: number): bigint {
  return page.u64(8 + 8 * i);
}

/** Fills a list page. `next` is the grant of the page that goes on, 0 for none. */
export function writeList(page: MemoryView, frames: readonly number[], next: number): void {
  page.setU32(0, frames.length);
  page.setU32(4, next);
  for (let i = 0; i < frames.length; i++) page.setU64(8 + 8 * i, BigInt(frames[i] as number));
}
