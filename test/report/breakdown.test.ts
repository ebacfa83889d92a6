import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBreakdown } from '../../src/report/index.ts';
import { InvariantError } from '../../src/sim/index.ts';

const stages = [
  { name: 'post', where: 'cpu1', durationPs: 100_000 },
  { name: 'serialise', where: 'cpu1:1', durationPs: 250_500 },
  { name: 'poll', where: 'cpu2', durationPs: 49_500 },
];

describe('formatBreakdown', () => {
  it('lists the stages in order, their shares, and the sum', () => {
    expect(formatBreakdown({ messageBytes: 64, reportedPs: 400_000, divisor: 1, stages })).toEqual([
      'where the time of a message of 64 bytes went (reported 400.000 ns)',
      '  stage      where        ns    share',
      '  post       cpu1    100.000   25.0 %',
      '  serialise  cpu1:1  250.500   62.6 %',
      '  poll       cpu2     49.500   12.4 %',
      '  sum                400.000  100.0 %',
    ]);
  });

  it('says by what the sum is divided where half a round trip is reported, odd sums included', () => {
    const odd = [...stages, { name: 'tail', where: 'cpu2', durationPs: 1 }];
    const lines = formatBreakdown({ messageBytes: 2, reportedPs: 200_000.5, divisor: 2, stages: odd });
    expect(lines[0]).toContain('reported 200.0005 ns, the sum divided by 2');
    expect(lines.at(-1)).toContain('400.001');
  });

  it('the printed stages add up to the printed sum, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10 ** 12 }), { minLength: 1, maxLength: 40 }), (durations) => {
        const total = durations.reduce((a, b) => a + b, 0);
        const made = durations.map((durationPs, i) => ({ name: `s${i}`, where: 'x', durationPs }));
        const lines = formatBreakdown({ messageBytes: 1, reportedPs: total, divisor: 1, stages: made });
        const printedPs = lines
          .slice(2)
          .map((line) => BigInt((/(\d+\.\d{3})/.exec(line) as RegExpExecArray)[1]!.replace('.', '')));
        expect(printedPs.slice(0, -1).reduce((a, b) => a + b, 0n)).toBe(printedPs.at(-1));
      }),
    );
  });

  it('takes stages that do not add up for a bug', () => {
    expect(() => formatBreakdown({ messageBytes: 64, reportedPs: 400_001, divisor: 1, stages })).toThrow(InvariantError);
  });
});
