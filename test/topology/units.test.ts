/** Values with units: exact where a decimal fraction is meant, refused where a unit is missing or a fraction of the smallest remains. */
import { fc, test as property } from './property.ts';
import { expect, test } from 'vitest';
import { formatTime, parseBufferBlocks, parseLengthPs, parseTimePs, parseUnit, RATE } from '../../src/topology/units.ts';

test.each([
  ['100ns', 100_000],
  ['1.5us', 1_500_000],
  ['0.001ns', 1],
  ['2 ms', 2e9],
  ['1e-3s', 1e9],
  ['.5ps', undefined],
  ['0.0001ns', undefined],
  ['100', undefined],
  ['-1ns', undefined],
  ['5m', undefined],
  ['1e300s', undefined],
  ['', undefined],
])('the time %j is %j ps', (text, ps) => expect(parseTimePs(text)).toBe(ps));

test('lengths cost 5 ns a metre', () => {
  expect([parseLengthPs('5m'), parseLengthPs('50cm'), parseLengthPs('2km'), parseLengthPs('5')]).toEqual([
    25_000,
    2500,
    10_000_000,
    undefined,
  ]);
});

test('buffers are whole blocks of 64 bytes', () => {
  expect(['16KiB', '128blocks', '64B', '6400B', '100B', '1kB', '1000'].map(parseBufferBlocks)).toEqual([
    256,
    128,
    1,
    100,
    undefined,
    undefined,
    undefined,
  ]);
});

test('rates are bytes a second, bits by a small b', () => {
  expect(['1GB/s', '8Gb/s', '1MiB/s', '1GBps'].map((text) => parseUnit(RATE, text))).toEqual([1e9, 1e9, 1048576, undefined]);
});

property('a formatted time reads back', fc.integer({ min: 1, max: 2 ** 42 }), (ps) => {
  expect(parseTimePs(formatTime(ps))).toBe(ps);
});
