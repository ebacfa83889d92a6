/**
 * Looks into a kernel that stands still between two `runUntil`: which packets wait where, whether they wait in a circle, and whether every credit and packet is
 * accounted for. Slow and plain: used when nothing moves, and at the end of a run.
 */
import { assert } from '../sim/index.ts';
import { COUNT, EV, type KernelState, PORT, QUEUE, SCALAR } from './kernel-env.ts';
import { blocksOf } from './spec.ts';
import type { Wiring } from './wiring.ts';

/** A packet in an output queue (or at any place of an input FIFO). */
export interface WaitingPacket {
  readonly source: number;
  readonly number: number;
  readonly wireBytes: number;
  /** Port it came in by. */
  readonly inPort: number;
  readonly inVl: number;
  /** Port and VL it wants to leave by. */
  readonly outPort: number;
  readonly outVl: number;
  /** When it came to its queue. */
  readonly sincePs: number;
}

/** One step of a wait cycle: packets that wait for credits of `port` on `vl`, while the buffer at the other end is full of the next step's packets. */
export interface WaitStep {
  readonly port: number;
  readonly portName: string;
  readonly vl: number;
  readonly creditBlocks: number;
  readonly packets: readonly WaitingPacket[];
}

/** `core2/5` or `host7`. */
export function portName(w: Wiring, port: number): string {
  if (port >= w.switchPorts) return w.spec.hostPorts[port - w.switchPorts].name;
  const s = w.switchOf[port];
  return `${w.spec.switches[s].name}/${port - w.portBase[s] + 1}`;
}

/** All packets that wait in queues. */
export function waitingPackets(w: Wiring, k: KernelState): WaitingPacket[] {
  const list: WaitingPacket[] = [];
  const walk = (tail: number, inPort: number, outPortOf: (id: number) => number, outVlOf: (id: number) => number): void => {
    if (tail < 0) return;
    let id = tail;
    do {
      id = k.E[id * 8 + EV.next];
      const inVl = (k.E[id * 8 + EV.size] >> 16) & 15;
      list.push({
        source: k.origin[id * 4 + 2],
        number: k.origin[id * 4 + 3],
        wireBytes: k.E[id * 8 + EV.bytes],
        inPort,
        inVl,
        outPort: outPortOf(id),
        outVl: outVlOf(id),
        sincePs: k.F[id * 4],
      });
    } while (id !== tail);
  };
  for (let port = 0; port < w.ports; port++) {
    const s = w.switchOf[port];
    const base = s >= 0 ? w.portBase[s] : port;
    const inputs = s >= 0 ? w.portBase[s + 1] - base : 1;
    for (let vl = 0; vl < w.queues; vl++) {
      if (s >= 0 && w.isFifo[s] !== 0) {
        const outPort = (id: number): number => base + ((k.E[id * 8 + EV.route] >> 16) & 255) - 1;
        walk(k.fifoTails[port * w.queues + vl], port, outPort, (id) => (k.E[id * 8 + EV.size] >> 20) & 15);
        continue;
      }
      const at = (port * w.queues + vl) * 16;
      const requests = k.Q[at + QUEUE.request];
      const tailOf = (input: number): number => {
        if (!k.hasRequest(port * w.queues + vl, input)) return -1;
        return w.maskWords === 1 && requests === 1 << input ? k.Q[at + QUEUE.sole] : k.tails[k.Q[at + QUEUE.tails] + input];
      };
      for (let i = 0; i < inputs; i++)
        walk(
          tailOf(i),
          base + i,
          () => port,
          () => vl,
        );
    }
  }
  return list;
}

function creditsOf(w: Wiring, k: KernelState, port: number, vl: number): number {
  const at = (port * w.queues + vl) * 16;
  return k.Q[at + QUEUE.credits];
}

