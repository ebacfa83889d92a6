/**
 * Memory as an adapter sees it: a node's address space, and the table of keys (regions and windows) through which an adapter may touch it.
 *
 * Addresses are simulated virtual addresses, plain numbers. Bytes lie in ordinary or shared buffers; a region without bytes (`payload-free`) has
 * addresses, keys and rights like any other, but nothing is moved: traffic to and from it costs the same simulated time and less real time.
 *
 * An inbound write changes the bytes when its packet is handled; it is *visible* to programs a little later, when the posted write has crossed the host bus.
 * `visiblePs` tells those who poll memory from when on they may look.
 */
import { assert, type Ps } from '../sim/index.ts';
import {
  ACCESS_LOCAL_WRITE,
  ACCESS_MW_BIND,
  ACCESS_REMOTE_ATOMIC,
  ACCESS_REMOTE_WRITE,
  ACCESS_ZERO_BASED,
  MW_TYPE_2,
} from './constants.ts';

const PAGE = 4096;
const FIRST_ADDRESS = 0x7f00_0000_0000;
/** Inbound writes that may still be on their way over the host bus; more than a bus latency's worth. */
const RECENT = 64;

/** Told of each inbound write that touches what it watches. */
export interface MemoryWatcher {
  readonly addr: number;
  readonly length: number;
  /** A write to watched bytes becomes visible at `visiblePs`. */
  onWrite(visiblePs: Ps): void;
}

/** A buffer and the address of its first byte. */
export interface MemoryPlace {
  readonly base: number;
  readonly bytes: Uint8Array;
}

/** The address space of one node, shared by its adapters. */
export class NodeMemory {
  #next = FIRST_ADDRESS;
  readonly #bases = new Map<ArrayBufferLike, number>();
  /** Buffers by address, ascending, for inline data, which no key names. */
  readonly #places: MemoryPlace[] = [];
  readonly #watchers: MemoryWatcher[] = [];
  readonly #recent = new Float64Array(RECENT * 3); // address, end, visible time
  #recentAt = 0;

  /** Takes `bytes` of address space, aligned to a page, with nothing behind it. */
  reserve(bytes: number): number {
    const addr = this.#next;
    // A page of distance, so that running over the end of one thing never hits the next.
    this.#next += Math.ceil(Math.max(bytes, 1) / PAGE) * PAGE + PAGE;
    return addr;
  }

  /** Simulated address of a byte view; its buffer gets a place in the address space when it is first seen. */
  addressOf(view: Uint8Array): number {
    let base = this.#bases.get(view.buffer);
    if (base === undefined) {
      base = this.reserve(view.buffer.byteLength);
      this.#bases.set(view.buffer, base);
      this.#places.push({ base, bytes: new Uint8Array(view.buffer) });
    }
    return base + view.byteOffset;
  }

  /** The buffer that holds `length` bytes at `addr`, or null where no buffer has been given an address. */
  placeOf(addr: number, length: number): MemoryPlace | null {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#places[middle].base <= addr) low = middle + 1;
      else high = middle;
    }
    const place = this.#places[low - 1];
    return place === undefined || addr + length > place.base + place.bytes.length ? null : place;
  }

  /** Forgets a buffer, whose address is not used again. */
  forget(view: Uint8Array): void {
    const base = this.#bases.get(view.buffer);
    if (base === undefined) return;
    this.#bases.delete(view.buffer);
    this.#places.splice(
      this.#places.findIndex((place) => place.base === base),
      1,
    );
  }

  /** Begins to tell `watcher` of inbound writes. */
  watch(watcher: MemoryWatcher): void {
    this.#watchers.push(watcher);
  }

  unwatch(watcher: MemoryWatcher): void {
    const at = this.#watchers.indexOf(watcher);
    if (at >= 0) this.#watchers.splice(at, 1);
  }

  /** @internal An adapter has written `length` bytes at `addr`, visible from `visiblePs` on. */
  written(addr: number, length: number, visiblePs: Ps): void {
    const recent = this.#recent;
    const at = this.#recentAt;
    recent[at] = addr;
    recent[at + 1] = addr + length;
    recent[at + 2] = visiblePs;
    this.#recentAt = at + 3 === RECENT * 3 ? 0 : at + 3;
    const watchers = this.#watchers;
    // From the end, so that a watcher may take itself out.
    for (let i = watchers.length - 1; i >= 0; i--) {
      const watcher = watchers[i];
      if (watcher.addr < addr + length && addr < watcher.addr + watcher.length) watcher.onWrite(visiblePs);
    }
  }

  /** From when on the latest inbound write to these bytes is visible; 0 if it long is. */
  visiblePs(addr: number, length: number): Ps {
    const recent = this.#recent;
    let latest = 0;
    for (let i = 0; i < recent.length; i += 3) {
      if (recent[i] < addr + length && addr < recent[i + 1] && recent[i + 2] > latest) latest = recent[i + 2];
    }
    return latest;
  }
}

