/**
 * From an error to what the user reads and the exit code: 2 a mistake in what was given, 1 a program that failed, 3 a standstill, 70 a bug in heddle.
 * Errors are told apart by name, since some have crossed a thread.
 */
import { formatIssue, formatPs, type Issue } from '../sim/index.ts';

export const EXIT_OK = 0;
export const EXIT_PROGRAM = 1;
export const EXIT_USAGE = 2;
export const EXIT_DEADLOCK = 3;
/** EX_SOFTWARE of sysexits.h. */
export const EXIT_BUG = 70;

export interface Failure {
  readonly exitCode: number;
  /** For standard error, without a newline at the end. */
  readonly text: string;
}

/** What to print for `error` and with which code to end. `setting` says what was run, for the report of a bug. */
export function describeFailure(error: unknown, setting: string): Failure {
  if (!(error instanceof Error))
    return describeBug(new Error(`something was thrown that is no error: ${String(error)}`), setting);
  switch (error.name) {
    case 'ConfigError':
    case 'TopologyError':
      return { exitCode: EXIT_USAGE, text: describeIssues(error) };
    case 'ProgramError':
      return { exitCode: EXIT_PROGRAM, text: describeProgramError(error) };
    case 'DeadlockError':
      return { exitCode: EXIT_DEADLOCK, text: error.message };
    default:
      return describeBug(error, setting);
  }
}

function describeIssues(error: Error & { readonly issues?: readonly Issue[] }): string {
  return error.issues === undefined ? error.message : error.issues.map(formatIssue).join('\n');
}

/** The message, and where in the program it came from if an error of the program is behind it. */
function describeProgramError(error: Error): string {
  const cause = error.cause;
  if (!(cause instanceof Error) || cause.stack === undefined) return error.message;
  const frames = cause.stack.split('\n').filter((line) => /^\s+at /.test(line) && !line.includes('node:internal'));
  return [error.message, ...frames.slice(0, 6)].join('\n');
}

function describeBug(error: Error & { readonly timePs?: unknown; readonly entity?: unknown }, setting: string): Failure {
  const where = [
    typeof error.timePs === 'number' ? `at ${formatPs(error.timePs)}` : '',
    error.entity === undefined ? '' : `in ${String(error.entity)}`,
  ].filter((part) => part !== '');
  const lines = [
    `heddle has a bug: ${error.message}`,
    ...(where.length > 0 ? [`  ${where.join(', ')} of the simulation`] : []),
    `  ${setting}`,
    // A bug that crossed a thread brings the place along in its message.
    ...(/\n\s+at /.test(error.message) ? [] : (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))),
    'Please report this text together with the topology and the program.',
  ];
  return { exitCode: EXIT_BUG, text: lines.join('\n') };
}
