/**
 * Numbers of xenstore's protocol: request types, errors, limits, and the offsets of the page that a guest shares with xenstored.
 *
 * Sources: xen/include/public/io/xs_wire.h (`enum xsd_sockmsg_type`, `xsd_errors`, `struct xenstore_domain_interface`) and docs/misc/xenstore.txt, Xen 4.17.
 */

/** Message types. 20 was removed; 23 and later came after 4.17. */
export const XS = {
  control: 0,
  directory: 1,
  read: 2,
  getPerms: 3,
  watch: 4,
  unwatch: 5,
  transactionStart: 6,
  transactionEnd: 7,
  introduce: 8,
  release: 9,
  getDomainPath: 10,
  write: 11,
  mkdir: 12,
  rm: 13,
  setPerms: 14,
  watchEvent: 15,
  error: 16,
  isDomainIntroduced: 17,
  resume: 18,
  setTarget: 19,
  resetWatches: 21,
  directoryPart: 22,
} as const;

/** What an error reply may say, in the order of `xsd_errors`. */
export const STORE_ERRORS = [
  'EINVAL',
  'EACCES',
  'EEXIST',
  'EISDIR',
  'ENOENT',
  'ENOMEM',
  'ENOSPC',
  'EIO',
  'ENOTEMPTY',
  'ENOSYS',
  'EROFS',
  'EBUSY',
  'EAGAIN',
  'EISCONN',
  'E2BIG',
  'EPERM',
] as const;
export type StoreError = (typeof STORE_ERRORS)[number];

/** Type, request id, transaction id, length of the payload: four 32-bit numbers, little-endian. */
export const HEADER_BYTES = 16;
/** A longer payload is a breach of the protocol: the connection is given up. */
export const PAYLOAD_MAX = 4096;
/** Longest path, counted without a `/local/domain/N/` in front. */
export const RELATIVE_PATH_MAX = 2048;

/** Each of the two rings of the shared page, in bytes. */
export const RING_BYTES = 1024;
/** Offsets in the shared page. */
export const RING_PAGE = {
  requests: 0,
  responses: 1024,
  requestConsumer: 2048,
  requestProducer: 2052,
  responseConsumer: 2056,
  responseProducer: 2060,
  serverFeatures: 2064,
  connection: 2068,
  error: 2072,
} as const;

/** Bits of `serverFeatures`. */
export const SERVER_FEATURE = { reconnection: 1, error: 2 } as const;
/** Values of `connection`. */
export const RING_CONNECTION = { connected: 0, reconnect: 1 } as const;
/** Values of `error`. */
export const RING_ERROR = { none: 0, communication: 1, ringIndex: 2, protocol: 3 } as const;

/** The grant reference that the domain builder sets for the shared page. */
export const STORE_GRANT_REF = 1;
export { DOMID_SELF } from '../abi/guest.ts';
