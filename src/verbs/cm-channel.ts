/**
 * Event channels of rdma_cm (`struct rdma_event_channel`): where a program waits for what happens to its ids.
 */
import type { SimThread } from '../sim/index.ts';
import type { RdmaCmEvent } from './cm-types.ts';
import { VerbsError } from './errors.ts';
import { Mailbox } from './mailbox.ts';
import { VerbsObject } from './verbs-object.ts';

/** An event on its way to the program, and what is done when the program fetches it (librdmacm moves queue pairs at that moment). */
export interface PendingEvent {
  readonly event: RdmaCmEvent;
  readonly fetch: (event: RdmaCmEvent) => Promise<RdmaCmEvent> | RdmaCmEvent;
}

export class RdmaEventChannel extends VerbsObject {
  /** @internal */
  readonly mailbox: Mailbox<PendingEvent>;
  readonly #unacknowledged = new Set<RdmaCmEvent>();

  /** @internal Use `RdmaCm.createEventChannel`. */
  constructor(thread: SimThread, wakePs: number, takePs: number) {
    super('rdma_destroy_event_channel', 'event channel');
    this.mailbox = new Mailbox<PendingEvent>(thread, 'connection event', wakePs, takePs);
  }

  /** `rdma_get_cm_event`: the next event; waits for one. Each must be acknowledged before its id is destroyed. */
  async getEvent(): Promise<RdmaCmEvent> {
    this.requireOpen('rdma_get_cm_event');
    return this.#fetched(await this.mailbox.take());
  }

  /** An event that is there already, or undefined: a channel whose descriptor is non-blocking. */
  async tryGetEvent(): Promise<RdmaCmEvent | undefined> {
    this.requireOpen('rdma_get_cm_event');
    const pending = this.mailbox.tryTake();
    return pending === undefined ? undefined : this.#fetched(pending);
  }

  /** `rdma_ack_cm_event`. Throws EINVAL for an event that is acknowledged already. */
  ackEvent(event: RdmaCmEvent): void {
    if (!this.#unacknowledged.delete(event))
      throw new VerbsError('rdma_ack_cm_event', 'EINVAL', 'the event is not of this channel, or is acknowledged');
    event.id.eventAcknowledged();
    event.listenId?.eventAcknowledged();
  }

  /** Endless sequence of events; each is acknowledged when the next is asked for. */
  async *events(): AsyncGenerator<RdmaCmEvent, never> {
    for (;;) {
      const event = await this.getEvent();
      try {
        yield event;
      } finally {
        if (this.#unacknowledged.has(event)) this.ackEvent(event);
      }
    }
  }

  async #fetched(pending: PendingEvent): Promise<RdmaCmEvent> {
    const event = await pending.fetch(pending.event);
    this.#unacknowledged.add(event);
    event.id.eventFetched();
    event.listenId?.eventFetched();
    return event;
  }

  protected override destroyNow(): void {}
}
