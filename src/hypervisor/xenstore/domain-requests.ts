/**
 * Requests on domains, for dom0's toolstack, and what becomes of a domain's nodes when it goes.
 */
import { DOMID_SELF, type StoreError } from './abi.ts';
import { StoreConnection } from './connection.ts';
import type { KnownDomain } from './known-domains.ts';
import { childOf, homeOf, parseInteger } from './paths.ts';
import type { Request, RequestHandler, StoreParts } from './request.ts';

export const introduceDomain: RequestHandler = (parts, request) => {
  const { strings } = request;
  if (strings.length < 3) return 'EINVAL';
  const domid = parseInteger(strings[0]) >>> 0;
  const port = parseInteger(strings[2]) >>> 0;
  if (port === 0) return 'EINVAL';
  const known = parts.domains.introduced(domid);
  const earlier = parts.domains.get(domid);
  const connection =
    known?.connection ?? new StoreConnection(earlier ?? parts.domains.add(domid, parts.table.generation), parts.watching.index);
  const error = parts.host.introduce(connection, parseInteger(strings[1]) >>> 0, port, known === undefined);
  if (known === undefined) {
    if (error !== null) {
      if (earlier === undefined) parts.domains.remove(domid);
      return error;
    }
    connect(parts, connection);
    fireSpecial(parts, '@introduceDomain');
  }
  connection.dropWatches();
  connection.dropTransactions();
  connection.dropOutput();
  parts.host.reset(connection);
  return request.acknowledge();
};

/** Makes `connection` its domain's. */
export function connect(parts: StoreParts, connection: StoreConnection): void {
  const domain = connection.domain as KnownDomain;
  domain.connection = connection;
  domain.isShutdown = false;
  parts.connections.add(connection);
}

export const releaseDomain: RequestHandler = (parts, request) => {
  const domain = namedDomain(parts, request);
  if (typeof domain === 'string') return domain;
  removeDomain(parts, domain);
  return request.acknowledge();
};

export const resumeDomain: RequestHandler = (parts, request) => {
  const domain = namedDomain(parts, request);
  if (typeof domain === 'string') return domain;
  domain.isShutdown = false;
  return request.acknowledge();
};

export const setTarget: RequestHandler = ({ domains }, request) => {
  const { strings } = request;
  if (strings.length < 2) return 'EINVAL';
  const domain = domains.introduced(parseInteger(strings[0]) >>> 0);
  const target = domains.introduced(parseInteger(strings[1]) >>> 0);
  if (domain === undefined || target === undefined) return 'ENOENT';
  (domain.connection as StoreConnection).target = target.connection;
  return request.acknowledge();
};

export const getDomainPath: RequestHandler = (_parts, request) => {
  const { argument } = request;
  return argument === null ? 'EINVAL' : request.reply(`${homeOf(parseInteger(argument) >>> 0)}\0`);
};

export const isDomainIntroduced: RequestHandler = ({ domains }, request) => {
  const { argument } = request;
  if (argument === null) return 'EINVAL';
  const domid = parseInteger(argument) >>> 0;
  return request.reply(domid === DOMID_SELF || domains.introduced(domid) !== undefined ? 'T\0' : 'F\0');
};

/** The introduced domain, not 0, that is the only argument. */
function namedDomain({ domains }: StoreParts, request: Request): KnownDomain | StoreError {
  const domid = parseInteger(request.argument ?? '') >>> 0;
  return domid === 0 ? 'EINVAL' : (domains.introduced(domid) ?? 'ENOENT');
}

/** A domain is gone: its connection, its nodes with all below them, and its place in permissions; whoever watches is told. */
export function removeDomain(parts: StoreParts, domain: KnownDomain): void {
  const { connection } = domain;
  if (connection !== null) {
    parts.connections.delete(connection);
    connection.ignore();
    for (const other of parts.connections) if (other.target === connection) other.target = null;
    parts.host.released(connection);
  }
  removeOwned(parts, domain, '/');
  for (const [name, [owner, ...others]] of parts.special) {
    const kept = others.filter((entry) => entry.domid !== domain.domid);
    parts.special.set(name, [owner.domid === domain.domid ? { ...owner, domid: 0 } : owner, ...kept]);
  }
  parts.domains.remove(domain.domid);
  if (connection !== null) fireSpecial(parts, '@releaseDomain');
}

/** Removes what `domain` owns at or below `path`, other domains' nodes below its own included. */
function removeOwned(parts: StoreParts, domain: KnownDomain, path: string): void {
  const { table, watching } = parts;
  const node = table.read(null, path);
  if (typeof node === 'string' || domain.nodes <= 0) return;
  const [owner, ...others] = node.permissions;
  // The root stays, whoever owned it.
  if (path === '/' && owner.domid === domain.domid)
    table.commit('/', { ...node, permissions: [{ ...owner, domid: 0 }, ...others] });
  if (owner.domid !== domain.domid || path === '/') {
    for (const name of node.children) removeOwned(parts, domain, childOf(path, name));
    return;
  }
  table.removeTree(null, path, (removed, was) => {
    watching.fire({ path: removed, node: was, isExact: removed !== path, request: null });
  });
}

export function fireSpecial({ special, watching }: StoreParts, name: '@introduceDomain' | '@releaseDomain'): void {
  watching.fireSpecial(name, special.get(name) ?? []);
}
