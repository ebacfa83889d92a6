import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EventHandler, EventLoop, InvariantError } from '../../src/sim/index.ts';

class Recorder implements EventHandler {
  readonly seen: string[] = [];
  readonly loop: EventLoop;
  readonly name: string;
  constructor(loop: EventLoop, name: string) {
    this.loop = loop;
    this.name = name;
  }
  onEvent(kind: number, a: number, b: number): void {
    this.seen.push(`${this.loop.nowPs}:${this.name}:${kind},${a},${b}`);
  }
}

describe('event loop', () => {
  it('handles events by time, then entity, then external before local, then order of scheduling', () => {
    const loop = new EventLoop();
    const log: string[] = [];
    const handler = (name: string): EventHandler => ({ onEvent: (kind) => log.push(`${loop.nowPs}${name}${kind}`) });
    const b = loop.register(2, handler('b'));
    const a = loop.register(1, handler('a'));
    loop.schedule(5, b, 1);
    loop.schedule(5, a, 1);
    loop.schedule(5, a, 2);
    loop.schedule(3, b, 3);
    loop.deliver(5, 7, a, 9);
    loop.deliver(5, 6, a, 8);
    expect(loop.runUntil(5)).toBe(1);
    expect(loop.runUntil(6)).toBe(5);
    expect(log).toEqual(['3b3', '5a8', '5a9', '5a1', '5a2', '5b1']);
  });

  it('agrees with a sorted list, whatever is scheduled, also from within events and beyond its first size', () => {
    const event = fc.record({ time: fc.nat(50), entity: fc.nat(4), follow: fc.option(fc.nat(20)) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.array(fc.nat(80), { maxLength: 6 }), (events, cuts) => {
        const order = (run: (loop: EventLoop) => void): string[] => {
          const loop = new EventLoop();
          const log: string[] = [];
          const handles = [0, 1, 2, 3, 4].map((entity) =>
            loop.register(entity, {
              onEvent: (kind, follow) => {
                log.push(`${loop.nowPs}/${entity}/${kind}`);
                if (follow > 0) loop.schedule(loop.nowPs + follow - 1, handles[entity] as number, kind + 1000, 0);
              },
            }),
          );
          events.forEach((e, i) => {
            loop.schedule(e.time, handles[e.entity] as number, i, e.follow === null ? 0 : e.follow + 1);
          });
          run(loop);
          return log;
        };
        const whole = order((loop) => loop.runUntil(Number.POSITIVE_INFINITY));
        const cut = order((loop) => {
          for (const limit of [...cuts].sort((x, y) => x - y)) loop.runUntil(limit);
          loop.runUntil(Number.POSITIVE_INFINITY);
        });
        expect(cut).toEqual(whole);
        const times = whole.map((line) => Number(line.split('/')[0]));
        expect(times).toEqual([...times].sort((x, y) => x - y));
        expect(whole.length).toBe(events.length + events.filter((e) => e.follow !== null).length);
      }),
      { numRuns: 200 },
    );
  });

  it('grows past its first size without losing order', () => {
    const loop = new EventLoop();
    const recorder = new Recorder(loop, 'x');
    const handle = loop.register(0, recorder);
    for (let i = 0; i < 5000; i++) loop.schedule((i * 7919) % 5000, handle, i);
    loop.runUntil(Number.POSITIVE_INFINITY);
    const times = recorder.seen.map((line) => Number(line.split(':')[0]));
    expect(times).toEqual(Array.from({ length: 5000 }, (_, i) => i));
  });

  it('gives an entity the same order whichever others share its loop', () => {
    const run = (others: number[]): string[] => {
      const loop = new EventLoop();
      const recorder = new Recorder(loop, 'x');
      const handle = loop.register(10, recorder);
      const rest = others.map((entity) => loop.register(entity, new Recorder(loop, 'y')));
      for (let i = 0; i < 20; i++) {
        for (const other of rest) loop.schedule(i % 5, other, 0);
        loop.schedule(i % 5, handle, i);
      }
      loop.runUntil(100);
      return recorder.seen;
    };
    expect(run([3, 11, 12])).toEqual(run([]));
  });

  it('refuses the past', () => {
    const loop = new EventLoop();
    const handle = loop.register(0, { onEvent: () => loop.schedule(loop.nowPs - 1, handle, 0) });
    loop.schedule(10, handle, 0);
    expect(() => loop.runUntil(11)).toThrow(InvariantError);
  });
});
