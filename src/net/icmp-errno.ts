/** Which errno a socket gets for an ICMP error, as Linux maps them. */
import {
  CODE_FRAGMENTATION_NEEDED,
  CODE_HOST_UNREACHABLE,
  CODE_NET_UNREACHABLE,
  CODE_PORT_UNREACHABLE,
  CODE_PROTOCOL_UNREACHABLE,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
} from './icmp-message.ts';
import type { Errno } from './socket-types.ts';

const UNREACHABLE: Readonly<Record<number, Errno>> = {
  [CODE_NET_UNREACHABLE]: 'ENETUNREACH',
  [CODE_HOST_UNREACHABLE]: 'EHOSTUNREACH',
  [CODE_PROTOCOL_UNREACHABLE]: 'ENOPROTOOPT',
  [CODE_PORT_UNREACHABLE]: 'ECONNREFUSED',
  [CODE_FRAGMENTATION_NEEDED]: 'EMSGSIZE',
  9: 'ENETUNREACH',
  10: 'EHOSTUNREACH',
  13: 'EHOSTUNREACH',
};

/** The errno of an ICMP error; null for messages that are none. */
export function errnoOfIcmp(type: number, code: number): Errno | null {
  if (type === ICMP_TIME_EXCEEDED) return 'EHOSTUNREACH';
  if (type !== ICMP_UNREACHABLE) return null;
  return UNREACHABLE[code] ?? 'EHOSTUNREACH';
}
