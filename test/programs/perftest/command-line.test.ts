import { describe, expect, it } from 'vitest';
import { parseCommand } from '../../../src/programs/perftest/command-line.ts';
import { PERFTEST_OPTIONS } from '../../../src/programs/perftest/option-table.ts';
import type { Machine, TestKind, Verb } from '../../../src/programs/perftest/parameters.ts';
import { ConfigError } from '../../../src/sim/index.ts';

function parse(verb: Verb, test: TestKind, args: string, machine: Machine = 'CLIENT') {
  return parseCommand('ib_test', verb, test, machine, args === '' ? [] : args.split(' '));
}

function parameters(verb: Verb, test: TestKind, args: string, machine: Machine = 'CLIENT') {
  return parse(verb, test, args, machine).parameters;
}

/** `path: message` of every issue. */
function issues(verb: Verb, test: TestKind, args: string): string[] {
  try {
    parse(verb, test, args);
  } catch (error) {
    if (error instanceof ConfigError) return error.issues.map((issue) => `${issue.path}: ${issue.message}`);
    throw error;
  }
  return [];
}

describe('defaults', () => {
  it('are those of perftest', () => {
    expect(parameters('SEND', 'LAT', '')).toMatchObject({
      size: 2,
      iters: 1000,
      txDepth: 1,
      rxDepth: 512,
      cqMod: 1,
      inlineSize: -1,
      connection: 'RC',
      qpTimeout: 14,
    });
    expect(parameters('SEND', 'BW', '')).toMatchObject({ size: 65_536, iters: 1000, txDepth: 128, rxDepth: 512, cqMod: 1 });
    expect(parameters('WRITE', 'BW', '')).toMatchObject({ size: 65_536, iters: 5000, txDepth: 128, rxDepth: 1, cqMod: 1 });
    expect(parameters('READ', 'BW', '')).toMatchObject({ iters: 1000, rxDepth: 1, inlineSize: 0 });
    expect(parameters('ATOMIC', 'BW', '')).toMatchObject({ size: 8, iters: 1000, cqMod: 100, atomicType: 'FETCH_AND_ADD' });
  });
});

describe('grammar', () => {
  it('is that of getopt_long', () => {
    const p = parameters('SEND', 'BW', '-bN -s4K -n 200 -cUC --tx=64 --report_gb --iters=200'.replace('-n 200 ', ''));
    expect(p).toMatchObject({ duplex: true, noPeak: true, size: 4096, connection: 'UC', txDepth: 64, gbits: true, iters: 200 });
    expect(parameters('SEND', 'LAT', '-s 0x40')).toMatchObject({ size: 64 });
    expect(parameters('SEND', 'LAT', '-s 2M')).toMatchObject({ size: 2_097_152 });
    expect(parameters('SEND', 'LAT', '-r 010')).toMatchObject({ rxDepth: 8 });
  });

  it('tells everything that is wrong, at once', () => {
    expect(issues('SEND', 'LAT', '-n 3 -s 0 --bogus -x 99 -b')).toEqual([
      '--bogus: unknown option',
      '-n: Iteration num should be between 5 and 4294967296; found 3',
      '-s: Message Size should be between 1 and 2147483647 (K and M allowed); found 0',
      '-x: Gid index should be between 0 and 64; found 99',
      '-b: Bidirectional is only available in BW test',
    ]);
  });

  it('helps with misspellings, ambiguity, repetition and missing values', () => {
    expect(issues('SEND', 'LAT', '--report-gbits')).toEqual(['--report-gbits: unknown option; did you mean --report_gbits?']);
    expect(issues('SEND', 'LAT', '--rate 5')[0]).toBe('--rate: may mean --rate_limit, --rate_limit_type, --rate_units');
    expect(issues('SEND', 'LAT', '-n 10 --iters 20')).toEqual(['--iters: given twice']);
    expect(issues('SEND', 'LAT', '-n')).toEqual(['-n: needs a value: iters']);
    expect(issues('SEND', 'LAT', '--all=1')).toEqual(['--all: takes no value, found 1']);
    expect(issues('SEND', 'LAT', 'cpu2')[0]).toContain('--server');
    expect(issues('SEND', 'LAT', '-n 12x')).toEqual(['-n: Iteration num should be a whole number; found 12x']);
  });

  it('refuses or warns of what a simulator has not, and knows every option by a reason', () => {
    expect(issues('SEND', 'BW', '--run_infinitely')).toEqual(['--run_infinitely: refused: a simulation must end; use -n or -D']);
    expect(issues('SEND', 'BW', '--use_cuda=0')[0]).toContain('accelerators');
    expect(parse('SEND', 'LAT', '-F -p 19000').warnings).toEqual([
      'warning: -F has no effect: the simulated CPU has a constant speed',
      'warning: -p has no effect: the out-of-band channel has no ports',
    ]);
    for (const option of PERFTEST_OPTIONS)
      expect(option.verdict === undefined || (option.why ?? '') !== '', option.long).toBe(true);
    const letters = PERFTEST_OPTIONS.flatMap((option) => option.short ?? []);
    expect(new Set(letters).size).toBe(letters.length);
    expect(new Set(PERFTEST_OPTIONS.map((option) => option.long)).size).toBe(PERFTEST_OPTIONS.length);
  });
});

