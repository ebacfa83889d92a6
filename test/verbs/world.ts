/**
 * Programs on the hosts of the adapter tests' wire: one thread, one context and one connection manager a host. Programs of different hosts meet over the wire,
 * and hand each other what perftest would send over TCP through `shared`.
 */
import { inMacrotask, SimThread } from '../../src/sim/index.ts';
import {
  type Context,
  createRdmaCm,
  makeGid,
  type MulticastGroup,
  type PathRecord,
  type PortAddress,
  type RdmaCm,
  type RdmaDirectory,
  staticPaths,
  openContext,
} from '../../src/verbs/index.ts';
import { TestWire, type WireOptions } from '../hca/wire.ts';

export interface Self {
  readonly ctx: Context;
  readonly thread: SimThread;
  readonly cm: RdmaCm;
  readonly wire: TestWire;
  readonly index: number;
  /** Values by name, for all programs. */
  readonly shared: Record<string, unknown>;
  /** Waits, looking every microsecond, until another program has set the name. */
  get<T>(name: string): Promise<T>;
  put(name: string, value: unknown): void;
  sleepUs(us: number): Promise<void>;
}

export type Body = (self: Self) => Promise<unknown>;

export interface WorldOptions extends WireOptions {
  readonly limitPs?: number;
  readonly directory?: Partial<RdmaDirectory>;
  readonly packetLifeTime?: number;
}

const MCAST: Omit<MulticastGroup, 'mgid'> = { mlid: 0xc001, qkey: 0x0b1b, mtu: 4, rate: 0, sl: 0, pkey: 0xffff };

/** Addresses 10.0.0.(host + 1), and paths straight across the wire. */
export function directoryOf(wire: TestWire, packetLifeTime = 1): RdmaDirectory {
  const addresses: PortAddress[] = wire.hosts.map(({ hca }, i) => ({
    node: `n${i}`,
    device: hca.config.deviceName,
    portNum: 1,
    ip: `10.0.0.${i + 1}`,
    gid: makeGid(hca.config.ports[0].gidPrefix, hca.config.ports[0].portGuid),
  }));
  const lidOf = (gid: Uint8Array) => wire.lid(addresses.findIndex((entry) => entry.gid.every((byte, i) => byte === gid[i])));
  const find = ({ sgid, dgid, pkey }: { sgid: Uint8Array; dgid: Uint8Array; pkey: number }): PathRecord => ({
    sgid,
    dgid,
    slid: lidOf(sgid),
    dlid: lidOf(dgid),
    sl: 0,
    pkey,
    mtu: 4,
    rate: 0,
    packetLifeTime,
  });
  return { addresses, paths: staticPaths(find, 1_000_000, (mgid) => ({ ...MCAST, mgid })) };
}

/** Runs a program on each host to its end and returns what they return. A program that throws fails the test. */
export async function runWorld(bodies: readonly Body[], options: WorldOptions = {}): Promise<unknown[]> {
  const { threads } = await startWorld(bodies, options);
  for (const { outcome } of threads) if (outcome?.error !== undefined) throw outcome.error;
  return threads.map((thread, i) => {
    if (thread.outcome === null) throw new Error(`program ${i} did not end: waits for ${thread.waitingFor().join(', ')}`);
    return thread.outcome.value;
  });
}

/** The same, without a look at how the programs ended. */
export async function startWorld(
  bodies: readonly Body[],
  options: WorldOptions = {},
): Promise<{ wire: TestWire; threads: SimThread[]; shared: Record<string, unknown> }> {
  const wire = new TestWire({ hosts: bodies.length, ...options });
  const directory = { ...directoryOf(wire, options.packetLifeTime), ...options.directory };
  const shared: Record<string, unknown> = {};
  const threads = bodies.map((body, index) => {
    const thread = new SimThread(wire.loop, index, `n${index}`);
    const ctx = openContext(wire.hosts[index].hca, thread);
    const cm = createRdmaCm(thread, [ctx], directory);
    const get = async <T>(name: string): Promise<T> => {
      while (!(name in shared)) await thread.sleep(1_000_000);
      const { value, atPs } = shared[name] as { value: T; atPs: number };
      if (atPs > thread.nowPs) await thread.sleep(atPs - thread.nowPs);
      return value;
    };
    const put = (name: string, value: unknown) => {
      shared[name] = { value, atPs: thread.nowPs };
    };
    const self = { ctx, thread, cm, wire, index, shared, get, put, sleepUs: (us: number) => thread.sleep(us * 1_000_000) };
    thread.start(0, () => body(self));
    return thread;
  });
  await inMacrotask(() => wire.run(options.limitPs ?? 10 ** 15));
  return { wire, threads, shared };
}

/** Runs one program on a host whose neighbour does nothing. */
export async function runAlone(body: Body, options: WorldOptions = {}): Promise<unknown> {
  return (await runWorld([body, async () => undefined], options))[0];
}
