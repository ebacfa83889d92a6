/** The routing table: longest prefix first, then lowest metric, then the older route. */
import { prefixMask } from './bytes.ts';
import type { NetInterface } from './interface.ts';

export interface Route {
  /** Network address; bits beyond the prefix are zero. */
  readonly destination: number;
  readonly prefixLength: number;
  /** Next hop; null if the destination is on the link. */
  readonly gateway: number | null;
  readonly via: NetInterface;
  /** Source address of what is sent from here. */
  readonly source: number;
  readonly metric: number;
}

export class RouteTable {
  /** Sorted by precedence. */
  #routes: Route[] = [];
  /** Rises with each change: whoever remembers a route compares it. */
  version = 0;

  get all(): readonly Route[] {
    return this.#routes;
  }

  add(route: Route): void {
    const at = this.#routes.findIndex(
      (other) =>
        other.prefixLength < route.prefixLength || (other.prefixLength === route.prefixLength && other.metric > route.metric),
    );
    this.#routes.splice(at < 0 ? this.#routes.length : at, 0, route);
    this.version++;
  }

  /** Removes the routes for which `matches` holds; how many. */
  remove(matches: (route: Route) => boolean): number {
    const before = this.#routes.length;
    this.#routes = this.#routes.filter((route) => !matches(route));
    this.version++;
    return before - this.#routes.length;
  }

  /** The route to `address`, or null. Interfaces whose device is down carry nothing. */
  find(address: number): Route | null {
    for (const route of this.#routes)
      if ((address & prefixMask(route.prefixLength)) >>> 0 === route.destination && route.via.isUp) return route;
    return null;
  }
}
