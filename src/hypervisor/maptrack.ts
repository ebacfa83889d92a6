/** What a domain has mapped of others' grants, by handle: whose, which reference, how, and where. Handles that are free are used again, the last freed first. */

export class Maptrack {
  readonly #limit: number;
  /** GNTMAP_* of the mapping; 0 for a free handle. */
  #flags = new Uint8Array(64);
  #domid = new Uint16Array(64);
  #ref = new Uint32Array(64);
  readonly #free: number[] = [];
  /** Handles are below this. */
  #made = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A handle to be filled by `set`, or -1 if there is none left. */
  take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made === this.#limit) return -1;
    if (this.#made === this.#flags.length) this.#grow();
    return this.#made++;
  }

  /** Gives a handle back; what it stood for is forgotten. */
  put(handle: number): void {
    this.#flags[handle] = 0;
    this.#free.push(handle);
  }

  set(handle: number, flags: number, domid: number, ref: number): void {
    this.#flags[handle] = flags;
    this.#domid[handle] = domid;
    this.#ref[handle] = ref;
  }

  setFlags(handle: number, flags: number): void {
    this.#flags[handle] = flags;
  }

  /** 0 for any number that is not a handle in use. */
  flags(handle: number): number {
    return handle < this.#made ? (this.#flags[handle] as number) : 0;
  }
  domid(handle: number): number {
    return this.#domid[handle] as number;
  }
  ref(handle: number): number {
    return this.#ref[handle] as number;
  }

  /** Handles in use. */
  get count(): number {
    return this.#made - this.#free.length;
  }

  /** All handles in use. */
  handles(): number[] {
    return Array.from({ length: this.#made }, (_, handle) => handle).filter((handle) => this.#flags[handle] !== 0);
  }

  #grow(): void {
    const wider = this.#flags.length * 2;
    const [flags, domid, ref] = [new Uint8Array(wider), new Uint16Array(wider), new Uint32Array(wider)];
    flags.set(this.#flags);
    domid.set(this.#domid);
    ref.set(this.#ref);
    this.#flags = flags;
    this.#domid = domid;
    this.#ref = ref;
  }
}
