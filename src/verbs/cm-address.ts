/**
 * The address book: which port has which IPv4 address, by address and by node name; and the multicast GID of an IPv4 group (RFC 4391).
 */
import { parseIpv4 } from '../wire/index.ts';
import type { PortAddress, RdmaDirectory } from './cm-types.ts';
import type { Gid } from './gid.ts';

export class AddressBook {
  readonly #byIp = new Map<string, PortAddress>();
  readonly #byNode = new Map<string, PortAddress[]>();

  constructor(addresses: readonly PortAddress[]) {
    for (const address of addresses) {
      this.#byIp.set(address.ip, address);
      const ofNode = this.#byNode.get(address.node);
      if (ofNode === undefined) this.#byNode.set(address.node, [address]);
      else ofNode.push(address);
    }
  }

  /** The port of an address, or the first port of a node; undefined when nobody has it. */
  find(host: string): PortAddress | undefined {
    return this.#byIp.get(host) ?? this.#byNode.get(host)?.[0];
  }

  /** All ports of a node. */
  ofNode(node: string): readonly PortAddress[] {
    return this.#byNode.get(node) ?? [];
  }
}

const books = new WeakMap<readonly PortAddress[], AddressBook>();

/** The book of a directory, made once for all nodes that share the list. */
export function addressBook(directory: RdmaDirectory): AddressBook {
  let book = books.get(directory.addresses);
  if (book === undefined) {
    book = new AddressBook(directory.addresses);
    books.set(directory.addresses, book);
  }
  return book;
}

/** True for "any address". */
export function isAnyHost(host: string): boolean {
  return host === '' || host === '0.0.0.0';
}

/** True for dotted IPv4 of class D, 224.0.0.0/4. */
export function isMulticastHost(host: string): boolean {
  const bytes = parseIpv4(host);
  return bytes !== undefined && (bytes[0] & 0xf0) === 0xe0;
}

/**
 * The GID of an IPv4 multicast group in a partition: `ff12:401b:PKEY:0:0:0:GROUP`, the lower 28 bits of the address at the end
 * (RFC 4391 section 4; link-local scope, full-member P_Key).
 */
export function ipv4MulticastGid(host: string, pkey: number): Gid {
  const address = parseIpv4(host) as Uint8Array;
  const gid = new Uint8Array(16);
  gid.set([0xff, 0x12, 0x40, 0x1b, ((pkey >> 8) & 0xff) | 0x80, pkey & 0xff]);
  gid.set([address[0] & 0x0f, address[1], address[2], address[3]], 12);
  return gid;
}
