/**
 * Where the time of a message went: the critical path of one iteration of a program, from the stamps of adapters, the hops of packets and the marks of the program.
 *
 * The path is walked backwards from the end of the iteration: what woke the program at its node was a packet that arrived, or the completion of its own request;
 * that goes back through stages and hops to the post of some message at some node; if that post is later than the iteration's beginning, that node's program was
 * woken by something earlier, and so on. All moments on the path are in one order of time, so the differences add up to the iteration exactly.
 *
 * A message that goes through kernels (`path: 'kernel'`: sockets, split drivers) has no such chain of wakes. There, one message is under way at a time, and whatever is marked between
 * the iteration's ends, by kernels, adapters or the fabric, ends the stage that went before it.
 */
import type { Fabric } from '../fabric/index.ts';
import type { Ps } from '../sim/index.ts';
import type { HopLog } from './hop-log.ts';
import { type Moment, onlyOnPath } from './kernel-path.ts';
import type { SubnetPlan } from './subnet-plan.ts';
import type { TraceEntry } from './trace-log.ts';
import type { Breakdown, BreakdownStage } from './types.ts';

type Iteration = Extract<TraceEntry, { kind: 'iteration' }>;

interface Message {
  readonly node: string;
  readonly stamps: Moment[];
  packet: string | null;
}

/** Something that may have woken a program. */
interface Wake {
  readonly timePs: Ps;
  readonly path: readonly Moment[];
}

interface Arrival {
  readonly node: string;
  readonly stages: Moment[];
}

/** How a stage is called in the table, by the stamp that ends it. */
const NAMES: Readonly<Record<string, string>> = {
  'post-end': 'post',
  'doorbell-arrived': 'doorbell',
  'entry-fetched': 'WQE fetch',
  'transmit-started': 'wait for transmit engine',
  'payload-read': 'payload read',
  'tx-queue-entered': 'transmit pipeline',
  'receive-pipeline': 'receive pipeline',
  'headers-checked': 'wait for receive engine',
  'payload-written': 'payload write',
  'completion-written': 'CQE write',
  'response-started': 'responder',
  'response-read': 'payload read',
  'atomic-done': 'atomic',
  acknowledged: 'acknowledge',
  'response-tx-queue-entered': 'transmit pipeline',
};

/** Stamps that a request gets when it is over: no part of the way of its packet. */
const AFTERWARDS = new Set(['payload-written', 'completion-written']);

export class BreakdownBuilder {
  readonly #fabric: Fabric;
  readonly #hops: HopLog;
  readonly #hostOfLid = new Map<number, number>();
  readonly #messages = new Map<string, Message>();
  readonly #messageOfPacket = new Map<string, Message>();
  readonly #arrivals = new Map<string, Arrival>();
  /** Response packet → request packet. */
  readonly #requestOf = new Map<string, string>();
  /** Request packet → response packet. */
  readonly #answerOf = new Map<string, string>();
  readonly #iterations: Iteration[] = [];
  readonly #marks: Moment[] = [];
  /** Marks of kernels and moments of packets, in order of time; made when first needed. */
  #kernelMoments: readonly Moment[] | null = null;
  /** Per node, in order of time: messages that came, and answers to READs and atomics. */
  readonly #wakes = new Map<string, Wake[]>();
  /** Per node, in order of time: completions of its own sends and writes. A program is taken to wait for these only if nothing came. */
  readonly #completions = new Map<string, Wake[]>();

  constructor(fabric: Fabric, subnet: SubnetPlan, hops: HopLog, entries: readonly TraceEntry[]) {
    this.#fabric = fabric;
    this.#hops = hops;
    subnet.lids.adapterLids.forEach((lid, host) => {
      for (let i = 0; i < 1 << subnet.lids.lmc; i++) this.#hostOfLid.set(lid + i, host);
    });
    for (const entry of entries) this.#take(entry);
    this.#collectWakes();
  }

  /** One breakdown a message size: the iteration whose length is the median. */
  build(): Breakdown[] {
    const bySize = new Map<string, Iteration[]>();
    for (const iteration of this.#iterations) {
      const key = `${iteration.bytes}/${iteration.divisor}`;
      const known = bySize.get(key);
      if (known === undefined) bySize.set(key, [iteration]);
      else known.push(iteration);
    }
    return [...bySize.values()].map((iterations) => {
      const sorted = [...iterations].sort((a, b) => a.endPs - a.beginPs - (b.endPs - b.beginPs) || a.beginPs - b.beginPs);
      const median = sorted[(sorted.length - 1) >> 1] as Iteration;
      const stages = median.path === 'kernel' ? this.#kernelStages(median) : this.#stagesOf(median);
      return {
        messageBytes: median.bytes,
        reportedPs: (median.endPs - median.beginPs) / median.divisor,
        divisor: median.divisor,
        stages,
      };
    });
  }

