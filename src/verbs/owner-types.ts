/** Plain data of `owned-objects`: quotas, what is asked for, what comes of it. */
import type { CqContext, AsyncEvent as HcaEvent, MemoryKey, QpContext, SrqContext } from '../hca/index.ts';
import type { Ps } from '../sim/index.ts';

/** Most objects of each kind. */
export interface OwnerQuota {
  readonly pd: number;
  readonly mr: number;
  readonly cq: number;
  readonly srq: number;
  readonly qp: number;
  readonly ah: number;
  readonly channel: number;
  readonly uar: number;
}

export const DEFAULT_OWNER_QUOTA: OwnerQuota = {
  pd: 1024,
  mr: 16_384,
  cq: 4096,
  srq: 1024,
  qp: 4096,
  ah: 16_384,
  channel: 1024,
  uar: 256,
};

/** What a command came to: an errno, the numbers of the answer, and what the owner's own memory holds of the object. */
export interface Outcome {
  readonly errno: number;
  readonly answer: Readonly<Record<string, number | bigint | Uint8Array>>;
  readonly object: CqContext | QpContext | SrqContext | MemoryKey | null;
}

export interface QpRequest {
  readonly pd: number;
  readonly type: number;
  readonly sigAll: number;
  readonly sendCq: number;
  readonly recvCq: number;
  readonly srq: number;
  readonly maxSendWr: number;
  readonly maxRecvWr: number;
  readonly maxSendSge: number;
  readonly maxRecvSge: number;
  readonly maxInlineData: number;
}

export interface MrRequest {
  readonly pd: number;
  readonly access: number;
  readonly addr: bigint;
  readonly length: bigint;
  readonly iova: bigint;
}

/** What goes wrong with the adapter's objects, for their owner. */
export interface OwnerEvents {
  /** An armed queue with a channel made its event, which reaches the host at `atPs`. */
  completion(cq: number, atPs: Ps): void;
  async(event: HcaEvent): void;
}

/** A failure, or success without an answer. */
export function failed(errno: number): Outcome {
  return { errno, answer: {}, object: null };
}

/** Success. */
export function made(answer: Outcome['answer'], object: Outcome['object'] = null): Outcome {
  return { errno: 0, answer, object };
}
