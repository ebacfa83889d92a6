/**
 * Synthetic traffic: from a `TrafficSpec` to the flat plan that the kernel's sources read. Each host has its own random state, derived from the seed
 * and its name.
 */
import { ConfigError, hashName, RandomStream } from '../sim/index.ts';
import type { TrafficPattern, TrafficSpec } from './spec.ts';
import type { Wiring } from './wiring.ts';

export interface TrafficPlan {
  /** Fixed destination host, −1 = drawn for each packet. */
  readonly target: Int32Array;
  readonly sends: Uint8Array;
  readonly lid: Int32Array;
  /** Where not empty, what a destination is drawn from. */
  /** Hosts to choose from, where not all are: host h takes one of `choiceCount[h]` from `choiceStart[h]` on, not that at `choicePlace[h]`, itself (−1: it is none of them). */
  readonly choices: Int32Array;
  readonly choiceStart: Int32Array;
  readonly choiceCount: Int32Array;
  readonly choicePlace: Int32Array;
  readonly roundRobin: boolean;
  readonly hotHost: number;
  /** A uint32 drawn below this goes to `hotHost`. */
  readonly hotBelow: number;
  readonly state: Uint32Array;
  readonly sizeBytes: Int32Array;
  /** Cumulative: size k is chosen for a uint32 below sizeBelow[k]. */
  readonly sizeBelow: Float64Array;
  readonly sls: Uint8Array;
  /** Where each pair has an SL of its own: `pathSls[place[source] × places + place[destination]]`. */
  readonly pathSls: Uint8Array;
  readonly place: Int32Array;
  readonly places: number;
  readonly closed: boolean;
  readonly outstanding: number;
  /** −1: the next packet follows the transmission of the last. */
  readonly responsePs: number;
  /** 0 Poisson, 1 even, 2 slotted (Bernoulli). */
  readonly spacing: number;
  /** Mean (or constant) time between packets. */
  readonly gapPs: Float64Array;
  readonly slotPs: Float64Array;
  /** log(1 − load), for the geometric gaps of slotted arrivals. */
  readonly logIdle: number;
  readonly queueLimit: number;
  readonly startPs: Float64Array;
  readonly stopPs: number;
  readonly measureFromPs: number;
}

function fail(message: string): never {
  throw new ConfigError([{ file: 'fabric', path: 'traffic', message }]);
}

/** Destination per host for patterns that fix one; −1 draws, −2 is silent. */
function targets(pattern: TrafficPattern, hosts: number, stream: RandomStream): Int32Array {
  const to = new Int32Array(hosts).fill(-1);
  const check = (h: number): number => {
    if (!(Number.isInteger(h) && h >= 0 && h < hosts)) fail(`no host ${h}`);
    return h;
  };
  if (pattern.kind === 'permutation') {
    // Sattolo: one cycle through all hosts, so nobody sends to himself
    const order = Int32Array.from({ length: hosts }, (_, i) => i);
    for (let i = hosts - 1; i > 0; i--) {
      const j = stream.below(i);
      const held = order[i];
      order[i] = order[j];
      order[j] = held;
    }
    to.set(order);
  } else if (pattern.kind === 'shift')
    to.forEach((_, h) => {
      to[h] = (((h + pattern.by) % hosts) + hosts) % hosts;
    });
  else if (pattern.kind === 'bisection') {
    const order = stream.shuffle(Array.from({ length: hosts }, (_, i) => i));
    to.fill(-2);
    for (let i = 0; i + 1 < hosts; i += 2) {
      to[order[i]] = order[i + 1];
      to[order[i + 1]] = order[i];
    }
  } else if (pattern.kind === 'incast') {
    to.fill(-2);
    for (const h of pattern.sources ?? to.keys()) if (h !== pattern.to) to[check(h)] = check(pattern.to);
  } else if (pattern.kind === 'table') {
    if (pattern.to.length !== hosts) fail(`a table of ${pattern.to.length} destinations for ${hosts} hosts`);
    pattern.to.forEach((d, h) => {
      to[h] = d < 0 ? -2 : check(d);
    });
  } else if (pattern.kind === 'hot-spot') check(pattern.to);
  else if (pattern.kind === 'uniform-within') {
    to.fill(-2);
    for (const part of pattern.parts) for (const h of part) to[check(h)] = part.length > 1 ? -1 : -2;
  } else if (pattern.kind === 'uniform') {
    for (const h of pattern.destinations ?? []) check(h);
    if (pattern.sources !== undefined) {
      to.fill(-2);
      for (const h of pattern.sources) to[check(h)] = -1;
    }
    const [only] = pattern.destinations ?? [];
    if (pattern.destinations?.length === 1) to[only as number] = -2;
  }
  for (let h = 0; h < hosts; h++) if (to[h] === h) to[h] = -2;
  return to;
}

/** Whom each host may choose, for patterns that choose among some. */
function choicesOf(
  pattern: TrafficSpec['pattern'],
  hosts: number,
): Pick<TrafficPlan, 'choices' | 'choiceStart' | 'choiceCount' | 'choicePlace'> {
  const isWithin = pattern.kind === 'uniform-within';
  const parts = isWithin ? pattern.parts : pattern.kind === 'uniform' && pattern.destinations ? [pattern.destinations] : [];
  const plan = {
    choices: Int32Array.from(parts.flat()),
    choiceStart: new Int32Array(hosts),
    choiceCount: new Int32Array(hosts),
    choicePlace: new Int32Array(hosts).fill(-1),
  };
  let start = 0;
  for (const part of parts) {
    for (const h of isWithin ? part : plan.choiceStart.keys()) {
      plan.choiceStart[h] = start;
      plan.choiceCount[h] = part.length;
    }
    part.forEach((h, i) => {
      plan.choicePlace[h] = i;
    });
    start += part.length;
  }
  return plan;
}

