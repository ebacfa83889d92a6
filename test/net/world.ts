/** Two hosts with a protocol stack each and a wire between them, and programs on them. */
import {
  createSockets,
  FREE_NET_COSTS,
  type Net,
  type NetCosts,
  NetStack,
  type NetStackOptions,
  parseIpv4,
  type ProgramNet,
} from '../../src/net/index.ts';
import { BareKernelCpu, EventLoop, inMacrotask, RandomStream, SimThread } from '../../src/sim/index.ts';
import { type WireEnd, type WireOptions, wire } from '../kit/net-wire.ts';

export const HOSTS = { a: parseIpv4('10.0.0.1') as number, b: parseIpv4('10.0.0.2') as number };
export const MS = 1e9;
export const US = 1e6;
export const SECOND = 1e12;

export interface WorldOptions extends WireOptions {
  readonly costs?: NetCosts;
  readonly seed?: number;
  readonly stack?: Partial<Pick<NetStackOptions, 'tcp' | 'congestion'>>;
  /** Of the second host, where it differs. */
  readonly peerStack?: Partial<Pick<NetStackOptions, 'tcp' | 'congestion'>>;
}

export interface Host {
  readonly name: string;
  readonly cpu: BareKernelCpu;
  readonly stack: NetStack;
  readonly device: WireEnd;
}

/** What a program of a test gets. */
export interface Program {
  readonly net: Net;
  readonly thread: SimThread;
  readonly host: Host;
  sleep(ps: number): Promise<void>;
}

export class World {
  readonly loop = new EventLoop();
  readonly hosts: [Host, Host];
  #threads: SimThread[] = [];

  constructor(options: WorldOptions = {}) {
    const names = ['a', 'b'] as const;
    const cpus = names.map((_, entity) => new BareKernelCpu(this.loop, entity, { interruptPs: 0, timerPs: 0 }));
    const ends = names.map((name, entity) => ({ entity, cpu: cpus[entity]!, name: 'eth0', host: name }));
    const devices = wire(this.loop, ends, options);
    this.hosts = names.map((name, n) => {
      const stack = new NetStack({
        cpu: cpus[n]!,
        costs: options.costs ?? FREE_NET_COSTS,
        random: new RandomStream(options.seed ?? 1, `kernel ${name}`),
        name,
        ...options.stack,
        ...(n === 1 ? options.peerStack : {}),
      });
      stack.addDevice(devices[n]!, { address: HOSTS[name], prefixLength: 24 });
      return { name, cpu: cpus[n]!, stack, device: devices[n]! };
    }) as unknown as [Host, Host];
  }

  get a(): Host {
    return this.hosts[0];
  }

  get b(): Host {
    return this.hosts[1];
  }

  /** Starts a program on a host; what it returns is there when `run` is over. */
  start<T>(host: Host, body: (program: Program) => Promise<T>, atPs = 0): { value: T | undefined; net: ProgramNet } {
    const thread = new SimThread(this.loop, host === this.a ? 0 : 1, host.name);
    const net = createSockets(host.stack, thread, HOSTS);
    const result: { value: T | undefined; net: ProgramNet } = { value: undefined, net };
    const sleep = (ps: number) => thread.sleep(ps);
    thread.onFinished = () => {
      if (thread.outcome?.error === undefined) result.value = thread.outcome?.value as T;
      net.closeAll();
    };
    this.#threads.push(thread);
    thread.start(atPs, async () => body({ net, thread, host, sleep }));
    return result;
  }

  /** Runs until `limitPs`, or until all programs are over; throws what a program threw. Returns when the last program ended. */
  async run(limitPs = 3600 * SECOND): Promise<number> {
    return inMacrotask(() => {
      this.loop.limitPs = limitPs;
      while (this.#threads.some(({ outcome }) => outcome === null) && this.loop.step());
      for (const { outcome } of this.#threads) if (outcome?.error !== undefined) throw outcome.error;
      const left = this.#threads.filter(({ outcome }) => outcome === null);
      if (left.length > 0) throw new Error(`stands still: ${left.map((t) => `${t.nodeName}: ${t.waitingFor()}`).join('; ')}`);
      return this.loop.nowPs;
    });
  }

  /** Runs on, with no program, until `limitPs` or until nothing is left to do. */
  async settle(limitPs = 3600 * SECOND): Promise<void> {
    await inMacrotask(() => {
      this.loop.runUntil(limitPs);
    });
  }
}

/** Bytes that are different everywhere, so that any mix-up shows. */
export function pattern(bytes: number, seed = 1): Uint8Array {
  const out = new Uint8Array(bytes);
  let state = (seed * 2_654_435_761) >>> 0;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

/** Everything up to the end of the stream. */
export async function readAll(socket: { recv(max?: number): Promise<Uint8Array> }): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = await socket.recv();
    if (part.length === 0) return new Uint8Array(Buffer.concat(parts));
    parts.push(part);
  }
}
