/** What the kernel checks of values that another domain gives, before the adapter sees them. */
import type { AddressVector, QpAttributes } from '../hca/index.ts';
import type { Adapter } from './adapter.ts';

/** What `ib_modify_qp` checks of values before the device sees them. */
export function isSane({ profile, config }: Adapter, attr: QpAttributes): boolean {
  const within = (value: number | undefined, most: number, least = 0) => value === undefined || (value >= least && value <= most);
  if (!within(attr.qpState, 6) || !within(attr.curQpState, 6) || !within(attr.pathMtu, 5, 1)) return false;
  if (!within(attr.destQpNum, 0xffffff) || !within(attr.timeout, 31) || !within(attr.minRnrTimer, 31)) return false;
  if (!within(attr.retryCnt, 7) || !within(attr.rnrRetry, 7) || !within(attr.portNum, config.ports.length, 1)) return false;
  if (!within(attr.maxRdAtomic, profile.maxQpInitRdAtomic)) return false;
  if (!within(attr.maxDestRdAtomic, profile.maxQpRdAtomic)) return false;
  const pkeys = Math.min(...config.ports.map((port) => port.pkeys.length));
  return within(attr.pkeyIndex, pkeys - 1) && (attr.av === undefined || isAddress({ config }, attr.av));
}

/** Whether an address vector is one that the adapter can use. */
export function isAddress({ config }: Pick<Adapter, 'config'>, vector: AddressVector): boolean {
  const { dlid, sl, srcPathBits, staticRate, portNum, grh } = vector;
  const port = config.ports[portNum - 1];
  if (port === undefined || !(dlid >= 1 && dlid <= 0xffff) || sl > 15 || srcPathBits >= 2 ** port.lmc) return false;
  if (staticRate !== 0 && (staticRate < 2 || staticRate > 24)) return false;
  return grh === null || (grh.sgidIndex === 0 && grh.flowLabel < 2 ** 20);
}
