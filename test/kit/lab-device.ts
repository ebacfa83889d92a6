/** A split device's two directories without a store: keys, states, and drivers that are told. */
import { XENBUS_STATE, type XenbusDevice, type XenbusDriverInstance, type XenbusState } from '../../src/hypervisor/index.ts';
import type { KernelCpu } from '../../src/sim/index.ts';

const US = 1_000_000;

/** What a device needs of its domain. */
export interface DeviceOwner {
  readonly domid: number;
  readonly cpus: readonly KernelCpu[];
}

/** One end of a device: keys, a state, and the end that watches it. */
export class LabDevice implements XenbusDevice {
  readonly type = 'vif';
  readonly path: string;
  readonly id: string;
  readonly otherEndPath: string;
  readonly otherEndDomid: number;
  readonly keys: Record<string, string> = {};
  readonly #domain: DeviceOwner;
  state: XenbusState = XENBUS_STATE.initialising;
  other: LabDevice | null = null;
  instance: XenbusDriverInstance | null = null;
  errors: string[] = [];
  #known: XenbusState = XENBUS_STATE.unknown;
  #isGone = false;
  #watched: { key: string; fired: (value: string | undefined) => void }[] = [];

  constructor(domain: DeviceOwner, id: string, otherDomid: number) {
    this.#domain = domain;
    this.id = id;
    this.path = `dom${domain.domid}/vif/${id}`;
    this.otherEndPath = `dom${otherDomid}/vif/${id}`;
    this.otherEndDomid = otherDomid;
  }

  get otherEndState(): XenbusState {
    return this.#known;
  }

  readOwn(names: readonly string[], done: (values: Readonly<Record<string, string | undefined>>) => void): void {
    this.#soon(() => done(Object.fromEntries(names.map((name) => [name, this.keys[name]]))));
  }

  readOther(names: readonly string[], done: (values: Readonly<Record<string, string | undefined>>) => void): void {
    this.#soon(() => done(Object.fromEntries(names.map((name) => [name, this.other?.keys[name]]))));
  }

  publish(values: Readonly<Record<string, string | number>>, state: XenbusState | null, done: () => void = () => {}): void {
    if (state !== null) this.state = state;
    for (const [key, value] of Object.entries(values)) this.keys[key] = String(value);
    this.#soon(() => {
      done();
      this.other?.look();
    });
  }

  setState(state: XenbusState): void {
    if (state !== this.state) this.publish({}, state);
  }

  watchOther(key: string, fired: (value: string | undefined) => void): void {
    this.#watched.push({ key, fired });
    this.#soon(() => fired(this.other?.keys[key]));
  }

  fatal(message: string): void {
    this.errors.push(message);
    this.setState(XENBUS_STATE.closing);
  }

  /** A key of this end is changed, by whoever may. */
  set(key: string, value: string): void {
    this.keys[key] = value;
    for (const watch of this.other?.watches(key) ?? []) this.other?.soon(() => watch(value));
  }

  watches(key: string): ((value: string | undefined) => void)[] {
    return this.#watched.filter((watch) => watch.key === key).map((watch) => watch.fired);
  }

  soon(effect: () => void): void {
    this.#soon(effect);
  }

  /** Tells the driver of the other end's state, if it is news. */
  look(): void {
    this.#soon(() => {
      const state = this.other?.state ?? XENBUS_STATE.unknown;
      if (this.instance === null || state === this.#known) return;
      this.#known = state;
      this.instance.otherEndChanged(state);
    });
  }

  otherIsGone(): void {
    this.other?.remove();
  }

  /** The device's directory is gone. */
  remove(): void {
    if (this.#isGone) return;
    this.#domain.cpus[0].exec(0, 'xenbus', () => {
      this.#isGone = true;
      this.instance?.removed();
    });
  }

  #soon(effect: () => void): void {
    this.#domain.cpus[0].exec(US, 'xenbus', () => {
      if (!this.#isGone) effect();
    });
  }
}
