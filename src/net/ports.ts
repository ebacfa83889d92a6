/** Ports that a stack hands out by itself (RFC 6056): Linux's range, beginning anywhere, then one after the other. */
import type { RandomStream } from '../sim/index.ts';

/** Linux's ip_local_port_range. */
export const FIRST_EPHEMERAL_PORT = 32_768;
export const LAST_EPHEMERAL_PORT = 60_999;
const PORTS = LAST_EPHEMERAL_PORT - FIRST_EPHEMERAL_PORT + 1;

export class PortTable {
  readonly #isTaken: (port: number) => boolean;
  #next: number;

  constructor(random: RandomStream, isTaken: (port: number) => boolean) {
    this.#isTaken = isTaken;
    this.#next = random.below(PORTS);
  }

  /** A port for which `isTaken` (the table's own, or this one) is false; null if there is none. */
  pick(isTaken: (port: number) => boolean = this.#isTaken): number | null {
    for (let n = 0; n < PORTS; n++) {
      const port = FIRST_EPHEMERAL_PORT + this.#next;
      this.#next = (this.#next + 1) % PORTS;
      if (!isTaken(port)) return port;
    }
    return null;
  }
}
