/**
 * Laws that adapters and the reliable transport obey in whole runs of programs: go-back-N against bit errors, what bounds READs and queues, the unloaded
 * latency as the sum of its parts, collectives as sums of ping-pongs. Tests call the functions with shorter runs. `npm run validate -- laws-transport`.
 */
import { HCA_CATALOG, run } from '../src/cluster/index.ts';
import {
  type HcaProfile,
  PROFILES,
  type UnloadedOperation,
  type UnloadedPath,
  unloadedLatencyPs,
  unloadedStages,
} from '../src/hca/index.ts';
import { loadTopologyText, type Topology } from '../src/topology/index.ts';
import { compare, type ValidationRow, type ValidationTable } from './types.ts';

/** One kind of adapter on one kind of link. */
export interface Setup {
  readonly profile: string;
  readonly speed: string;
  readonly psPerByte: { readonly num: number; readonly den: number };
  readonly mtu: number;
  /** Switches on the way between the two hosts: 0 back to back, 1 star, 3 and 5 a chain. */
  readonly switches: number;
}

const CABLE_PS = 10_000;
const SWITCH_PS = 110_000;

/** Host 1 – s1 – s2 … – host 2. */
export function pairTopology(setup: Setup, bitErrorRate = 0): Topology {
  const { switches } = setup;
  const stations = ['host1', ...Array.from({ length: switches }, (_, i) => `s${i + 1}:2`), 'host2'];
  const links = stations.slice(1).map((to, i) => {
    const from = stations[i] as string;
    return `  - { connect: "${from} -> ${to.replace(':2', ':1')}", bitErrorRate: ${bitErrorRate} }`;
  });
  const text = `
heddle: 1
name: pair
defaults:
  node: { hca: { profile: ${setup.profile} } }
  link: { speed: ${setup.speed}, width: 4x, length: 2m, mtu: ${setup.mtu} }
nodes:
  host[1-2]: { role: processor }
${switches === 0 ? '' : `switches:\n  s[1-${switches}]: { ports: 2, latency: ${SWITCH_PS}ps }\n`}links:
${links.join('\n')}
`;
  return loadTopologyText(text, 'pair', { catalog: HCA_CATALOG });
}

const profileOf = (name: string): HcaProfile => {
  const found = PROFILES.find((profile) => profile.name === name);
  if (found === undefined) throw new RangeError(`no profile ${name}`);
  return found;
};

const pathOf = (setup: Setup, inlineBytes: number) => ({
  psPerByte: setup.psPerByte,
  fixedPs: CABLE_PS * (setup.switches + 1) + SWITCH_PS * setup.switches,
  mtuBytes: setup.mtu,
  inlineBytes,
});

// ---- streams ----

/** The host reads and writes twice as fast as the link: the link is the limit. */
export const FAST_HOST: Setup = {
  profile: 'connectx6-hdr',
  speed: 'EDR',
  psPerByte: { num: 80, den: 1 },
  mtu: 4096,
  switches: 0,
};

export interface Stream {
  readonly operation: 'write' | 'read' | 'ud';
  readonly bytes: number;
  readonly depth: number;
  readonly count: number;
  /** Local ACK timeout code. */
  readonly timeout?: number;
  readonly maxRdAtomic?: number;
  readonly bitErrorRate?: number;
  readonly faults?: readonly string[];
}

interface Times {
  readonly startPs: number;
  readonly endPs: number;
}

/** How long the sender took for the whole stream. */
export async function streamPs(setup: Setup, stream: Stream): Promise<number> {
  const { operation, bytes, depth, count, timeout = 14, maxRdAtomic = 16, bitErrorRate = 0, faults = [] } = stream;
  const { perNode } = await run({
    topology: pairTopology(setup, bitErrorRate),
    topologyFile: 'pair',
    program: { kind: 'file', path: 'validate/programs/stream.ts' },
    programArgs: [operation, bytes, depth, count, timeout, maxRdAtomic].map(String),
    placement: 'inline',
    faults,
  });
  const { startPs, endPs } = perNode.host2 as Times;
  return endPs - startPs;
}

/** Time of one operation of a stream once it runs evenly: the difference of a long and a short one. */
export async function steadyPs(setup: Setup, stream: Omit<Stream, 'count'>, count = 400): Promise<number> {
  const [long, short] = [await streamPs(setup, { ...stream, count: 2 * count }), await streamPs(setup, { ...stream, count })];
  return (long - short) / count;
}

// ---- go-back-N ----

