import { describe, expect, it } from 'vitest';
import { formatTraffic, type TrafficReport, trafficToJson } from '../../src/report/index.ts';

const report: TrafficReport = {
  pattern: 'uniform',
  hosts: 1024,
  offeredLoad: 0.9,
  acceptedLoad: 0.8765,
  bytesPerSecond: 1.1e13,
  messages: 123456,
  latencyPs: {
    min: 1_000_000,
    mean: 2_500_000,
    p50: 2_000_000,
    p90: 4_000_000,
    p99: 9_000_000,
    p999: 20_000_000,
    max: 33_333_333,
  },
  latencySamples: [[1_000_000, 5]],
  fairness: { jain: 0.9987, leastOfMean: 0.91, greatestOfMean: 1.05 },
  links: [
    { name: 'leaf1:3 -> spine1:1', use: 0.95, wait: 0.2 },
    { name: 'leaf1:4 -> spine2:1', use: 0.5, wait: 0 },
    { name: 'leaf2:4 -> spine2:2', use: 0, wait: 0 },
  ],
};

describe('formatTraffic', () => {
  it('prints load, fairness, latency, and the fullest links', () => {
    expect(formatTraffic(report, 2)).toEqual([
      'uniform, 1,024 hosts, offered 90.0 %',
      "  accepted  87.6 % of the links' data rate, 11.0 TB/s, 123,456 messages",
      '  fairness  Jain 0.9987, sources get 0.91 to 1.05 of the mean',
      '',
      '  us         min   mean   50 %   90 %   99 %  99.9 %     max',
      '  latency  1.000  2.500  2.000  4.000  9.000  20.000  33.333',
      '',
      '  links     mean use 48.3 % over 3 directions, 1 idle',
      '  fullest links        in use  waiting',
      '  leaf1:3 -> spine1:1  95.0 %   20.0 %',
      '  leaf1:4 -> spine2:1  50.0 %    0.0 %',
    ]);
  });

  it('says so where the loop is closed, and does without links', () => {
    const lines = formatTraffic({ ...report, offeredLoad: null, links: [] });
    expect(lines[0]).toBe('uniform, 1,024 hosts, closed loop');
    expect(lines.join('\n')).not.toContain('links ');
  });
});

describe('trafficToJson', () => {
  it('keeps everything but the raw samples', () => {
    const json = trafficToJson(report);
    expect(Object.keys(json)).toEqual(Object.keys(report).filter((key) => key !== 'latencySamples'));
  });
});
