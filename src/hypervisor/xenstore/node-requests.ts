/**
 * Requests on nodes: read, list, write, make, remove, permissions.
 */
import { PAYLOAD_MAX, type StoreError } from './abi.ts';
import { ACCESS_OWNER, ACCESS_READ, ACCESS_WRITE, accessOf, formatPermission, type Permission, parsePermission } from './node.ts';
import { parentOf, parseInteger } from './paths.ts';
import type { Request, RequestHandler, StoreParts } from './request.ts';

export const readNode: RequestHandler = ({ table }, request) => {
  const node = table.find(request.connection, request.path, ACCESS_READ);
  return typeof node === 'string' ? node : request.reply(node.value);
};

export const listNode: RequestHandler = ({ table }, request) => {
  const node = table.find(request.connection, request.path, ACCESS_READ);
  return typeof node === 'string' ? node : request.reply(terminated(node.children));
};

/** The list from a byte offset on, as many whole names as fit; an empty string follows the last one. */
export const listNodePart: RequestHandler = ({ table }, request) => {
  const { strings } = request;
  if (strings.length !== 2) return 'EINVAL';
  const node = table.find(request.connection, request.absolute(strings[0]), ACCESS_READ);
  if (typeof node === 'string') return node;
  const generation = `${node.generation}\0`;
  const offset = parseInteger(strings[1]) >>> 0;
  if (offset >= node.childBytes) return request.reply(`${generation}\0`);
  const names = terminated(node.children);
  const room = PAYLOAD_MAX - generation.length - 1;
  let end = offset;
  while (end < names.length) {
    const next = names.indexOf('\0', end) + 1;
    if (next - offset > room) break;
    end = next;
  }
  return request.reply(generation + names.slice(offset, end) + (end === names.length ? '\0' : ''));
};

export const getPermissions: RequestHandler = ({ table }, request) => {
  const node = table.find(request.connection, request.path, ACCESS_READ);
  return typeof node === 'string' ? node : request.reply(terminated(node.permissions.map(formatPermission)));
};

export const writeNode: RequestHandler = ({ table }, request) => {
  const { payload } = request.message;
  const end = payload.indexOf('\0');
  if (end < 0) return 'EINVAL';
  const path = request.absolute(payload.slice(0, end));
  const value = payload.slice(end + 1);
  const node = table.find(request.connection, path, ACCESS_WRITE);
  if (typeof node === 'string') {
    if (node !== 'ENOENT') return node;
    const created = table.create(request.connection, path, value);
    if (typeof created === 'string') return created;
  } else {
    const error = table.write(request.connection, path, { ...node, value });
    if (error !== null) return error;
  }
  request.fire({ path, isExact: false });
  return request.acknowledge();
};

export const makeNode: RequestHandler = ({ table }, request) => {
  const { path } = request;
  const node = table.find(request.connection, path, ACCESS_WRITE);
  if (typeof node === 'string') {
    if (node !== 'ENOENT' || path === null) return node;
    const created = table.create(request.connection, path, '');
    if (typeof created === 'string') return created;
    request.fire({ path, isExact: false });
  }
  return request.acknowledge();
};

export const removeNode: RequestHandler = ({ table }, request) => {
  const { path, connection } = request;
  const node = table.find(connection, path, ACCESS_WRITE);
  if (path === null) return 'EINVAL';
  if (typeof node === 'string') {
    if (node !== 'ENOENT') return node;
    // Gone already is fine, if it is known where it was.
    const parent = table.read(connection, parentOf(path));
    return typeof parent === 'string' ? parent : request.acknowledge();
  }
  if (path === '/') return 'EINVAL';
  // Watches above it are told once, those below each of their own node.
  const error = table.removeTree(connection, path, (removed, was) => {
    request.fire({ path: removed, node: was, isExact: removed !== path });
  });
  return error ?? request.acknowledge();
};

export const setPermissions: RequestHandler = (parts, request) => {
  const { table, domains, quotas } = parts;
  const { connection } = request;
  const [name, ...entries] = request.strings;
  if (name === undefined || entries.length === 0) return 'EINVAL';
  if (!connection.isPrivileged && entries.length > quotas.permissions) return 'ENOSPC';
  const parsed = entries.map(parsePermission);
  if (parsed.includes(null)) return 'EINVAL';
  const permissions = (parsed as Permission[]).map((entry) => ({
    ...entry,
    isStale: domains.find(entry.domid, table.generation) === undefined,
  }));
  if (permissions[0].isStale) return 'ENOENT';
  if (name[0] === '@') return setSpecialPermissions(parts, request, name, permissions);
  const path = request.absolute(name);
  const node = table.find(connection, path, ACCESS_WRITE | ACCESS_OWNER);
  if (typeof node === 'string') return node;
  if (!connection.isPrivileged && permissions[0].domid !== node.permissions[0].domid) return 'EPERM';
  const changed = { ...node, permissions };
  const error = table.writeOwned(connection, path, node, changed);
  if (error !== null) return error;
  request.fire({ path, node: changed, isExact: false, permissionsBefore: node.permissions });
  return request.acknowledge();
};

function setSpecialPermissions(
  { special }: StoreParts,
  request: Request,
  name: string,
  permissions: readonly Permission[],
): StoreError | null {
  const before = special.get(name);
  if (before === undefined) return 'EINVAL';
  const needed = ACCESS_WRITE | ACCESS_OWNER;
  if ((accessOf(request.connection, before) & needed) !== needed) return 'EACCES';
  special.set(name, permissions);
  return request.acknowledge();
}

function terminated(strings: readonly string[]): string {
  return strings.map((text) => `${text}\0`).join('');
}
