/**
 * What the tests print, to the character, in the formats of perftest 6.29: the box with the test's parameters, the address lines, the column titles and the rows.
 *
 * Not printed: chatter about polling batches before the box. PCIe ordering and lock-free IO read "Unsupported", as in a perftest built without them.
 */
import { sprintf } from '../format.ts';
import { hasReceiveCompletion, type Parameters } from './parameters.ts';
import type { BandwidthResult, LatencyDurationResult, LatencyResult } from './statistics.ts';

export const RESULT_LINE = '-'.repeat(87);

const LATENCY_TITLE =
  ' #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec] ';
const LATENCY_DURATION_TITLE = ' #bytes        #iterations       t_avg[usec]    tps average';
const BANDWIDTH_TITLE = ' #bytes     #iterations    BW peak[MiB/sec]    BW average[MiB/sec]   MsgRate[Mpps]';
const BANDWIDTH_TITLE_GBITS = ' #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]';

const LATENCY_ROW = ' %-7lu %lu          %-7.2f        %-7.2f      %-7.2f  \t       %-7.2f     \t%-7.2f\t\t%-7.2f \t\t%-7.2f';
const LATENCY_DURATION_ROW = ' %-7lu       %lu            %-7.2f        %-7.2f';
const BANDWIDTH_ROW = ' %-7lu    %-10lu       %-7.2lf            %-7.2lf\t\t     %-7.6lf';
/** For bandwidths below 0.1 Gb/s. */
const BANDWIDTH_ROW_FINE = ' %-7lu    %lu           %-7.6lf            %-7.6lf            %-7.6lf';

const TEST_NAMES = {
  SEND: 'Send',
  SEND_IMM: 'Send_imm',
  WRITE: 'RDMA_Write',
  WRITE_IMM: 'RDMA_Write_imm',
  READ: 'RDMA_Read',
  ATOMIC: 'Atomic',
} as const;

/** What the box shows besides the parameters. */
export interface TestFacts {
  readonly deviceName: string;
  /** Path MTU, both sides agreed. */
  readonly mtuBytes: number;
  /** Of the two, what is used. */
  readonly inlineSize: number;
  readonly outReads: number;
}

/** One end of a queue pair, as exchanged and printed. */
export interface Destination {
  readonly lid: number;
  readonly qpn: number;
  readonly psn: number;
  readonly outReads: number;
  readonly rkey: number;
  readonly address: number;
  /** 16 bytes. */
  readonly gid: Uint8Array;
}

/** The words of the test's name: `Send Latency Test`. */
function testWords(p: Parameters): string[] {
  const words: string[] = [TEST_NAMES[p.verb]];
  if (p.verb === 'ATOMIC') words.push(p.atomicType);
  if (p.test === 'BW') {
    if (p.duplex) words.push('Bidirectional');
    if (p.postList > 1) words.push('Post List');
    words.push('BW');
  } else words.push('Latency');
  return [...words, 'Test'];
}

const onOff = (value: boolean) => (value ? 'ON' : 'OFF');

/** The box. */
export function testInfo(p: Parameters, facts: TestFacts): string[] {
  const lines = [RESULT_LINE, `                    ${testWords(p).join(' ')}`];
  if (p.useEvent) lines.push(` Test with events. Using ${facts.deviceName}_comp${p.completionVector ?? 0}`);
  lines.push(
    ` Dual-port       : OFF\t\tDevice         : ${facts.deviceName}`,
    ` Number of qps   : ${p.qps}\t\tTransport type : IB`,
    ` Connection type : ${p.connection}\t\tUsing SRQ      : ${onOff(p.useSrq)}`,
    ' PCIe relax order: Unsupported\t\tLock-free\t: Unsupported',
    ' ibv_wr* API     : OFF\t\tUsing Enhanced Reorder      : OFF',
  );
  if (p.machine === 'CLIENT' || p.duplex) lines.push(` TX depth        : ${p.txDepth}`);
  if (p.postList > 1) lines.push(` Post List       : ${p.postList}`);
  if (p.recvPostList > 1) lines.push(` Recv Post List  : ${p.recvPostList}`);
  if (hasReceiveCompletion(p.verb) && (p.machine === 'SERVER' || p.duplex)) lines.push(` RX depth        : ${p.rxDepth}`);
  if (p.test === 'BW') lines.push(` CQ Moderation   : ${p.cqMod}`, ` CQE Poll Batch  : ${p.dynamicPoll ? 'Dynamic' : p.cqePoll}`);
  lines.push(` Mtu             : ${facts.mtuBytes}[B]`, ' Link type       : IB');
  if (p.gidIndex >= 0) lines.push(` GID index       : ${p.gidIndex}`);
  if (p.verb !== 'READ' && p.verb !== 'ATOMIC') lines.push(` Max inline data : ${facts.inlineSize}[B]`);
  else lines.push(` Outstand reads  : ${facts.outReads}`);
  lines.push(` rdma_cm QPs\t : ${onOff(p.rdmaCm)}`, ` Data ex. method : ${p.rdmaCm ? 'rdma_cm' : 'Ethernet'}`, RESULT_LINE);
  return lines;
}

/** The line with one end's addresses, and the GID where one is in use. */
export function addressLines(p: Parameters, side: 'local' | 'remote', end: Destination): string[] {
  const lid = side === 'remote' && p.dlid > 0 ? p.dlid : end.lid;
  let line = sprintf(' %s address: LID %#04x QPN %#06x PSN %#06x', side, lid, end.qpn, end.psn);
  if (p.verb === 'READ') line += sprintf(' OUT %#04x', end.outReads);
  if (p.verb === 'READ' || p.verb === 'WRITE') line += sprintf(' RKey %#08x VAddr %#016llx', end.rkey, end.address);
  // perftest prints the bytes of a GID in decimal.
  return p.gidIndex < 0 ? [line] : [line, ` GID: ${Array.from(end.gid, (byte) => sprintf('%02d', byte)).join(':')}`];
}

