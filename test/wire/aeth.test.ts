import { describe, expect, it } from 'vitest';
import {
  AETH,
  aethKind,
  aethValue,
  aethWord,
  aethWordMsn,
  aethWordSyndrome,
  CREDIT_COUNTS,
  creditCode,
  formatSyndrome,
  RNR_TIMER_PS,
  rnrTimerCode,
} from '../../src/wire/index.ts';

describe('AETH', () => {
  it('credit codes follow the closed form: 0 1 2 3, then pairs 2^k and 1.5 × 2^k', () => {
    expect(Array.from(CREDIT_COUNTS.slice(0, 4))).toEqual([0, 1, 2, 3]);
    for (let code = 4; code <= 30; code++) expect(CREDIT_COUNTS[code]).toBe(2 ** (code >> 1) * (code & 1 ? 1.5 : 1));
    expect(CREDIT_COUNTS[31]).toBe(-1);
  });

  it('creditCode never promises more than there is, and as much as it can', () => {
    for (let count = 0; count < 40000; count += count < 100 ? 1 : 37) {
      const code = creditCode(count);
      expect(CREDIT_COUNTS[code]).toBeLessThanOrEqual(count);
      if (code < 30) expect(CREDIT_COUNTS[code + 1]).toBeGreaterThan(count);
    }
  });

  it('RNR timers: milliseconds of IBA table 45', () => {
    const ms = [
      655.36, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.16, 0.24, 0.32, 0.48, 0.64, 0.96, 1.28, 1.92, 2.56, 3.84, 5.12, 7.68,
      10.24, 15.36, 20.48, 30.72, 40.96, 61.44, 81.92, 122.88, 163.84, 245.76, 327.68, 491.52,
    ];
    expect(Array.from(RNR_TIMER_PS, (ps) => ps / 1e9)).toEqual(ms);
    ms.forEach((value, code) => {
      expect(rnrTimerCode(Math.round(value * 1e9))).toBe(code);
    });
    expect(rnrTimerCode(0)).toBe(1);
    expect(rnrTimerCode(1.29e9)).toBe(15);
    expect(rnrTimerCode(600e9)).toBe(0);
  });

  it('splits and joins the word', () => {
    const word = aethWord(0xe3, 0xabcdef);
    expect([aethWordSyndrome(word), aethWordMsn(word)]).toEqual([0xe3, 0xabcdef]);
    expect([aethKind(0x62), aethValue(0x62), aethKind(0x2e), aethValue(0x2e), aethKind(0x1f)]).toEqual([3, 2, 1, 14, 0]);
    expect(AETH.parse(Uint8Array.of(0x2e, 1, 2, 3))).toEqual({ syndrome: 0x2e, msn: 0x010203 });
  });

  it('prints', () => {
    expect([0x1f, 0x08, 0x2e, 0x60, 0x62, 0x7f, 0x45].map(formatSyndrome)).toEqual([
      'ACK',
      'ACK credits 16',
      'RNR NAK 1.28 ms',
      'NAK PSN sequence error',
      'NAK remote access error',
      'NAK code 31',
      'reserved syndrome 0x45',
    ]);
  });
});
