/** Numbers that the stack and its sockets share. */

/** Linux's ip_default_ttl. */
export const DEFAULT_TTL = 64;
/** Linux's loopback carries up to 64 KiB a packet. */
export const LOOPBACK_MTU = 65_535;