/** LRH, BTH, payload, ICRC and VCRC of a full middle packet. */
const MIDDLE_WIRE = 4096 + 26;
const ACK_WIRE = 30;
/** IBA volume 1, 9.7.6.1.3: 4.096 us × 2^code. */
const timeoutPs = (code: number): number => 4_096_000 * 2 ** code;
const TIMEOUT_CODE = 3;
const MESSAGE_PACKETS = 16;
const STREAM = { operation: 'write', bytes: MESSAGE_PACKETS * 4096, depth: 8, timeout: TIMEOUT_CODE } as const;

/** Packets on the way when a loss is noticed, from the parts: what the buffer of the port holds, and what leaves until the NAK has come back. */
export function packetsInFlight(setup: Setup): number {
  const profile = profileOf(setup.profile);
  const { fixedPs } = pathOf(setup, 0);
  const psPerByte = setup.psPerByte.num / setup.psPerByte.den;
  const slotPs = MIDDLE_WIRE * psPerByte;
  // The packet behind the lost one shows the gap; the NAK is made and sent at once.
  const noticedPs = 2 * slotPs + fixedPs + profile.rxPipelinePs;
  const toldPs = noticedPs + profile.txPipelinePs + ACK_WIRE * psPerByte + fixedPs + profile.rxPipelinePs;
  return Math.floor(profile.txBufferBytes / MIDDLE_WIRE) + Math.floor(toldPs / slotPs);
}

/** The same, measured: what the loss of one packet costs in time, in packets. */
export async function lossCost(setup: Setup, atPs: number): Promise<number> {
  const slotPs = (MIDDLE_WIRE * setup.psPerByte.num) / setup.psPerByte.den;
  const stream = { ...STREAM, count: 60 };
  const without = await streamPs(setup, stream);
  const withOne = await streamPs(setup, { ...stream, faults: [`link host1:1 ber 1 at ${atPs}ps for ${slotPs}ps`] });
  return (withOne - without) / slotPs;
}

export interface Efficiency {
  readonly law: number;
  readonly ours: number;
  /** Three standard deviations of the number of losses, and half a packet of rounding for each, as a part of the law. */
  readonly tolerance: number;
}

/**
 * Goodput of a long stream under a bit error rate, relative to that without errors.
 *
 * The law is that of calibration tables, eta = (1 − p)/(1 − p + W p), with what it leaves out: InfiniBand's responder sends one NAK for a gap and is silent until the gap is filled, so the loss
 * of the repeated packet itself costs a timeout of R packets, not W: 1/eta = 1 + W p + R p²/(1 − p). (With R = W the two are the same.) Losses among the W packets behind a lost one cost nothing.
 */
export async function goBackN(setup: Setup, bitErrorRate: number, messages: number): Promise<Efficiency> {
  const slotPs = (MIDDLE_WIRE * setup.psPerByte.num) / setup.psPerByte.den;
  const packets = messages * MESSAGE_PACKETS;
  const p = 1 - (1 - bitErrorRate) ** (8 * MIDDLE_WIRE);
  const w = packetsInFlight(setup);
  const r = timeoutPs(TIMEOUT_CODE) / slotPs;
  const law = 1 / (1 + w * p + (r * p * p) / (1 - p));
  const clean = await streamPs(setup, { ...STREAM, count: Math.min(messages, 500) });
  const errors = await streamPs(setup, { ...STREAM, count: messages, bitErrorRate });
  const ours = (clean * Math.max(1, messages / 500)) / errors;
  const losses = packets * p;
  const repeats = losses * p;
  const spread = 3 * Math.sqrt(losses * w * w + repeats * r * r) + losses / 2;
  return { law, ours, tolerance: (spread / packets) * law };
}

async function goBackNTable(): Promise<ValidationTable> {
  const rows: ValidationRow[] = [];
  const w = packetsInFlight(FAST_HOST);
  for (const atPs of [200_000_000, 250_123_457])
    rows.push(compare(`packets that one loss costs, at ${atPs / 1e6} us`, w, await lossCost(FAST_HOST, atPs), 0.2));
  for (const [rate, messages] of [
    [1e-8, 20_000],
    [1e-7, 10_000],
    [1e-6, 10_000],
  ] as const) {
    const { law, ours, tolerance } = await goBackN(FAST_HOST, rate, messages);
    rows.push(compare(`BER ${rate}, ${messages * MESSAGE_PACKETS} packets`, law, ours, Number((tolerance * 100).toPrecision(2))));
  }
  return {
    title: 'Go-back-N against bit errors',
    source: `1/eta = 1 + W p + R p²/(1 − p), p = 1 − (1 − BER)^(8 L), L = ${MIDDLE_WIRE}, W = ${w} packets in flight, R = timeout in packets; goodput relative to no errors, 3 standard deviations`,
    rows,
  };
}

// ---- what bounds throughput ----

