/** The rate limit, against the rule in its plainest form: windows, and what each lets through. */
import { describe, expect, it } from 'vitest';
import { Credit, NO_LIMIT, parseRate } from '../../src/xen-netback/credit.ts';
import { RawFront } from '../kit/raw-front.ts';

const US = 1e6;

describe('credit', () => {
  it('is what libxl writes', () => {
    expect(parseRate('62500,50000')).toEqual({ bytes: 62_500, microseconds: 50_000 });
    expect(parseRate(undefined)).toBe(NO_LIMIT);
    expect([parseRate('10'), parseRate('1,2,3'), parseRate('x,1')]).toEqual([null, null, null]);
  });

  it('is taken until it is used up, and given again window by window', () => {
    const credit = new Credit({ bytes: 1000, microseconds: 100 }, 0);
    expect([credit.take(600, 0), credit.take(400, 10 * US)]).toEqual([0, 0]);
    expect(credit.take(1, 20 * US)).toBe(100 * US);
    credit.replenish();
    expect(credit.take(1000, 100 * US)).toBe(0);
    expect(credit.take(1, 150 * US)).toBe(200 * US);
    // Long after: one window's worth, from now.
    expect(credit.take(1000, 950 * US)).toBe(0);
    expect(credit.take(1, 951 * US)).toBe(1050 * US);
  });

  it('is saved up to 128 KiB at least, so that the largest packet passes once', () => {
    const credit = new Credit({ bytes: 1000, microseconds: 100 }, 0);
    let atPs = 0;
    let windows = 0;
    for (let waitPs = credit.take(65_000, atPs); waitPs !== 0; waitPs = credit.take(65_000, atPs)) {
      windows++;
      atPs = waitPs;
      credit.replenish();
    }
    expect(windows).toBe(64);
  });

  it('without a limit lets all through', () => {
    const credit = new Credit(NO_LIMIT, 0);
    expect(credit.take(65_535, 0)).toBe(0);
  });
});

describe('a limited interface', () => {
  it('takes what the windows allow, to the byte and to the window', () => {
    // 10 packets of 1000 bytes each 50 ms; a ring full of 250.
    const front = new RawFront('xen-4.17', { rate: '10000,50000' });
    const { lab } = front;
    lab.run();
    for (let i = 0; i < 250; i++) front.slot({ id: i, size: 1000 });
    front.tx.pushRequests();
    const startPs = lab.loop.nowPs;
    front.kick();
    // Credit of the window since the connection, then ten packets for each window more.
    const arrived: number[] = [];
    for (let window = 0; window < 26; window++) {
      lab.run(startPs + (window * 50_000 + 49_000) * US);
      arrived.push(front.arrived.length);
    }
    const first = arrived[0] as number;
    expect(first % 10).toBe(0);
    expect(first).toBeGreaterThanOrEqual(10);
    expect(first).toBeLessThanOrEqual(20);
    expect(arrived.map((count) => Math.min(count, 250))).toEqual(arrived.map((_, window) => Math.min(first + 10 * window, 250)));
    expect(front.responses()).toHaveLength(250);
  });
});
