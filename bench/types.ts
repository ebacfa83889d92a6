/**
 * What a benchmark module gives to the runner (`bench/index.ts`). Each `bench/<name>.ts` exports `measure()`; the runner calls it
 * in a fresh process, against the built package, and prints the rows of all modules as one table or one JSON array.
 */

/** One measured figure set. Figures a benchmark has no meaning for are null, so that every row of the JSON has the same keys. */
export interface BenchRow {
  /** Unique over all modules, as in `kernel/k16-uniform-90`. */
  readonly name: string;
  /** Packets that crossed one link into one queue, per second of CPU of all threads. */
  readonly packetHopsPerCpuSecond: number | null;
  readonly eventsPerPacketHop: number | null;
  /** CPU of all threads, user and system, of the measured part. */
  readonly cpuSeconds: number;
  /** Largest resident set of the process, in MiB; null: the runner fills in the process's own at its end. */
  readonly peakMiB: number | null;
  /** Further figures by name with their unit in it, as in `usPerMessage` or `ratioToHoldLoop`. */
  readonly figures?: Readonly<Record<string, number>>;
  /** What the figure is held against, as in `>= 5 M packet-hops per CPU second`. */
  readonly target?: string;
  /** Whether the target is met; absent where there is none. A miss is reported and does not stop the other modules. */
  readonly ok?: boolean;
}

/** The shape of a module in `bench/`. */
export interface BenchModule {
  measure(): Promise<readonly BenchRow[]>;
}
