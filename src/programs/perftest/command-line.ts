/**
 * From a command line to the parameters of a test: ranges as perftest 6.29 has them (`rules.ts` then applies what follows from their combination).
 * Messages are perftest's, with what was found and what is accepted added.
 */
import { type FoundOption, parseWhole, readOptions, throwIssues } from '../options.ts';
import { PERFTEST_OPTIONS } from './option-table.ts';
import { defaultParameters, isRoundTrip, type Machine, type Parameters, type TestKind, type Verb } from './parameters.ts';
import { applyRules } from './rules.ts';

/** What a command line gave: the parameters, and lines to print before anything else. */
export interface ParsedCommand {
  readonly parameters: Parameters;
  readonly warnings: readonly string[];
}

/**
 * Reads the options of `tool` (ib_send_lat, …). Throws `ConfigError` with every mistake found.
 * `machine` is the side on which the program runs, before `--reversed`.
 */
export function parseCommand(tool: string, verb: Verb, test: TestKind, machine: Machine, args: readonly string[]): ParsedCommand {
  const p = defaultParameters(verb, test, machine);
  const found = readOptions(tool, PERFTEST_OPTIONS, args);
  const issues = found.issues;
  for (const option of found.options) {
    const problem = SETTERS[option.spec.long]?.(p, option.value, option);
    if (typeof problem === 'string') issues.push({ file: tool, path: option.written, message: problem });
  }
  const written = (long: string) => found.options.find((option) => option.spec.long === long)?.written ?? `--${long}`;
  const warnings = [...found.warnings];
  if (!p.help && !p.version)
    applyRules(
      p,
      (long, message) => issues.push({ file: tool, path: written(long), message }),
      (line) => warnings.push(line),
    );
  throwIssues(issues);
  return { parameters: p, warnings };
}

/** Sets a parameter; returns what is wrong, if anything. */
type Setter = (p: Parameters, value: string, option: FoundOption) => string | undefined;
type Assign<T> = (p: Parameters, value: T) => string | undefined;

/** Assigns to one parameter. */
function assign<K extends keyof Parameters>(key: K): Assign<Parameters[K]> {
  return (p, value) => {
    p[key] = value;
    return undefined;
  };
}

/** A whole number in a range. */
function whole(name: string, low: number, high: number, set: Assign<number>): Setter {
  return (p, text) => {
    const value = parseWhole(text);
    if (value === null) return `${name} should be a whole number; found ${text}`;
    if (value < low || value > high) return `${name} should be between ${low} and ${high}; found ${text}`;
    return set(p, value);
  };
}

/** A decimal number that is at least (or above) a bound. */
function decimal(name: string, accepts: (value: number) => boolean, accepted: string, set: Assign<number>): Setter {
  return (p, text) => {
    const value = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value) || !accepts(value)) return `${name} should be ${accepted}; found ${text}`;
    set(p, value);
  };
}

function oneOf<T extends string>(name: string, values: readonly T[], set: Assign<T>): Setter {
  return (p, text) => {
    const value = values.find((candidate) => candidate === text);
    return value === undefined ? `${name} should be one of ${values.join(', ')}; found ${text}` : set(p, value);
  };
}

/** Turns one parameter on. */
function on(
  key: 'all' | 'useEvent' | 'help' | 'version' | 'rdmaCm' | 'outJson' | 'useSrq' | 'mrPerQp' | 'warmUp' | 'reportBoth' | 'gbits',
): Setter {
  return (p) => {
    p[key] = true;
    return undefined;
  };
}

/** A flag that does more. */
function flag(set: (p: Parameters) => string | undefined): Setter {
  return (p) => set(p);
}

function parseSize(p: Parameters, text: string): string | undefined {
  const match = /^(.*?)([KM]?)$/.exec(text) as RegExpExecArray;
  const value = parseWhole(match[1] as string);
  const bytes = (value ?? Number.NaN) * (match[2] === 'K' ? 1024 : match[2] === 'M' ? 1_048_576 : 1);
  if (!(bytes >= 1 && bytes <= 2_147_483_647))
    return `Message Size should be between 1 and 2147483647 (K and M allowed); found ${text}`;
  p.size = bytes;
  p.sizeGiven = true;
  return undefined;
}

