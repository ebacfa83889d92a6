/** Ranges against an expansion written out by hand, and the shape of endpoints. */
import { expect, test } from 'vitest';
import { expandNames, expandPorts, splitEndpoint } from '../../src/topology/names.ts';

test.each([
  ['cpu[1-3]', 'cpu1 cpu2 cpu3'],
  ['n[08-11]', 'n08 n09 n10 n11'],
  ['h[1,4,7-9]x', 'h1x h4x h7x h8x h9x'],
  ['h[1-7/3]', 'h1 h4 h7'],
  ['p[0-1]-l[1-2]', 'p0-l1 p0-l2 p1-l1 p1-l2'],
  ['plain', 'plain'],
])('%s stands for %s', (pattern, names) => expect(expandNames(pattern)).toEqual({ names: names.split(' ') }));

test.each([
  ['cpu[3-1]', 'runs backwards'],
  ['cpu[1-3', 'without "]"'],
  ['cpu1-3]', 'without "["'],
  ['cpu[a-b]', 'accepted are forms'],
  ['cpu[1-5/0]', 'step 0'],
  ['cpu[1-99999999]', 'more than 49151'],
  ['a[1-300]b[1-300]', 'more than 49151'],
  ['h[1,1]', 'same name twice'],
  ['a b', 'is no name'],
  ['-x', 'is no name'],
  ['', 'is no name'],
])('%j is refused: %s', (pattern, reason) => {
  const expansion = expandNames(pattern);
  expect('error' in expansion && expansion.error).toContain(reason);
});

test('endpoints come apart at the slash and the colon outside of brackets', () => {
  expect(splitEndpoint('leaf1:3')).toEqual({ name: 'leaf1', port: '3' });
  expect(splitEndpoint('cpu1/mlx4_1:2')).toEqual({ name: 'cpu1', hca: 'mlx4_1', port: '2' });
  expect(splitEndpoint('h[1-9/2]:[1-5]')).toEqual({ name: 'h[1-9/2]', port: '[1-5]' });
  for (const bad of ['', ':3', 'a:b', 'a b', 'a/:1', 'a:[1', 'a:']) expect(splitEndpoint(bad)).toBeUndefined();
  expect(expandPorts('[2-4]')).toEqual([2, 3, 4]);
});
