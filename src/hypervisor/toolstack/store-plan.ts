/**
 * Changes of xenstore as a list, applied in one transaction: what libxl does in a transaction is then data, and a retry after EAGAIN is the list again.
 */
import type { StoreClient } from '../xenbus.ts';

/** Permissions as xenstore writes them: owner and default first, `n3`, then `r0`. */
export type StorePerms = readonly string[];

export type StoreChange =
  | { readonly kind: 'rm'; readonly path: string }
  | { readonly kind: 'prune'; readonly path: string }
  | { readonly kind: 'mkdir'; readonly path: string; readonly perms?: StorePerms }
  | { readonly kind: 'write'; readonly path: string; readonly value: string; readonly perms?: StorePerms };

/** Removes a node and what is below it; no mistake if there is none. */
export const removal = (path: string): StoreChange => ({ kind: 'rm', path });
/** The same, and the folders above it that are empty then (`libxl__xs_path_cleanup`). */
export const pruning = (path: string): StoreChange => ({ kind: 'prune', path });
/** An empty node with permissions of its own, as libxl makes them (`libxl__xs_mknod`). */
export const emptyNode = (path: string, perms: StorePerms): StoreChange => ({ kind: 'write', path, value: '', perms });

/** Nodes below `folder`, with the permissions of the folder unless `perms` says otherwise. */
export function entries(
  folder: string,
  values: Readonly<Record<string, string | number | undefined>>,
  perms?: StorePerms,
): StoreChange[] {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({
      kind: 'write',
      path: `${folder}/${key}`,
      value: String(value),
      ...(perms !== undefined && { perms }),
    }));
}

function prune(store: StoreClient, path: string, tx: number, done: (error: string | null) => void): void {
  store.rm(
    path,
    (removed) => {
      const parent = path.slice(0, path.lastIndexOf('/'));
      if (!removed.ok && removed.error !== 'ENOENT') done(removed.error);
      else if (parent === '') done(null);
      else
        store.directory(
          parent,
          (children) => {
            if (children.ok ? children.value.length > 0 : children.error !== 'ENOENT') done(children.ok ? null : children.error);
            else prune(store, parent, tx, done);
          },
          tx,
        );
    },
    tx,
  );
}

/** Applies `changes` in one transaction, again as often as it conflicts. `done` gets the name of the first error, or null. */
export function applyChanges(store: StoreClient, changes: readonly StoreChange[], done: (error: string | null) => void): void {
  let failure: string | null = null;
  store.transaction(
    (tx, commit, abort) => {
      failure = null;
      let open = 1;
      const settle = (error: string | null) => {
        if (error !== null) failure ??= error;
        if (--open > 0) return;
        if (failure === null) commit();
        else {
          abort();
          done(failure);
        }
      };
      const answered = (reply: { ok: boolean; error?: string }) => settle(reply.ok ? null : (reply.error ?? 'EIO'));
      for (const change of changes) {
        open++;
        if (change.kind === 'rm')
          store.rm(change.path, (reply) => settle(reply.ok || reply.error === 'ENOENT' ? null : reply.error), tx);
        else if (change.kind === 'prune') prune(store, change.path, tx, settle);
        else if (change.kind === 'mkdir') store.mkdir(change.path, answered, tx);
        else store.write(change.path, change.value, answered, tx);
        if (change.kind === 'rm' || change.kind === 'prune' || change.perms === undefined) continue;
        open++;
        store.setPerms(change.path, change.perms, answered, tx);
      }
      settle(null);
    },
    (reply) => {
      if (failure === null) done(reply.ok ? null : reply.error);
    },
  );
}

/** Takes nodes away one after the other, outside of transactions, as libxl does of domains that end: their owner may be gone meanwhile. */
export function removeEach(store: StoreClient, [first, ...rest]: readonly StoreChange[], done: () => void): void {
  if (first === undefined) done();
  else if (first.kind === 'prune') prune(store, first.path, 0, () => removeEach(store, rest, done));
  else store.rm(first.path, () => removeEach(store, rest, done));
}
