/** Every packet-hop of a run, for the breakdown: sending port, when the packet came to its queue, when it started, when its tail had left. */
import type { Ps } from '../sim/index.ts';

export interface Hop {
  /** The fabric's number of the sending port. */
  readonly port: number;
  readonly vl: number;
  readonly arrivedPs: Ps;
  readonly startPs: Ps;
  readonly endPs: Ps;
}

const FIELDS = 7;

export class HopLog {
  #data = new Float64Array(FIELDS * 4096);
  #count = 0;
  #index: Map<string, number[]> | null = null;

  /** As the fabric's trace hook. */
  add(host: number, number: number, port: number, vl: number, arrivedPs: Ps, startPs: Ps, endPs: Ps): void {
    const at = this.#count * FIELDS;
    if (at === this.#data.length) {
      const wider = new Float64Array(this.#data.length * 2);
      wider.set(this.#data);
      this.#data = wider;
    }
    const data = this.#data;
    data[at] = host;
    data[at + 1] = number;
    data[at + 2] = port;
    data[at + 3] = vl;
    data[at + 4] = arrivedPs;
    data[at + 5] = startPs;
    data[at + 6] = endPs;
    this.#count++;
  }

  /** The hops of one packet in the order of time. */
  of(host: number, number: number): Hop[] {
    this.#index ??= this.#makeIndex();
    const data = this.#data;
    return (this.#index.get(`${host}/${number}`) ?? [])
      .map((at) => ({
        port: data[at + 2] as number,
        vl: data[at + 3] as number,
        arrivedPs: data[at + 4] as number,
        startPs: data[at + 5] as number,
        endPs: data[at + 6] as number,
      }))
      .sort((a, b) => a.startPs - b.startPs);
  }

  #makeIndex(): Map<string, number[]> {
    const index = new Map<string, number[]>();
    for (let i = 0; i < this.#count; i++) {
      const at = i * FIELDS;
      const key = `${this.#data[at]}/${this.#data[at + 1]}`;
      const known = index.get(key);
      if (known === undefined) index.set(key, [at]);
      else known.push(at);
    }
    return index;
  }
}