/** What a key stands for. */
export const KEY_REGION = 1;
export const KEY_WINDOW = 2;

/**
 * A memory region or window. `lkey` and `rkey` are one number, index << 8 | key byte, as Mellanox adapters do it.
 * `valid` is false for a window that is not bound.
 */
export class MemoryKey {
  readonly kind: number;
  readonly index: number;
  readonly pd: number;
  /** Window type, `MW_TYPE_*`; 0 for a region. */
  readonly windowType: number;
  key: number;
  valid = false;
  /** First address by which it is used: the real one, an I/O virtual address of the user's, or 0 (zero based). */
  addr = 0.5;
  length = 0.5;
  access = 0;
  /** Address (as used) that stands for byte 0 of `bytes`. */
  bytesAddr = 0.5;
  /** What to add to an address as used to get the real address. */
  toReal = 0.5;
  bytes: Uint8Array | null = null;
  /** The region that a window is bound to. */
  region: MemoryKey | null = null;
  /** The queue pair that a type 2 window is bound to. */
  qpn = 0;
  /** Windows bound to this region: it cannot go before them. */
  windows = 0;

  constructor(kind: number, index: number, pd: number, windowType: number) {
    this.kind = kind;
    this.index = index;
    this.pd = pd;
    this.windowType = windowType;
    this.key = index << 8;
  }

  get lkey(): number {
    return this.key;
  }

  get rkey(): number {
    return this.key;
  }
}

/** How memory is registered. */
export interface RegisterOptions {
  readonly pd: number;
  /** Real address of the first byte. */
  readonly addr: number;
  readonly length: number;
  /** `ACCESS_*`, or-ed. */
  readonly access: number;
  /** Null makes the region payload-free. */
  readonly bytes: Uint8Array | null;
  /** Address by which the region is used instead of the real one. */
  readonly iova?: number | undefined;
}

/** The keys of one adapter. */
export class KeyTable {
  readonly #keys: (MemoryKey | null)[] = [null];
  readonly #free: number[] = [];
  /** Key byte last given out, by index. */
  readonly #bytes: number[] = [0];
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Keys in use. */
  get used(): number {
    return this.#used;
  }

  /** A new region, or null when the table is full. */
  register(options: RegisterOptions): MemoryKey | null {
    const region = this.#create(KEY_REGION, options.pd, 0);
    if (region === null) return null;
    const used = options.access & ACCESS_ZERO_BASED ? 0 : (options.iova ?? options.addr);
    region.addr = used;
    region.length = options.length;
    region.access = options.access;
    region.bytesAddr = used;
    region.toReal = options.addr - used;
    region.bytes = options.bytes;
    region.valid = true;
    return region;
  }

  /** A new, unbound window, or null when the table is full. */
  createWindow(pd: number, type: number): MemoryKey | null {
    return this.#create(KEY_WINDOW, pd, type);
  }

