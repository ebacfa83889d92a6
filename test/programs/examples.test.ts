import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runBench } from './harness.ts';

const folder = new URL('../../examples/', import.meta.url);
const files = readdirSync(folder)
  .filter((name) => /^\d\d-.*\.ts$/.test(name))
  .sort();

/** On how many nodes each runs here, and what its output must say. */
const EXPECTED: Readonly<Record<string, { nodes: number; says: RegExp }>> = {
  '01-ping-pong.ts': { nodes: 2, says: /^100 round trips of 64 bytes, \d\.\d{3} us each$/m },
  '02-write-with-immediate.ts': { nodes: 2, says: /^63 bytes: written by RDMA, without any help/m },
  '03-read.ts': { nodes: 2, says: /every byte is right\nwith a wrong key: remote access error, queue pair in state 6/ },
  '04-atomic-counter.ts': { nodes: 4, says: /^counter 150, 150 different tickets for 3 nodes$/m },
  '05-completion-events.ts': { nodes: 2, says: /^32 messages, 8 events, at most \d+\.\d\d us/m },
  '06-ud-multicast.ts': { nodes: 4, says: /^heard: message 0, message 1, message 2, message 3, message 4$/m },
  '07-srq-server.ts': { nodes: 4, says: /^120 requests of 3 clients from a pool of 32, filled again \d+ times$/m },
  '08-key-value-store.ts': { nodes: 4, says: /^75 updates, sum of values 75, locks free$/m },
  '09-ring-all-reduce.ts': { nodes: 4, says: /^4 nodes, 65536 floats: \d+\.\d us, \d+\.\d\d Gb\/s per link$/m },
  '10-rdma-cm-echo.ts': { nodes: 2, says: /^connected in \d+\.\d us: welcome$/m },
};

describe('examples', () => {
  it('are all tested', () => expect(files).toEqual(Object.keys(EXPECTED)));

  it.each(files)('%s is short, says how to run it, and runs', async (name) => {
    const path = new URL(name, folder).pathname;
    const text = readFileSync(path, 'utf8');
    expect(text.split('\n').length).toBeLessThan(100);
    expect(text).toMatch(/^\/\*\*\n \* /);
    expect(text).toContain(`examples/${name}`);
    const { nodes, says } = EXPECTED[name] as { nodes: number; says: RegExp };
    const { lines, errors } = await runBench({ program: path, nodes });
    expect(errors.flatMap((error) => error?.split('\n')[0] ?? [])).toEqual([]);
    expect(lines.map((of) => of.join('\n')).join('\n')).toMatch(says);
  });
});
