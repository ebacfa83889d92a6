/** What the adapters of one device's callers have in common. */
import type { Ps } from '../sim/index.ts';
import type { Adapter, OwnedObjects } from '../verbs/index.ts';
import type { FrontChannel } from './channel.ts';
import type { GuestAdapter } from './guest-adapter.ts';
import type { GuestFrames } from './guest-frames.ts';
import type { GuestMadPort } from './mad-port.ts';

/** What belongs to the device, and is shared by all its callers. */
export interface AdapterParts {
  readonly objects: OwnedObjects;
  readonly channel: FrontChannel;
  readonly frames: GuestFrames;
  readonly config: Adapter['config'];
  /** Where completion events and datagrams that arrive are handed on, by queue and by port. */
  readonly completions: Map<number, (atPs: Ps) => void>;
  readonly madPorts: Map<number, GuestMadPort>;
  /** Callers who want to hear of asynchronous events. */
  readonly listeners: Set<GuestAdapter>;
}
