/**
 * Requests on a client's own session: watches and transactions.
 */
import type { RequestHandler, StoreParts } from './request.ts';
import { Transaction } from './transaction.ts';

export const addWatch: RequestHandler = ({ quotas, watching }, request) => {
  const { strings, connection } = request;
  if (strings.length !== 2) return 'EINVAL';
  const [name, token] = strings;
  const path = request.absolute(name);
  if (!request.isWatchable(path)) return 'EINVAL';
  if (connection.watches.some((watch) => watch.path === path && watch.token === token)) return 'EEXIST';
  const { domain } = connection;
  if (domain !== null && !connection.isPrivileged) {
    if (domain.watches > quotas.watches) return 'E2BIG';
    if (domain.memory + path.length + token.length >= quotas.memoryBytes) return 'ENOMEM';
  }
  const watch = connection.addWatch(path, token, path === name ? null : connection.home);
  request.acknowledge();
  // Fires at once, so that a client need not ask as well.
  watching.send(watch, path, null);
  return null;
};

export const removeWatch: RequestHandler = (_parts, request) => {
  const { strings, connection } = request;
  if (strings.length !== 2) return 'EINVAL';
  const path = request.absolute(strings[0]);
  const watch = connection.watches.find((one) => one.path === path && one.token === strings[1]);
  if (watch === undefined) return 'ENOENT';
  connection.dropWatch(watch);
  return request.acknowledge();
};

export const resetWatches: RequestHandler = (_parts, request) => {
  request.connection.dropWatches();
  request.connection.dropTransactions();
  return request.acknowledge();
};

export const startTransaction: RequestHandler = ({ quotas, table }, request) => {
  const { connection } = request;
  if (table.transaction !== null) return 'EBUSY';
  if (!connection.isPrivileged && connection.transactions.size > quotas.transactions) return 'ENOSPC';
  while (connection.transactions.has(connection.nextTransactionId))
    connection.nextTransactionId = following(connection.nextTransactionId);
  const id = connection.nextTransactionId;
  connection.nextTransactionId = following(id);
  connection.transactions.set(id, new Transaction(id, connection.domain));
  table.nextGeneration();
  return request.reply(`${id}\0`);
};

/** The next transaction id: 32 bits, never 0. */
function following(id: number): number {
  return id === 0xffffffff ? 1 : id + 1;
}

export const endTransaction: RequestHandler = (parts, request) => {
  const { table, quotas } = parts;
  const { argument, connection } = request;
  if (argument !== 'T' && argument !== 'F') return 'EINVAL';
  const { transaction } = table;
  if (transaction === null) return 'ENOENT';
  table.transaction = null;
  connection.transactions.delete(transaction.id);
  transaction.release();
  if (argument === 'F') return request.acknowledge();
  if (transaction.hasFailed) return 'ENOMEM';
  const limit = transaction.hasCreated && !connection.isPrivileged ? quotas.nodes : null;
  const error = checkOwners(parts, transaction, limit);
  if (error !== null) return error;
  const now = table.snapshot;
  for (const { path, original } of transaction.accessed.values()) if (now.get(path) !== original) return 'EAGAIN';
  request.commit(transaction);
  for (const [domid, by] of transaction.ownedChange) {
    const domain = parts.domains.get(domid);
    if (domain !== undefined) domain.nodes += by;
  }
  return request.acknowledge();
};

/** Whether the domains whose nodes change in number exist, and, where `limit` is given, stay below it. */
function checkOwners({ domains, table }: StoreParts, transaction: Transaction, limit: number | null): 'ENOMEM' | 'ENOSPC' | null {
  for (const [domid, by] of transaction.ownedChange) {
    const domain = domains.find(domid, table.generation);
    if (domain === undefined) return 'ENOMEM';
    if (limit !== null && domid !== 0 && domain.nodes + by >= limit) return 'ENOSPC';
  }
  return null;
}
