/**
 * What the eight programs share: reading the command line, the sizes of `-a`, printing and returning results, closing.
 */
import { type Program, type ProgramContext, program } from '../../verbs/index.ts';
import { helpText } from '../options.ts';
import { parseCommand } from './command-line.ts';
import { PERFTEST_OPTIONS } from './option-table.ts';
import { hasReceiveCompletion, MAX_SIZE, type Parameters, type TestKind, type Verb } from './parameters.ts';
import { bandwidthRow, jsonReport, RESULT_LINE, testInfoJson, titleLine } from './report.ts';
import { openSession, type Session } from './session.ts';
import type { BandwidthResult, LatencyDurationResult, LatencyResult } from './statistics.ts';

export type TestResult = LatencyResult | LatencyDurationResult | BandwidthResult;

/** What a test returns: perftest's JSON, with one entry of `results` per message size and numbers in full precision. */
export interface TestReport {
  readonly test_info: Readonly<Record<string, string | number>>;
  readonly results: readonly TestResult[];
  /** Of `--out_json`: files for whoever runs the program to write. */
  readonly outputFiles?: readonly { readonly name: string; readonly text: string }[];
}

/** Release whose formats and rules these are. */
const PERFTEST_VERSION = '6.29';

/** Makes one of the programs: `body` runs the test over an open session and returns the results of all sizes. */
export function perftest(
  name: string,
  summary: string,
  verb: Verb,
  test: TestKind,
  body: (session: Session) => Promise<readonly TestResult[]>,
): Program {
  const run = async (context: ProgramContext): Promise<TestReport | null> => {
    const { parameters, warnings } = parseCommand(
      name,
      verb,
      test,
      context.role === 'server' ? 'SERVER' : 'CLIENT',
      context.args,
    );
    if (parameters.help || parameters.version) {
      const lines = parameters.help ? helpText(name, PERFTEST_OPTIONS) : [`Version: ${PERFTEST_VERSION}`];
      if (context.role !== 'server') for (const line of lines) context.log(line);
      return null;
    }
    if (parameters.output === 'full') for (const line of warnings) context.log(line);
    const session = await openSession(name, context, parameters);
    const results = await body(session);
    if (parameters.output === 'full') context.log(RESULT_LINE);
    await session.sync();
    await close(session);
    checkLimits(parameters, results);
    return report(session, results);
  };
  return program(run, { name, summary, roles: 'client-server' });
}

/** Ends the connections of rdma_cm; other queue pairs are destroyed as they are, so that nothing is sent or repeated any more. */
async function close({ connections, qps }: Session): Promise<void> {
  for (const { id } of connections) await id.disconnect();
  if (connections.length === 0) for (const { qp } of qps) qp.close();
}

function report({ p, facts }: Session, results: readonly TestResult[]): TestReport {
  const last = results.at(-1);
  const files =
    p.outJson && last !== undefined ? { outputFiles: [{ name: p.outJsonFile, text: jsonReport(p, facts, last) }] } : {};
  return { test_info: testInfoJson(p, facts), results, ...files };
}

/** `-w` and `-y`: passed when any message size reached the limit, as in perftest. */
function checkLimits(p: Parameters, results: readonly TestResult[]): void {
  const rates = results.flatMap((result) => ('BW_average' in result ? [result] : []));
  if (rates.length === 0) return;
  if (p.limitBw !== null && rates.every((rate) => rate.BW_average < (p.limitBw as number)))
    throw new Error('BW result is below bw limit');
  if (p.limitMsgRate !== null && rates.every((rate) => rate.MsgRate < (p.limitMsgRate as number)))
    throw new Error('Msg rate  is below msg_rate limit');
}

/** The message sizes of a test: one, or powers of two from 2, for datagrams up to the MTU. */
export function sizes({ p, facts }: Session): number[] {
  if (!p.all) return [p.size];
  const largest = p.connection === 'UD' ? facts.mtuBytes : MAX_SIZE;
  const all: number[] = [];
  for (let size = 2; size <= largest; size *= 2) all.push(size);
  return all;
}

/**
 * Prints a bandwidth result. In a bidirectional test both sides exchange theirs and print the sum, except where the loop itself
 * counted both directions (a time-limited run with receives).
 */
export async function reportBandwidth(session: Session, own: BandwidthResult): Promise<BandwidthResult> {
  const { p, program: context } = session;
  const isWhole = !p.duplex || (hasReceiveCompletion(p.verb) && p.durationSeconds !== null);
  if (isWhole) {
    context.log(bandwidthRow(p, own));
    return own;
  }
  const remote = await session.exchange(own);
  const sum = {
    ...own,
    BW_peak: own.BW_peak + remote.BW_peak,
    BW_average: own.BW_average + remote.BW_average,
    MsgRate: own.MsgRate + remote.MsgRate,
  };
  context.log(bandwidthRow(p, sum));
  if (p.reportBoth && !p.all) printBoth(session, own, remote);
  return sum;
}

function printBoth({ p, program: context }: Session, own: BandwidthResult, remote: BandwidthResult): void {
  const lines = [RESULT_LINE, '', ' Local results: ', RESULT_LINE, titleLine(p), bandwidthRow(p, own)];
  lines.push(RESULT_LINE, '', ' Remote results: ', RESULT_LINE, titleLine(p), bandwidthRow(p, remote));
  for (const line of lines) context.log(line);
}

/** The passive side of a one-way test without receives: waits for the other, and prints its last result. */
export async function awaitReport(session: Session): Promise<BandwidthResult[]> {
  const result = (await session.exchange<BandwidthResult | null>(null)) as BandwidthResult;
  session.program.log(bandwidthRow(session.p, result));
  return [result];
}

/** The active side's part of it. */
export async function sendReport(session: Session, result: BandwidthResult): Promise<void> {
  await session.exchange<BandwidthResult | null>(result);
}
