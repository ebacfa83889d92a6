/** What `ping` of iputils prints, to the character: answers, errors, and the statistics at the end. */
import { sprintf } from './format.ts';

export interface PingCounts {
  readonly host: string;
  readonly transmitted: number;
  readonly received: number;
  readonly duplicates: number;
  readonly errors: number;
  /** Since the first request, in ms. */
  readonly elapsedMs: number;
  /** Most requests that were on their way at once. */
  readonly pipe: number;
  /** Round trips in whole microseconds; empty if packets are too short for a time stamp. */
  readonly rttUs: readonly number[];
}

/** `PING web1 (10.0.0.2) 56(84) bytes of data.` */
export function pingHeader(host: string, address: string, size: number): string {
  return `PING ${host} (${address}) ${size}(${size + 28}) bytes of data.`;
}

/** ` time=0.045 ms`: three significant digits at least, fewer decimals the longer it took. */
export function pingTime(us: number): string {
  if (us >= 100_000) return sprintf(' time=%d ms', Math.floor((us + 500) / 1000));
  if (us >= 10_000) return sprintf(' time=%d.%01d ms', Math.floor((us + 50) / 1000), Math.floor(((us + 50) % 1000) / 100));
  if (us >= 1000) return sprintf(' time=%d.%02d ms', Math.floor((us + 5) / 1000), Math.floor(((us + 5) % 1000) / 10));
  return sprintf(' time=%d.%03d ms', Math.floor(us / 1000), us % 1000);
}

/** The line of an answer; `us` null where the packet has no room for a time stamp. */
export function pingReply(
  from: string,
  bytes: number,
  sequence: number,
  ttl: number,
  us: number | null,
  isDuplicate: boolean,
): string {
  return `${bytes} bytes from ${from}: icmp_seq=${sequence} ttl=${ttl}${us === null ? '' : pingTime(us)}${isDuplicate ? ' (DUP!)' : ''}`;
}

const UNREACHABLE: Readonly<Record<number, string>> = {
  0: 'Destination Net Unreachable',
  1: 'Destination Host Unreachable',
  2: 'Destination Protocol Unreachable',
  3: 'Destination Port Unreachable',
  6: 'Destination Net Unknown',
  7: 'Destination Host Unknown',
  9: 'Destination Net Prohibited',
  10: 'Destination Host Prohibited',
  13: 'Packet filtered',
};

/** The line of an ICMP error about request `sequence`. */
export function pingError(
  from: string,
  sequence: number,
  error: { readonly kind: 'unreachable' | 'time-exceeded'; readonly code: number; readonly mtu: number },
): string {
  return `From ${from} icmp_seq=${sequence} ${errorText(error)}`;
}

function errorText({ kind, code, mtu }: { readonly kind: string; readonly code: number; readonly mtu: number }): string {
  if (kind === 'time-exceeded') return code === 0 ? 'Time to live exceeded' : 'Frag reassembly time exceeded';
  if (code === 4) return `Frag needed and DF set (mtu = ${mtu})`;
  return UNREACHABLE[code] ?? `Dest Unreachable, Bad Code: ${code}`;
}

export interface RttSummary {
  readonly minUs: number;
  readonly avgUs: number;
  readonly maxUs: number;
  readonly mdevUs: number;
}

/** Minimum, mean, maximum and deviation in whole microseconds, cut off as integer division does. */
export function summarizeRtt(rttUs: readonly number[]): RttSummary {
  const n = rttUs.length;
  const sum = rttUs.reduce((total, us) => total + us, 0);
  const squares = rttUs.reduce((total, us) => total + us * us, 0);
  const avg = Math.floor(sum / n);
  const variance = Math.max(0, squares / n - (sum / n) ** 2);
  return { minUs: Math.min(...rttUs), avgUs: avg, maxUs: Math.max(...rttUs), mdevUs: Math.floor(Math.sqrt(variance)) };
}

/** The closing lines. */
export function pingStatistics(counts: PingCounts): string[] {
  const { transmitted, received, duplicates, errors, elapsedMs, pipe, rttUs } = counts;
  const parts = [`${transmitted} packets transmitted`, `${received} received`];
  if (duplicates > 0) parts.push(`+${duplicates} duplicates`);
  if (errors > 0) parts.push(`+${errors} errors`);
  if (transmitted > 0) {
    parts.push(sprintf('%g%% packet loss', ((transmitted - received) * 100) / transmitted));
    parts.push(`time ${elapsedMs}ms`);
  }
  const last: string[] = [];
  if (received > 0 && rttUs.length > 0) {
    const { minUs, avgUs, maxUs, mdevUs } = summarizeRtt(rttUs);
    const values = [minUs, avgUs, maxUs, mdevUs].map((us) => sprintf('%d.%03d', Math.floor(us / 1000), us % 1000));
    last.push(`rtt min/avg/max/mdev = ${values.join('/')} ms`);
  }
  if (pipe > 1) last.push(`pipe ${pipe}`);
  return ['', `--- ${counts.host} ping statistics ---`, parts.join(', '), last.join(', ')];
}
