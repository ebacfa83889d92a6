/**
 * cli: the command line. Imports the doors of cluster, topology and report, each when a command needs it, and sim for errors.
 *
 * - `main.ts`           the program `heddle`
 * - `cli.ts`            the command line as a function: finds, reads, runs, explains failures; help texts
 * - `command.ts`        what a command is, as data
 * - `run.ts` `traffic.ts` `topology.ts` `list.ts` `replay.ts`   one command each
 * - `run-options.ts`    the options of a run
 * - `help.ts`           help texts
 * - `parse.ts`          words to options: which are heddle's, which the program's
 * - `option-values.ts`  values of options, with all mistakes collected
 * - `failure.ts`        errors to text and exit code
 * - `progress.ts`       the progress line
 * - `doors.ts`          the rooms behind the commands, loaded late
 * - `near.ts` `terminal.ts`   did-you-mean; standard output and error
 */
export * from './cli.ts';
export * from './command.ts';
export * from './doors.ts';
export * from './failure.ts';
export * from './terminal.ts';
