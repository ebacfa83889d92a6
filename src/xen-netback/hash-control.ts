/**
 * The control ring's backend: the guest says by which hash, key and table packets are spread over its queues (io/netif.h, "Control messages").
 */
import {
  BackRing,
  CTRL_BUFFER_OVERFLOW,
  CTRL_GET_GREF_MAPPING_SIZE,
  CTRL_GET_HASH_FLAGS,
  CTRL_GET_HASH_MAPPING_SIZE,
  CTRL_INVALID_PARAMETER,
  CTRL_NOT_SUPPORTED,
  CTRL_SET_HASH_ALGORITHM,
  CTRL_SET_HASH_FLAGS,
  CTRL_SET_HASH_KEY,
  CTRL_SET_HASH_MAPPING,
  CTRL_SET_HASH_MAPPING_SIZE,
  CTRL_SLOT_BYTES,
  CTRL_SUCCESS,
  type CtrlRequest,
  DEFAULT_HASH_KEY,
  flowHash,
  type FlowHash,
  type GuestKernel,
  HASH_NONE,
  HASH_TOEPLITZ,
  HASH_TYPES_ALL,
  PAGE_SIZE,
  readCtrlRequest,
  writeCtrlResponse,
} from '../hypervisor/index.ts';
import type { LinkPacket } from '../net/index.ts';
import { Connection } from './queue.ts';

const KEY_BYTES = 40;
const MAPPING_SIZE = 128;
const DOMID_SELF = 0x7ff0;

/** How packets are spread: by the guest's rules once it gave any, else by a hash of the backend's own. */
export class HashRules {
  /** Queues in use. */
  queues = 1;
  algorithm = HASH_NONE;
  flags = 0;
  key = new Uint8Array(KEY_BYTES);
  mapping = new Uint32Array(0);

  /** The guest hears of the hash only where it asked for one. */
  get isGuests(): boolean {
    return this.algorithm !== HASH_NONE && this.flags !== 0;
  }

  hashOf(packet: LinkPacket): FlowHash {
    if (this.isGuests) return flowHash(this.key, this.flags, packet.protocol, packet.data);
    return flowHash(DEFAULT_HASH_KEY, HASH_TYPES_ALL, packet.protocol, packet.data);
  }

  queueOf(hash: number): number {
    if (!this.isGuests || this.mapping.length === 0) return hash % this.queues;
    return this.mapping[hash % this.mapping.length] as number;
  }
}

export class HashControlServer {
  readonly #kernel: GuestKernel;
  readonly #domid: number;
  readonly #rules: HashRules;
  readonly #connection: Connection;
  readonly #ring: BackRing;
  readonly #port: number;
  readonly #onFatal: (why: string) => void;
  #isOpen = true;

