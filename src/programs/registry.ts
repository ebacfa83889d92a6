/**
 * The programs that ship with heddle, by name. A program's code is loaded when it is run, so that starting up costs nothing for the others.
 */
import type { Program } from '../verbs/index.ts';

/** A program of the registry. */
export interface ProgramEntry {
  readonly name: string;
  /** One line for `heddle list`. */
  readonly summary: string;
  /** Who runs it: a server and a client, or any number of nodes alike. */
  readonly roles: 'client-server' | 'peers';
  readonly load: () => Promise<Program>;
  /**
   * Looks at the program's options without running it; throws `ConfigError` with all mistakes. Absent: the program looks itself when it runs.
   * What depends on a device (ports, tables, limits) is found only then, in any case.
   */
  readonly check?: (args: readonly string[]) => Promise<void>;
}

function entry(name: string, summary: string, roles: ProgramEntry['roles'], load: ProgramEntry['load']): ProgramEntry {
  return { name, summary, roles, load };
}

type PerftestVerb = 'SEND' | 'WRITE' | 'READ' | 'ATOMIC';

/** The latency and the bandwidth test of a verb. */
function perftest(verb: PerftestVerb, what: string, load: (test: 'LAT' | 'BW') => Promise<Program>): ProgramEntry[] {
  return (['LAT', 'BW'] as const).map((test) => {
    const name = `ib_${verb.toLowerCase()}_${test.toLowerCase()}`;
    const check = async (args: readonly string[]) => {
      const { parseCommand } = await import('./perftest/command-line.ts');
      parseCommand(name, verb, test, 'CLIENT', args);
    };
    const measure = test === 'LAT' ? 'latency' : 'bandwidth';
    return { name, summary: `${measure} of ${what} (perftest)`, roles: 'client-server', load: () => load(test), check };
  });
}

/** All programs, in the order of `heddle list`. */
export const PROGRAMS: readonly ProgramEntry[] = [
  ...perftest('SEND', 'SEND over RC, UC or UD', async (test) => {
    const { sendBw, sendLat } = await import('./perftest/send.ts');
    return test === 'LAT' ? sendLat : sendBw;
  }),
  ...perftest('WRITE', 'RDMA WRITE over RC or UC', async (test) => {
    const { writeBw, writeLat } = await import('./perftest/write.ts');
    return test === 'LAT' ? writeLat : writeBw;
  }),
  ...perftest('READ', 'RDMA READ', async (test) => {
    const { readBw, readLat } = await import('./perftest/read.ts');
    return test === 'LAT' ? readLat : readBw;
  }),
  ...perftest('ATOMIC', 'atomic operations', async (test) => {
    const { atomicBw, atomicLat } = await import('./perftest/atomic.ts');
    return test === 'LAT' ? atomicLat : atomicBw;
  }),
  entry(
    'ibv_rc_pingpong',
    'ping-pong of SEND over RC (libibverbs)',
    'client-server',
    async () => (await import('./pingpong.ts')).rcPingpong,
  ),
  entry(
    'ibv_uc_pingpong',
    'ping-pong of SEND over UC (libibverbs)',
    'client-server',
    async () => (await import('./pingpong.ts')).ucPingpong,
  ),
  entry(
    'ibv_ud_pingpong',
    'ping-pong of SEND over UD (libibverbs)',
    'client-server',
    async () => (await import('./pingpong.ts')).udPingpong,
  ),
  entry(
    'rping',
    'ping by RDMA READ and WRITE over an rdma_cm connection (librdmacm)',
    'client-server',
    async () => (await import('./rping.ts')).default,
  ),
  entry('ping', 'ICMP echo (iputils)', 'client-server', async () => (await import('./ping.ts')).default),
  entry(
    'netperf',
    'throughput and transactions of TCP and UDP (netperf)',
    'client-server',
    async () => (await import('./netperf.ts')).default,
  ),
  entry('ibv_devinfo', "a node's devices and ports (rdma-core)", 'peers', async () => (await import('./devinfo.ts')).default),
  entry(
    'ibstat',
    "the state of a node's adapters and ports (infiniband-diags)",
    'peers',
    async () => (await import('./ibstat.ts')).default,
  ),
];

/** The program of this name, or undefined. */
export function findProgram(name: string): ProgramEntry | undefined {
  return PROGRAMS.find((candidate) => candidate.name === name);
}
