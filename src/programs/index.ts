/**
 * programs: the test programs that ship with heddle. They see `verbs` and `net` only, so one text runs wherever those do.
 *
 * - `registry.ts`        names, summaries, and loading a program when it is run
 * - `options.ts`         command lines as getopt_long reads them, from a table of options
 * - `format.ts`          C's printf, to the character
 * - `perftest/`          the perftest family: one file per verb (`send.ts`, `write.ts`, `read.ts`, `atomic.ts`), the loops (`latency.ts`, `bandwidth.ts`), the
 *                        command line (`option-table.ts`, `command-line.ts`, `rules.ts`, `parameters.ts`), set-up (`session.ts`, `work.ts`, `completions.ts`,
 *                        `duration.ts`), numbers and output (`statistics.ts`, `report.ts`), and what the eight programs share (`run.ts`)
 * - `pingpong.ts`        libibverbs' ping-pong programs
 * - `rping.ts`           librdmacm's ping
 * - `ping.ts`, `netperf.ts`  the network's programs, with what they print (`ping-format.ts`, `netperf-format.ts`) and `netperf-options.ts`
 * - `devinfo.ts`, `ibstat.ts`  what a node says about its adapters
 */
export * from './registry.ts';