const CONNECTIONS_NOT_HERE = ['XRC', 'DC', 'SRD', 'RawEth'];

function setConnection(p: Parameters, text: string): string | undefined {
  if (CONNECTIONS_NOT_HERE.includes(text)) return `connection type ${text} is not modelled; accepted: RC, UC, UD`;
  if (text === 'UC' && isRoundTrip(p.verb)) return 'UC connection not possible in READ/ATOMIC verbs; accepted: RC';
  if (text === 'UD' && p.verb !== 'SEND' && p.verb !== 'SEND_IMM')
    return 'UD connection only possible in SEND verb; accepted: RC, UC';
  if (text !== 'RC' && text !== 'UC' && text !== 'UD') return `Invalid Connection type; found ${text}, accepted: RC, UC, UD`;
  p.connection = text;
  return undefined;
}

function setFlowLabels(p: Parameters, text: string): string | undefined {
  const labels = text.split(',').map(parseWhole);
  if (labels.some((label) => label === null || label < 0 || label > 0xfffff))
    return `flow labels should be between 0 and 1048575; found ${text}`;
  p.flowLabels = labels as number[];
  return undefined;
}

const bwOnly = (p: Parameters, message: string) => (p.test === 'BW' ? undefined : message);
const latOnly = (p: Parameters, message: string) => (p.test === 'LAT' ? undefined : message);

