/** Shared receive queues: one receive queue for many queue pairs, with a low-water mark that raises an event once. */
import { ReceiveQueue } from './work-queue.ts';

export class SrqContext {
  /** 1 …, unique on the adapter. */
  readonly number: number;
  readonly pd: number;
  readonly queue: ReceiveQueue;
  /** When fewer entries than this are left, SRQ_LIMIT_REACHED is raised and the limit is disarmed (0). */
  limit = 0;
  /** Queue pairs that use it; it cannot go before them. */
  users = 0;

  constructor(number: number, pd: number, maxWr: number, maxSge: number) {
    this.number = number;
    this.pd = pd;
    this.queue = new ReceiveQueue(maxWr, maxSge);
  }
}
