import { describe, expect, it } from 'vitest';
import { loadTopologyFile, parseFaults } from '../../src/cluster/index.ts';
import { ConfigError } from '../../src/sim/index.ts';

const topology = loadTopologyFile('star:hosts=3');

describe('faults of the command line', () => {
  it('are those of the topology file', () => {
    const faults = parseFaults(['link node1 down at 5us for 2us', 'node node2 dies at 1us'], topology);
    expect(faults.map(({ atPs }) => atPs)).toEqual([5e6, 7e6, 1e6]);
  });

  it('are refused with the mistakes of all of them', () => {
    let found: unknown;
    try {
      parseFaults(['switch sw9 dies at 1us', 'link node1 down at 5us', 'node node7 dies at 1us', 'nonsense'], topology);
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(ConfigError);
    const issues = (found as ConfigError).issues;
    expect(issues.map(({ file }) => file)).toEqual(['--fault', '--fault', '--fault']);
    expect(issues.map(({ message }) => message)).toEqual([
      expect.stringContaining('sw9'),
      expect.stringContaining('node7'),
      expect.stringContaining('nonsense'),
    ]);
  });
});
