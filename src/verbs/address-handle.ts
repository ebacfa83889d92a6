/**
 * Address handles: where datagrams go, and the address part of a connected queue pair (`struct ibv_ah_attr`).
 */
import type { AddressVector, GlobalRouteVector } from '../hca/index.ts';
import type { Context } from './context.ts';
import type { Rate } from './enums.ts';
import { VerbsError } from './errors.ts';
import type { Gid } from './gid.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';

/** `struct ibv_global_route`. */
export interface GlobalRoute {
  readonly dgid: Gid;
  /** 20 bits, default 0. */
  readonly flowLabel?: number;
  readonly sgidIndex?: number;
  readonly hopLimit?: number;
  readonly trafficClass?: number;
}

/** `struct ibv_ah_attr`. */
export interface AhAttr {
  /** Unicast, or 0xC000 … 0xFFFE for a multicast group. */
  readonly dlid: number;
  /** 0 … 15, default 0. */
  readonly sl?: number;
  /** Added to the port's base LID as source: 0 … 2^LMC − 1, default 0. */
  readonly srcPathBits?: number;
  readonly staticRate?: Rate;
  /** Default 1. */
  readonly portNum?: number;
  /** Present: a GRH is sent (`is_global` = 1). */
  readonly grh?: GlobalRoute;
}

/** `struct ibv_ah`: made by `ProtectionDomain.createAh`. It is itself the address vector that a work request hands to the adapter. */
export class AddressHandle extends VerbsObject implements AddressVector {
  readonly pd: ProtectionDomain;
  readonly dlid: number;
  readonly sl: number;
  readonly srcPathBits: number;
  readonly staticRate: number;
  readonly portNum: number;
  readonly grh: GlobalRouteVector | null;
  readonly #returned: () => void;

  /** @internal */
  constructor(pd: ProtectionDomain, attr: AddressVector, returned: () => void) {
    super('ibv_destroy_ah', 'address handle');
    this.pd = pd;
    this.dlid = attr.dlid;
    this.sl = attr.sl;
    this.srcPathBits = attr.srcPathBits;
    this.staticRate = attr.staticRate;
    this.portNum = attr.portNum;
    this.grh = attr.grh;
    this.#returned = returned;
    pd.retain();
  }

  protected override destroyNow(): void {
    this.pd.release();
    this.#returned();
  }
}

/** Fills in the defaults. */
export function toAddressVector(attr: AhAttr): AddressVector {
  const { dlid, sl = 0, srcPathBits = 0, staticRate = 0, portNum = 1, grh } = attr;
  return { dlid, sl, srcPathBits, staticRate, portNum, grh: grh === undefined ? null : toGlobalRoute(grh) };
}

function toGlobalRoute(route: GlobalRoute): GlobalRouteVector {
  const { dgid, flowLabel = 0, sgidIndex = 0, hopLimit = 64, trafficClass = 0 } = route;
  return { dgid: Uint8Array.from(dgid), flowLabel, sgidIndex, hopLimit, trafficClass };
}

/** Back to the attributes of a query. */
export function toAhAttr(vector: AddressVector): AhAttr {
  const { dlid, sl, srcPathBits, portNum, grh } = vector;
  const attr = { dlid, sl, srcPathBits, staticRate: vector.staticRate as Rate, portNum };
  return grh === null ? attr : { ...attr, grh: { ...grh } };
}

/** What the kernel checks of an address before the device sees it (`rdma_check_ah_attr`). */
export function checkAddress(verb: string, context: Context, attr: AhAttr): void {
  const port = context.port(verb, attr.portNum ?? 1);
  const refuse = (reason: string) => {
    throw new VerbsError(verb, 'EINVAL', reason);
  };
  if (!(attr.dlid >= 1 && attr.dlid <= 0xffff)) refuse(`${attr.dlid} is no LID`);
  const { sl = 0, srcPathBits = 0, staticRate = 0, grh } = attr;
  if (!(sl >= 0 && sl <= 15)) refuse(`service level ${sl} is outside 0 … 15`);
  if (!(srcPathBits >= 0 && srcPathBits < 2 ** port.lmc)) refuse(`path bits ${srcPathBits} need a larger LMC than ${port.lmc}`);
  if (!(staticRate === 0 || (staticRate >= 2 && staticRate <= 24))) refuse(`${staticRate} is no rate code`);
  if (grh === undefined) return;
  if (grh.dgid.length !== 16) refuse('a GID has 16 bytes');
  if ((grh.sgidIndex ?? 0) !== 0) refuse(`the GID table has no entry ${grh.sgidIndex}`);
  if (!((grh.flowLabel ?? 0) >= 0 && (grh.flowLabel ?? 0) < 2 ** 20)) refuse('a flow label has 20 bits');
}
