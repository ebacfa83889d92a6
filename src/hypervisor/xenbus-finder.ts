/**
 * Finds a domain's devices of one side, frontends or backends, by a watch on their directory, and keeps their drivers told: of devices that come and go, and of what becomes of the other end.
 *
 * When the other end disappears (its domain died), the driver gives everything back; when there is another end again, perhaps in another domain, it is probed anew.
 */
import { XENBUS_STATE, type StoreClient, type XenbusDevice, type XenbusDriverInstance, type XenbusState } from './xenbus.ts';
import { BusDevice, parseState, readKeys } from './xenbus-device.ts';

export interface DeviceSide {
  /** The domain's home. */
  readonly home: string;
  /** Below it: `device` or `backend`. */
  readonly folder: string;
  /** Names between the folder and the device's keys: TYPE/ID, or TYPE/DOMID/ID. */
  readonly depth: number;
  /** Keys that lead to the other end. */
  readonly linkKey: string;
  readonly domidKey: string;
  readonly isBackend: boolean;
}

type Probe = (device: XenbusDevice) => XenbusDriverInstance;

/** A device's directory, whether or not there is a driver on it. */
interface Slot {
  readonly path: string;
  readonly type: string;
  isChecking: boolean;
  /** Something changed during the check. */
  isStale: boolean;
  device: BusDevice | null;
  instance: XenbusDriverInstance | null;
  /** The other end that disappeared, and what ends the watch for its return. */
  lostPath: string | null;
  unwatchLost: (() => void) | null;
}

export class DeviceFinder {
  readonly #store: StoreClient;
  readonly #side: DeviceSide;
  readonly #root: string;
  readonly #drivers = new Map<string, Probe>();
  readonly #slots = new Map<string, Slot>();

  constructor(store: StoreClient, side: DeviceSide) {
    this.#store = store;
    this.#side = side;
    this.#root = `${side.home}/${side.folder}`;
  }

  register(type: string, probe: Probe): void {
    const isFirst = this.#drivers.size === 0;
    this.#drivers.set(type, probe);
    if (isFirst) this.#store.watch(this.#root, (path) => this.#onChange(path));
    else this.#scan([type]);
  }