  #take(entry: TraceEntry): void {
    if (entry.kind === 'iteration') this.#iterations.push(entry);
    else if (entry.kind === 'mark')
      this.#marks.push({ timePs: entry.timePs, name: entry.stage, where: entry.node, isKernel: true });
    else if (entry.kind === 'stamp')
      this.#message(entry.node, entry.message).stamps.push({ timePs: entry.timePs, name: entry.stage, where: entry.node });
    else if (entry.kind === 'packet') {
      const message = this.#message(entry.node, entry.message);
      message.packet = `${entry.hostPort}/${entry.number}`;
      this.#messageOfPacket.set(message.packet, message);
    } else if (entry.kind === 'arrived') {
      const key = this.#packetKey(entry.slid, entry.number);
      const known = this.#arrivals.get(key) ?? { node: entry.node, stages: [] };
      known.stages.push({ timePs: entry.timePs, name: entry.stage, where: entry.node });
      this.#arrivals.set(key, known);
    } else if (entry.kind === 'answered') {
      const request = this.#packetKey(entry.slid, entry.number);
      const answer = `${entry.byHostPort}/${entry.byNumber}`;
      this.#requestOf.set(answer, request);
      this.#answerOf.set(request, answer);
    }
  }

  #message(node: string, id: number): Message {
    const key = `${node}/${id}`;
    let message = this.#messages.get(key);
    if (message === undefined) {
      message = { node, stamps: [], packet: null };
      this.#messages.set(key, message);
    }
    return message;
  }

  #packetKey(slid: number, number: number): string {
    return `${this.#hostOfLid.get(slid)}/${number}`;
  }

  /** A message's arrival wakes the program there; an answered request's completion wakes the one that asked. */
  #collectWakes(): void {
    for (const [packet, message] of this.#messageOfPacket) {
      const answer = this.#answerOf.get(packet);
      if (answer !== undefined) addWake(this.#wakes, message.node, this.#answeredPath(message, packet, answer));
      else {
        const arrival = this.#arrivals.get(packet);
        if (arrival?.stages.some((stage) => AFTERWARDS.has(stage.name)))
          addWake(this.#wakes, arrival.node, this.#deliveredPath(message, packet, arrival));
        addWake(this.#completions, message.node, this.#completedPath(message, packet, arrival));
      }
    }
    for (const wakes of [...this.#wakes.values(), ...this.#completions.values()]) wakes.sort((a, b) => a.timePs - b.timePs);
  }

  /** To the completion of a send or write: over the other end where that acknowledged it (the acknowledge is one stage), else within the adapter. */
  #completedPath(message: Message, packet: string, arrival: Arrival | undefined): Moment[] {
    const completed = message.stamps.find((stamp) => stamp.name === 'completion-written');
    if (completed === undefined) return [];
    const outward = message.stamps.filter((stamp) => !AFTERWARDS.has(stamp.name));
    const checked = arrival?.stages.find((stage) => stage.name === 'headers-checked');
    if (arrival === undefined || checked === undefined || checked.timePs >= completed.timePs) return [...outward, completed];
    const there = arrival.stages.filter((stage) => stage.timePs <= checked.timePs && !AFTERWARDS.has(stage.name));
    return inOrder([...outward, ...this.#hopMoments(packet), ...there, { ...completed, name: 'acknowledged' }]);
  }

  #deliveredPath(message: Message, packet: string, arrival: Arrival): Moment[] {
    const outward = message.stamps.filter((stamp) => !AFTERWARDS.has(stamp.name));
    return inOrder([...outward, ...this.#hopMoments(packet), ...arrival.stages]);
  }

  #answeredPath(message: Message, packet: string, answer: string): Moment[] {
    const there = this.#arrivals.get(packet)?.stages ?? [];
    const back = this.#arrivals.get(answer)?.stages ?? [];
    return inOrder([...message.stamps, ...this.#hopMoments(packet), ...there, ...this.#hopMoments(answer), ...back]);
  }

  /** Waits, wires and switches of a packet, from its host port's queue to the last byte's arrival. */
  #hopMoments(packet: string): Moment[] {
    const [host, number] = packet.split('/').map(Number) as [number, number];
    const hops = this.#hops.of(host, number);
    const { propagationPs } = this.#fabric.wiring;
    return hops.flatMap((hop, i) => {
      const where = `${this.#fabric.portName(hop.port)} VL${hop.vl}`;
      const flight = propagationPs[hop.port] as number;
      const next = hops[i + 1];
      const queue = { timePs: hop.startPs, name: 'queue', where };
      if (next === undefined)
        return [queue, { timePs: hop.endPs, name: 'serialization', where }, { timePs: hop.endPs + flight, name: 'cable', where }];
      return [
        queue,
        { timePs: hop.startPs + flight, name: 'cable', where },
        { timePs: next.arrivedPs, name: 'switch', where: this.#fabric.portName(next.port) },
      ];
    });
  }

  #kernelStages({ node, beginPs, endPs }: Iteration): BreakdownStage[] {
    this.#kernelMoments ??= onlyOnPath([
      ...this.#marks,
      ...[...this.#messageOfPacket].flatMap(([packet, message]) => this.#carriedPath(message, packet)),
    ]);
    const path = this.#kernelMoments.filter(({ timePs }) => timePs > beginPs && timePs <= endPs);
    const stages = [
      ...intervals(path, beginPs),
      { name: 'program', where: node, durationPs: endPs - (path.at(-1)?.timePs ?? beginPs) },
    ];
    return stages.filter((stage) => stage.durationPs > 0);
  }

  /** A packet from its post to its arrival; nothing for one that did not arrive. */
  #carriedPath(message: Message, packet: string): Moment[] {
    const arrival = this.#arrivals.get(packet);
    return arrival?.stages.some((stage) => AFTERWARDS.has(stage.name)) ? this.#deliveredPath(message, packet, arrival) : [];
  }

  /** From what woke a program to what it did next; kernels that had a part in it (an event, a wait for a CPU) are named. */
  #awake(node: string, fromPs: Ps, toPs: Ps): BreakdownStage[] {
    const marks = inOrder(
      this.#marks.filter(({ timePs, where }) => timePs > fromPs && timePs <= toPs && where.split('/', 1)[0] === node),
    );
    const last = { name: 'poll and program', where: node, durationPs: toPs - (marks.at(-1)?.timePs ?? fromPs) };
    return [...intervals(marks, fromPs), last];
  }

  #stagesOf(iteration: Iteration): BreakdownStage[] {
    // Adapters are the node's, whichever of its systems the program runs on.
    let node = iteration.node.split('/', 1)[0] as string;
    let cursor = iteration.endPs;
    const stages: BreakdownStage[] = [];
    while (cursor > iteration.beginPs) {
      const wake =
        lastWake(this.#wakes.get(node), cursor, iteration.beginPs) ??
        lastWake(this.#completions.get(node), cursor, iteration.beginPs);
      if (wake === null) break;
      const path = wake.filter((moment) => moment.timePs > iteration.beginPs);
      const final = path.at(-1) as Moment;
      stages.unshift(...this.#awake(node, final.timePs, cursor));
      const first = wake[0] as Moment;
      const start = Math.max(first.timePs, iteration.beginPs);
      stages.unshift(...intervals(path, start));
      node = first.where;
      cursor = start;
    }
    if (cursor > iteration.beginPs) stages.unshift({ name: 'program', where: node, durationPs: cursor - iteration.beginPs });
    return stages.filter((stage) => stage.durationPs > 0);
  }
}

function addWake(wakes: Map<string, Wake[]>, node: string, path: readonly Moment[]): void {
  const last = path.at(-1);
  if (last === undefined) return;
  const known = wakes.get(node);
  if (known === undefined) wakes.set(node, [{ timePs: last.timePs, path }]);
  else known.push({ timePs: last.timePs, path });
}

/** The path to the last that ended in (`after`, `notAfter`], of a list in order of time. */
function lastWake(wakes: readonly Wake[] | undefined, notAfter: Ps, after: Ps): readonly Moment[] | null {
  if (wakes === undefined) return null;
  let low = 0;
  let high = wakes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((wakes[middle] as Wake).timePs <= notAfter) low = middle + 1;
    else high = middle;
  }
  const found = wakes[low - 1];
  return found === undefined || found.timePs <= after ? null : found.path;
}

function inOrder(moments: Moment[]): Moment[] {
  return moments
    .map((moment, i) => ({ moment, i }))
    .sort((a, b) => a.moment.timePs - b.moment.timePs || a.i - b.i)
    .map(({ moment }) => moment);
}

function intervals(path: readonly Moment[], startPs: Ps): BreakdownStage[] {
  let before = startPs;
  return path.map(({ timePs, name, where }) => {
    const stage = { name: NAMES[name] ?? name, where, durationPs: timePs - before };
    before = timePs;
    return stage;
  });
}
