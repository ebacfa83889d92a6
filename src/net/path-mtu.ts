/** What is known of the MTU of paths (RFC 1191): per destination, forgotten after ten minutes, so that a better path is found. */
import type { KernelCpu, Ps } from '../sim/index.ts';

/** RFC 1191 6.3; Linux's mtu_expires. */
export const PATH_MTU_LIFE_PS: Ps = 600e12;
/** Linux's min_pmtu: a router that claims less is not believed. */
export const LOWEST_PATH_MTU = 552;

export class PathMtus {
  readonly #cpu: KernelCpu;
  readonly #known = new Map<number, { mtu: number; untilPs: Ps }>();

  constructor(cpu: KernelCpu) {
    this.#cpu = cpu;
  }

  /** The MTU of the path to `destination` if a router said one, else undefined. */
  find(destination: number): number | undefined {
    if (this.#known.size === 0) return undefined;
    const entry = this.#known.get(destination);
    if (entry === undefined) return undefined;
    if (entry.untilPs > this.#cpu.nowPs) return entry.mtu;
    this.#known.delete(destination);
    return undefined;
  }

  /** A router's MTU is `mtu`; routers before RFC 1191 say 0, then the next lower of its table's plateaus is tried. `current` is what was believed. */
  lower(destination: number, mtu: number, current: number): void {
    const claimed = mtu >= 68 ? mtu : (PLATEAUS.find((plateau) => plateau < current) ?? LOWEST_PATH_MTU);
    const believed = Math.max(claimed, LOWEST_PATH_MTU);
    if (believed >= current) return;
    this.#known.set(destination, { mtu: believed, untilPs: this.#cpu.nowPs + PATH_MTU_LIFE_PS });
  }
}

/** RFC 1191 7.1. */
const PLATEAUS = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508];