/** Throws `ConfigError` for what makes no sense. */
export function planTraffic(spec: TrafficSpec, wiring: Wiring): TrafficPlan {
  const hosts = wiring.hostCount;
  const { pattern, mode } = spec;
  if (hosts < 2) fail('traffic needs two hosts');
  if (spec.sizes.length === 0 || spec.sizes.some((s) => !(s.wireBytes >= 1 && s.wireBytes <= 65535 && s.weight > 0)))
    fail('bad packet sizes');
  const sls = Uint8Array.from(spec.sls ?? [0]);
  if (sls.length === 0 || sls.some((sl) => sl > 15 || (!wiring.uses.sl2vl && sl >= wiring.vls))) fail('an SL without a VL');
  if (spec.pathSls !== undefined) {
    const { sls: table, place, places } = spec.pathSls;
    if (spec.sls !== undefined) fail('SLs drawn and SLs of paths at once');
    if (place.length !== hosts || table.length !== places * places) fail('SLs of paths that do not fit the hosts');
    if (place.some((p) => !(p >= 0 && p < places)) || !wiring.uses.sl2vl) fail('SLs of paths without a place or a VL');
  }
  const total = spec.sizes.reduce((n, s) => n + s.weight, 0);
  const mean = spec.sizes.reduce((n, s) => n + s.wireBytes * s.weight, 0) / total;
  let sum = 0;
  const sizeBelow = Float64Array.from(spec.sizes, (s) => {
    sum += s.weight;
    return Math.round((sum / total) * 2 ** 32);
  });
  const load = mode.kind === 'open' ? mode.load : 1;
  if (!(load > 0)) fail(`load ${load}`);
  const rate = (h: number): number => wiring.psPerByte[wiring.switchPorts + h] || 1;
  const to = targets(pattern, hosts, new RandomStream(wiring.spec.seed, 'traffic pattern'));
  const state = Uint32Array.from(wiring.spec.hostPorts, (h) => hashName(`traffic ${wiring.spec.seed} ${h.name}`) || 1);
  const spacing = mode.kind !== 'open' || mode.spacing === 'even' ? 1 : mode.spacing === 'slotted' ? 2 : 0;
  const gapPs = Float64Array.from({ length: hosts }, (_, h) => Math.round((mean * rate(h)) / load));
  return {
    target: to.map((d) => (d < 0 ? -1 : d)),
    sends: Uint8Array.from(to, (d) => (d === -2 ? 0 : 1)),
    lid: Int32Array.from(wiring.spec.hostPorts, (h) => h.lid),
    ...choicesOf(pattern, hosts),
    roundRobin: pattern.kind === 'all-to-all',
    hotHost: pattern.kind === 'hot-spot' ? pattern.to : -1,
    hotBelow: pattern.kind === 'hot-spot' ? Math.round(pattern.fraction * 2 ** 32) : 0,
    state,
    sizeBytes: Int32Array.from(spec.sizes, (s) => s.wireBytes),
    sizeBelow,
    sls,
    pathSls: spec.pathSls?.sls ?? new Uint8Array(0),
    place: Int32Array.from(spec.pathSls?.place ?? []),
    places: spec.pathSls?.places ?? 0,
    closed: mode.kind === 'closed',
    outstanding: mode.kind === 'closed' ? mode.outstanding : 0,
    responsePs: mode.kind === 'closed' ? (mode.responsePs ?? -1) : -1,
    spacing,
    gapPs,
    slotPs: Float64Array.from({ length: hosts }, (_, h) => Math.ceil(mean * rate(h))),
    logIdle: load < 1 ? Math.log(1 - load) : Number.NEGATIVE_INFINITY,
    queueLimit: mode.kind === 'open' ? (mode.queueLimit ?? 32) : 0,
    startPs: Float64Array.from({ length: hosts }, (_, h) =>
      Math.floor((spec.startPs ?? 0) + (mode.kind === 'closed' || spacing === 2 ? 0 : (gapPs[h] * (state[h] % 1024)) / 1024)),
    ),
    stopPs: spec.stopPs ?? Number.POSITIVE_INFINITY,
    measureFromPs: spec.measureFromPs ?? 0,
  };
}

/** What the kernel is given where there is no traffic. */
export const NO_TRAFFIC: TrafficPlan = {
  target: new Int32Array(1),
  sends: new Uint8Array(1),
  lid: new Int32Array(1),
  choices: new Int32Array(0),
  choiceStart: new Int32Array(0),
  choiceCount: new Int32Array(0),
  choicePlace: new Int32Array(0),
  roundRobin: false,
  hotHost: -1,
  hotBelow: 0,
  state: new Uint32Array(1),
  sizeBytes: new Int32Array(1),
  sizeBelow: new Float64Array(1),
  sls: new Uint8Array(1),
  pathSls: new Uint8Array(0),
  place: new Int32Array(0),
  places: 0,
  closed: false,
  outstanding: 0,
  responsePs: -1,
  spacing: 0,
  gapPs: new Float64Array(1),
  slotPs: new Float64Array(1),
  logIdle: 0,
  queueLimit: 0,
  startPs: new Float64Array(1),
  stopPs: 0,
  measureFromPs: 0,
};
