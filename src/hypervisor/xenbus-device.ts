/**
 * A device as one of its ends has it: its own directory and the other end's, read and written for the driver.
 *
 * Changes of the own directory go out one after the other, each as a transaction: a state never overtakes what was published before it.
 */
import { type StoreClient, type StoreReply, XENBUS_STATE, type XenbusDevice, type XenbusState } from './xenbus.ts';

export interface DeviceAddress {
  readonly type: string;
  readonly path: string;
  readonly id: string;
  readonly otherEndPath: string;
  readonly otherEndDomid: number;
  /** The domain's home, and the device's directory relative to it. */
  readonly home: string;
}

interface Publication {
  readonly values: Readonly<Record<string, string | number>>;
  readonly state: XenbusState | null;
  readonly done: () => void;
}

export class BusDevice implements XenbusDevice {
  readonly type: string;
  readonly path: string;
  readonly id: string;
  readonly otherEndPath: string;
  readonly otherEndDomid: number;
  otherEndState: XenbusState = XENBUS_STATE.unknown;
  /** Told of each own state that xenstore has got. */
  onPublished: ((state: XenbusState) => void) | null = null;
  readonly #home: string;
  readonly #store: StoreClient;
  #state: XenbusState;
  #queue: Publication[] = [];
  #unwatch: (() => void)[] = [];
  #isGone = false;

  constructor(store: StoreClient, address: DeviceAddress, state: XenbusState) {
    this.#store = store;
    this.type = address.type;
    this.path = address.path;
    this.id = address.id;
    this.otherEndPath = address.otherEndPath;
    this.otherEndDomid = address.otherEndDomid;
    this.#home = address.home;
    this.#state = state;
  }

  get state(): XenbusState {
    return this.#state;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  readOwn(keys: readonly string[], done: (values: Readonly<Record<string, string | undefined>>) => void): void {
    readKeys(this.#store, this.path, keys, done);
  }

  readOther(keys: readonly string[], done: (values: Readonly<Record<string, string | undefined>>) => void): void {
    readKeys(this.#store, this.otherEndPath, keys, done);
  }

  publish(values: Readonly<Record<string, string | number>>, state: XenbusState | null, done: () => void = () => {}): void {
    if (state !== null) this.#state = state;
    this.#queue.push({ values, state, done });
    if (this.#queue.length === 1) this.#publishNext();
  }

  setState(state: XenbusState): void {
    if (state !== this.#state) this.publish({}, state);
  }

  watchOther(key: string, fired: (value: string | undefined) => void): void {
    this.watch(`${this.otherEndPath}/${key}`, (reply) => fired(reply.ok ? reply.value : undefined));
  }

  fatal(message: string): void {
    const place = this.path.slice(this.#home.length + 1);
    this.#store.write(`${this.#home}/error/${place}/error`, message);
    this.setState(XENBUS_STATE.closing);
  }

  /** `changed` gets the node's value at once and after each change, as long as the device is there. */
  watch(path: string, changed: (reply: StoreReply<string>) => void): void {
    const unwatch = this.#store.watch(path, () =>
      this.#store.read(path, (reply) => {
        if (!this.#isGone) changed(reply);
      }),
    );
    this.#unwatch.push(unwatch);
  }

  /** Nothing of it happens any more. */
  drop(): void {
    this.#isGone = true;
    for (const unwatch of this.#unwatch) unwatch();
    this.#unwatch = [];
  }

  #publishNext(): void {
    const { values, state, done } = this.#queue[0];
    const next = () => {
      this.#queue.shift();
      if (this.#queue.length > 0) this.#publishNext();
    };
    if (this.#isGone) {
      next();
      return;
    }
    this.#store.transaction(
      (tx, commit, abort) =>
        // A directory that was removed meanwhile must not come back by a write.
        this.#store.read(
          `${this.path}/state`,
          (found) => {
            if (!found.ok || this.#isGone) {
              abort();
              return;
            }
            for (const [key, value] of Object.entries(values)) {
              this.#store.write(`${this.path}/${key}`, String(value), undefined, tx);
            }
            if (state !== null) this.#store.write(`${this.path}/state`, String(state), undefined, tx);
            commit();
          },
          tx,
        ),
      (reply) => {
        next();
        if (!reply.ok) return;
        if (state !== null && !this.#isGone) this.onPublished?.(state);
        done();
      },
    );
  }
}

/** Reads keys of a directory; those that cannot be read are undefined. */
export function readKeys(
  store: StoreClient,
  path: string,
  keys: readonly string[],
  done: (values: Readonly<Record<string, string | undefined>>) => void,
): void {
  const values: Record<string, string | undefined> = {};
  let missing = keys.length;
  if (missing === 0) done(values);
  for (const key of keys) {
    store.read(`${path}/${key}`, (reply) => {
      values[key] = reply.ok ? reply.value : undefined;
      if (--missing === 0) done(values);
    });
  }
}

/** A state as xenstore has it; what is none is `unknown`. */
export function parseState(text: string | undefined): XenbusState {
  return /^[1-8]$/.test(text ?? '') ? (Number(text) as XenbusState) : XENBUS_STATE.unknown;
}
