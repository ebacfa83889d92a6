/**
 * What dom0 does with a guest's network interface: joins it to a bridge of the host, or routes to it (Xen's `vif-bridge` and `vif-route` scripts).
 *
 * Either way the guest is reached from the fabric by routing: IPoIB cannot be bridged. dom0 answers ARP for its guests on `ib0`, and on their interfaces for
 * everybody else (proxy ARP), so that all are in one IP subnet and nobody needs routes of their own.
 */
import type { VifView } from '../hypervisor/index.ts';
import { Bridge, type NetStack } from '../net/index.ts';
import type { Vif, VifConfig } from '../xen-netback/index.ts';

const HOST_PREFIX = 32;
/** Locally administered addresses for bridges. */
const BRIDGE_MAC = [0x02, 0x16, 0x3e, 0xff, 0, 0];

export class GuestPorts {
  readonly #stack: NetStack;
  /** dom0's own address, dotted. */
  readonly #address: string;
  readonly #bridges = new Map<string, Bridge>();
  readonly #vifs = new Set<Vif>();

  constructor(stack: NetStack, address: string) {
    this.#stack = stack;
    this.#address = address;
  }

  /** The hotplug script of a new interface. */
  attach(vif: Vif, { bridge, script, ip }: VifConfig): void {
    this.#vifs.add(vif);
    // The toolstack writes a bridge's name whether it is used or not: the script says what is done.
    const isRouted = bridge === undefined || /vif-route$/.test(script ?? '');
    const device = isRouted ? vif.name : bridge;
    if (isRouted) this.#addDevice(vif);
    else this.#bridge(bridge).addPort(vif);
    for (const address of (ip ?? '').split(' ').filter((text) => text !== ''))
      this.#stack.addRoute({ destination: address, prefixLength: HOST_PREFIX, device, source: this.#address });
  }

  detach(vif: Vif): void {
    this.#vifs.delete(vif);
    for (const bridge of this.#bridges.values())
      if (bridge.ports.includes(vif)) {
        bridge.removePort(vif);
        return;
      }
    this.#stack.removeDevice(vif.name);
  }

  /** Counters of a domain's interfaces. */
  vifsOf(domid: number): VifView[] {
    return [...this.#vifs]
      .filter((vif) => vif.domid === domid)
      .map(({ handle, counters }) => ({
        devid: handle,
        rxBytes: counters.txBytes,
        rxPackets: counters.txPackets,
        txBytes: counters.rxBytes,
        txPackets: counters.rxPackets,
      }));
  }

  #addDevice(device: Vif | Bridge): void {
    this.#stack.addDevice(device, { address: this.#address, prefixLength: HOST_PREFIX, proxyArp: true });
  }

  #bridge(name: string): Bridge {
    const known = this.#bridges.get(name);
    if (known !== undefined) return known;
    const address = Uint8Array.from(BRIDGE_MAC);
    address[5] = this.#bridges.size;
    const bridge = new Bridge({ cpu: this.#stack.cpu, costs: this.#stack.costs, name, address });
    this.#bridges.set(name, bridge);
    this.#addDevice(bridge);
    return bridge;
  }
}
