/**
 * xenbus as drivers see it: the domain's door to xenstore, devices as directories with a state, and drivers that are told when a device appears or its other end changes state.
 *
 * Everything is asynchronous by callback in kernel context: a xenstore request crosses a ring to xenstored's domain and back (or, there, goes straight to the daemon).
 * xen/include/public/io/xenbus.h has the states; docs/misc/xenstore-paths the layout.
 */

export const XENBUS_STATE = {
  unknown: 0,
  initialising: 1,
  initWait: 2,
  initialised: 3,
  connected: 4,
  closing: 5,
  closed: 6,
  reconfiguring: 7,
  reconfigured: 8,
} as const;
export type XenbusState = (typeof XENBUS_STATE)[keyof typeof XENBUS_STATE];

/** A reply of xenstore: text, or the error's name (`ENOENT`). */
export type StoreReply<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** xenstore's requests. Paths are absolute, or relative to the domain's home. `tx` is a transaction's id, 0 for none. */
export interface StoreClient {
  read(path: string, done: (reply: StoreReply<string>) => void, tx?: number): void;
  write(path: string, value: string, done?: (reply: StoreReply<null>) => void, tx?: number): void;
  mkdir(path: string, done?: (reply: StoreReply<null>) => void, tx?: number): void;
  rm(path: string, done?: (reply: StoreReply<null>) => void, tx?: number): void;
  directory(path: string, done: (reply: StoreReply<readonly string[]>) => void, tx?: number): void;
  getPerms(path: string, done: (reply: StoreReply<readonly string[]>) => void, tx?: number): void;
  setPerms(path: string, perms: readonly string[], done?: (reply: StoreReply<null>) => void, tx?: number): void;
  /** Fires once at once, then at each change at or below `path`. Returns what takes it away. */
  watch(path: string, fired: (path: string) => void): () => void;
  /** Runs `body` in a transaction, again as often as it ends in EAGAIN; `body` calls `commit` or `abort`. */
  transaction(body: (tx: number, commit: () => void, abort: () => void) => void, done?: (reply: StoreReply<null>) => void): void;
}

/** A device as one of its two ends sees it. */
export interface XenbusDevice {
  /** `vif`, `vbd`, `vib`. */
  readonly type: string;
  /** Own directory: `device/vif/0` (absolute) at the front, `…/backend/vif/3/0` at the back. */
  readonly path: string;
  readonly id: string;
  readonly otherEndPath: string;
  readonly otherEndDomid: number;
  /** Last state of each end that this end knows. */
  readonly state: XenbusState;
  readonly otherEndState: XenbusState;
  /** Reads keys of the own directory, all at once; absent ones are undefined. */
  readOwn(keys: readonly string[], done: (values: Readonly<Record<string, string | undefined>>) => void): void;
  /** The same of the other end's. */
  readOther(keys: readonly string[], done: (values: Readonly<Record<string, string | undefined>>) => void): void;
  /** Writes keys into the own directory and then the state, in one transaction. */
  publish(values: Readonly<Record<string, string | number>>, state: XenbusState | null, done?: () => void): void;
  setState(state: XenbusState): void;
  /** Watches a key of the other end's directory. */
  watchOther(key: string, fired: (value: string | undefined) => void): void;
  /** Writes `error` beside the device as xenbus_dev_fatal does, and goes to Closing. */
  fatal(message: string): void;
}

/** What a driver makes for a device that appears. */
export interface XenbusDriverInstance {
  /** The other end's state changed (also called once for the state found first). */
  otherEndChanged(state: XenbusState): void;
  /** The device is gone, or its other end's domain is: give everything back. */
  removed(): void;
}

export interface Xenbus {
  readonly store: StoreClient;
  /** A frontend driver for devices of a type: called for each that appears below `device/TYPE` with state Initialising or later. */
  registerFrontend(type: string, probe: (device: XenbusDevice) => XenbusDriverInstance): void;
  /** A backend driver: for each below `backend/TYPE/DOMID/ID`. */
  registerBackend(type: string, probe: (device: XenbusDevice) => XenbusDriverInstance): void;
}
