/**
 * What a verb throws when libibverbs or the kernel would have refused the call: the verb, and Linux's errno as a number and as a name.
 * What the hardware reports later (a wrong key, a lost peer) is never an exception: it is `wc.status`.
 */

import { assert } from '../sim/index.ts';

/** Linux errno numbers that verbs and rdma_cm give. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EAGAIN: 11,
  ENOMEM: 12,
  EFAULT: 14,
  EBUSY: 16,
  ENODEV: 19,
  EINVAL: 22,
  ENOSYS: 38,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNRESET: 104,
  EISCONN: 106,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EALREADY: 114,
} as const;
export type ErrnoCode = keyof typeof Errno;

/** What `strerror` says. */
const MEANING: Readonly<Record<ErrnoCode, string>> = {
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  EAGAIN: 'resource temporarily unavailable',
  ENOMEM: 'cannot allocate memory',
  EFAULT: 'bad address',
  EBUSY: 'device or resource busy',
  ENODEV: 'no such device',
  EINVAL: 'invalid argument',
  ENOSYS: 'function not implemented',
  ENODATA: 'no data available',
  EPROTO: 'protocol error',
  EOVERFLOW: 'value too large for defined data type',
  EOPNOTSUPP: 'operation not supported',
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  ENETUNREACH: 'network is unreachable',
  ECONNRESET: 'connection reset by peer',
  EISCONN: 'transport endpoint is already connected',
  ENOTCONN: 'transport endpoint is not connected',
  ETIMEDOUT: 'connection timed out',
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host',
  EALREADY: 'operation already in progress',
};

/** The name of an errno number that verbs use; undefined for any other. */
export function errnoCode(errno: number): ErrnoCode | undefined {
  return (Object.keys(Errno) as ErrnoCode[]).find((code) => Errno[code] === errno);
}

/** Throws the `VerbsError` for an errno number that a lower layer returned; does nothing for 0. */
export function throwErrno(verb: string, errno: number, reason?: string, badIndex?: number): void {
  if (errno === 0) return;
  const code = errnoCode(errno);
  assert(code !== undefined, () => `${verb}: unknown errno ${errno}`);
  throw new VerbsError(verb, code, reason, badIndex);
}

/** What a lower layer's maker returned, or the `VerbsError` for the errno that it returned instead. */
export function handle<T extends object>(verb: string, made: T | number): T {
  if (typeof made === 'number') {
    throwErrno(verb, made);
    assert(false, `${verb}: nothing was made`);
  }
  return made;
}

/** A call that libibverbs, librdmacm or the kernel refuses. */
export class VerbsError extends Error {
  override readonly name = 'VerbsError';
  /** The C name of the call: `ibv_post_send`, `rdma_connect`. */
  readonly verb: string;
  /** Linux's number: 22 for EINVAL. */
  readonly errno: number;
  readonly code: ErrnoCode;
  /** Of a list of work requests, the index of the one that was refused; those before it were posted. */
  readonly badIndex: number | undefined;

  constructor(verb: string, code: ErrnoCode, reason: string = MEANING[code], badIndex?: number) {
    super(`${verb}: ${code}: ${reason}${badIndex === undefined ? '' : ` (work request ${badIndex} of the list)`}`);
    this.verb = verb;
    this.code = code;
    this.errno = Errno[code];
    this.badIndex = badIndex;
  }
}
