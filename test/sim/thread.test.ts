import { describe, expect, it } from 'vitest';
import { currentThread, EventLoop, inMacrotask, ProgramError, SimThread } from '../../src/sim/index.ts';

/** Runs `body` as the program of one node, to the end. */
async function runProgram(
  body: (thread: SimThread, loop: EventLoop) => Promise<unknown>,
): Promise<{ thread: SimThread; loop: EventLoop }> {
  const loop = new EventLoop();
  const thread = new SimThread(loop, 0, 'n0');
  thread.start(0, () => body(thread, loop));
  await inMacrotask(() => loop.runUntil(Number.POSITIVE_INFINITY));
  return { thread, loop };
}

describe('program thread', () => {
  it('runs ahead by what it spends and is resumed at its own time', async () => {
    const { thread } = await runProgram(async (self, loop) => {
      self.spend(500);
      expect(self.nowPs).toBe(500);
      expect(loop.nowPs).toBe(0);
      await self.sync();
      await self.sleep(1500);
      expect(loop.nowPs).toBe(2000);
      return self.nowPs;
    });
    expect(thread.outcome).toEqual({ value: 2000 });
  });

  it('is woken not before its own time', async () => {
    const { thread } = await runProgram(async (self) => {
      const waiter = self.park<string>('something');
      self.spend(100);
      waiter.wake(40, 'early');
      expect(self.waitingFor()).toEqual(['something']);
      return [await waiter.promise, self.nowPs];
    });
    expect(thread.outcome).toEqual({ value: ['early', 100] });
  });

  it('throws into the program what a waiter fails with', async () => {
    const { thread } = await runProgram(async (self) => {
      const waiter = self.park('x');
      waiter.fail(7, new RangeError('no'));
      await expect(waiter.promise).rejects.toThrow('no');
      return self.nowPs;
    });
    expect(thread.outcome).toEqual({ value: 7 });
  });

  it('names the node whose program awaits something real', async () => {
    const real = runProgram(() => new Promise((resolve) => setTimeout(resolve, 1)));
    await expect(real).rejects.toThrow(ProgramError);
    await expect(runProgram(() => new Promise(() => undefined))).rejects.toThrow(/node n0: .*not simulated/);
  });

  it('drains each resumption before the next event, however deep the helpers', async () => {
    const loop = new EventLoop();
    const log: string[] = [];
    const deep = async (thread: SimThread, depth: number): Promise<void> =>
      depth === 0 ? thread.sleep(10) : deep(thread, depth - 1);
    const threads = ['a', 'b', 'c'].map((name, i) => {
      const thread = new SimThread(loop, i, name);
      thread.start(0, async () => {
        for (let round = 0; round < 2; round++) {
          await deep(thread, 3 - i);
          log.push(`${name}${round}@${thread.nowPs}`);
          expect(currentThread()).toBe(thread);
        }
      });
      return thread;
    });
    await inMacrotask(() => loop.runUntil(Number.POSITIVE_INFINITY));
    expect(log).toEqual(['a0@10', 'b0@10', 'c0@10', 'a1@20', 'b1@20', 'c1@20']);
    expect(threads.every((thread) => thread.outcome !== null)).toBe(true);
    expect(currentThread()).toBeNull();
  });

  it('keeps a thrown error as the outcome', async () => {
    const { thread } = await runProgram(async () => {
      throw new TypeError('broken');
    });
    expect(String(thread.outcome?.error)).toContain('broken');
  });
});

/** Blocking calls that the program does not await: each takes `callPs` of the simulation's time. */
describe('held thread', () => {
  const call = (self: SimThread, loop: EventLoop, callPs: number, begun: number[] = []) =>
    self.hold('call', (done) => {
      begun.push(loop.nowPs);
      done(loop.nowPs + callPs);
    });

  it('does what follows a blocking call when the call has ended, in order, with the time in between', async () => {
    const begun: number[] = [];
    const acted: number[] = [];
    const { thread } = await runProgram(async (self, loop) => {
      self.spend(100);
      call(self, loop, 5000, begun);
      expect(self.nowPs).toBe(100);
      self.spend(30);
      self.inTurn((atPs) => acted.push(atPs));
      self.spend(20);
      call(self, loop, 7000, begun);
      self.spend(4);
      self.inTurn((atPs) => acted.push(atPs));
      self.spend(6);
      expect(self.isHeld).toBe(true);
      await self.sync();
      expect(self.isHeld).toBe(false);
      return [loop.nowPs, self.nowPs];
    });
    expect(begun).toEqual([100, 5150]);
    expect(acted).toEqual([5130, 12_154]);
    expect(thread.outcome).toEqual({ value: [12_160, 12_160] });
  });

  it('lets no wait end before the call, and sleeps from its end on', async () => {
    const { thread } = await runProgram(async (self, loop) => {
      const times: number[] = [];
      call(self, loop, 1000);
      const early = self.park<string>('early');
      early.wake(10, 'early');
      times.push((await early.promise) === 'early' ? self.nowPs : -1);
      call(self, loop, 1000);
      await self.sleep(500);
      times.push(self.nowPs);
      const late = self.park<void>('late');
      call(self, loop, 1000);
      late.wake(9000, undefined);
      await late.promise;
      return [...times, self.nowPs];
    });
    expect(thread.outcome).toEqual({ value: [1000, 2500, 9000] });
  });

  it('is over only when the calls of its last line are', async () => {
    let finishedPs = 0;
    const loop = new EventLoop();
    const thread = new SimThread(loop, 0, 'n0');
    thread.onFinished = () => {
      finishedPs = thread.nowPs;
    };
    thread.start(0, async () => {
      await thread.sleep(10);
      call(thread, loop, 300);
      return 'done';
    });
    await inMacrotask(() => loop.runUntil(Number.POSITIVE_INFINITY));
    expect([thread.outcome, finishedPs]).toEqual([{ value: 'done' }, 310]);
  });

  it('ends the run with what a held step throws', async () => {
    const broken = runProgram(async (self, loop) => {
      call(self, loop, 10);
      self.inTurn(() => {
        throw new RangeError('a bug');
      });
      await self.sync();
    });
    await expect(broken).rejects.toThrow('a bug');
  });

  it('keeps its processor busy only when it spins, not in a call', async () => {
    const loop = new EventLoop();
    const thread = new SimThread(loop, 0, 'n0');
    const spins: boolean[] = [];
    thread.processor = {
      parked: (_thread, spinning) => spins.push(spinning),
      wake: (_thread, atPs, token) => loop.schedule(Math.max(atPs, loop.nowPs), handler, token),
      sync: (self, token) => loop.schedule(Math.max(self.nowPs, loop.nowPs), handler, token),
      mayRunOn: () => true,
    };
    const handler = loop.register(0, { onEvent: (token) => thread.resume(token) });
    thread.start(0, async () => {
      const spin = thread.park<void>('spin', null, true);
      thread.spend(50);
      call(thread, loop, 100);
      spin.wake(400, undefined);
      await spin.promise;
      return thread.nowPs;
    });
    await inMacrotask(() => loop.runUntil(Number.POSITIVE_INFINITY));
    expect(thread.outcome).toEqual({ value: 400 });
    // Computes to the call, is in the call, spins, has ended.
    expect(spins).toEqual([false, false, true, false]);
  });
});
