/**
 * The kinds of failure, never mixed. A bug in the simulator is an `InvariantError`; a mistake by the user is a `ConfigError`;
 * a program that breaks the rules of virtual time is a `ProgramError`. What real hardware reports is data, not an error here.
 */

/** A bug in the simulator. Nothing catches it; it carries the simulated time and the entity where known. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws `InvariantError(message)` unless `condition` holds. The message may be a function, so that it costs nothing when all is well. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new InvariantError(typeof message === 'string' ? message : message());
}

/** One mistake in what a user gave: where it is, what was found, what is accepted. */
export interface Issue {
  /** The file as the user named it, or `--option` for a command line. */
  readonly file: string;
  /** 1-based; absent where the source has no lines. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
  /** The field, as in `nodes[3].hca.ports[0].width`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A mistake by the user, or several found at once. The command line prints one line per issue and exits with code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[]) {
    super(issues.map(formatIssue).join('\n'));
    this.issues = issues;
  }
}

/** `file:line:column: path: message`, leaving out what is not known. */
export function formatIssue(issue: Issue): string {
  const place = [issue.file, issue.line, issue.column].filter((part) => part !== undefined && part !== '').join(':');
  return [place, issue.path, issue.message].filter((part) => part !== '').join(': ');
}

/** A simulated program that threw, never ends, or awaits something that is not simulated. Names the node. Exit code 1. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly node: string;
  constructor(node: string, message: string, options?: { cause?: unknown }) {
    super(`node ${node}: ${message}`, options);
    this.node = node;
  }
}

/** The run stands still though packets or programs wait. `report` is the wait cycle or the list of waiters, ready to print. Exit code 3. */
export class DeadlockError extends Error {
  override readonly name = 'DeadlockError';
  readonly report: string;
  constructor(report: string) {
    super(report);
    this.report = report;
  }
}
