import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../src/hypervisor/vcpu.ts';
import { EventLoop, inMacrotask, type Ps, SimThread, type Waiter } from '../../src/sim/index.ts';
import { MS, Rig, type RigOptions, US } from './sched-kit.ts';

const COSTS = {
  contextSwitchPs: 1.2 * US,
  coldCachePs: 3 * US,
  ipiPs: US,
  upcallPs: US / 2,
  hypercallPs: 0.3 * US,
  physicalIrqPs: US,
};

type Body = (thread: SimThread, vcpu: Vcpu, rig: Rig) => Promise<unknown>;

/** Runs `body` as the program of a vCPU. `prepare` sets up what else there is. */
async function runProgram(body: Body, options: RigOptions = {}, prepare?: (rig: Rig, vcpu: Vcpu, thread: SimThread) => void) {
  const rig = new Rig(options);
  const vcpu = rig.vcpu(1);
  const thread = new SimThread(rig.loop, 0, 'guest');
  vcpu.attachThread(thread);
  prepare?.(rig, vcpu, thread);
  thread.start(0, () => body(thread, vcpu, rig));
  await inMacrotask(() => rig.run(5000 * MS));
  if (thread.outcome?.error !== undefined) throw thread.outcome.error;
  return { rig, vcpu, thread, value: thread.outcome?.value };
}