  /** Takes a region or window away. The caller has seen to it that no window is bound to it. */
  remove(key: MemoryKey): void {
    assert(this.#keys[key.index] === key, 'memory key removed twice');
    if (key.kind === KEY_WINDOW) unbind(key);
    key.valid = false;
    this.#keys[key.index] = null;
    this.#free.push(key.index);
    this.#used--;
  }

  /** The region or window of a key as it is on the wire; null when there is none or the key byte is an old one. */
  find(key: number): MemoryKey | null {
    const found = this.#keys[key >>> 8];
    return found !== undefined && found !== null && (found.key | 0) === (key | 0) ? found : null;
  }

  /** The region for local use of `length` bytes at `addr`, or null if key, domain, bounds or rights forbid it. */
  local(lkey: number, addr: number, length: number, pd: number, write: boolean): MemoryKey | null {
    const key = this.find(lkey);
    if (key === null || key.kind !== KEY_REGION || key.pd !== pd) return null;
    if (addr < key.addr || addr + length > key.addr + key.length) return null;
    if (write && (key.access & ACCESS_LOCAL_WRITE) === 0) return null;
    return key;
  }

  /** The region or bound window for remote use with all of `access`, or null. */
  remote(rkey: number, addr: number, length: number, pd: number, access: number, qpn: number): MemoryKey | null {
    const key = this.find(rkey);
    if (key === null || !key.valid || key.pd !== pd || (key.access & access) !== access) return null;
    if (key.windowType === MW_TYPE_2 && key.qpn !== qpn) return null;
    if (!(addr >= key.addr && addr + length <= key.addr + key.length)) return null;
    return key;
  }

  #create(kind: number, pd: number, windowType: number): MemoryKey | null {
    if (this.#used === this.#limit) return null;
    const index = this.#free.pop() ?? this.#keys.length;
    const key = new MemoryKey(kind, index, pd, windowType);
    // The byte makes the key of a removed region not match its successor's.
    const byte = ((this.#bytes[index] ?? index * 37) + 1) & 0xff;
    this.#bytes[index] = byte;
    key.key = (index << 8) | byte;
    this.#keys[index] = key;
    this.#used++;
    return key;
  }
}

/** Frees a window of what it is bound to. */
export function unbind(window: MemoryKey): void {
  if (window.region !== null) window.region.windows--;
  window.region = null;
  window.bytes = null;
  window.valid = false;
  window.qpn = 0;
}

/**
 * Binds `window` to part of `region` (or unbinds it, with null). Returns whether the adapter may do it: same domain, the region allows
 * windows, bounds and rights fit (remote write and atomics need local write on the region).
 */
export function bindWindow(
  window: MemoryKey,
  region: MemoryKey | null,
  addr: number,
  length: number,
  access: number,
  qpn: number,
  newKey: number,
): boolean {
  if (window.kind !== KEY_WINDOW) return false;
  if (region === null || length === 0) {
    unbind(window);
    window.key = newKey;
    return true;
  }
  if (region.kind !== KEY_REGION || !region.valid || region.pd !== window.pd) return false;
  if ((region.access & ACCESS_MW_BIND) === 0 || region.access & ACCESS_ZERO_BASED) return false;
  if (addr < region.addr || addr + length > region.addr + region.length) return false;
  if (access & (ACCESS_REMOTE_WRITE | ACCESS_REMOTE_ATOMIC) && (region.access & ACCESS_LOCAL_WRITE) === 0) return false;
  unbind(window);
  window.region = region;
  region.windows++;
  window.addr = addr;
  window.length = length;
  window.access = access;
  window.bytes = region.bytes;
  window.bytesAddr = region.bytesAddr;
  window.toReal = region.toReal;
  window.qpn = window.windowType === MW_TYPE_2 ? qpn : 0;
  window.key = newKey;
  window.valid = true;
  return true;
}
