/**
 * Prints where the time of one message went: its stages in order, each with its place, length and share of the whole, and the sum.
 * The sum must be what the program reported (times the divisor where a program reports half a round trip); anything else is a bug.
 */
import { assert } from '../sim/index.ts';
import { formatNs, formatShare, formatTable } from './table.ts';

/** The stages of one message of one size. Same shape as the breakdown of a run's result. */
export interface BreakdownReport {
  readonly messageBytes: number;
  /** What the program reports for this message, ps; may end in .5 where it is half of an odd number. */
  readonly reportedPs: number;
  /** 2 where the reported latency is half of what the stages add up to, else 1. */
  readonly divisor: number;
  /** Consecutive intervals; lengths in integer ps. */
  readonly stages: readonly { readonly name: string; readonly where: string; readonly durationPs: number }[];
}

/** Lines of the table of one size. Throws `InvariantError` if the stages do not add up to the picosecond. */
export function formatBreakdown(breakdown: BreakdownReport): string[] {
  const sumPs = breakdown.stages.reduce((sum, stage) => sum + stage.durationPs, 0);
  const wholePs = breakdown.reportedPs * breakdown.divisor;
  assert(sumPs === wholePs, () => `stages of ${breakdown.messageBytes} B add up to ${sumPs} ps, reported are ${wholePs} ps`);
  const share = (ps: number): string => (sumPs === 0 ? '' : formatShare(ps / sumPs));
  const rows = breakdown.stages.map((stage) => [stage.name, stage.where, formatNs(stage.durationPs), share(stage.durationPs)]);
  rows.push(['sum', '', formatNs(sumPs), share(sumPs)]);
  const title = `where the time of a message of ${breakdown.messageBytes} bytes went (${describeReported(breakdown)})`;
  const columns = [{ title: 'stage' }, { title: 'where' }, { title: 'ns' }, { title: 'share', align: 'right' as const }];
  return [title, ...formatTable(columns, rows, '  ')];
}

function describeReported(breakdown: BreakdownReport): string {
  const reported = `reported ${formatNs(breakdown.reportedPs)} ns`;
  return breakdown.divisor === 1 ? reported : `${reported}, the sum divided by ${breakdown.divisor}`;
}