describe('a program on a vCPU', () => {
  const act = fc.record({
    kind: fc.constantFrom('spend', 'sleep', 'sync', 'park', 'hold'),
    ps: fc.integer({ min: 0, max: 40 * US }),
  });

  it('alone, on a machine that costs nothing, has the times that it has on a bare host', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
        const program = async (thread: SimThread): Promise<number[]> => {
          const times: number[] = [];
          for (const { kind, ps } of acts) {
            if (kind === 'spend') thread.spend(ps);
            else if (kind === 'sleep') await thread.sleep(ps);
            else if (kind === 'sync') await thread.sync();
            else if (kind === 'hold') thread.hold('call', (done) => done(thread.nowPs + ps));
            else {
              const waiter = thread.park<void>('device', null, ps % 2 === 0);
              waiter.wake(thread.nowPs + ps, undefined);
              await waiter.promise;
            }
            if (!thread.isHeld) times.push(thread.nowPs);
          }
          return times;
        };
        const guest = await runProgram(program);
        const loop = new EventLoop();
        const bare = new SimThread(loop, 0, 'bare');
        bare.start(0, () => program(bare));
        await inMacrotask(() => loop.runUntil(Number.POSITIVE_INFINITY));
        expect(guest.value).toEqual(bare.outcome?.value);
      }),
      { numRuns: 60 },
    );
  });

  it('gives the same times whether or not it may run on without an event', async () => {
    const noise = fc.record({
      atUs: fc.integer({ min: 1, max: 600 }),
      kind: fc.constantFrom('item', 'kick', 'irq', 'timer'),
      us: fc.integer({ min: 0, max: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { maxLength: 30 }),
        fc.array(noise, { maxLength: 15 }),
        fc.nat(2),
        async (acts, noises, hogs) => {
          const play = async (mayRunAhead: boolean) => {
            const log: string[] = [];
            const { value, vcpu } = await runProgram(
              async (thread, own) => {
                for (const [i, { kind, ps }] of acts.entries()) {
                  thread.spend(Math.floor(ps / 3));
                  if (kind === 'spend') own.exec(ps % (5 * US), 'call', () => log.push(`call ${i} ${own.nowPs}`));
                  if (kind === 'sleep') await thread.sleep(ps);
                  if (kind === 'park') own.spend(ps % US, 'verbs');
                  await thread.sync();
                  log.push(`${i} ${thread.nowPs}`);
                }
                return thread.nowPs;
              },
              { costs: COSTS, params: { ratelimitPs: 100 * US, tslicePs: 300 * US } },
              (rig, own, thread) => {
                for (let i = 0; i < hogs; i++) rig.hog(2 + i);
                own.onUpcall = () => own.spend(US, 'handler');
                for (const { atUs, kind, us } of noises) {
                  rig.at(atUs * US, () => {
                    if (kind === 'item') own.exec(us * US, 'softirq', () => log.push(`item ${own.nowPs}`));
                    if (kind === 'kick') own.kick(atUs * US + us);
                    if (kind === 'irq') own.interrupt('nic', () => log.push(`irq ${own.nowPs}`));
                    if (kind === 'timer') own.setTimer((atUs + us) * US, () => log.push(`timer ${own.nowPs}`));
                  });
                }
                if (!mayRunAhead)
                  Object.defineProperty(thread, 'isSynced', {
                    get: () => own.mayRunOn(thread) && thread.nowPs <= rig.loop.nowPs,
                  });
              },
            );
            return { log, value, used: [...vcpu.usedPs].sort() };
          };
          expect(await play(true)).toEqual(await play(false));
        },
      ),
      { numRuns: 80 },
    );
  });

  it('computes at lowest priority: kernel work delays it to the ps, and its clock says so', async () => {
    const { value, vcpu } = await runProgram(
      async (thread) => {
        thread.spend(100 * US);
        await thread.sync();
        return thread.nowPs / US;
      },
      {},
      (rig, own) => {
        rig.at(30 * US, () => own.exec(7 * US, 'tcp', () => own.spend(2 * US, 'netfront')));
        rig.at(50 * US, () => own.exec(1 * US, 'tcp', () => undefined));
      },
    );
    expect(value).toBe(110);
    expect(vcpu.usedPs).toEqual(
      new Map([
        ['program', 100 * US],
        ['tcp', 8 * US],
        ['netfront', 2 * US],
      ]),
    );
  });

  it("computes only while it has a pCPU: half of a hog's machine takes twice the time", async () => {
    const { value } = await runProgram(
      async (thread) => {
        thread.spend(1000 * MS);
        await thread.sync();
        return thread.nowPs / MS;
      },
      {},
      (rig) => rig.hog(2),
    );
    expect(value).toBeGreaterThan(1900);
    expect(value).toBeLessThan(2100);
  });

  it('what it asks of the kernel is done when it has computed that far, and it goes on after that', async () => {
    const log: string[] = [];
    const { value } = await runProgram(async (thread, vcpu) => {
      thread.spend(10 * US);
      vcpu.exec(5 * US, 'send', () => log.push(`send ${vcpu.nowPs / US}`));
      thread.spend(10 * US);
      vcpu.exec(5 * US, 'send', () => log.push(`send ${vcpu.nowPs / US}`));
      log.push(`asked ${thread.nowPs / US}`);
      await thread.sync();
      return thread.nowPs / US;
    });
    expect(log).toEqual(['asked 20', 'send 15', 'send 30']);
    expect(value).toBe(30);
  });

  it('that polls keeps its vCPU busy, and sees what it waits for only while it has a pCPU', async () => {
    const polls = async (spins: boolean, hog: boolean): Promise<{ sawMs: Ps; busyMs: number }> => {
      let waiter: Waiter<void> | null = null;
      const { value, vcpu } = await runProgram(
        async (thread) => {
          waiter = thread.park<void>('completion', null, spins);
          await waiter.promise;
          return thread.nowPs / MS;
        },
        { params: { boost: false } },
        (rig) => {
          if (hog) rig.hog(2);
          rig.at(70 * MS, () => waiter?.wake(70 * MS, undefined));
        },
      );
      return { sawMs: value as number, busyMs: (vcpu.usedPs.get('poll') ?? 0) / MS };
    };
    expect(await polls(true, false)).toEqual({ sawMs: 70, busyMs: 70 });
    expect(await polls(false, false)).toEqual({ sawMs: 70, busyMs: 0 });
    // The hog came first: its turns are 0 to 30 and 60 to 90 ms.
    expect(await polls(true, true)).toEqual({ sawMs: 90, busyMs: 30 });
  });

  it('that sleeps is woken by a timer interrupt, at its price', async () => {
    const { value, vcpu } = await runProgram(
      async (thread) => {
        thread.spend(10 * US);
        await thread.sleep(100 * US);
        return thread.nowPs / US;
      },
      { costs: COSTS },
    );
    // Switch and cold caches, computing, sleep, interrupt: nobody else was there, so the second start is free.
    expect(value).toBe(4.2 + 10 + 100 + 0.5);
    expect(vcpu.usedPs.get('timer')).toBe(0.5 * US);
  });

  it('sees at its own time what is to be seen at a time known before, however long it computed; a sleep begins when it has computed', async () => {
    const program = (isSleep: boolean) =>
      runProgram(
        async (thread) => {
          thread.spend(10 * US);
          if (isSleep) await thread.sleep(40 * US);
          else {
            const waiter = thread.park<void>('completion', null, true);
            waiter.wake(50 * US, undefined);
            await waiter.promise;
          }
          return thread.nowPs / US;
        },
        {},
        (rig, vcpu) => rig.at(5 * US, () => vcpu.exec(20 * US, 'tcp', () => undefined)),
      );
    // 20 us of kernel work come between.
    expect((await program(false)).value).toBe(50);
    expect((await program(true)).value).toBe(70);
  });

  it('that ends, and one that raced two waits, leave a vCPU that blocks', async () => {
    const { rig, vcpu } = await runProgram(async (thread) => {
      const [a, b] = [thread.park<number>('a'), thread.park<number>('b', null, true)];
      a.wake(thread.nowPs + 5 * US, 1);
      b.wake(thread.nowPs + 900 * US, 2);
      thread.spend(US);
      return Promise.race([a.promise, b.promise]);
    });
    expect(rig.loop.pending).toBe(0);
    expect(vcpu.unit.isBlocked).toBe(true);
  });

  it('never goes on after its domain has died', async () => {
    let wentOn = false;
    const { thread } = await runProgram(
      async (self) => {
        self.spend(MS);
        await self.sync();
        wentOn = true;
      },
      {},
      (rig, vcpu) => rig.at(MS / 2, () => vcpu.stop()),
    );
    expect(wentOn).toBe(false);
    expect(thread.outcome).toBeNull();
  });
});