describe('rules', () => {
  it('cut depths to the iterations', () => {
    expect(parameters('SEND', 'BW', '-n 10')).toMatchObject({ txDepth: 10, rxDepth: 10, cqMod: 1 });
    expect(parameters('SEND', 'LAT', '-n 9')).toMatchObject({ rxDepth: 10 }); // kept even
    expect(parameters('SEND', 'BW', '-c UD -s 1024 -n 2000')).toMatchObject({ rxDepth: 2000, cqMod: 100 });
    expect(parameters('SEND', 'BW', '-c UD -s 1024 --use-srq -n 50')).toMatchObject({ rxDepth: 100 });
  });

  it('switch moderation off for large messages only', () => {
    expect(parameters('SEND', 'BW', '-s 8192')).toMatchObject({ cqMod: 100 });
    expect(parameters('SEND', 'BW', '-s 8193')).toMatchObject({ cqMod: 1 });
    expect(parameters('SEND', 'BW', '-a')).toMatchObject({ cqMod: 100, size: 8_388_608 });
    expect(parse('SEND', 'BW', '-s 65536 -Q 10').warnings).toContain(
      'Warning: Large message requested and CQ moderation enabled',
    );
    expect(parameters('SEND', 'BW', '-s 2 -t 20')).toMatchObject({ cqMod: 20 });
  });

  it('know when the last completion stands for fewer messages', () => {
    expect(parameters('WRITE', 'BW', '-s 2 -n 5000').fillCount).toBe(false);
    expect(parameters('WRITE', 'BW', '-s 2 -n 5050').fillCount).toBe(true);
    expect(parameters('WRITE', 'BW', '-s 2 -t 64 -n 100').fillCount).toBe(true);
  });

  it('give up the peak where it can not be measured', () => {
    expect(parameters('SEND', 'BW', '', 'SERVER').noPeak).toBe(true);
    expect(parameters('WRITE', 'BW', '', 'SERVER').noPeak).toBe(false);
    expect(parameters('WRITE', 'BW', '-n 20000').noPeak).toBe(false);
    expect(parse('WRITE', 'BW', '-n 20001').warnings).toEqual([" WARNING: BW peak won't be measured in this run."]);
    expect(parameters('WRITE', 'BW', '-D 1')).toMatchObject({ noPeak: true, iters: 0, marginSeconds: 0.25 });
  });

  it('refuse what perftest refuses', () => {
    expect(issues('ATOMIC', 'BW', '-s 16')).toEqual(['-s: Message size cannot be changed for Atomic tests; accepted: 8']);
    expect(issues('ATOMIC', 'LAT', '-a')).toEqual(['-a: Message size cannot be changed for Atomic tests; accepted: 8']);
    expect(issues('READ', 'LAT', '-c UC')).toEqual(['-c: UC connection not possible in READ/ATOMIC verbs; accepted: RC']);
    expect(issues('WRITE', 'LAT', '-c UD')).toEqual(['-c: UD connection only possible in SEND verb; accepted: RC, UC']);
    expect(issues('SEND', 'LAT', '-c XRC')).toEqual(['-c: connection type XRC is not modelled; accepted: RC, UC, UD']);
    expect(issues('READ', 'BW', '-I 64')).toEqual(['-I: Inline feature not available on READ/Atomic verbs']);
    expect(issues('WRITE', 'BW', '--use-srq')).toEqual(['--use-srq: Using SRQ only available in SEND / SEND_IMM tests']);
    expect(issues('WRITE', 'LAT', '-e')).toEqual(['-e: Events feature not available on WRITE verb']);
    expect(issues('WRITE', 'LAT', '--write_with_imm -e')).toEqual([]);
    expect(issues('SEND', 'LAT', '-q 2')).toEqual(['-q: Multiple QPs only available on bw tests']);
    expect(issues('SEND', 'BW', '-l 7')).toEqual([
      '-l: Number of iterations must be a multiple of post list size; found 1000 and 7',
    ]);
    expect(issues('SEND', 'BW', '-l 10 -Q 3 -s 64')).toEqual([
      '-l: Post list size must be a multiple of CQ moderation; found 10 and 3',
    ]);
    expect(issues('SEND', 'BW', '-D 1 -f 0.5')).toEqual(['-D: please check that DURATION > 2*MARGIN; found 1 and 0.5']);
    expect(issues('SEND', 'BW', '-D 1 -a')).toEqual(["-a: Duration mode currently doesn't support running on all sizes"]);
    expect(issues('SEND', 'BW', '--output=latency')).toEqual([
      '--output: Output verbosity level for BW can be: bandwidth, message_rate',
    ]);
    expect(issues('SEND', 'BW', '--rate_limit 1 -b')[0]).toContain('SW Rate limiter');
  });

  it('turn the sides round', () => {
    expect(parameters('SEND', 'BW', '--reversed', 'SERVER').machine).toBe('CLIENT');
    expect(parameters('WRITE', 'BW', '--write_with_imm').verb).toBe('WRITE_IMM');
  });
});
