/**
 * What a group records for the breakdown of latencies: the stages that its adapters stamp, and the marks that programs set around an iteration.
 * Kept as plain entries, to be put together by `breakdown.ts` when the run is over. Nothing of it exists in a run without --breakdown.
 */
import type { HcaTrace } from '../hca/index.ts';
import type { Ps, SimThread } from '../sim/index.ts';
import type { TraceMarks } from '../verbs/index.ts';

export type TraceEntry =
  /** A stage of a message at the node that asked for it. */
  | { readonly kind: 'stamp'; readonly node: string; readonly message: number; readonly stage: string; readonly timePs: Ps }
  /** The packet that carries the last bytes of a message. */
  | {
      readonly kind: 'packet';
      readonly node: string;
      readonly message: number;
      readonly hostPort: number;
      readonly number: number;
    }
  /** A stage of a packet where it arrived. */
  | {
      readonly kind: 'arrived';
      readonly node: string;
      readonly slid: number;
      readonly number: number;
      readonly stage: string;
      readonly timePs: Ps;
    }
  /** A request was answered by another packet. */
  | {
      readonly kind: 'answered';
      readonly slid: number;
      readonly number: number;
      readonly byHostPort: number;
      readonly byNumber: number;
    }
  /** What is under way on a path of kernels reached the end of a stage (`KernelCpu.mark`). */
  | { readonly kind: 'mark'; readonly node: string; readonly stage: string; readonly timePs: Ps }
  /** An iteration of a program: `divisor` says what part of it the program reports as latency. */
  | {
      readonly kind: 'iteration';
      readonly node: string;
      readonly beginPs: Ps;
      readonly endPs: Ps;
      readonly bytes: number;
      readonly divisor: number;
      readonly path: 'verbs' | 'kernel';
    };

export class TraceLog {
  #entries: TraceEntry[] = [];

  /** Where the adapters of a node stamp. */
  sinkOf(node: string): HcaTrace {
    const add = (entry: TraceEntry) => this.#entries.push(entry);
    return {
      stamp: (message, stage, timePs) => add({ kind: 'stamp', node, message, stage, timePs }),
      packet: (message, hostPort, number) => add({ kind: 'packet', node, message, hostPort, number }),
      arrived: (slid, number, stage, timePs) => add({ kind: 'arrived', node, slid, number, stage, timePs }),
      answered: (slid, number, _bySlid, byHostPort, byNumber) => add({ kind: 'answered', slid, number, byHostPort, byNumber }),
    };
  }

  /** Where the kernels of a node mark stages. */
  marksOfPath(node: string): (stage: string, timePs: Ps) => void {
    return (stage, timePs) => this.#entries.push({ kind: 'mark', node, stage, timePs });
  }

  /** The marks of a program. */
  marksOf(node: string, thread: SimThread): TraceMarks {
    const open = new Map<number, { beginPs: Ps; bytes: number; divisor: number; path: 'verbs' | 'kernel' }>();
    return {
      begin: (id, { bytes, divisor, path = 'verbs' }) => void open.set(id, { beginPs: thread.nowPs, bytes, divisor, path }),
      end: (id) => {
        const begun = open.get(id);
        if (begun === undefined) return;
        open.delete(id);
        this.#entries.push({ kind: 'iteration', node, endPs: thread.nowPs, ...begun });
      },
    };
  }

  /** All entries so far; the log is empty afterwards. */
  take(): TraceEntry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }
}
