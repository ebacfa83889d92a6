import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installVirtualClocks, setProgramRandom, VIRTUAL_EPOCH_MS } from '../../src/cluster/virtual-clock.ts';
import { EventLoop, inMacrotask, RandomStream, SimThread } from '../../src/sim/index.ts';

async function runProgram(body: (thread: SimThread) => Promise<unknown>): Promise<unknown> {
  const loop = new EventLoop();
  const thread = new SimThread(loop, 0, 'n0');
  setProgramRandom(thread, new RandomStream(1, 'program n0'));
  thread.start(0, () => body(thread));
  await inMacrotask(() => loop.runUntil(Number.POSITIVE_INFINITY));
  if (thread.outcome?.error !== undefined) throw thread.outcome.error;
  return thread.outcome?.value;
}

describe('clocks in program scope', () => {
  let restore: () => void;
  beforeEach(() => {
    restore = installVirtualClocks();
  });
  afterEach(() => restore());

  it('show virtual time inside a program and real time outside', async () => {
    const inside = await runProgram(async (thread) => {
      await thread.sleep(3_000_000_000);
      return [
        Date.now() - VIRTUAL_EPOCH_MS,
        // biome-ignore lint/complexity/useDateNow: the constructor is what is tested here
        Number(new Date()) - VIRTUAL_EPOCH_MS,
        performance.now(),
        process.hrtime.bigint(),
        process.hrtime(),
      ];
    });
    expect(inside).toEqual([3, 3, 3, 3_000_000n, [0, 3_000_000]]);
    expect(Date.now()).toBeGreaterThan(Date.UTC(2024, 0, 1));
    expect(new Date(0).toISOString()).toBe('1970-01-01T00:00:00.000Z');
  });

  it('run timers in virtual time, cancel them, and repeat them', async () => {
    const inside = await runProgram(async (thread) => {
      const log: string[] = [];
      const cancelled = setTimeout(() => log.push('never'), 1);
      clearTimeout(cancelled);
      const every = setInterval(() => log.push(`tick ${thread.nowPs / 1e9}`), 2);
      await new Promise((resolve) => setTimeout(resolve, 5));
      clearInterval(every);
      await new Promise((resolve) => setImmediate(resolve));
      return [log, thread.nowPs];
    });
    expect(inside).toEqual([['tick 2', 'tick 4'], 5_000_000_000]);
  });

  it('draw random numbers from the program stream', async () => {
    const draw = () => runProgram(async () => [Math.random(), Math.random()]);
    const first = await draw();
    expect(await draw()).toEqual(first);
    const stream = new RandomStream(1, 'program n0');
    expect(first).toEqual([stream.float(), stream.float()]);
  });

  it('are gone when the last user took them away', () => {
    const before = globalThis.Date;
    const second = installVirtualClocks();
    second();
    second();
    expect(globalThis.Date).toBe(before);
  });
});
