/** Names that must differ: MAC addresses of a host's interfaces and UUIDs of its domains, the same in every run. */
import { assert, RandomStream } from '../../sim/index.ts';

const MACS_PER_HOST = 4096;
const HOSTS = 2048;

export class Identities {
  readonly #random: RandomStream;
  readonly #hostIndex: number;
  #macs = 0;

  /** `hostIndex` keeps the addresses of hosts apart: 0 to 2047. */
  constructor(seed: number, machineName: string, hostIndex: number) {
    assert(hostIndex >= 0 && hostIndex < HOSTS, 'a host number out of range');
    this.#random = new RandomStream(seed, `${machineName} toolstack`);
    this.#hostIndex = hostIndex;
  }

  /** The next address under Xen's prefix: 11 bits of the host's number, 12 of the interface's. */
  mac(): string {
    const number = this.#hostIndex * MACS_PER_HOST + (this.#macs++ % MACS_PER_HOST);
    const bytes = [0x00, 0x16, 0x3e, number >> 16, (number >> 8) & 0xff, number & 0xff];
    return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  }

  /** A version 4 UUID out of the seed. */
  uuid(): string {
    const words = Array.from({ length: 4 }, () => this.#random.uint32());
    words[1] = (words[1]! & 0xffff0fff) | 0x4000;
    words[2] = (words[2]! & 0x3fffffff) | 0x80000000;
    const hex = words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  }
}
