/** What netperf 2.7 prints, to the character: the banner, the titles and the lines of TCP_STREAM, TCP_RR, UDP_STREAM and UDP_RR. */
import { sprintf } from './format.ts';

export type NetperfTest = 'TCP_STREAM' | 'TCP_RR' | 'UDP_STREAM' | 'UDP_RR';

const NAMES: Readonly<Record<NetperfTest, string>> = {
  TCP_STREAM: 'MIGRATED TCP STREAM TEST',
  TCP_RR: 'MIGRATED TCP REQUEST/RESPONSE TEST',
  UDP_STREAM: 'MIGRATED UDP STREAM TEST',
  UDP_RR: 'MIGRATED UDP REQUEST/RESPONSE TEST',
};

/** netperf gives the text of an address as much room as a pointer has bytes: longer ones are missing in its banner. */
function bannerAddress(address: string): string {
  return address.length < 8 ? address : '';
}

/** `MIGRATED TCP STREAM TEST from 0.0.0.0 (0.0.0.0) port 0 AF_INET to web1 () port 0 AF_INET` */
export function netperfBanner(test: NetperfTest, host: string, address: string, noDelay: boolean): string {
  const to = `to ${host} (${bannerAddress(address)}) port 0 AF_INET`;
  const burst = test.endsWith('_RR') ? ' : first burst 0' : '';
  return `${NAMES[test]} from 0.0.0.0 (0.0.0.0) port 0 AF_INET ${to}${noDelay ? ' : nodelay' : ''}${burst}`;
}

export interface StreamFigures {
  readonly receiveSocket: number;
  readonly sendSocket: number;
  readonly sendSize: number;
  readonly seconds: number;
  /** 10^6 bits a second. */
  readonly throughput: number;
}

export function tcpStreamLines(figures: StreamFigures): string[] {
  const { receiveSocket, sendSocket, sendSize, seconds, throughput } = figures;
  return [
    'Recv   Send    Send                          ',
    'Socket Socket  Message  Elapsed              ',
    'Size   Size    Size     Time     Throughput  ',
    'bytes  bytes   bytes    secs.    10^6bits/sec  ',
    '',
    sprintf('%6d %6d %6d    %-6.2f   %7.2f   ', receiveSocket, sendSocket, sendSize, seconds, throughput),
  ];
}

export interface TransactionFigures {
  readonly localSend: number;
  readonly localReceive: number;
  readonly remoteSend: number;
  readonly remoteReceive: number;
  readonly requestSize: number;
  readonly responseSize: number;
  readonly seconds: number;
  /** Transactions a second. */
  readonly rate: number;
}

export function transactionLines(figures: TransactionFigures): string[] {
  const { localSend, localReceive, remoteSend, remoteReceive, requestSize, responseSize, seconds, rate } = figures;
  return [
    'Local /Remote',
    'Socket Size   Request  Resp.   Elapsed  Trans.',
    'Send   Recv   Size     Size    Time     Rate         ',
    'bytes  Bytes  bytes    bytes   secs.    per sec   ',
    '',
    sprintf('%-6d %-6d %-6d   %-6d  %-6.2f   %7.2f   ', localSend, localReceive, requestSize, responseSize, seconds, rate),
    sprintf('%-6d %-6d', remoteSend, remoteReceive),
  ];
}

export interface DatagramFigures {
  readonly sendSocket: number;
  readonly receiveSocket: number;
  readonly sendSize: number;
  readonly seconds: number;
  readonly sent: number;
  readonly errors: number;
  readonly received: number;
  readonly sentThroughput: number;
  readonly receivedThroughput: number;
}

export function udpStreamLines(figures: DatagramFigures): string[] {
  const { sendSocket, receiveSocket, sendSize, seconds, sent, errors, received } = figures;
  return [
    'Socket  Message  Elapsed      Messages                ',
    'Size    Size     Time         Okay Errors   Throughput',
    'bytes   bytes    secs            #      #   10^6bits/sec',
    '',
    sprintf('%6d  %6d   %-7.2f   %7d %6d    %7.2f', sendSocket, sendSize, seconds, sent, errors, figures.sentThroughput),
    sprintf('%6d           %-7.2f   %7d           %7.2f', receiveSocket, seconds, received, figures.receivedThroughput),
    '',
  ];
}