/** The column titles, without the line above them. */
export function titleLine(p: Parameters): string {
  if (p.test === 'LAT') return p.durationSeconds === null ? LATENCY_TITLE : LATENCY_DURATION_TITLE;
  return p.gbits ? BANDWIDTH_TITLE_GBITS : BANDWIDTH_TITLE;
}

/** One row, or the one number of `--output=latency`. */
export function latencyRow(p: Parameters, r: LatencyResult): string {
  if (p.output === 'latency') return sprintf('%lf', r.t_avg);
  return sprintf(
    LATENCY_ROW,
    r.MsgSize,
    r.n_iterations,
    r.t_min,
    r.t_max,
    r.t_typical,
    r.t_avg,
    r.t_stdev,
    r.percentile_99,
    r['percentile_99.9'],
  );
}

export function latencyDurationRow(p: Parameters, r: LatencyDurationResult): string {
  if (p.output === 'latency') return sprintf('%lf', r.t_avg);
  return sprintf(LATENCY_DURATION_ROW, r.MsgSize, r.n_iterations, r.t_avg, r.tps_average);
}

export function bandwidthRow(p: Parameters, r: BandwidthResult): string {
  if (p.output === 'bandwidth') return sprintf('%lf', r.BW_average);
  if (p.output === 'message_rate') return sprintf('%lf', r.MsgRate);
  const isFine = r.BW_average < 0.1 && p.gbits;
  return sprintf(isFine ? BANDWIDTH_ROW_FINE : BANDWIDTH_ROW, r.MsgSize, r.n_iterations, r.BW_peak, r.BW_average, r.MsgRate);
}

/** The list of `-H` and `-U`. */
export function sampleLines(p: Parameters, samplesPs: Float64Array, psPerSample: number): string[] {
  const lines = [`#, ${p.cycles ? 'cycles' : 'usec'}`];
  for (let i = 0; i < samplesPs.length; i++) lines.push(sprintf('%d, %g', i + 1, (samplesPs[i] as number) / psPerSample));
  return lines;
}

/** perftest's `test_info` object: the box as JSON. */
export function testInfoJson(p: Parameters, facts: TestFacts): Record<string, string | number> {
  const isRoundTrip = p.verb === 'READ' || p.verb === 'ATOMIC';
  return {
    test: testWords(p).join('_').replace('Post List', 'Post_List'),
    ...(p.useEvent ? { 'Test with events': `Using_${facts.deviceName}_comp${p.completionVector ?? 0}` } : {}),
    Dual_port: 'OFF',
    Device: facts.deviceName,
    Number_of_qps: p.qps,
    Transport_type: 'IB',
    Connection_type: p.connection,
    Using_SRQ: onOff(p.useSrq),
    PCIe_relax_order: 'Unsupported',
    ibv_wr_API: 'OFF',
    ...(p.machine === 'CLIENT' || p.duplex ? { TX_depth: p.txDepth } : {}),
    ...(p.postList > 1 ? { Post_List: p.postList } : {}),
    ...(p.recvPostList > 1 ? { Recv_Post_List: p.recvPostList } : {}),
    ...(hasReceiveCompletion(p.verb) && (p.machine === 'SERVER' || p.duplex) ? { RX_depth: p.rxDepth } : {}),
    ...(p.test === 'BW' ? { CQ_Moderation: p.cqMod } : {}),
    Mtu: facts.mtuBytes,
    Link_type: 'IB',
    ...(p.gidIndex >= 0 ? { GID_index: p.gidIndex } : {}),
    ...(isRoundTrip ? { Outstand_reads: facts.outReads } : { Max_inline_data: facts.inlineSize }),
    rdma_cm_QPs: onOff(p.rdmaCm),
    Use_ROCm_memory: 'OFF',
    Use_MUSA_memory: 'OFF',
    Data_ex_method: p.rdmaCm ? 'rdma_cm' : 'Ethernet',
  };
}

type AnyResult = LatencyResult | LatencyDurationResult | BandwidthResult;

const COUNTS = ['MsgSize', 'n_iterations'];
const SIX_DECIMALS = ['MsgRate'];

/** The text that perftest's `--out_json` writes: the last message size's results, in its number formats. */
export function jsonReport(p: Parameters, facts: TestFacts, result: AnyResult): string {
  const info = Object.entries(testInfoJson(p, facts)).map(([key, value]) => `"${key}": ${JSON.stringify(value)}`);
  const isFine = 'BW_average' in result && p.gbits && result.BW_average < 0.1;
  const format = (key: string, value: number) => {
    if (COUNTS.includes(key)) return sprintf('%lu', value);
    return sprintf(isFine || SIX_DECIMALS.includes(key) ? '%.6lf' : '%.2lf', value);
  };
  const single = { bandwidth: 'bw_avg', message_rate: 'msgRate_avg', latency: 'avg_lat', full: '' }[p.output];
  const rows = Object.entries(result).map(([key, value]) => `"${key}": ${format(key, value as number)}`);
  const only = 'BW_average' in result ? (p.output === 'bandwidth' ? result.BW_average : result.MsgRate) : result.t_avg;
  const results = p.output === 'full' ? rows : [`"${single}": ${sprintf('%lf', only)}`];
  return `{\n"test_info": {\n${info.join(',\n')}\n},\n"results": {\n${results.join(',\n')}\n}\n}\n`;
}
