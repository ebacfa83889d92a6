/**
 * What all verbs objects share: they are closed once, not while another object needs them (EBUSY, as the kernel answers), and `using` closes them.
 */
/// <reference lib="esnext.disposable" preserve="true" />
import { VerbsError } from './errors.ts';

export abstract class VerbsObject {
  #users = 0;
  #closed = false;
  /** C names of the calls that destroy the object, and what the object is called in messages. */
  readonly #destroyVerb: string;
  readonly #what: string;

  /** @internal */
  constructor(destroyVerb: string, what: string) {
    this.#destroyVerb = destroyVerb;
    this.#what = what;
  }

  /** True after the object was destroyed; every call on it then throws `VerbsError` EINVAL. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** @internal Another object begins to depend on this one. */
  retain(): void {
    this.#users++;
  }

  /** @internal */
  release(): void {
    this.#users--;
  }

  /** @internal Objects that depend on this one. */
  get users(): number {
    return this.#users;
  }

  /** @internal Throws EINVAL when the object is closed. */
  requireOpen(verb: string): void {
    if (this.#closed) throw new VerbsError(verb, 'EINVAL', `the ${this.#what} is destroyed`);
  }

  /** Destroys the object. Throws `VerbsError` EBUSY while something depends on it, EINVAL when it is destroyed already. */
  close(): void {
    this.requireOpen(this.#destroyVerb);
    if (this.#users > 0) throw new VerbsError(this.#destroyVerb, 'EBUSY', `${this.#users} object(s) still use the ${this.#what}`);
    this.destroyNow();
    this.#closed = true;
  }

  /** What `using` calls: `close`, and nothing when the object is closed already. */
  [Symbol.dispose](): void {
    if (!this.#closed) this.close();
  }

  /** Gives the resources back; may throw `VerbsError` EBUSY for a reason of its own, and then has changed nothing. */
  protected abstract destroyNow(): void;
}
