/** What breaks while programs run: retries, error completions, port counters; and a ring that stands still. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { loadTopologyFile, type ProgramReference, run, type RunOptions, type RunResult } from '../../src/cluster/index.ts';
import { ProgramError } from '../../src/sim/index.ts';
import { WcStatus } from '../../src/verbs/index.ts';
import type { Outage } from '../kit/outage.ts';

const FILE = 'topologies/connectx2-switch.yaml';
const OUTAGE: ProgramReference = { kind: 'file', path: 'test/kit/outage.ts' };
const WRITE_BW: ProgramReference = { kind: 'builtin', name: 'ib_write_bw' };
const MTU = 4096;
/** The client is node1, the server node2; this much is moved, from about 150 us on, at 3.2 GB/s. */
const MESSAGES = 100;
const MESSAGE_BYTES = 65_536;
const PACKETS = (MESSAGES * MESSAGE_BYTES) / MTU;

function start(
  program: ProgramReference,
  programArgs: readonly string[],
  faults: readonly string[],
  more: Partial<RunOptions> = {},
) {
  const options = { topology: loadTopologyFile(FILE), topologyFile: FILE, program, programArgs, faults, counters: true };
  return run({ ...options, placement: 'inline', ...more });
}

const writeBandwidth = (faults: readonly string[], more: Partial<RunOptions> = {}) =>
  start(WRITE_BW, ['-s', `${MESSAGE_BYTES}`, '-n', `${MESSAGES}`], faults, more);

function counters(result: RunResult, port: string): Readonly<Record<string, number>> {
  const found = result.ports?.find((report) => report.port === port);
  if (found === undefined) throw new Error(`no counters of ${port}`);
  return found.counters;
}

/** The run nothing happens to. */
const undisturbed = await writeBandwidth([]);

describe('a cable that is out for a while', () => {
  it('costs the outage and little more, and both of its ports count it', async () => {
    const result = await writeBandwidth(['link node1 down at 450us for 20us']);
    const lostPs = result.run.simulatedPs - undisturbed.run.simulatedPs;
    expect(lostPs).toBeGreaterThan(20e6);
    expect(lostPs).toBeLessThan(30e6); // then a NAK, a round trip later
    for (const port of ['node1:1', 'switch1:1']) expect(counters(result, port).linkDowned).toBe(1);
    for (const port of ['node2:1', 'switch1:2']) expect(counters(result, port).linkDowned).toBe(0);
    // what came in at the switch, less what was sent again, is the message data
    expect(counters(result, 'node1:1').portXmitDiscards).toBeGreaterThan(0);
    expect(counters(result, 'node2:1').portRcvPkts).toBeGreaterThan(PACKETS);
    expect(counters(undisturbed, 'node2:1').portRcvPkts).toBe(PACKETS);
  });

  it('does not matter on a cable that nobody uses', async () => {
    const result = await writeBandwidth(['link node3 down at 450us for 20us']);
    expect(result.run.simulatedPs).toBe(undisturbed.run.simulatedPs);
    expect(result.ports).toEqual(undisturbed.ports);
  });

  it('makes one message wait for the timeout when the last packet is lost', async () => {
    const at = (await start(OUTAGE, ['10'], [])).perNode.node1 as Outage;
    const posted = at.completions[5]?.postedPs as number;
    const result = await start(OUTAGE, ['10'], [`link node1 down at ${posted + 1}ps for 5us`]);
    const { completions } = result.perNode.node1 as Outage;
    expect(completions.map(({ status }) => status)).toEqual(Array(10).fill(WcStatus.SUCCESS));
    const waits = completions.map(({ postedPs, donePs }) => donePs - postedPs);
    // IBA 9.7.6.1.3: between once and four times 4.096 us x 2^8
    const timeoutPs = 4.096e6 * 2 ** 8;
    expect(waits[5]).toBeGreaterThan(timeoutPs);
    expect(waits[5]).toBeLessThan(4 * timeoutPs + 10e6);
    expect(Math.max(...waits.filter((_, i) => i !== 5))).toBeLessThan(10e6);
  });
});

describe('what never comes back', () => {
  it.each(['link node1 down at 450us', 'switch switch1 dies at 450us', 'node node2 dies at 450us'])(
    '%s: retries run out, and the client says so',
    async (fault) => {
      const error = await writeBandwidth([fault]).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(ProgramError);
      expect((error as ProgramError).message).toMatch(/^node node1: .*transport retry counter exceeded \(12\)/);
    },
  );

  it('takes the retries, each between one and four timeouts, and leaves the queue pair in the error state', async () => {
    for (const [timeout, retries] of [
      [8, 3],
      [6, 0],
      [10, 7],
    ] as const) {
      const result = await start(OUTAGE, ['1000', '4096', `${timeout}`, `${retries}`], ['switch switch1 dies at 300us']);
      const { completions, state } = result.perNode.node1 as Outage;
      const last = completions.at(-1);
      expect(completions.slice(0, -1).every(({ status }) => status === WcStatus.SUCCESS)).toBe(true);
      expect(last?.status).toBe(WcStatus.RETRY_EXC_ERR);
      const waitPs = (last?.donePs ?? 0) - (last?.postedPs ?? 0);
      const timeoutPs = 4.096e6 * 2 ** timeout;
      expect(waitPs).toBeGreaterThanOrEqual((retries + 1) * timeoutPs);
      expect(waitPs).toBeLessThanOrEqual(4 * (retries + 1) * timeoutPs + 10e6);
      expect(state).toBe(6); // IBV_QPS_ERR
    }
  });
});

