/**
 * Asynchronous events of a device (`ibv_get_async_event`): what happened, and to which object. An event about an object goes to the context in
 * which the object was made, one about a port to every context of the device.
 */
import type { AsyncEvent as HcaEvent } from '../hca/index.ts';
import type { Adapter } from './adapter.ts';
import type { CompletionQueue } from './completion-queue.ts';
import type { Context } from './context.ts';
import type { EventType } from './enums.ts';
import { VerbsError } from './errors.ts';
import { Mailbox } from './mailbox.ts';
import type { AnyQueuePair } from './queue-pair.ts';
import type { SharedReceiveQueue } from './shared-receive-queue.ts';
import type { Interrupts } from './verbs-thread.ts';

/** `struct ibv_async_event`. Which of the elements is there depends on the type, as in C. */
export interface AsyncEvent {
  readonly eventType: EventType;
  /** Of CQ_ERR. */
  readonly cq?: CompletionQueue;
  /** Of QP_*, COMM_EST, SQ_DRAINED, PATH_MIG*. */
  readonly qp?: AnyQueuePair;
  /** Of SRQ_*. */
  readonly srq?: SharedReceiveQueue;
  /** Of PORT_*, LID_CHANGE, PKEY_CHANGE, SM_CHANGE, CLIENT_REREGISTER, GID_CHANGE. */
  readonly portNum?: number;
}

/** A verbs object that the adapter may report about. */
export type Reportable =
  | { readonly kind: 'cq'; readonly cq: CompletionQueue }
  | { readonly kind: 'qp'; readonly qp: AnyQueuePair }
  | { readonly kind: 'srq'; readonly srq: SharedReceiveQueue };

/** Who hears an adapter's events: a context, or the keeper of another domain's objects. */
export interface AsyncEventListener {
  raised(event: HcaEvent): void;
}

/** The listeners of each adapter. */
const listeners = new WeakMap<Adapter, Set<AsyncEventListener>>();

function subscribe(hca: Adapter, events: AsyncEventListener): void {
  let all = listeners.get(hca);
  if (all === undefined) {
    const created = new Set<AsyncEventListener>();
    all = created;
    listeners.set(hca, created);
    hca.onAsyncEvent = (event) => {
      for (const each of created) each.raised(event);
    };
  }
  all.add(events);
}

/** Begins to tell `listener` of the adapter's events; the result ends it. */
export function listenAsync(hca: Adapter, listener: AsyncEventListener): () => void {
  subscribe(hca, listener);
  return () => void listeners.get(hca)?.delete(listener);
}

export class AsyncEvents implements AsyncEventListener {
  readonly #hca: Adapter;
  readonly #mailbox: Mailbox<AsyncEvent>;
  readonly #owners = new Map<object, Reportable>();
  readonly #unacknowledged = new Set<AsyncEvent>();
  /** Of a kernel context: each is called with every event, which then is not kept. */
  readonly handlers = new Set<(event: AsyncEvent) => void>();
  readonly #interrupts: Interrupts | null;

  constructor(context: Context) {
    const { interruptPs, controlPs } = context.profile;
    this.#hca = context.hca;
    this.#interrupts = context.interrupts;
    this.#mailbox = new Mailbox<AsyncEvent>(
      context.thread,
      `asynchronous event of ${context.deviceName}`,
      interruptPs,
      controlPs,
    );
    subscribe(context.hca, this);
  }

  get pending(): number {
    return this.#mailbox.length;
  }

  /** Events about the adapter's `element` are about `object`. */
  register(element: object, object: Reportable): void {
    this.#owners.set(element, object);
  }

  /** The object goes away: its events that nobody has fetched are dropped. Throws EBUSY while one that was fetched is not acknowledged. */
  unregister(verb: string, element: object): void {
    const object = this.#owners.get(element);
    if (object === undefined) return;
    for (const event of this.#unacknowledged)
      if (concerns(event, object))
        throw new VerbsError(verb, 'EBUSY', 'an asynchronous event is not acknowledged (C would wait for ever)');
    this.#mailbox.remove((event) => concerns(event, object));
    this.#owners.delete(element);
  }

  raised(event: HcaEvent): void {
    const eventType = event.type as EventType;
    if (event.element === null) {
      this.#tell(event.atPs, { eventType, portNum: event.portNum });
      return;
    }
    const object = this.#owners.get(event.element);
    if (object === undefined) return;
    if (object.kind === 'qp') this.#tell(event.atPs, { eventType, qp: object.qp });
    else if (object.kind === 'cq') this.#tell(event.atPs, { eventType, cq: object.cq });
    else this.#tell(event.atPs, { eventType, srq: object.srq });
  }

  #tell(atPs: number, event: AsyncEvent): void {
    if (this.#interrupts === null) {
      this.#mailbox.push(atPs, event);
      return;
    }
    this.#interrupts.raise(atPs, () => {
      // The object may have been destroyed since.
      const object = event.qp ?? event.cq ?? event.srq;
      if (object?.isClosed !== true) for (const handler of this.handlers) handler(event);
    });
  }

  async take(): Promise<AsyncEvent> {
    const event = await this.#mailbox.take();
    this.#unacknowledged.add(event);
    return event;
  }

  tryTake(): AsyncEvent | undefined {
    const event = this.#mailbox.tryTake();
    if (event !== undefined) this.#unacknowledged.add(event);
    return event;
  }

  acknowledge(event: AsyncEvent): void {
    if (!this.#unacknowledged.delete(event))
      throw new VerbsError('ibv_ack_async_event', 'EINVAL', 'the event is acknowledged, or of another device');
  }

  stop(): void {
    listeners.get(this.#hca)?.delete(this);
  }
}

function concerns(event: AsyncEvent, object: Reportable): boolean {
  if (object.kind === 'qp') return event.qp === object.qp;
  return object.kind === 'cq' ? event.cq === object.cq : event.srq === object.srq;
}