/** The circle in which packets wait for each other, or null. Ask when `nextPs()` is Infinity though packets are in the fabric. */
export function findWaitCycle(w: Wiring, k: KernelState): WaitStep[] | null {
  const packets = waitingPackets(w, k).filter((p) => p.outVl < w.vls);
  const byChannel = new Map<number, WaitingPacket[]>(); // packets that wait for (port, VL)
  for (const p of packets) {
    const channel = p.outPort * w.queues + p.outVl;
    const list = byChannel.get(channel);
    if (list === undefined) byChannel.set(channel, [p]);
    else list.push(p);
  }
  // what fills the buffer behind a channel, and where that wants to go; in a FIFO only the first counts, but the others wait for it all the same
  const next = (channel: number): number[] => {
    const far = w.peer[Math.floor(channel / w.queues)];
    const vl = channel % w.queues;
    return [
      ...new Set(
        packets
          .filter((p) => p.inPort === far && p.inVl === vl && far < w.switchPorts)
          .map((p) => p.outPort * w.queues + p.outVl),
      ),
    ];
  };
  const state = new Map<number, 'open' | 'done'>();
  const path: number[] = [];
  const visit = (channel: number): number[] | null => {
    state.set(channel, 'open');
    path.push(channel);
    for (const n of next(channel)) {
      if (state.get(n) === 'open') return path.slice(path.indexOf(n));
      if (state.get(n) === undefined) {
        const found = visit(n);
        if (found !== null) return found;
      }
    }
    path.pop();
    state.set(channel, 'done');
    return null;
  };
  for (const channel of [...byChannel.keys()].sort((a, b) => a - b)) {
    if (state.get(channel) !== undefined) continue;
    const cycle = visit(channel);
    if (cycle === null) continue;
    return cycle.map((c) => {
      const port = Math.floor(c / w.queues);
      const vl = c % w.queues;
      return { port, portName: portName(w, port), vl, creditBlocks: creditsOf(w, k, port, vl), packets: byChannel.get(c) ?? [] };
    });
  }
  return null;
}

/**
 * Throws `InvariantError` unless packets and credits add up: each packet injected or copied was delivered, dropped or is inside, and for each link and VL the
 * credits at the sender, those under way and the room in use at the receiver make up the receiver's buffer.
 */
export function assertConserved(w: Wiring, k: KernelState): void {
  const now = k.X[SCALAR.now];
  const waiting = waitingPackets(w, k);
  const used = new Float64Array(w.ports * w.queues); // by receiving port and VL
  let inside = waiting.length;
  const groups = new Map<number, number>();
  for (const p of waiting) if (p.inPort < w.switchPorts) used[p.inPort * w.queues + p.inVl] += blocksOf(p.wireBytes);
  k.eachPending((id) => {
    const key = k.E[id * 8 + EV.key];
    const port = key % w.ports;
    const kind = Math.floor(key / w.ports);
    const size = k.E[id * 8 + EV.size];
    if (kind <= 1) {
      inside++;
      if (port < w.switchPorts) used[port * w.queues + ((size >> 16) & 15)] += size & 0xfff;
    } else if (kind === 2) used[w.peer[port] * w.queues + ((size >> 16) & 15)] += size & 0xffff;
  });
  // hosts' buffers are given back at a time known beforehand: in the ring from the start of the transmission on
  const injecting = k.X[SCALAR.injected] + k.X[SCALAR.copied] - k.X[SCALAR.delivered] - k.X[SCALAR.dropped];
  assert(inside <= injecting, () => `${inside} packets inside the fabric at ${now} ps, but ${injecting} should be`);
  if (w.uses.multicast && groups.size >= 0 && inside > 0) return; // copies share room: checked when all have left
  for (let port = 0; port < w.ports; port++) {
    const far = w.peer[port];
    if (far < 0) continue;
    for (let vl = 0; vl < w.vls; vl++) {
      const q = port * w.queues + vl;
      let underway = 0;
      for (let i = 0; i < (k.Q[q * 16 + QUEUE.ring] & 15); i++)
        underway += k.QH[q * 32 + 12 + (((k.Q[q * 16 + QUEUE.ring] >> 4) + i) & 3)];
      const sum = k.Q[q * 16 + QUEUE.credits] + underway + used[far * w.queues + vl];
      const room = w.roomBlocks[far * w.queues + vl];
      assert(
        sum === room,
        () => `${portName(w, port)} VL ${vl} at ${now} ps: ${sum} blocks of credit, under way and in use, not ${room}`,
      );
    }
  }
}

/** Throws `InvariantError` unless nothing is left inside and everything was delivered or dropped. */
export function assertDrained(w: Wiring, k: KernelState): void {
  const { X, Y } = k;
  const accounted = X[SCALAR.delivered] + X[SCALAR.dropped];
  const made = X[SCALAR.injected] + X[SCALAR.copied];
  assert(accounted === made, () => `${made} packets made, ${accounted} delivered or dropped`);
  let backlog = 0;
  for (let p = 0; p < w.ports; p++) backlog += k.PI[p * 16 + PORT.backlog];
  assert(backlog === 0, () => `${backlog} packets wait at the end`);
  let pending = 0;
  k.eachPending((id) => {
    if (id >= 2 * w.hostCount) pending++;
  });
  assert(Y[COUNT.used] === pending, () => `${Y[COUNT.used]} records in use, ${pending} pending`);
  assertConserved(w, k);
}
