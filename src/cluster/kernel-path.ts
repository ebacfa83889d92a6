/**
 * Which moments lie on the path of a message that goes through kernels, when one message is under way at a time.
 *
 * Kernels mark the end of each stage of work; but a CPU is also woken for things off the path (a transmit ring's completion), so the end of a wait or of an
 * interrupt counts only where the next work is done at the same place.
 */
import type { Ps } from '../sim/index.ts';

/** A moment on a path: the interval that ends here has this name. */
export interface Moment {
  readonly timePs: Ps;
  readonly name: string;
  readonly where: string;
  /** Marked by a kernel, rather than stamped by an adapter or made of a packet's hops. */
  readonly isKernel?: boolean;
}

/** Ends of waiting and of interrupts: work follows. */
const BEFORE_WORK = new Set(['wait for vCPU', 'context switch', 'upcall', 'interrupt']);
/** Stamps that end no stage of their own: what came before belongs to the stage under way. */
const WITHIN = new Set(['post-begin']);

/** The moments on the path, in order of time. */
export function onlyOnPath(moments: readonly Moment[]): Moment[] {
  const inOrder = moments
    .map((moment, i) => ({ moment, i }))
    .filter(({ moment }) => !WITHIN.has(moment.name))
    .sort((a, b) => a.moment.timePs - b.moment.timePs || a.i - b.i)
    .map(({ moment }) => moment);
  const kept: Moment[] = [];
  let nextWork = '';
  for (let i = inOrder.length - 1; i >= 0; i--) {
    const moment = inOrder[i] as Moment;
    if (moment.isKernel === true && BEFORE_WORK.has(moment.name)) {
      if (nextWork !== moment.where) continue;
    } else if (moment.isKernel === true) nextWork = moment.where;
    kept.push(moment);
  }
  return kept.reverse();
}
