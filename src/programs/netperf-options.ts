/** netperf's command line: global options, then after `--` those of the test. */
import type { Issue } from '../sim/index.ts';
import type { ProgramContext } from '../verbs/index.ts';
import {
  type FoundOptions,
  hasOption,
  helpText,
  type OptionSpec,
  parseWhole,
  readOptions,
  textOption,
  throwIssues,
  wholeOption,
} from './options.ts';
import type { NetperfTest } from './netperf-format.ts';

const TESTS: readonly NetperfTest[] = ['TCP_STREAM', 'TCP_RR', 'UDP_STREAM', 'UDP_RR'];

export const NETPERF_OPTIONS: readonly OptionSpec[] = [
  { long: 'host', short: 'H', value: 'name', text: 'the remote host (default the server)' },
  {
    long: 'length',
    short: 'l',
    value: 'seconds',
    text: "how long to test (default 1; the original's 10 take ten times as long to simulate); below 0: that many bytes or transactions, as -l -1000",
  },
  { long: 'test', short: 't', value: 'name', text: `${TESTS.join(', ')} (default TCP_STREAM)` },
  {
    long: 'port',
    short: 'p',
    value: 'port',
    text: 'port of the control connection',
    verdict: 'warned',
    why: 'the two sides speak out of band',
  },
  { long: 'demo', short: 'D', value: 'seconds', text: '', verdict: 'refused', why: 'results come at the end' },
  { long: 'help', short: 'h', text: 'show this help' },
];

export const NETPERF_TEST_OPTIONS: readonly OptionSpec[] = [
  { long: 'send-size', short: 'm', value: 'bytes', text: 'bytes of a send (default the size of the send buffer)' },
  { long: 'receive-size', short: 'M', value: 'bytes', text: 'bytes of a receive (default the size of the receive buffer)' },
  { long: 'local-socket', short: 's', value: 'bytes', text: 'size of the local socket buffers' },
  { long: 'remote-socket', short: 'S', value: 'bytes', text: 'size of the remote socket buffers' },
  { long: 'request', short: 'r', value: 'req,rsp', text: 'bytes of request and response (default 1,1)' },
  { long: 'nodelay', short: 'D', text: 'TCP_NODELAY on both sides' },
  { long: 'congestion', short: 'K', value: 'name', text: 'congestion control: reno or cubic' },
];

export interface NetperfOptions {
  readonly host: string;
  /** Above 0: seconds; below: minus the number of bytes or transactions. */
  readonly seconds: number;
  readonly test: NetperfTest;
  /** 0: the default, here and below. */
  readonly sendSize: number;
  readonly receiveSize: number;
  readonly localSocket: number;
  readonly remoteSocket: number;
  readonly requestSize: number;
  readonly responseSize: number;
  readonly noDelay: boolean;
  /** Empty: the kernel's. */
  readonly congestion: string;
}

const MAX_BYTES = 1 << 30;

/** Reads the options, or prints the help (then null). Throws `ConfigError` with all mistakes. */
export function readNetperfOptions(context: ProgramContext): NetperfOptions | null {
  const { args } = context;
  const at = args.indexOf('--');
  const global = readOptions('netperf', NETPERF_OPTIONS, at < 0 ? args : args.slice(0, at));
  const special = readOptions('netperf', NETPERF_TEST_OPTIONS, at < 0 ? [] : args.slice(at + 1));
  const size = (long: string) => wholeOption(special, 'netperf', long, 0, 1, MAX_BYTES);
  const [requestSize, responseSize] = requestOf(special);
  const options: NetperfOptions = {
    host: textOption(global, 'host') ?? (context.peers.names[0] as string),
    seconds: lengthOf(global),
    test: testOf(global),
    sendSize: size('send-size'),
    receiveSize: size('receive-size'),
    localSocket: socketSize(size('local-socket')),
    remoteSocket: socketSize(size('remote-socket')),
    requestSize,
    responseSize,
    noDelay: hasOption(special, 'nodelay'),
    congestion: congestionOf(special),
  };
  throwIssues([...global.issues, ...special.issues]);
  for (const line of [...global.warnings, ...special.warnings]) context.log(line);
  if (!hasOption(global, 'help')) return options;
  for (const line of [...helpText('netperf', NETPERF_OPTIONS), '', ...helpText('netperf', NETPERF_TEST_OPTIONS).slice(2)])
    context.log(line);
  return null;
}

/** Linux's SOCK_MIN_RCVBUF, rounded: no buffer is smaller. */
function socketSize(asked: number): number {
  return asked === 0 ? 0 : Math.max(asked, 2304);
}

function note(found: FoundOptions, path: string, message: string): void {
  found.issues.push({ file: 'netperf', path, message } satisfies Issue);
}

function lengthOf(found: FoundOptions): number {
  const text = textOption(found, 'length');
  if (text === null) return 1;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value !== 0 && (value > 0 || Number.isInteger(value))) return value;
  note(found, '-l', `found ${text}, accepted seconds above 0, or a negative number of bytes or transactions`);
  return 1;
}

function testOf(found: FoundOptions): NetperfTest {
  const text = textOption(found, 'test') ?? 'TCP_STREAM';
  const test = TESTS.find((name) => name === text.toUpperCase());
  if (test === undefined) note(found, '-t', `found ${text}, accepted ${TESTS.join(', ')}`);
  return test ?? 'TCP_STREAM';
}

/** `-r 32,1024`; one number is for both. */
function requestOf(found: FoundOptions): [number, number] {
  const text = textOption(found, 'request');
  if (text === null) return [1, 1];
  const parts = text.split(',').map(parseWhole);
  const [request, response = request] = parts;
  const isGood = (value: number | null | undefined): value is number => value != null && value >= 1 && value <= MAX_BYTES;
  if (parts.length <= 2 && isGood(request) && isGood(response)) return [request, response];
  note(found, '-r', `found ${text}, accepted bytes of a request and of a response, such as 32,1024`);
  return [1, 1];
}

function congestionOf(found: FoundOptions): string {
  const text = textOption(found, 'congestion') ?? '';
  if (text !== '' && text !== 'reno' && text !== 'cubic') note(found, '-K', `found ${text}, accepted reno, cubic`);
  return text;
}
