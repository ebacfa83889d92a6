/** Which marks of kernels are on a message's path. */
import { expect, it } from 'vitest';
import { type Moment, onlyOnPath } from '../../src/cluster/kernel-path.ts';

const kernel = (timePs: number, name: string, where: string): Moment => ({ timePs, name, where, isKernel: true });
const hardware = (timePs: number, name: string, where: string): Moment => ({ timePs, name, where });
const names = (moments: readonly Moment[]) => onlyOnPath(moments).map(({ name, where }) => `${name}@${where}`);

it('waits and interrupts count where work follows', () => {
  expect(
    names([
      kernel(1, 'netfront', 'a/g'),
      kernel(2, 'wait for vCPU', 'a'),
      kernel(3, 'upcall', 'a'),
      kernel(5, 'netback', 'a'),
      // The guest takes its sent packet back while the adapter works.
      kernel(6, 'wait for vCPU', 'a/g'),
      hardware(7, 'payload-read', 'a'),
      kernel(8, 'upcall', 'a/g'),
      hardware(9, 'payload-written', 'b'),
      kernel(10, 'wait for vCPU', 'b'),
      kernel(11, 'IPoIB', 'b'),
    ]),
  ).toEqual([
    'netfront@a/g',
    'wait for vCPU@a',
    'upcall@a',
    'netback@a',
    'payload-read@a',
    'payload-written@b',
    'wait for vCPU@b',
    'IPoIB@b',
  ]);
});

it('is in order of time, and leaves out stamps within a stage', () => {
  expect(names([kernel(5, 'tcp', 'a'), hardware(3, 'post-begin', 'a'), kernel(1, 'copy', 'a')])).toEqual(['copy@a', 'tcp@a']);
  expect(onlyOnPath([])).toEqual([]);
});
