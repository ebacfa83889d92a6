/**
 * Protection domains (`struct ibv_pd`): the makers of memory regions, memory windows, queue pairs, shared receive queues and address handles,
 * which only work together inside one domain.
 */
import { AddressHandle, type AhAttr, checkAddress, toAddressVector } from './address-handle.ts';
import type { Context } from './context.ts';
import { MwType, WcFlags } from './enums.ts';
import { throwErrno, VerbsError } from './errors.ts';
import { gidsEqual, isMulticastGid } from './gid.ts';
import { MemoryRegion, MemoryWindow, type Registrable } from './memory.ts';
import { type CreateQpOptions, QueuePair } from './queue-pair.ts';
import { type CreateSrqOptions, SharedReceiveQueue } from './shared-receive-queue.ts';
import { VerbsObject } from './verbs-object.ts';
import type { Transport, WorkCompletion } from './work-request.ts';

export class ProtectionDomain extends VerbsObject {
  readonly context: Context;
  /** @internal The adapter's number of the domain. */
  readonly handle: number;

  /** @internal Use `Context.allocPd`. */
  constructor(context: Context) {
    super('ibv_dealloc_pd', 'protection domain');
    this.context = context;
    this.handle = context.hca.allocPd();
    if (this.handle === 0) throw new VerbsError('ibv_alloc_pd', 'ENOMEM', 'the device has no more protection domains');
    context.retain();
  }

  /**
   * `ibv_reg_mr`: registers a buffer (or `memory` fresh zeroed bytes) for access as `Access` bits say, and pays for each page.
   * `iova` is the address under which work requests and peers name the region (`ibv_reg_mr_iova`); default its own address, or 0 with ZERO_BASED.
   * Throws EINVAL for length 0, unknown bits, remote write or atomic without local write; EOPNOTSUPP for ON_DEMAND and FLUSH_*; ENOMEM at the device's limit.
   */
  regMr(memory: Registrable, access: number, options: { readonly iova?: number } = {}): MemoryRegion {
    this.requireOpen('ibv_reg_mr');
    return new MemoryRegion(this, memory, access, options.iova);
  }

  /** `ibv_alloc_mw`: `MwType.TYPE_1` (bound by `QueuePair.bindMw`) or `TYPE_2` (bound by a BIND_MW work request). */
  allocMw(type: MwType): MemoryWindow {
    this.context.spendControl('ibv_alloc_mw');
    this.requireOpen('ibv_alloc_mw');
    if (type !== MwType.TYPE_1 && type !== MwType.TYPE_2)
      throw new VerbsError('ibv_alloc_mw', 'EINVAL', `no memory window type ${type}`);
    return new MemoryWindow(this, type);
  }

  /**
   * `ibv_create_qp`. The capabilities that it has are in `cap` (never less than asked for).
   * Throws EINVAL for sizes beyond the device's, completion queues of another device, an SRQ with UC or of another device.
   */
  createQp<T extends Transport>(options: CreateQpOptions<T>): QueuePair<T> {
    this.context.spendControl('ibv_create_qp');
    this.requireOpen('ibv_create_qp');
    return new QueuePair<T>(this, options);
  }

  /** `ibv_create_srq`. */
  createSrq(options: CreateSrqOptions): SharedReceiveQueue {
    this.context.spendControl('ibv_create_srq');
    this.requireOpen('ibv_create_srq');
    return new SharedReceiveQueue(this, options);
  }

  /** `ibv_create_ah`. Throws EINVAL for an unknown port, LID 0, an SL above 15, path bits beyond the port's LMC or an unknown GID index. */
  createAh(attr: AhAttr): AddressHandle {
    const { context } = this;
    context.spendControl('ibv_create_ah');
    this.requireOpen('ibv_create_ah');
    const vector = toAddressVector(attr);
    checkAddress('ibv_create_ah', context, attr);
    const { kernel } = context.hca;
    context.countUp('ibv_create_ah', 'ah', context.profile.maxAh);
    const number = kernel?.createAh(this.handle, vector) ?? 0;
    if (number < 0) context.counts.ah--;
    throwErrno('ibv_create_ah', Math.max(0, -number));
    return new AddressHandle(this, vector, () => {
      kernel?.destroyAh(number);
      context.counts.ah--;
    });
  }

  /**
   * `ibv_create_ah_from_wc`: the way back to the sender of a received datagram, whose buffer began with `grh` (40 bytes, looked at if the completion has a GRH).
   */
  createAhFromWc(portNum: number, wc: WorkCompletion, grh?: Uint8Array): AddressHandle {
    return this.createAh(initAhFromWc(this.context, portNum, wc, grh));
  }

  protected override destroyNow(): void {
    this.context.thread.spend(this.context.profile.controlPs);
    this.context.hca.deallocPd(this.handle);
    this.context.counts.pd--;
    this.context.release();
  }
}

/** `ibv_init_ah_from_wc`: attributes of the way back to the sender of a received datagram. Throws EINVAL when a GRH is needed and not given. */
export function initAhFromWc(context: Context, portNum: number, wc: WorkCompletion, grh?: Uint8Array): AhAttr {
  const attr = { dlid: wc.slid, sl: wc.sl, srcPathBits: wc.dlidPathBits, portNum };
  if ((wc.wcFlags & WcFlags.GRH) === 0) return attr;
  if (grh === undefined || grh.length < 40)
    throw new VerbsError('ibv_init_ah_from_wc', 'EINVAL', 'the datagram has a GRH; its 40 bytes are needed');
  const dgid = grh.slice(24, 40);
  const own = context.queryGid(portNum, 0);
  if (!isMulticastGid(dgid) && !gidsEqual(dgid, own))
    throw new VerbsError('ibv_init_ah_from_wc', 'EINVAL', "the GRH names none of this port's GIDs");
  const word = new DataView(grh.buffer, grh.byteOffset).getUint32(0);
  return {
    ...attr,
    grh: {
      dgid: grh.slice(8, 24),
      sgidIndex: 0,
      flowLabel: word & 0xfffff,
      trafficClass: (word >>> 20) & 0xff,
      hopLimit: grh[7],
    },
  };
}
