/**
 * Nodes of the store and who may do what with them. Nodes are immutable: a change makes a new one, so "has it changed?" is a comparison of references.
 */

export const ACCESS_NONE = 0;
export const ACCESS_READ = 1;
export const ACCESS_WRITE = 2;
/** May change the permissions. */
export const ACCESS_OWNER = 4;

/** One entry of a node's permissions. The first names the owner, and what everybody may do who is not named. */
export interface Permission {
  /** 32 bits, unsigned. */
  readonly domid: number;
  /** `ACCESS_READ` and `ACCESS_WRITE`. */
  readonly access: number;
  /** Names a domain that does not exist, or an earlier one of the same number: it is kept, but gives nothing. */
  readonly isStale: boolean;
}

export interface StoreNode {
  /** Byte string. */
  readonly value: string;
  readonly permissions: readonly Permission[];
  /** Names, in the order of creation. */
  readonly children: readonly string[];
  /** Bytes of the children's names, each with its NUL. */
  readonly childBytes: number;
  /** Number of the last change, counted over the whole store. */
  readonly generation: number;
}

/** What a node weighs against the quotas: the record that xenstored keeps (24 bytes of header, 8 each permission). */
export function recordBytes(node: StoreNode): number {
  return 24 + 8 * node.permissions.length + node.value.length + node.childBytes;
}

export function withChild(node: StoreNode, name: string): StoreNode {
  return { ...node, children: [...node.children, name], childBytes: node.childBytes + name.length + 1 };
}

export function withoutChild(node: StoreNode, name: string): StoreNode {
  const children = node.children.filter((child) => child !== name);
  return { ...node, children, childBytes: node.childBytes - name.length - 1 };
}

const LETTERS = 'nrwb';

/** `n0`, `r5`: as SET_PERMS takes them. Numbers as strtol reads them with base 0. Null where it is none. */
export function parsePermission(text: string): Permission | null {
  const access = LETTERS.indexOf(text[0] ?? '?');
  const number = /^[\t-\r ]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text.slice(1));
  if (access < 0 || number === null) return null;
  const digits = number[2];
  const magnitude = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  const long = number[1] === '-' ? -magnitude : magnitude;
  return { domid: Number(BigInt.asUintN(32, clampLong(long))), access, isStale: false };
}

/** Into the range of a C long, as strtol does. */
export function clampLong(value: bigint): bigint {
  const max = 2n ** 63n - 1n;
  return value > max ? max : value < -max - 1n ? -max - 1n : value;
}

export function formatPermission({ access, domid }: Permission): string {
  return `${LETTERS[access]}${domid | 0}`;
}

/** Who asks: a domain, the domain that it acts for (a device model for its guest), or dom0, who may do all. */
export interface Asker {
  readonly domid: number;
  readonly isPrivileged: boolean;
  readonly targetDomid: number | null;
}

/** What `asker` may do with a node of these permissions. */
export function accessOf(asker: Asker, permissions: readonly Permission[]): number {
  const isAsker = (domid: number) => domid === asker.domid || domid === asker.targetDomid;
  if (asker.isPrivileged || isAsker(permissions[0].domid)) return ACCESS_READ | ACCESS_WRITE | ACCESS_OWNER;
  for (let i = 1; i < permissions.length; i++) {
    if (!permissions[i].isStale && isAsker(permissions[i].domid)) return permissions[i].access;
  }
  return permissions[0].access;
}
