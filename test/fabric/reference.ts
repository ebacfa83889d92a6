/**
 * The plain reference: the same model as the product kernel, written to be obviously right and nothing else. One list of events, objects, no lookahead, no
 * lazy evaluation: a credit is an event, a tail that leaves is an event. At each instant everything that happens then is done first, afterwards
 * every free output port of every switch decides.
 */
import { blocksOf, type FabricSpec, type LinkEnd, type VlArbEntry } from '../../src/fabric/index.ts';
import { RandomStream } from '../../src/sim/index.ts';

export interface Injection {
  readonly timePs: number;
  readonly host: number;
  readonly dlid: number;
  readonly wireBytes: number;
  readonly sl: number;
  readonly number: number;
}

export interface Delivery {
  readonly timePs: number;
  readonly source: number;
  readonly host: number;
  readonly number: number;
  readonly wireBytes: number;
}

interface Packet {
  readonly source: number;
  readonly number: number;
  readonly dlid: number;
  readonly bytes: number;
  readonly blocks: number;
  readonly sl: number;
  vl: number;
}

/** A packet in a switch or host: where it came in, where it goes, and the buffer room that it shares with its copies. */
interface Entry {
  readonly packet: Packet;
  readonly input: Port | null;
  readonly inVl: number;
  readonly output: Port;
  readonly outVl: number;
  readonly room: { left: number; latest: number };
  readonly arrivedPs: number;
  headPs: number;
}

interface Turn {
  row: number;
  left: number;
}

interface Port {
  readonly name: string;
  readonly owner: Switch | null;
  readonly host: number;
  readonly number: number;
  peer: Port | null;
  psPerByte: number;
  propagationPs: number;
  /** Latency of the owner, and what it adds to a credit's way back. */
  readonly latencyPs: number;
  readonly creditReturnPs: number;
  freeAt: number;
  credits: number[];
  /** voq: by VL and input number; fifo (of an input): by VL. */
  readonly queues: Entry[][][];
  readonly fifos: Entry[][];
  readBusyUntil: number;
  readVl: number;
  readonly nextInput: number[];
  readonly high: VlArbEntry[];
  readonly low: VlArbEntry[];
  readonly highLimit: number;
  readonly highTurn: Turn;
  readonly lowTurn: Turn;
  highSent: number;
  sinkFree: number;
  sent: number;
}

interface Switch {
  readonly index: number;
  readonly ports: Port[];
  readonly fifo: boolean;
  readonly ties: RandomStream | null;
  firstOutput: number;
}

interface Event {
  readonly t: number;
  readonly order: number;
  readonly act: () => void;
}

export class ReferenceFabric {
  readonly deliveries: Delivery[] = [];
  dropped = 0;
  hops = 0;
  now = 0;
  readonly #spec: FabricSpec;
  readonly #switches: Switch[] = [];
  readonly #hosts: Port[] = [];
  #events: Event[] = [];
  #order = 0;

  constructor(spec: FabricSpec) {
    this.#spec = spec;
    spec.switches.forEach((s, index) => {
      const sw: Switch = {
        index,
        ports: [],
        fifo: s.model === 'fifo',
        ties: s.tie === 'random' ? new RandomStream(spec.seed, `ties ${s.name}`) : null,
        firstOutput: 0,
      };
      for (let n = 1; n <= s.portCount; n++) sw.ports.push(this.#port(`${s.name}/${n}`, sw, -1, n, s.portCount));
      this.#switches.push(sw);
    });
    spec.hostPorts.forEach((h, i) => {
      this.#hosts.push(this.#port(h.name, null, i, 1, 1));
    });
    for (const link of spec.links) {
      const a = this.#end(link.a);
      const b = this.#end(link.b);
      for (const [p, q] of [[a, b] as const, [b, a] as const]) {
        p.peer = q;
        p.psPerByte = link.psPerByte;
        p.propagationPs = link.propagationPs;
      }
    }
    for (const p of this.#allPorts()) if (p.peer !== null) p.credits = this.#vls().map((vl) => this.#roomOf(p.peer as Port, vl));
  }

  #vls(): number[] {
    const n = Math.max(...this.#spec.switches.map((s) => s.dataVls), ...this.#spec.hostPorts.map((h) => h.dataVls));
    return Array.from({ length: n }, (_, vl) => vl);
  }

  #port(name: string, owner: Switch | null, host: number, number: number, inputs: number): Port {
    const s = owner === null ? this.#spec.hostPorts[host] : this.#spec.switches[owner.index];
    const arb = s.vlArb === undefined ? undefined : 'low' in s.vlArb ? s.vlArb : (s.vlArb as Record<number, never>)[number];
    const vls = this.#vls();
    const used = (list: readonly VlArbEntry[]): VlArbEntry[] => list.filter((e) => e.weight > 0 && e.vl < vls.length);
    const high = used((arb as { high: VlArbEntry[] } | undefined)?.high ?? []);
    const low = used((arb as { low: VlArbEntry[] } | undefined)?.low ?? vls.map((vl) => ({ vl, weight: 64 })));
    return {
      name,
      owner,
      host,
      number,
      peer: null,
      psPerByte: 0,
      propagationPs: 0,
      latencyPs: 'latencyPs' in s ? s.latencyPs : 0,
      creditReturnPs: s.creditReturnPs ?? 0,
      freeAt: 0,
      credits: [],
      queues: vls.map(() => Array.from({ length: inputs }, () => [])),
      fifos: vls.map(() => []),
      readBusyUntil: 0,
      readVl: 0,
      nextInput: vls.map(() => 0),
      high,
      low,
      highLimit: (arb as { highLimit: number } | undefined)?.highLimit ?? 255,
      highTurn: { row: 0, left: high[0]?.weight ?? 0 },
      lowTurn: { row: 0, left: low[0]?.weight ?? 0 },
      highSent: 0,
      sinkFree: 0,
      sent: 0,
    };
  }

  #end(end: LinkEnd): Port {
    return end.kind === 'host' ? this.#hosts[end.index] : this.#switches[end.index].ports[end.port - 1];
  }

