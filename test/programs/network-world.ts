/** Runs a program of the network on two hosts of `test/net/world.ts`, server and client, with an out-of-band channel of its own. */
import type { SimThread, Waiter } from '../../src/sim/index.ts';
import type { Message, Peers, Program, ProgramContext } from '../../src/verbs/index.ts';
import { type Host, World, type WorldOptions } from '../net/world.ts';

const LATENCY_PS = 20_000_000;

/** Messages between the two, and a barrier. */
class Post {
  readonly #queues: Message[][] = [[], []];
  readonly #waiters: (Waiter<Message> | null)[] = [null, null];
  #atBarrier: Waiter<void>[] = [];

  peers(rank: number, thread: SimThread): Peers {
    const other = 1 - rank;
    const send = (value: unknown) => {
      const waiter = this.#waiters[other] ?? null;
      this.#waiters[other] = null;
      if (waiter === null) this.#queues[other]!.push(value as Message);
      else waiter.wake(thread.nowPs + LATENCY_PS, value as Message);
    };
    const recv = async () => {
      const queued = this.#queues[rank]!.shift();
      if (queued !== undefined) return queued;
      const waiter = thread.park<Message>('message');
      this.#waiters[rank] = waiter;
      return waiter.promise;
    };
    return {
      names: ['a', 'b'],
      send: (_to, value) => send(value),
      recv: () => recv() as Promise<never>,
      exchange: async (_with, value) => {
        send(value);
        return recv() as Promise<never>;
      },
      barrier: async () => {
        const waiter = thread.park<void>('barrier');
        this.#atBarrier.push(waiter);
        if (this.#atBarrier.length === 2)
          for (const each of this.#atBarrier.splice(0)) each.wake(thread.nowPs + LATENCY_PS, undefined);
        return waiter.promise;
      },
    };
  }
}

export interface NetworkRun {
  /** What the client printed, and returned. */
  readonly lines: readonly string[];
  readonly value: unknown;
  readonly world: World;
}

/** Host a is the server, b the client. */
export async function runNetworkProgram(program: Program, args: string, options: WorldOptions = {}): Promise<NetworkRun> {
  const world = new World(options);
  const post = new Post();
  const lines: string[][] = [[], []];
  const start = (host: Host, rank: number) =>
    world.start(host, async ({ net, thread }) => {
      const context = {
        net,
        peers: post.peers(rank, thread),
        role: rank === 0 ? 'server' : 'client',
        trace: { begin: () => undefined, end: () => undefined },
        rank,
        size: 2,
        args: args === '' ? [] : args.split(' '),
        sim: { now: () => thread.nowPs, sleep: (ns: number) => thread.sleep(ns * 1000) },
        log: (line: string) => lines[rank]!.push(line),
      };
      return program.run(context as unknown as ProgramContext);
    });
  start(world.a, 0);
  const client = start(world.b, 1);
  await world.run();
  return { lines: lines[1]!, value: client.value, world };
}
