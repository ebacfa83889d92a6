import { describe, expect, it } from 'vitest';
import { type PeerMessage, packValue } from '../../src/cluster/messages.ts';
import { PeerChannel } from '../../src/cluster/peers.ts';
import { EventLoop, inMacrotask, SimThread } from '../../src/sim/index.ts';

const NETWORK = { latencyPs: 1000, psPerByte: 10 };

/** Runs one program a rank over a channel that hands each message on at once. */
async function runRanks(bodies: ((peers: PeerChannel, thread: SimThread) => Promise<unknown>)[]): Promise<unknown[]> {
  const loop = new EventLoop();
  const names = bodies.map((_, i) => `n${i}`);
  const channels: PeerChannel[] = [];
  const threads = bodies.map((body, rank) => {
    const channel = new PeerChannel(loop, { entity: rank, rank, ofNode: [{ rank }] }, names, NETWORK, (message: PeerMessage) =>
      channels[message.to]?.expect(message),
    );
    channels.push(channel);
    const thread = new SimThread(loop, rank, names[rank] as string);
    channel.attach(thread);
    thread.start(0, () => body(channel, thread));
    return thread;
  });
  await inMacrotask(() => loop.runUntil(Number.POSITIVE_INFINITY));
  return threads.map((thread) => {
    if (thread.outcome?.error !== undefined) throw thread.outcome.error;
    return thread.outcome?.value;
  });
}

describe('out-of-band channel', () => {
  it('delivers after latency and bytes, in order, by rank or name', async () => {
    const [, received] = await runRanks([
      async (peers, thread) => {
        thread.spend(500);
        peers.send('n1', new Uint8Array(0));
        peers.send(1, 'second');
      },
      async (peers, thread) => {
        const first = await peers.recv(0);
        const at = thread.nowPs;
        return [first, at, await peers.recv('n0')];
      },
    ]);
    const bytes = packValue(new Uint8Array(0)).length;
    expect(received).toEqual([new Uint8Array(0), 500 + NETWORK.latencyPs + bytes * NETWORK.psPerByte, 'second']);
  });

  it('sends after a call that holds the sender, in order', async () => {
    const [, received] = await runRanks([
      async (peers, thread) => {
        thread.spend(500);
        thread.hold('call', (done) => done(thread.loop.nowPs + 40_000));
        peers.send('n1', new Uint8Array(0));
        thread.spend(100);
        peers.send(1, 'second');
      },
      async (peers, thread) => {
        const first = await peers.recv(0);
        const at = thread.nowPs;
        return [first, at, await peers.recv('n0')];
      },
    ]);
    const bytes = packValue(new Uint8Array(0)).length;
    expect(received).toEqual([new Uint8Array(0), 40_500 + NETWORK.latencyPs + bytes * NETWORK.psPerByte, 'second']);
  });

  it('exchanges both ways', async () => {
    const swap = (mine: string) => async (peers: PeerChannel) => peers.exchange(mine === 'a' ? 1 : 0, mine);
    expect(await runRanks([swap('a'), swap('b')])).toEqual(['b', 'a']);
  });

  it('holds everybody at a barrier until the last has come, again and again', async () => {
    const left = await runRanks(
      [0, 7000, 3000].map((late) => async (peers: PeerChannel, thread: SimThread) => {
        const times: number[] = [];
        for (let round = 1; round <= 3; round++) {
          await thread.sleep(late * round);
          const entered = thread.nowPs;
          await peers.barrier();
          times.push(entered, thread.nowPs);
        }
        return times;
      }),
    );
    for (let round = 0; round < 3; round++) {
      const entered = left.map((times) => (times as number[])[2 * round] as number);
      const leaves = left.map((times) => (times as number[])[2 * round + 1] as number);
      expect(Math.min(...leaves)).toBeGreaterThanOrEqual(Math.max(...entered));
    }
  });

  it('says which peers there are when one is unknown', async () => {
    await expect(runRanks([async (peers) => peers.send('nobody', 1)])).rejects.toThrow('no such peer: nobody; there are 0 = n0');
  });
});