  #allPorts(): Port[] {
    return [...this.#switches.flatMap((s) => s.ports), ...this.#hosts];
  }

  #roomOf(port: Port, vl: number): number {
    const s = port.owner === null ? this.#spec.hostPorts[port.host] : this.#spec.switches[port.owner.index];
    if (vl >= s.dataVls) return 0;
    const blocks = ('portBufferBlocks' in s ? s.portBufferBlocks?.[port.number] : undefined) ?? s.bufferBlocks;
    return typeof blocks === 'number' ? blocks : (blocks[vl] ?? 0);
  }

  #at(t: number, act: () => void): void {
    this.#events.push({ t, order: this.#order++, act });
  }

  sent(owner: 'switch' | 'host', index: number, number: number): number {
    return (owner === 'host' ? this.#hosts[index] : this.#switches[index].ports[number - 1]).sent;
  }

  inject(list: readonly Injection[]): void {
    for (const i of list)
      this.#at(i.timePs, () => {
        const vl = this.#spec.hostPorts[i.host].sl2vl?.[i.sl] ?? i.sl;
        const packet: Packet = {
          source: i.host,
          number: i.number,
          dlid: i.dlid,
          bytes: i.wireBytes,
          blocks: blocksOf(i.wireBytes),
          sl: i.sl,
          vl,
        };
        const port = this.#hosts[i.host];
        if (port.peer === null || !(port.credits[vl] !== undefined && this.#roomOf(port.peer, vl) > 0)) this.dropped++;
        else this.#enqueue(this.#entry(packet, null, port, vl, { left: 1, latest: 0 }));
      });
  }

  /** Runs until nothing happens any more, or up to a time. */
  run(limitPs = Number.POSITIVE_INFINITY): void {
    while (this.#events.length > 0) {
      const t = Math.min(...this.#events.map((e) => e.t));
      if (t >= limitPs) break;
      this.now = t;
      for (;;) {
        const due = this.#events.filter((e) => e.t === t).sort((a, b) => a.order - b.order);
        if (due.length === 0) break;
        this.#events = this.#events.filter((e) => e.t !== t);
        for (const e of due) e.act();
      }
      this.#decideAll();
    }
  }

  #entry(packet: Packet, input: Port | null, output: Port, outVl: number, room: Entry['room']): Entry {
    return { packet, input, inVl: packet.vl, output, outVl, room, arrivedPs: this.now, headPs: -1 };
  }

  #serial(port: Port, bytes: number): number {
    return Math.ceil(bytes * port.psPerByte);
  }

  // ---- a switch's input ---------------------------------------------------------------------------------------------------------------------
  #arrive(input: Port, packet: Packet): void {
    const sw = input.owner as Switch;
    const spec = this.#spec.switches[sw.index];
    const multicast = packet.dlid >= 0xc000;
    const outputs = multicast
      ? (new Map(spec.mft ?? []).get(packet.dlid) ?? []).filter((n) => n !== input.number)
      : [spec.lft[packet.dlid] ?? 255];
    const room = { left: Math.max(1, outputs.length), latest: 0 };
    if (outputs.length === 0) this.#drop(packet, input, packet.vl, room);
    const goes = outputs.map((n) => sw.ports[n - 1]).map((o) => (o === undefined || o.peer === null ? null : o));
    // an output faster than the input must not overtake the packet's tail
    const wait = Math.max(
      0,
      ...goes.map((o) => (o === null ? 0 : this.#serial(input, packet.bytes) - this.#serial(o, packet.bytes))),
    );
    const go = (output: Port | null, after: number): void => {
      const copy = { ...packet };
      const vl = output === null ? -1 : this.#vlFor(spec, input, output, copy);
      if (output === null || vl < 0) this.#drop(copy, input, copy.vl, room);
      else this.#at(this.now + after, () => this.#enqueue(this.#entry(copy, input, output, vl, room)));
    };
    if (!multicast) go(goes[0], wait);
    else
      this.#at(this.now + wait, () => {
        for (const output of goes) go(output, 0);
      });
  }

  #vlFor(spec: FabricSpec['switches'][number], input: Port, output: Port, packet: Packet): number {
    if (spec.sl2vl === undefined && !this.#mapsAnywhere()) return packet.vl;
    const map = spec.sl2vl ?? Uint8Array.from({ length: 16 }, (_, i) => i);
    const vl = map.length === 16 ? map[packet.sl] : map[(input.number * (spec.portCount + 1) + output.number) * 16 + packet.sl];
    return vl < this.#vls().length && this.#roomOf(output.peer as Port, vl) > 0 ? vl : -1;
  }

  #mapsAnywhere(): boolean {
    return [...this.#spec.switches, ...this.#spec.hostPorts].some((x) => x.sl2vl !== undefined);
  }

  #drop(packet: Packet, input: Port, inVl: number, room: Entry['room']): void {
    this.dropped++;
    this.#leaveRoom(packet, input, inVl, room, this.now + this.#serial(input, packet.bytes));
  }

  #leaveRoom(packet: Packet, input: Port, inVl: number, room: Entry['room'], t: number): void {
    room.left--;
    room.latest = Math.max(room.latest, t);
    if (room.left > 0) return;
    this.#at(room.latest, () => {
      const back = this.now + input.propagationPs + input.creditReturnPs;
      this.#at(back, () => {
        (input.peer as Port).credits[inVl] += packet.blocks;
      });
    });
  }

  // ---- queues -------------------------------------------------------------------------------------------------------------------------------
  #enqueue(e: Entry): void {
    const list = this.#listOf(e);
    list.push(e);
    if (list.length === 1) this.#becomesHead(e);
  }

  #listOf(e: Entry): Entry[] {
    if (e.output.owner?.fifo === true) return (e.input as Port).fifos[e.inVl];
    return e.output.queues[e.outVl][e.input === null ? 0 : e.input.number - 1];
  }

  #becomesHead(e: Entry): void {
    e.headPs = this.now;
    const expiry = this.#expiry(e);
    if (expiry < Number.POSITIVE_INFINITY) this.#at(expiry, () => {});
  }

  #expiry(e: Entry): number {
    if (e.output.owner === null) return Number.POSITIVE_INFINITY;
    const s = this.#spec.switches[e.output.owner.index];
    const life = (code: number | undefined): number =>
      code === undefined || code >= 20 ? Number.POSITIVE_INFINITY : 4_096_000 * 2 ** code;
    const hoq = typeof s.hoqLife === 'object' ? s.hoqLife[e.output.number] : s.hoqLife;
    return Math.min(e.headPs + life(hoq), e.arrivedPs + life(s.lifeTime));
  }

  #take(e: Entry): void {
    const list = this.#listOf(e);
    list.shift();
    if (list.length > 0) this.#becomesHead(list[0]);
  }

  /** The packet that `input` offers to an output's VL, if any. */
  #offer(output: Port, vl: number, inputNumber: number): Entry | undefined {
    if (output.owner?.fifo !== true) return output.queues[vl][inputNumber][0];
    const input = output.owner.ports[inputNumber];
    const vls = this.#vls().length;
    // one more than the data VLs: the product has a queue for VL15 too
    for (let i = 1; i <= vls + 1; i++) {
      const head = input.fifos[(input.readVl + i) % (vls + 1)]?.[0];
      if (head !== undefined && head.output === output && head.outVl === vl) return head;
    }
    return undefined;
  }

  // ---- decisions ----------------------------------------------------------------------------------------------------------------------------
  #decideAll(): void {
    for (const s of this.#switches) {
      if (!s.fifo) for (const p of s.ports) this.#decide(p);
      else this.#decideFifo(s);
    }
    for (const p of this.#hosts) this.#decide(p);
  }

  #decideFifo(s: Switch): void {
    const n = s.ports.length;
    let won = -1;
    let changed = true;
    while (changed) {
      changed = false;
      for (let i = 0; i < n; i++) {
        const number = (s.firstOutput + i) % n;
        const before = this.dropped;
        const sent = this.#decide(s.ports[number]);
        if (sent && won < 0) won = number;
        if (sent || this.dropped !== before) changed = true;
      }
    }
    if (won >= 0) s.firstOutput = (won + 1) % n;
  }

  #decide(p: Port): boolean {
    if (p.peer === null || p.freeAt > this.now) return false;
    this.#expire(p);
    const chosen = this.#arbitrate(p);
    if (chosen === undefined) return false;
    this.#transmit(p, chosen);
    return true;
  }

  #expire(p: Port): void {
    for (let vl = 0; vl < p.queues.length; vl++)
      for (let i = 0; i < p.queues[vl].length; i++)
        for (let e = this.#offer(p, vl, i); e !== undefined && this.now >= this.#expiry(e); e = this.#offer(p, vl, i)) {
          this.#take(e);
          this.#drop(e.packet, e.input as Port, e.inVl, e.room);
        }
  }

  #arbitrate(p: Port): Entry | undefined {
    const limit = p.highLimit === 255 ? Number.POSITIVE_INFINITY : p.highLimit * 4096;
    const spent = p.highSent > 0 && p.highSent >= limit;
    const fromHigh = (): Entry | undefined => {
      const e = this.#fromTable(p, p.high, p.highTurn);
      if (e !== undefined) p.highSent += e.packet.bytes;
      return e;
    };
    if (!spent) {
      const e = fromHigh();
      if (e !== undefined) return e;
    }
    const e = this.#fromTable(p, p.low, p.lowTurn);
    if (e !== undefined) {
      p.highSent = 0;
      return e;
    }
    if (!spent) return undefined;
    const before = p.highSent;
    p.highSent = 0;
    const high = fromHigh();
    if (high === undefined) p.highSent = before;
    return high;
  }

  #fromTable(p: Port, table: readonly VlArbEntry[], turn: Turn): Entry | undefined {
    for (let n = 0; n <= table.length && table.length > 0; n++) {
      const row = (turn.row + n) % table.length;
      const left = n === 0 ? turn.left : table[row].weight;
      if (left <= 0) continue;
      const e = this.#fromVl(p, table[row].vl);
      if (e === undefined) continue;
      turn.row = row;
      turn.left = left - e.packet.blocks;
      return e;
    }
    return undefined;
  }

  #fromVl(p: Port, vl: number): Entry | undefined {
    const inputs = p.queues[vl].length;
    const ready: Entry[] = [];
    for (let i = 0; i < inputs; i++) {
      const e = this.#offer(p, vl, (p.nextInput[vl] + i) % inputs);
      if (e === undefined || e.packet.blocks > p.credits[vl]) continue;
      if (p.owner?.fifo === true && (e.input as Port).readBusyUntil > this.now) continue;
      ready.push(e);
    }
    const ties = p.owner?.ties ?? null;
    if (ties === null || p.owner?.fifo !== true) return ready[0];
    let chosen = ready[0];
    for (let k = 1; k < ready.length; k++) if (ties.below(k + 1) === 0) chosen = ready[k];
    return chosen;
  }

  #transmit(p: Port, e: Entry): void {
    const { packet } = e;
    const to = p.peer as Port;
    if (e.input !== null) e.input.readVl = e.inVl;
    this.#take(e);
    p.nextInput[e.outVl] = e.input === null ? 0 : e.input.number % (p.owner as Switch).ports.length;
    p.credits[e.outVl] -= packet.blocks;
    p.sent++;
    this.hops++;
    const end = this.now + this.#serial(p, packet.bytes);
    p.freeAt = end;
    this.#at(end, () => {}); // the port is free: a decision
    if (e.input !== null) {
      if (p.owner?.fifo === true) e.input.readBusyUntil = end;
      this.#leaveRoom(packet, e.input, e.inVl, e.room, end);
    }
    const onWire: Packet = { ...packet, vl: e.outVl };
    if (to.owner !== null) this.#at(this.now + p.propagationPs + to.latencyPs, () => this.#arrive(to, onWire));
    else this.#at(end + p.propagationPs, () => this.#deliver(to, onWire));
  }

  #deliver(host: Port, packet: Packet): void {
    this.deliveries.push({
      timePs: this.now,
      source: packet.source,
      host: host.host,
      number: packet.number,
      wireBytes: packet.bytes,
    });
    const spec = this.#spec.hostPorts[host.host];
    host.sinkFree = Math.ceil(
      Math.max(host.sinkFree, this.now + (spec.sinkLatencyPs ?? 0)) + packet.bytes * (spec.sinkPsPerByte ?? 0),
    );
    const back = host.sinkFree + host.propagationPs + host.creditReturnPs;
    this.#at(back, () => {
      (host.peer as Port).credits[packet.vl] += packet.blocks;
    });
  }
}
