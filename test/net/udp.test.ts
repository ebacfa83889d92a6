/** UDP sockets: sizes, refusals, broadcasts and groups, full buffers. */
import { describe, expect, it } from 'vitest';
import { errnoOfIcmp } from '../../src/net/icmp-errno.ts';
import { parseIpv4, SocketError } from '../../src/net/index.ts';
import { MS, US, World } from './world.ts';

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error) => (error instanceof SocketError ? error.code : String(error)),
  );

describe('UDP', () => {
  it('a port that nobody has refuses those who are connected', async () => {
    const world = new World({ delayPs: US });
    const a = world.start(world.a, async ({ net, sleep }) => {
      const socket = await net.udp();
      await socket.connect('b', 9);
      await socket.send(new Uint8Array(1));
      const first = await codeOf(socket.recv({ timeoutNs: 1e9 }));
      const loose = await net.udp();
      await loose.send(new Uint8Array(1), { host: 'b', port: 9 });
      await sleep(MS);
      return [first, await codeOf(loose.recv({ timeoutNs: 1e6 })), await codeOf(loose.send(new Uint8Array(1)))];
    });
    await world.run();
    expect(a.value).toEqual(['ECONNREFUSED', 'EAGAIN', 'EDESTADDRREQ']);
  });

  it('sizes', async () => {
    const world = new World({ delayPs: US });
    const b = world.start(world.b, async ({ net }) => {
      const socket = await net.udp({ port: 9 });
      return [(await socket.recv()).data.length, (await socket.recv()).data.length];
    });
    const a = world.start(world.a, async ({ net }) => {
      const to = { host: 'b', port: 9 };
      const socket = await net.udp();
      await socket.send(new Uint8Array(0), to);
      await socket.send(new Uint8Array(65_507), to);
      const whole = await net.udp({ dontFragment: true });
      return [
        await codeOf(socket.send(new Uint8Array(65_508), to)),
        await codeOf(whole.send(new Uint8Array(1473), to)),
        await codeOf(whole.send(new Uint8Array(1472), to)),
      ];
    });
    await world.run();
    expect(a.value).toEqual(['EMSGSIZE', 'EMSGSIZE', 'no error']);
    expect(b.value).toEqual([0, 65_507]);
  });

  it('broadcasts and groups', async () => {
    const world = new World({ delayPs: US });
    const b = world.start(world.b, async ({ net }) => {
      const socket = await net.udp({ port: 9 });
      const first = await socket.recv();
      await socket.join('224.1.2.3');
      const joined = [...world.b.device.groups];
      const second = await socket.recv();
      await socket.leave('224.1.2.3');
      return [first.data[0], second.data[0], joined, [...world.b.device.groups], await codeOf(socket.recv({ timeoutNs: 1e8 }))];
    });
    const a = world.start(world.a, async ({ net, sleep }) => {
      const mute = await net.udp();
      const refused = await codeOf(mute.send(new Uint8Array(1), { host: '10.0.0.255', port: 9 }));
      const socket = await net.udp({ broadcast: true });
      await socket.send(Uint8Array.of(1), { host: '10.0.0.255', port: 9 });
      await sleep(MS);
      await socket.send(Uint8Array.of(2), { host: '224.1.2.3', port: 9 });
      await sleep(MS);
      await socket.send(Uint8Array.of(3), { host: '224.1.2.3', port: 9 });
      return refused;
    });
    await world.run();
    expect(a.value).toBe('EACCES');
    expect(b.value).toEqual([1, 2, [parseIpv4('224.1.2.3')], [], 'EAGAIN']);
  });

  it('a full buffer loses datagrams, and counts them', async () => {
    const world = new World();
    const b = world.start(world.b, async ({ net, sleep }) => {
      const socket = await net.udp({ port: 9, receiveBuffer: 10_000 });
      await sleep(10 * MS);
      return socket.dropped;
    });
    world.start(
      world.a,
      async ({ net }) => {
        const socket = await net.udp();
        for (let i = 0; i < 20; i++) await socket.send(new Uint8Array(1000), { host: 'b', port: 9 });
      },
      MS,
    );
    await world.run();
    expect(b.value).toBe(20 - Math.floor(10_000 / 1256));
  });

  it('errors of ICMP by name', () => {
    expect([0, 1, 2, 3, 4].map((code) => errnoOfIcmp(3, code))).toEqual([
      'ENETUNREACH',
      'EHOSTUNREACH',
      'ENOPROTOOPT',
      'ECONNREFUSED',
      'EMSGSIZE',
    ]);
    expect(errnoOfIcmp(11, 0)).toBe('EHOSTUNREACH');
    expect(errnoOfIcmp(8, 0)).toBeNull();
  });
});