const SETTERS: Readonly<Record<string, Setter>> = {
  all: on('all'),
  atomic_type: (p, text, option) =>
    p.verb === 'ATOMIC'
      ? oneOf('Atomic type', ['CMP_AND_SWAP', 'FETCH_AND_ADD'] as const, assign('atomicType'))(p, text, option)
      : 'To change the atomic action type, you must run one of the atomic tests',
  bidirectional: flag((p) => {
    p.duplex = true;
    return bwOnly(p, 'Bidirectional is only available in BW test');
  }),
  connection: setConnection,
  'report-cycles': flag((p) => {
    p.cycles = true;
    return latOnly(p, 'Available only on Latency tests');
  }),
  'ib-dev': assign('device'),
  duration: decimal('Duration period', (v) => v > 0, 'a positive number of seconds', assign('durationSeconds')),
  events: on('useEvent'),
  vector: whole('EQN', 0, 2048, (p, v) => {
    p.completionVector = v;
    return p.verb === 'WRITE' ? 'Events feature not available on WRITE verb' : undefined;
  }),
  margin: decimal('Margin', (v) => v >= 0, 'a non-negative number of seconds', assign('marginSeconds')),
  help: on('help'),
  version: on('version'),
  'report-histogram': flag((p) => {
    p.histogram = true;
    return latOnly(p, 'Available only on Latency tests');
  }),
  'report-unsorted': flag((p) => {
    p.unsorted = true;
    return latOnly(p, 'Available only on Latency tests');
  }),
  'ib-port': whole('IB Port', 1, 255, assign('port')),
  inline_size: whole('Max inline', 0, 1024, (p, v) => {
    p.inlineSize = v;
    return isRoundTrip(p.verb) ? 'Inline feature not available on READ/Atomic verbs' : undefined;
  }),
  post_list: whole('Send Post List size', 1, 15_000, assign('postList')),
  recv_post_list: whole('Receive Post List size', 1, 16_384, assign('recvPostList')),
  mtu: (p, text) => {
    const value = parseWhole(text);
    if (value === null || ![256, 512, 1024, 2048, 4096].includes(value))
      return `Please choose mtu from {256,512,1024,2048,4096}; found ${text}`;
    p.mtuBytes = value;
  },
  iters: whole('Iteration num', 5, 4_294_967_296, assign('iters')),
  noPeak: flag((p) => {
    p.noPeak = true;
    return bwOnly(p, 'NoPeak only valid for BW tests');
  }),
  outs: whole('Outstanding Reads', 1, 255, (p, v) => {
    p.outReads = v;
    return isRoundTrip(p.verb) ? undefined : 'Setting Outstanding reads only available on READ verb';
  }),
  qp: whole('num of Qps', 1, 16_384, (p, v) => {
    p.qps = v;
    return v > 1 ? bwOnly(p, 'Multiple QPs only available on bw tests') : undefined;
  }),
  'cq-mod': whole('CQ moderation', 1, 1024, (p, v) => {
    p.cqMod = v;
    p.cqModGiven = true;
  }),
  'rx-depth': whole('Rx depth', 1, 16_384, (p, v) => {
    p.rxDepth = v;
    return isRoundTrip(p.verb) && v > 1 ? 'On RDMA verbs rx depth can be only 1' : undefined;
  }),
  rdma_cm: on('rdmaCm'),
  size: parseSize,
  sl: whole('Service Level', 0, 15, assign('sl')),
  'tx-depth': whole('Tx depth', 1, 15_000, assign('txDepth')),
  'qp-timeout': whole('QP Timeout', 0, 31, assign('qpTimeout')),
  limit_bw: decimal('Minimum BW Limit', (v) => v >= 0, 'a non-negative number', assign('limitBw')),
  limit_msgrate: decimal('Minimum msgRate Limit', (v) => v >= 0, 'a non-negative number', assign('limitMsgRate')),
  'gid-index': whole('Gid index', 0, 64, assign('gidIndex')),
  out_json: on('outJson'),
  out_json_file: assign('outJsonFile'),
  cqe_poll: whole('CQE Poll', 1, 65_535, (p, v) => {
    p.cqePoll = v;
    p.dynamicPoll = false;
  }),
  disable_dynamic_polling: flag((p) => {
    p.dynamicPoll = false;
  }),
  dlid: whole('dlid', 1, 0xbfff, assign('dlid')),
  'use-srq': on('useSrq'),
  latency_gap: whole('Latency gap time', 0, 2_147_483_647, assign('latencyGapUs')),
  mr_per_qp: on('mrPerQp'),
  output: oneOf('verbosity level output', ['bandwidth', 'message_rate', 'latency'] as const, assign('output')),
  perform_warm_up: on('warmUp'),
  pkey_index: whole('Pkey index', 0, 65_535, assign('pkeyIndex')),
  'report-both': on('reportBoth'),
  report_gbits: on('gbits'),
  reversed: flag((p) => {
    p.machine = p.machine === 'CLIENT' ? 'SERVER' : 'CLIENT';
  }),
  retry_count: whole('Retry Count', 0, 7, assign('retryCount')),
  tclass: whole('traffic class', 0, 255, assign('trafficClass')),
  flow_label: setFlowLabels,
  burst_size: whole('Burst size', 1, 15_000, assign('burstSize')),
  rate_limit: decimal('Rate limit', (v) => v > 0, 'a positive number', assign('rateLimit')),
  rate_limit_type: (_p, text) => {
    if (text === 'HW') return 'rate limiting by the HCA is not modelled; accepted: SW';
    if (text === 'PP') return 'Packet Pacing is only supported for Raw Ethernet; accepted: SW';
    return text === 'SW' ? undefined : `Invalid rate limit type flag; found ${text}, accepted: SW`;
  },
  rate_units: oneOf('rate limit units', ['M', 'g', 'p'] as const, assign('rateUnits')),
  write_with_imm: flag((p) => {
    if (p.verb !== 'WRITE') return 'Write_with_imm can only be used with write_lat and write_bw tests';
    p.verb = 'WRITE_IMM';
  }),
  send_with_imm: flag((p) => {
    if (p.verb !== 'SEND') return 'Send_with_imm can only be used with send_lat and send_bw tests';
    p.verb = 'SEND_IMM';
  }),
  compat: oneOf('statistics', ['exact', 'perftest'] as const, assign('compat')),
};
