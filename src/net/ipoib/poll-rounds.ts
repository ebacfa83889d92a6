/**
 * Receiving by interrupt and poll: the interrupt of an armed completion queue begins a round, each packet is an item of its own behind what the one before
 * has led to, and the queue is armed again when a poll finds nothing. So a busy device takes one interrupt for many packets.
 */
import type { KernelCpu, Ps } from '../../sim/index.ts';
import type { CompletionQueue, WorkCompletion } from '../../verbs/index.ts';
import { CAUSE } from './link.ts';

/** Completions that one poll takes (`NAPI_POLL_WEIGHT`). */
const BUDGET = 64;

export class PollRounds {
  readonly #cq: CompletionQueue;
  readonly #cpu: KernelCpu;
  readonly #packetPs: Ps;
  readonly #handle: (wc: WorkCompletion) => void;
  #batch: readonly WorkCompletion[] = [];
  #next = 0;
  #isRunning = false;

  /** `handle` is called for each completion, in an item, after `packetPs` have been spent on it. */
  constructor(cq: CompletionQueue, cpu: KernelCpu, packetPs: Ps, handle: (wc: WorkCompletion) => void) {
    this.#cq = cq;
    this.#cpu = cpu;
    this.#packetPs = packetPs;
    this.#handle = handle;
    cq.setHandler(() => this.#poll());
  }

  start(): void {
    this.#isRunning = true;
    this.#cq.reqNotify();
  }

  /** What has been polled and not handled is dropped. */
  stop(): void {
    this.#isRunning = false;
    this.#batch = [];
  }

  #poll(): void {
    if (!this.#isRunning) return;
    const batch = this.#cq.poll(BUDGET);
    if (batch.length === 0) {
      this.#cq.reqNotify();
      return;
    }
    this.#batch = batch;
    this.#next = 0;
    this.#cpu.spend(this.#packetPs, CAUSE);
    this.#handleNext();
  }

  readonly #item = () => {
    if (!this.#isRunning) return;
    if (this.#next < this.#batch.length) this.#handleNext();
    else this.#poll();
  };

  #handleNext(): void {
    this.#handle(this.#batch[this.#next++] as WorkCompletion);
    if (this.#isRunning) this.#cpu.exec(this.#next < this.#batch.length ? this.#packetPs : 0, CAUSE, this.#item);
  }
}
