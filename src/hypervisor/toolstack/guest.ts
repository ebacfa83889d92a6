/** A guest as the toolstack keeps it: its configuration, its domain while it has one, its devices, and what to start in it. */
import type { Ps } from '../../sim/index.ts';
import type { Domain } from '../domain.ts';
import type { Device, DeviceKind } from './device-classes.ts';
import type { GuestConfig } from './guest-config.ts';

/**
 * `building`: being made; `live`: it runs or is paused; `shutdown`: it stopped itself; `preserved`: so, and kept; `ending`: being destroyed;
 * `gone`.
 */
export type GuestState = 'building' | 'live' | 'shutdown' | 'preserved' | 'ending' | 'gone';

/** Starts a guest's kernel: drivers, network, programs. Called in the domain builder's place, before the domain runs for the first time. */
export type Boot = (guest: Guest) => void;

export class Guest {
  readonly config: GuestConfig;
  readonly boot: Boot;
  name: string;
  uuid: string;
  state: GuestState = 'building';
  /** Null until it is built. */
  domain: Domain | null = null;
  readonly devices = new Map<string, Device>();
  /** vCPUs that are online. */
  onlineVcpus: number;
  /** When it was unpaused first. */
  bornPs: Ps = 0;
  /** Times that it was restarted to become this one. */
  readonly restarts: number;

  constructor(config: GuestConfig, uuid: string, boot: Boot, restarts: number) {
    this.config = config;
    this.boot = boot;
    this.name = config.name;
    this.uuid = uuid;
    this.onlineVcpus = config.vcpus;
    this.restarts = restarts;
  }

  /** −1 until it is built. */
  get domid(): number {
    return this.domain?.domid ?? -1;
  }

  device(kind: DeviceKind, id: number): Device | undefined {
    return this.devices.get(`${kind}/${id}`);
  }

  /** The lowest number that no device of a class has. */
  freeId(kind: DeviceKind): number {
    let id = 0;
    while (this.devices.has(`${kind}/${id}`)) id++;
    return id;
  }
}