  #onChange(path: string): void {
    const names = path.slice(this.#root.length + 1).split('/');
    const { depth, linkKey, domidKey } = this.#side;
    if (path.length <= this.#root.length) {
      for (const type of this.#drivers.keys()) this.#scan([type]);
      return;
    }
    if (!this.#drivers.has(names[0])) return;
    if (names.length < depth) {
      this.#scan(names);
      return;
    }
    const devicePath = `${this.#root}/${names.slice(0, depth).join('/')}`;
    const key = names[depth];
    const isDriven = this.#slots.get(devicePath)?.instance != null;
    // A device at work writes its own keys all the time.
    if (isDriven && key !== undefined && key !== linkKey && key !== domidKey) return;
    this.#check(devicePath, names[0]);
  }

  /** Looks at all devices below TYPE or TYPE/DOMID, those that are known and gone included. */
  #scan(names: readonly string[]): void {
    const path = [this.#root, ...names].join('/');
    for (const slot of [...this.#slots.values()]) if (slot.path.startsWith(`${path}/`)) this.#check(slot.path, slot.type);
    this.#store.directory(path, (reply) => {
      for (const name of reply.ok ? reply.value : []) {
        if (names.length + 1 < this.#side.depth) this.#scan([...names, name]);
        else this.#check(`${path}/${name}`, names[0]);
      }
    });
  }

  #check(path: string, type: string): void {
    let slot = this.#slots.get(path);
    if (slot === undefined) {
      slot = {
        path,
        type,
        isChecking: false,
        isStale: false,
        device: null,
        instance: null,
        lostPath: null,
        unwatchLost: null,
      };
      this.#slots.set(path, slot);
    }
    slot.isStale = slot.isChecking;
    if (slot.isChecking) return;
    slot.isChecking = true;
    const found = slot;
    const { linkKey, domidKey } = this.#side;
    readKeys(this.#store, path, ['state', linkKey, domidKey], (values) => {
      found.isChecking = false;
      this.#judge(found, values.state, values[linkKey], Number.parseInt(values[domidKey] ?? '', 10));
      if (found.isStale && this.#slots.get(path) === found) this.#check(path, type);
    });
  }

  #judge(slot: Slot, state: string | undefined, otherEndPath: string | undefined, otherEndDomid: number): void {
    if (state === undefined) {
      this.#remove(slot);
      this.#forgetLost(slot);
      this.#slots.delete(slot.path);
      return;
    }
    if (otherEndPath === undefined || !(otherEndDomid >= 0)) return;
    const { device } = slot;
    if (device !== null) {
      if (device.otherEndPath === otherEndPath && device.otherEndDomid === otherEndDomid) return;
      this.#remove(slot);
      slot.lostPath = device.otherEndPath;
    }
    const found = parseState(state);
    const address = { slot, otherEndPath, otherEndDomid };
    if (slot.lostPath === null) {
      if (found !== XENBUS_STATE.unknown && found !== XENBUS_STATE.closing && found !== XENBUS_STATE.closed)
        this.#probe(address, found);
    } else if (slot.lostPath !== otherEndPath) {
      this.#reconnect(address);
    } else {
      this.#store.read(`${otherEndPath}/state`, (reply) => {
        if (reply.ok && slot.device === null && slot.lostPath === otherEndPath) this.#reconnect(address);
      });
    }
  }

  #reconnect(address: { slot: Slot; otherEndPath: string; otherEndDomid: number }): void {
    this.#forgetLost(address.slot);
    this.#probe(address, XENBUS_STATE.initialising, true);
  }

  #forgetLost(slot: Slot): void {
    slot.unwatchLost?.();
    slot.unwatchLost = null;
    slot.lostPath = null;
  }

  /** `isAgain`: the own directory still has the state of the connection before. */
  #probe(
    { slot, ...otherEnd }: { slot: Slot; otherEndPath: string; otherEndDomid: number },
    state: XenbusState,
    isAgain = false,
  ): void {
    const { path, type } = slot;
    const id = path.slice(path.lastIndexOf('/') + 1);
    const device = new BusDevice(this.#store, { type, path, id, home: this.#side.home, ...otherEnd }, state);
    slot.device = device;
    if (isAgain) device.publish({}, XENBUS_STATE.initialising);
    const instance = (this.#drivers.get(type) as Probe)(device);
    slot.instance = instance;
    device.onPublished = (published) => {
      if (this.#side.isBackend && published === XENBUS_STATE.closed) this.#endIfOffline(slot, device);
    };
    let isKnown = false;
    device.watch(`${device.otherEndPath}/state`, (reply) => {
      if (!reply.ok) {
        // Not there yet, or not there any more.
        if (isKnown) this.#lose(slot, device);
        return;
      }
      const other = parseState(reply.value);
      if (isKnown && other === device.otherEndState) return;
      isKnown = true;
      device.otherEndState = other;
      instance.otherEndChanged(other);
    });
  }

  /** A backend that has closed for good: the toolstack wrote `online` = 0. */
  #endIfOffline(slot: Slot, device: BusDevice): void {
    this.#store.read(`${device.path}/online`, (reply) => {
      if (reply.ok && reply.value === '0' && slot.device === device) this.#remove(slot);
    });
  }

  /** The other end's directory is gone. */
  #lose(slot: Slot, device: BusDevice): void {
    this.#remove(slot);
    if (this.#side.isBackend) this.#closeOwn(slot.path);
    slot.lostPath = device.otherEndPath;
    slot.unwatchLost = this.#store.watch(`${device.otherEndPath}/state`, () => this.#check(slot.path, slot.type));
  }

  /** A backend without a frontend is Closed, as in Linux: the toolstack waits for that. In a transaction, lest a directory that is being removed comes back. */
  #closeOwn(path: string): void {
    const store = this.#store;
    store.transaction((tx, commit, abort) =>
      store.read(
        `${path}/state`,
        (reply) => {
          if (reply.ok) store.write(`${path}/state`, String(XENBUS_STATE.closed), commit, tx);
          else abort();
        },
        tx,
      ),
    );
  }

  #remove(slot: Slot): void {
    const { device, instance } = slot;
    slot.device = null;
    slot.instance = null;
    device?.drop();
    instance?.removed();
  }
}
