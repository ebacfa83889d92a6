/**
 * Neighbours of an IPoIB device: for each link address its path and address handle, and while these are asked for, a short queue of packets.
 *
 * The table is bounded; the neighbour that was used longest ago goes when it is full. A neighbour without a path is forgotten with what waits, so that the
 * next packet asks again.
 */
import { type AddressHandle, type PathRecord, pathAddress } from '../../verbs/index.ts';
import type { Ps } from '../../sim/index.ts';
import { sameBytes } from '../bytes.ts';
import type { LinkPacket } from '../device.ts';
import type { SendConnection } from './send-connection.ts';
import { addressGid, addressQpn } from './link-address.ts';
import { type Link, whenKnown } from './link.ts';

/** Packets that wait for a path or a connection (`IPOIB_MAX_PATH_REC_QUEUE`). */
const QUEUE_LIMIT = 3;
/** Neighbours kept (`gc_thresh3` of Linux's table). */
const TABLE_LIMIT = 1024;

export interface Neighbour {
  readonly address: Uint8Array;
  readonly qpn: number;
  path: PathRecord | null;
  ah: AddressHandle | null;
  connection: SendConnection | null;
  readonly queue: LinkPacket[];
  lastUsedPs: Ps;
  /** Not in the table any more. */
  isGone: boolean;
}

export class NeighbourTable {
  readonly #link: Link;
  readonly #onResolved: (neighbour: Neighbour) => void;
  /** By the low bits of GUID and QPN; the few that agree in them share a list. */
  readonly #buckets = new Map<number, Neighbour[]>();
  #count = 0;
  #last: Neighbour | null = null;

  /** `onResolved` is called when a neighbour's path is known; its queue is the caller's then. */
  constructor(link: Link, onResolved: (neighbour: Neighbour) => void) {
    this.#link = link;
    this.#onResolved = onResolved;
  }

  get size(): number {
    return this.#count;
  }

  /** The neighbour of an address, which is made, and its path asked for, when it is new. */
  get(address: Uint8Array): Neighbour {
    const neighbour = this.find(address) ?? this.#add(address);
    neighbour.lastUsedPs = this.#link.cpu.nowPs;
    return neighbour;
  }

  find(address: Uint8Array): Neighbour | undefined {
    const last = this.#last;
    if (last !== null && sameBytes(last.address, address)) return last;
    const found = this.#buckets.get(bucketOf(address))?.find((each) => sameBytes(each.address, address));
    if (found !== undefined) this.#last = found;
    return found;
  }

  /** Keeps a packet until its neighbour is ready; drops it where enough wait. */
  hold(neighbour: Neighbour, packet: LinkPacket): void {
    if (neighbour.queue.length < QUEUE_LIMIT) neighbour.queue.push(packet);
    else this.#link.counters.txDropped++;
  }

  /** Forgets a neighbour; what waits for it is dropped. Its connection is the caller's to end. */
  remove(neighbour: Neighbour): void {
    if (neighbour.isGone) return;
    neighbour.isGone = true;
    this.#count--;
    if (this.#last === neighbour) this.#last = null;
    const key = bucketOf(neighbour.address);
    const rest = (this.#buckets.get(key) ?? []).filter((each) => each !== neighbour);
    if (rest.length === 0) this.#buckets.delete(key);
    else this.#buckets.set(key, rest);
    this.#link.counters.txDropped += neighbour.queue.length;
    neighbour.queue.length = 0;
    neighbour.ah?.close();
    neighbour.ah = null;
  }

  /** All neighbours, the oldest first within each bucket. */
  all(): Neighbour[] {
    return [...this.#buckets.values()].flat();
  }

  #add(address: Uint8Array): Neighbour {
    if (this.#count >= TABLE_LIMIT) this.#evict();
    const neighbour: Neighbour = {
      address: address.slice(),
      qpn: addressQpn(address),
      path: null,
      ah: null,
      connection: null,
      queue: [],
      lastUsedPs: 0,
      isGone: false,
    };
    const key = bucketOf(address);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, [neighbour]);
    else bucket.push(neighbour);
    this.#count++;
    this.#last = neighbour;
    this.#resolve(neighbour);
    return neighbour;
  }

  #resolve(neighbour: Neighbour): void {
    const link = this.#link;
    link.counters.pathQueries++;
    link.subnet.queryPath(link.gid, addressGid(neighbour.address), link.pkey, link.cpu.nowPs, (path, atPs) =>
      whenKnown(link, atPs, () => {
        if (neighbour.isGone) return;
        if (path === null) {
          this.remove(neighbour);
          return;
        }
        neighbour.path = path;
        neighbour.ah = link.pd.createAh(pathAddress(path, link.portNum, link.lid));
        this.#onResolved(neighbour);
      }),
    );
  }

  /** Makes room. A neighbour with a connection stays: the connection's end takes it away. */
  #evict(): void {
    let oldest: Neighbour | null = null;
    for (const each of this.all())
      if (each.connection === null && (oldest === null || each.lastUsedPs < oldest.lastUsedPs)) oldest = each;
    if (oldest !== null) this.remove(oldest);
  }
}

function bucketOf(address: Uint8Array): number {
  const guid = ((address[17] as number) << 16) | ((address[18] as number) << 8) | (address[19] as number);
  return addressQpn(address) * 2 ** 24 + guid;
}
