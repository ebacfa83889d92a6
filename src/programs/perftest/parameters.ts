/**
 * The parameters of a test, with perftest 6.29's defaults.
 */

export type Verb = 'SEND' | 'SEND_IMM' | 'WRITE' | 'WRITE_IMM' | 'READ' | 'ATOMIC';
export type TestKind = 'LAT' | 'BW';
export type Connection = 'RC' | 'UC' | 'UD';
/** Who starts: `--reversed` makes the server side the client. */
export type Machine = 'CLIENT' | 'SERVER';

/** Largest message of `-a`: 2^23. */
export const MAX_SIZE = 8_388_608;
export const DEFAULT_ITERS = 1000;
export const DEFAULT_RX_SEND = 512;
export const DEFAULT_CQ_MOD = 100;
export const DEFAULT_QKEY = 0x11111111;

/** All parameters of one side of a test. Fields are perftest's, with units in their names. */
export interface Parameters {
  verb: Verb;
  readonly test: TestKind;
  machine: Machine;
  all: boolean;
  atomicType: 'CMP_AND_SWAP' | 'FETCH_AND_ADD';
  connection: Connection;
  device: string | null;
  port: number;
  /** 0: the port's active MTU. */
  mtuBytes: number;
  size: number;
  sizeGiven: boolean;
  iters: number;
  /** Null: a number of iterations. */
  durationSeconds: number | null;
  /** Null: a quarter of the duration. */
  marginSeconds: number | null;
  txDepth: number;
  rxDepth: number;
  qps: number;
  cqMod: number;
  cqModGiven: boolean;
  /** −1: perftest's choice by verb. */
  inlineSize: number;
  /** 0: what the device can. */
  outReads: number;
  postList: number;
  recvPostList: number;
  useSrq: boolean;
  useEvent: boolean;
  completionVector: number | null;
  duplex: boolean;
  noPeak: boolean;
  qpTimeout: number;
  retryCount: number;
  /** Null: that of the path record. */
  sl: number | null;
  pkeyIndex: number;
  /** −1: no GRH. */
  gidIndex: number;
  trafficClass: number;
  flowLabels: readonly number[];
  /** 0: the other side's LID. */
  dlid: number;
  mrPerQp: boolean;
  rdmaCm: boolean;
  warmUp: boolean;
  /** Microseconds before each post. */
  latencyGapUs: number;
  cqePoll: number;
  dynamicPoll: boolean;
  /** 0: no limit. */
  rateLimit: number;
  rateUnits: 'M' | 'g' | 'p';
  /** 0: the transmit depth. */
  burstSize: number;
  limitBw: number | null;
  limitMsgRate: number | null;
  cycles: boolean;
  histogram: boolean;
  unsorted: boolean;
  gbits: boolean;
  reportBoth: boolean;
  output: 'full' | 'bandwidth' | 'message_rate' | 'latency';
  outJson: boolean;
  outJsonFile: string;
  compat: 'exact' | 'perftest';
  help: boolean;
  version: boolean;
  /** Set by the rules: the last completion of a run stands for fewer than `cqMod` messages. */
  fillCount: boolean;
}

/** True if the receiver of this verb gets a completion. */
export function hasReceiveCompletion(verb: Verb): boolean {
  return verb === 'SEND' || verb === 'SEND_IMM' || verb === 'WRITE_IMM';
}

/** True for the verbs whose latency is a whole round trip. */
export function isRoundTrip(verb: Verb): boolean {
  return verb === 'READ' || verb === 'ATOMIC';
}

/** perftest's defaults for a test. */
export function defaultParameters(verb: Verb, test: TestKind, machine: Machine): Parameters {
  const isWrite = verb === 'WRITE';
  return {
    verb,
    test,
    machine,
    all: false,
    atomicType: 'FETCH_AND_ADD',
    connection: 'RC',
    device: null,
    port: 1,
    mtuBytes: 0,
    size: verb === 'ATOMIC' ? 8 : test === 'BW' ? 65_536 : 2,
    sizeGiven: false,
    iters: test === 'BW' && isWrite ? 5000 : DEFAULT_ITERS,
    durationSeconds: null,
    marginSeconds: null,
    txDepth: test === 'BW' ? 128 : 1,
    rxDepth: verb === 'SEND' || isWrite ? DEFAULT_RX_SEND : 1,
    qps: 1,
    cqMod: DEFAULT_CQ_MOD,
    cqModGiven: false,
    inlineSize: -1,
    outReads: 0,
    postList: 1,
    recvPostList: 1,
    useSrq: false,
    useEvent: false,
    completionVector: null,
    duplex: false,
    noPeak: false,
    qpTimeout: 14,
    retryCount: 7,
    sl: null,
    pkeyIndex: 0,
    gidIndex: -1,
    trafficClass: 0,
    flowLabels: [],
    dlid: 0,
    mrPerQp: false,
    rdmaCm: false,
    warmUp: false,
    latencyGapUs: 0,
    cqePoll: 16,
    dynamicPoll: true,
    rateLimit: 0,
    rateUnits: 'g',
    burstSize: 0,
    limitBw: null,
    limitMsgRate: null,
    cycles: false,
    histogram: false,
    unsorted: false,
    gbits: false,
    reportBoth: false,
    output: 'full',
    outJson: false,
    outJsonFile: 'perftest_out.json',
    compat: 'exact',
    help: false,
    version: false,
    fillCount: false,
  };
}