/** Round trip of a READ as the adapter counts it: from the transmit engine starting the request to the last byte of the response being checked. */
export function readRoundTripPs(setup: Setup, bytes: number): number {
  const stages = unloadedStages(profileOf(setup.profile), pathOf(setup, 0), 'read', bytes);
  const first = stages.findIndex((stage) => stage.name === 'transmit pipeline');
  const last = stages.findLastIndex((stage) => stage.name === 'receive pipeline');
  return stages.slice(first, last + 1).reduce((sum, stage) => sum + stage.ps, 0);
}

/** From a program posting one operation to its having polled the completion: a WRITE over RC is over when its ACK is here, a SEND over UD when it is with the port. */
export function completionRoundTripPs(setup: Setup, operation: 'write' | 'ud', bytes: number): number {
  return completionTimePs(profileOf(setup.profile), pathOf(setup, 0), operation, bytes);
}

/** The same for any adapter and path. */
export function completionTimePs(profile: HcaProfile, path: UnloadedPath, operation: 'write' | 'ud', bytes: number): number {
  const stages = unloadedStages(profile, path, 'write', bytes);
  const upTo = (name: string): number => {
    const last = stages.findIndex((stage) => stage.name === name);
    return stages.slice(0, last + 1).reduce((sum, stage) => sum + stage.ps, 0);
  };
  const completedPs = profile.hostWriteLatencyPs + profile.cqeWritePs + profile.pollPs;
  if (operation === 'ud') return upTo('transmit pipeline') + completedPs;
  const ackPs = (ACK_WIRE * path.psPerByte.num) / path.psPerByte.den;
  const backPs = profile.txPipelinePs + Math.ceil(ackPs) + path.fixedPs + profile.rxPipelinePs;
  return upTo('receive pipeline') + backPs + completedPs;
}

const bytesPerSecond = (bytes: number, ps: number): number => (bytes / ps) * 1e6;

async function windowTable(): Promise<ValidationTable> {
  const rows: ValidationRow[] = [];
  const far: Setup = { ...FAST_HOST, switches: 5 };
  for (const [setup, bytes, outstanding] of [
    [FAST_HOST, 512, 1],
    [FAST_HOST, 4096, 1],
    [far, 4096, 2],
    [far, 8192, 4],
  ] as const) {
    const law = bytesPerSecond(outstanding * bytes, readRoundTripPs(setup, bytes));
    const perRead = await steadyPs(setup, { operation: 'read', bytes, depth: 32, maxRdAtomic: outstanding });
    rows.push(
      compare(`READ ${bytes} B, ${outstanding} at a time, ${setup.switches} switches`, law, bytesPerSecond(bytes, perRead), 1),
    );
  }
  for (const [operation, setup, bytes, depth] of [
    ['write', FAST_HOST, 256, 1],
    ['write', far, 1024, 1],
    ['write', far, 1024, 2],
    ['write', far, 4096, 4],
    ['ud', FAST_HOST, 256, 1],
    ['ud', FAST_HOST, 2048, 2],
  ] as const) {
    const law = bytesPerSecond(depth * bytes, completionRoundTripPs(setup, operation, bytes));
    const each = await steadyPs(setup, { operation, bytes, depth });
    const name = `${operation === 'ud' ? 'UD SEND' : 'RC WRITE'} ${bytes} B, tx depth ${depth}, ${setup.switches} switches`;
    rows.push(compare(name, law, bytesPerSecond(bytes, each), 1));
  }
  return {
    title: 'Operations under way bound throughput',
    source: 'operations under way × size / round trip, the round trip being the sum of its parts',
    unit: 'MB/s',
    rows,
  };
}

// ---- unloaded latency ----

/** Latency of the median iteration of an unloaded ping-pong (WRITE, SEND) or request (READ, atomic), in ps, as the program reports it. */
export async function programLatencyPs(setup: Setup, operation: UnloadedOperation, bytes: number): Promise<number> {
  const { breakdown } = await run({
    topology: pairTopology(setup),
    topologyFile: 'pair',
    program: { kind: 'builtin', name: `ib_${operation}_lat` },
    programArgs: [...(operation === 'atomic' ? [] : ['-s', String(bytes)]), ...inlineOption(operation), '-n', '5'],
    placement: 'inline',
    breakdown: true,
  });
  return breakdown[0]?.reportedPs ?? Number.NaN;
}

const INLINE_BYTES = 200;

function inlineOption(operation: UnloadedOperation): string[] {
  return operation === 'write' || operation === 'send' ? ['-I', String(INLINE_BYTES)] : [];
}

/** The same as the sum of its parts. */
export function lawLatencyPs(setup: Setup, operation: UnloadedOperation, bytes: number): number {
  return unloadedLatencyPs(profileOf(setup.profile), pathOf(setup, INLINE_BYTES), operation, bytes);
}