describe('bit errors', () => {
  it('hit as many packets as the rate says; each is counted where it came in and sent again', async () => {
    const rate = 5e-7;
    const result = await writeBandwidth([`link node1 ber ${rate} at 1us`]);
    const [sent, received, atServer] = ['node1:1', 'switch1:1', 'node2:1'].map((port) => counters(result, port)) as [
      Record<string, number>,
      Record<string, number>,
      Record<string, number>,
    ];
    const damaged = (sent.portXmitPkts ?? 0) - (received.portRcvPkts ?? 0);
    expect(received.portRcvErrors).toBe(damaged);
    expect(atServer.portRcvErrors).toBe(0);
    expect(atServer.portRcvPkts).toBe(received.portRcvPkts);
    const packetBits = 8 * (MTU + 30);
    const expected = (sent.portXmitPkts ?? 0) * -Math.expm1(packetBits * Math.log1p(-rate));
    expect(Math.abs(damaged - expected)).toBeLessThan(5 * Math.sqrt(expected));
    expect(atServer.portRcvPkts).toBeGreaterThanOrEqual(PACKETS);
    expect(result.results).toMatchObject([{ MsgSize: MESSAGE_BYTES, n_iterations: MESSAGES }]);
  });
});

describe('a slow receiver', () => {
  it('slows the sender to its own rate, by credits, without a loss', async () => {
    const [rate, spanPs] = [500e6, 500e6];
    const result = await writeBandwidth(['node node2 slow 500MB/s at 450us for 500us']);
    const usual = undisturbed.results as [{ BW_average: number }];
    const share = rate / (usual[0].BW_average * 2 ** 20);
    const lostPs = result.run.simulatedPs - undisturbed.run.simulatedPs;
    // as long as it lasts, and until the 32 KiB in the adapter's buffer have been drained at that rate
    expect(lostPs).toBeGreaterThan((1 - share) * spanPs * 0.97);
    expect(lostPs).toBeLessThan((1 - share) * spanPs + ((32 * 1024) / rate) * 1e12);
    for (const port of ['node1:1', 'switch1:2'])
      expect(counters(result, port).portXmitWait).toBeGreaterThan(10 * ((counters(undisturbed, port).portXmitWait ?? 0) + 1000));
    expect(counters(result, 'node2:1').portRcvPkts).toBe(PACKETS);
  });
});

describe('a run with faults', () => {
  it('has one hash, whatever the placement', async () => {
    const faults = [
      'link node1 ber 2e-7 at 200us',
      'link node2 down at 600us for 10us',
      'node node2 slow 1GB/s at 700us for 50us',
    ];
    const found = new Set<string>();
    for (const placement of [{ placement: 'inline' }, { placement: 'pool', workers: 2 }] as const)
      found.add((await writeBandwidth(faults, placement)).run.hash);
    expect([...found]).toHaveLength(1);
  });
});

describe('a ring routed in a circle', () => {
  const heddle = (...words: string[]) => {
    const main = ['--import', 'tsx', 'src/cli/main.ts', 'run', '--placement', 'inline', ...words];
    const { status, stdout, stderr } = spawnSync(process.execPath, main, { encoding: 'utf8', timeout: 25_000 });
    return { status, stdout, stderr };
  };
  const SHIFT = ['test/kit/shift.ts', '2', '1000000'];

  it('stands still under load: the run stops with exit code 3 and the circle, port by port', () => {
    const { status, stdout, stderr } = heddle('--allow-cycles', 'topologies/ring-5.yaml', ...SHIFT);
    expect([status, stdout]).toEqual([3, '']);
    const lines = stderr.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^nothing can move at \d+ ps, but 5 of 5 programs have not finished$/);
    const steps = lines.filter((line) => /^ {2}sw-\d/.test(line));
    expect(steps.map((line) => line.slice(2, 6))).toEqual(['sw-0', 'sw-1', 'sw-2', 'sw-3', 'sw-4']);
    for (const step of steps)
      expect(step).toMatch(
        /VL0: \d+ credits of 64 bytes, \d+ packet\(s\) wait; the first is packet \d+ of node\d:1, 20\d\d bytes, since \d+ ps$/,
      );
    expect(lines.filter((line) => /^ {2}node\d waits for completion on CQ/.test(line))).toHaveLength(5);
  });

  it('is refused without the option, and the cycle named', () => {
    const { status, stderr } = heddle('topologies/ring-5.yaml', ...SHIFT);
    expect(status).toBe(2);
    expect(stderr.match(/sw-\d\[\d\] -> sw-\d\[\d\] VL0/g)).toHaveLength(5);
  });
});
