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