export const LATENCY_SETUPS: readonly Setup[] = [
  { profile: 'infinihost-sdr', speed: 'SDR', psPerByte: { num: 1000, den: 1 }, mtu: 2048, switches: 0 },
  { profile: 'connectx2-qdr', speed: 'QDR', psPerByte: { num: 250, den: 1 }, mtu: 4096, switches: 1 },
  { profile: 'connect-ib-fdr', speed: 'FDR', psPerByte: { num: 440, den: 3 }, mtu: 4096, switches: 3 },
  { profile: 'connectx6-hdr', speed: 'HDR', psPerByte: { num: 40, den: 1 }, mtu: 4096, switches: 5 },
];

export const LATENCY_POINTS: readonly (readonly [UnloadedOperation, number])[] = [
  ['write', 8],
  ['write', 200],
  ['write', 201],
  ['write', 65_536],
  ['send', 64],
  ['send', 4097],
  ['read', 8],
  ['read', 20_000],
  ['atomic', 8],
];

async function latencyTable(): Promise<ValidationTable> {
  const rows: ValidationRow[] = [];
  for (const setup of LATENCY_SETUPS)
    for (const [operation, bytes] of LATENCY_POINTS) {
      const name = `${setup.profile}, ${setup.switches} switches, ${operation} ${bytes} B`;
      rows.push(compare(name, lawLatencyPs(setup, operation, bytes), await programLatencyPs(setup, operation, bytes), 0));
    }
  return {
    title: 'Unloaded latency of whole programs',
    source: 'ib_write_lat, ib_send_lat, ib_read_lat, ib_atomic_lat against the sum of the parts, to the ps',
    unit: 'ps',
    rows,
  };
}

// ---- collectives ----

export interface Collective {
  readonly ours: number;
  readonly law: number;
}

/**
 * A ring all-reduce or binomial broadcast on a star, and the law made of what one step takes, measured in the same run: T, half of a ping-pong, and C, until the sender
 * has polled its completion. Ring: 2 (p − 1) T. Broadcast with blocking sends: whoever has the message goes on with the next round after T (it came) or C (it was sent).
 */
export async function collective(kind: 'ring' | 'broadcast', ranks: number, stepBytes: number): Promise<Collective> {
  const hosts = `
heddle: 1
name: star
defaults:
  node: { hca: { profile: connectx6-hdr } }
  switch: { ports: ${ranks} }
  link: { speed: EDR, width: 4x, length: 2m, mtu: 4096 }
nodes:
  host[1-${ranks}]: { role: processor }
switches:
  s1: {}
links:
  - host[1-${ranks}] -> s1:[1-${ranks}]
`;
  const { perNode } = await run({
    topology: loadTopologyText(hosts, 'star', { catalog: HCA_CATALOG }),
    topologyFile: 'star',
    program: { kind: 'file', path: 'validate/programs/collective.ts' },
    programArgs: [kind, String(stepBytes)],
    placement: 'inline',
  });
  const all = Object.values(perNode) as (Times & { halfPs: number; completedPs: number })[];
  const { halfPs, completedPs } = all[0] as { halfPs: number; completedPs: number };
  const law =
    kind === 'ring' ? 2 * (ranks - 1) * halfPs : (Math.ceil(Math.log2(ranks)) - 1) * Math.max(halfPs, completedPs) + halfPs;
  return { ours: Math.max(...all.map(({ startPs, endPs }) => endPs - startPs)), law };
}

async function collectiveTable(): Promise<ValidationTable> {
  const rows: ValidationRow[] = [];
  for (const [kind, ranks, bytes] of [
    ['ring', 4, 65_536],
    ['ring', 8, 4096],
    ['ring', 8, 262_144],
    ['broadcast', 8, 64],
    ['broadcast', 8, 65_536],
    ['broadcast', 16, 4096],
  ] as const) {
    const { law, ours } = await collective(kind, ranks, bytes);
    const name = kind === 'ring' ? `ring all-reduce, ${ranks} ranks, n/p = ${bytes} B` : `broadcast, ${ranks} ranks, ${bytes} B`;
    rows.push(compare(name, law / 1e6, ours / 1e6, 1));
  }
  return {
    title: 'Collectives as sums of ping-pongs',
    source:
      'ring all-reduce 2 (p − 1) T(n/p); binomial broadcast T(n) + (⌈log2 p⌉ − 1) max(T(n), C(n)); T half of a round trip, C from post to completion',
    unit: 'us',
    rows,
  };
}

export async function rows(): Promise<readonly ValidationTable[]> {
  return [await latencyTable(), await windowTable(), await goBackNTable(), await collectiveTable()];
}