  /** Throws `RangeError` where the guest's page or port cannot be had. */
  constructor(kernel: GuestKernel, domid: number, rules: HashRules, ref: number, port: number, onFatal: (why: string) => void) {
    this.#kernel = kernel;
    this.#domid = domid;
    this.#rules = rules;
    this.#onFatal = onFatal;
    this.#connection = new Connection(kernel, domid);
    try {
      const [page] = this.#connection.map([ref]);
      this.#ring = new BackRing(page as NonNullable<typeof page>, CTRL_SLOT_BYTES, (page as NonNullable<typeof page>).u32(8));
      this.#port = this.#connection.bind(port, 0);
    } catch (error) {
      this.#connection.close();
      throw error;
    }
    kernel.xen.setHandler(this.#port, () => this.#serve());
  }

  close(): void {
    this.#isOpen = false;
    this.#connection.close();
  }

  #serve(): void {
    const ring = this.#ring;
    do {
      if (ring.isOverrun) {
        this.#onFatal('impossible number of control requests');
        return;
      }
      while (ring.unconsumedRequests > 0) {
        const request = readCtrlRequest(ring.view, ring.slot(ring.reqCons));
        ring.reqCons = (ring.reqCons + 1) >>> 0;
        this.#kernel.cpu.spend(this.#kernel.era.costs.netbackSlotPs, 'netback');
        const [status, data] = this.#process(request);
        writeCtrlResponse(ring.view, ring.nextResponse(), { id: request.id, type: request.type, status, data });
      }
    } while (ring.finalCheckForRequests());
    this.#kernel.cpu.exec(0, 'netback', () => {
      if (this.#isOpen && ring.pushResponses()) this.#kernel.xen.notify(this.#kernel.cpu, this.#port);
    });
  }

  /** Status and data of the response. */
  #process({ type, data }: CtrlRequest): readonly [status: number, data: number] {
    const rules = this.#rules;
    switch (type) {
      case CTRL_SET_HASH_ALGORITHM:
        if (data[0] !== HASH_NONE && data[0] !== HASH_TOEPLITZ) return [CTRL_INVALID_PARAMETER, 0];
        rules.algorithm = data[0];
        return [CTRL_SUCCESS, 0];
      case CTRL_GET_HASH_FLAGS:
        return rules.algorithm === HASH_NONE ? [CTRL_NOT_SUPPORTED, 0] : [CTRL_SUCCESS, HASH_TYPES_ALL];
      case CTRL_SET_HASH_FLAGS:
        if ((data[0] & ~HASH_TYPES_ALL) !== 0) return [CTRL_INVALID_PARAMETER, 0];
        if (rules.algorithm === HASH_NONE) return [CTRL_INVALID_PARAMETER, 0];
        rules.flags = data[0];
        return [CTRL_SUCCESS, 0];
      case CTRL_SET_HASH_KEY:
        return [this.#setKey(data[0], data[1]), 0];
      case CTRL_GET_HASH_MAPPING_SIZE:
        return [CTRL_SUCCESS, MAPPING_SIZE];
      case CTRL_SET_HASH_MAPPING_SIZE:
        if (data[0] > MAPPING_SIZE) return [CTRL_INVALID_PARAMETER, 0];
        rules.mapping = new Uint32Array(data[0]);
        return [CTRL_SUCCESS, 0];
      case CTRL_SET_HASH_MAPPING:
        return [this.#setMapping(data[0], data[1], data[2]), 0];
      case CTRL_GET_GREF_MAPPING_SIZE:
        return data[0] < rules.queues ? [CTRL_SUCCESS, 0] : [CTRL_INVALID_PARAMETER, 0];
      default:
        return [CTRL_NOT_SUPPORTED, 0];
    }
  }

  #setKey(ref: number, bytes: number): number {
    if (bytes > KEY_BYTES) return CTRL_BUFFER_OVERFLOW;
    const key = new Uint8Array(KEY_BYTES);
    if (bytes > 0 && !this.#copyIn(ref, key.subarray(0, bytes))) return CTRL_INVALID_PARAMETER;
    this.#rules.key = key;
    return CTRL_SUCCESS;
  }

  #setMapping(ref: number, entries: number, offset: number): number {
    const rules = this.#rules;
    if (entries > rules.mapping.length || offset > rules.mapping.length - entries) return CTRL_INVALID_PARAMETER;
    if (entries === 0) return CTRL_SUCCESS;
    const bytes = new Uint8Array(4 * entries);
    if (!this.#copyIn(ref, bytes)) return CTRL_INVALID_PARAMETER;
    const numbers = new DataView(bytes.buffer);
    const table = Array.from({ length: entries }, (_, i) => numbers.getUint32(4 * i, true));
    if (table.some((queue) => queue >= rules.queues)) return CTRL_INVALID_PARAMETER;
    rules.mapping.set(table, offset);
    return CTRL_SUCCESS;
  }

  /** Copies from the beginning of the guest's page. */
  #copyIn(ref: number, target: Uint8Array): boolean {
    const kernel = this.#kernel;
    if (target.length > PAGE_SIZE) return false;
    let pfn: number;
    try {
      pfn = kernel.allocPages(1);
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    const [status] = kernel.xen.copyGrants(kernel.cpu, [
      {
        source: { domid: this.#domid, ref, offset: 0 },
        destination: { domid: DOMID_SELF, pfn, offset: 0 },
        length: target.length,
      },
    ]);
    if (status === 0) kernel.pages(pfn, 1).read(0, target);
    kernel.freePages(pfn, 1);
    return status === 0;
  }
}
