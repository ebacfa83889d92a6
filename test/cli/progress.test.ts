import { describe, expect, it } from 'vitest';
import { progressText } from '../../src/cli/progress.ts';

describe('progressText', () => {
  it('says how far the run is and how fast', () => {
    const text = progressText({ simulatedPs: 2_500_123_456, packetHops: 12_300_000, events: 15_000_000 }, 3000);
    expect(text).toBe('2.5 ms simulated, 12.3 M packet-hops, 4.1 M/s');
  });
});
