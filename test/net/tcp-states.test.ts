/** The states of a connection: ways to open and close it, what resets do, and what each leaves behind. */
import { describe, expect, it } from 'vitest';
import { type LinkPacket, SocketError, type TcpSocket } from '../../src/net/index.ts';
import { HOSTS, MS, pattern, readAll, SECOND, US, World, type WorldOptions } from './world.ts';

const states = (world: World) => world.hosts.map(({ stack }) => stack.tcp.connections.map(({ state }) => state));
const codeOf = (error: unknown) => (error instanceof SocketError ? error.code : String(error));
const code = (promise: Promise<unknown>) => promise.then(() => 'no error', codeOf);

/** A connection between the hosts, and what either side does with it. */
async function between(
  client: (socket: TcpSocket, sleep: (ps: number) => Promise<void>) => Promise<unknown>,
  server: (socket: TcpSocket, sleep: (ps: number) => Promise<void>) => Promise<unknown>,
  options: WorldOptions = {},
) {
  const world = new World({ delayPs: 100 * US, ...options });
  const b = world.start(world.b, async ({ net, sleep }) => {
    const listener = await net.tcp.listen({ port: 7 });
    const socket = await listener.accept();
    await listener.close();
    return server(socket, sleep);
  });
  const a = world.start(world.a, async ({ net, sleep }) => client(await net.tcp.connect({ host: 'b', port: 7 }), sleep), MS);
  await world.run();
  await world.settle(world.loop.nowPs + SECOND);
  return { world, client: a.value, server: b.value };
}

describe('closing', () => {
  it.each([
    ['the client first', 0, 5 * MS, [['TIME_WAIT'], []]],
    ['the server first', 5 * MS, 0, [[], ['TIME_WAIT']]],
    ['both at once', 0, 0, [['TIME_WAIT'], ['TIME_WAIT']]],
  ])('%s', async (_name, clientPs, serverPs, left) => {
    const closeAfter = (waitPs: number) => async (socket: TcpSocket, sleep: (ps: number) => Promise<void>) => {
      // The client knows of the connection a hundred microseconds before the server.
      await sleep(waitPs);
      await socket.close();
    };
    const { world } = await between(closeAfter(clientPs + 100 * US), closeAfter(serverPs));
    expect(states(world)).toEqual(left);
    await world.settle();
    expect(states(world)).toEqual([[], []]);
    expect(world.loop.nowPs / SECOND).toBeGreaterThanOrEqual(60);
    expect(world.loop.pending).toBe(0);
  });

  it('one way only: the other can go on sending', async () => {
    const data = pattern(50_000);
    const { client, server, world } = await between(
      async (socket) => {
        await socket.send(new Uint8Array(10));
        await socket.shutdown();
        expect(await code(socket.send(new Uint8Array(1)))).toBe('EPIPE');
        const all = await readAll(socket);
        await socket.close();
        return all;
      },
      async (socket, sleep) => {
        const all = await readAll(socket);
        await sleep(10 * MS);
        await socket.send(data);
        await socket.close();
        return all.length;
      },
    );
    expect(server).toBe(10);
    expect(client).toEqual(data);
    expect(states(world)).toEqual([['TIME_WAIT'], []]);
  });

  it('with data that nobody read resets the peer', async () => {
    const { client, world } = await between(
      async (socket, sleep) => {
        await socket.send(new Uint8Array(1000));
        await sleep(10 * MS);
        const first = await code(socket.recv());
        return [first, await code(socket.send(new Uint8Array(1)))];
      },
      async (socket, sleep) => {
        await sleep(5 * MS);
        await socket.close();
      },
    );
    expect(client).toEqual(['ECONNRESET', 'EPIPE']);
    expect(states(world)).toEqual([[], []]);
  });

  it('by abort resets both', async () => {
    const { server, world } = await between(
      (socket) => socket.abort(),
      (socket) => code(socket.recv()),
    );
    expect(server).toBe('ECONNRESET');
    expect(states(world)).toEqual([[], []]);
  });

  it('data sent after the peer closed is answered by a reset', async () => {
    const { server } = await between(
      (socket) => socket.close(),
      async (socket, sleep) => {
        await sleep(MS);
        await socket.send(new Uint8Array(10));
        await sleep(MS);
        return code(socket.send(new Uint8Array(10)));
      },
    );
    expect(server).toBe('EPIPE');
  });

  it('a program that ends leaves nothing open', async () => {
    const { world } = await between(
      async () => undefined,
      async () => undefined,
    );
    await world.settle();
    expect(states(world)).toEqual([[], []]);
    expect(world.loop.pending).toBe(0);
  });
});

describe('opening', () => {
  it('is refused where nobody listens', async () => {
    const world = new World();
    const a = world.start(world.a, ({ net }) => code(net.tcp.connect({ host: 'b', port: 9 })));
    await world.run();
    expect(a.value).toBe('ECONNREFUSED');
  });

  it.each([
    ['10.0.0.77', 'EHOSTUNREACH'],
    ['172.16.0.1', 'ENETUNREACH'],
    ['nobody', 'ENOTFOUND'],
  ])('fails towards %s with %s', async (host, errno) => {
    const world = new World();
    const a = world.start(world.a, ({ net }) => code(net.tcp.connect({ host, port: 9 })));
    await world.run();
    expect(a.value).toBe(errno);
  });

  it('gives up when its time is over', async () => {
    const fate = (_i: number, _side: number, packet: LinkPacket) => (packet.protocol === 0x0806 ? [0] : []);
    const world = new World({ fate });
    const a = world.start(world.a, async ({ net, thread }) => {
      const errno = await code(net.tcp.connect({ host: 'b', port: 9, timeoutNs: 5e8 }));
      return [errno, thread.nowPs];
    });
    await world.run();
    expect(a.value).toEqual(['ETIMEDOUT', 0.5 * SECOND]);
    expect(states(world)).toEqual([[], []]);
  });

  it('works from both sides at once', async () => {
    const world = new World({ delayPs: 10 * MS });
    // ARP first, so that both SYNs are on their way together.
    for (const { stack } of world.hosts)
      stack.interfaces[0]!.neighbours.set(
        stack === world.a.stack ? HOSTS.b : HOSTS.a,
        (stack === world.a.stack ? world.b : world.a).device.address,
      );
    const ends = { a: { localPort: 100, port: 200 }, b: { localPort: 200, port: 100 } };
    const one = (host: 'a' | 'b', peer: 'a' | 'b') =>
      world.start(world[host], async ({ net }) => {
        const socket = await net.tcp.connect({ host: peer, ...ends[host] });
        await socket.send(new TextEncoder().encode(`from ${host}`));
        await socket.shutdown();
        const text = new TextDecoder().decode(await readAll(socket));
        await socket.close();
        return text;
      });
    const [a, b] = [one('a', 'b'), one('b', 'a')];
    await world.run();
    expect([a.value, b.value]).toEqual(['from b', 'from a']);
  });

  it('a port is taken once, and free again afterwards', async () => {
    const world = new World();
    const a = world.start(world.a, async ({ net }) => {
      const first = await net.tcp.listen({ port: 80 });
      const second = await code(net.tcp.listen({ port: 80 }));
      const elsewhere = await code(net.tcp.listen({ port: 80, address: '10.0.0.9' }));
      await first.close();
      return [second, elsewhere, await code(net.tcp.listen({ port: 80 }))];
    });
    await world.run();
    expect(a.value).toEqual(['EADDRINUSE', 'EADDRNOTAVAIL', 'no error']);
  });

  it('a full backlog keeps others waiting', async () => {
    const world = new World({ delayPs: US });
    world.start(world.b, async ({ net, sleep }) => {
      const listener = await net.tcp.listen({ port: 80, backlog: 1 });
      await sleep(2 * SECOND);
      for (let i = 0; i < 2; i++) await listener.accept();
    });
    const connect = () =>
      world.start(
        world.a,
        async ({ net, thread }) => {
          await net.tcp.connect({ host: 'b', port: 80 });
          return Math.round(thread.nowPs / SECOND);
        },
        MS,
      );
    const [one, two] = [connect(), connect()];
    await world.run();
    expect([one.value, two.value]).toEqual([0, 3]);
  });
});

describe('a connection', () => {
  it('to oneself, by either address', async () => {
    const world = new World();
    const a = world.start(world.a, async ({ net }) => {
      const listener = await net.tcp.listen({ port: 80 });
      const texts: string[] = [];
      for (const host of ['127.0.0.1', 'a']) {
        const client = await net.tcp.connect({ host, port: 80 });
        const server = await listener.accept();
        await client.send(pattern(100_000));
        await client.shutdown();
        texts.push(`${(await readAll(server)).length} ${server.remote.address}`);
        await server.close();
        await client.close();
      }
      return texts;
    });
    await world.run();
    expect(a.value).toEqual(['100000 127.0.0.1', '100000 10.0.0.1']);
  });

  it('whose window is shut goes on when the reader does, though the news of it is lost', async () => {
    let isDeaf = false;
    const fate = (_i: number, side: number) => (side === 1 && isDeaf ? [] : [0]);
    const { server } = await between(
      async (socket) => {
        await socket.send(pattern(300_000));
        await socket.close();
      },
      async (socket, sleep) => {
        await sleep(5 * SECOND);
        isDeaf = true;
        const first = await socket.recvExactly(60_000);
        await sleep(SECOND);
        isDeaf = false;
        return first.length + (await readAll(socket)).length;
      },
      { fate },
    );
    expect(server).toBe(300_000);
  });

  it('that is silent is probed, and fails when nobody answers', async () => {
    const world = new World({ delayPs: US });
    world.start(world.b, async ({ net, sleep }) => {
      await (await net.tcp.listen({ port: 80 })).accept();
      await sleep(2000 * SECOND);
    });
    const a = world.start(
      world.a,
      async ({ net, thread, host, sleep }) => {
        const socket = await net.tcp.connect({ host: 'b', port: 80, keepAliveNs: 10e9 });
        await sleep(100 * SECOND);
        // Else it is ARP that finds the peer gone, and the answer EHOSTUNREACH.
        host.stack.interfaces[0]!.neighbours.set(HOSTS.b, world.b.device.address);
        world.b.device.isUp = false;
        const errno = await code(socket.recv());
        return [errno, thread.nowPs / SECOND];
      },
      MS,
    );
    await world.run();
    const [errno, seconds] = a.value as [string, number];
    expect(errno).toBe('ETIMEDOUT');
    // Ten seconds of silence, then nine probes 75 s apart.
    expect(seconds).toBeGreaterThan(100 + 9 * 75);
    expect(seconds).toBeLessThan(100 + 10 + 10 * 75);
  });

  it('with Nagle sends small writes together, without it each alone', async () => {
    const packets = async (noDelay: boolean) => {
      let count = 0;
      const onPacket = (_at: number, side: number, packet: LinkPacket) => {
        if (side === 0 && packet.protocol === 0x0800 && packet.data.length > 60 && packet.data.length < 600) count++;
      };
      await between(
        async (socket) => {
          socket.setNoDelay(noDelay);
          for (let i = 0; i < 50; i++) await socket.send(new Uint8Array(10));
          await socket.close();
        },
        (socket) => readAll(socket),
        { onPacket },
      );
      return count;
    };
    expect(await packets(true)).toBe(50);
    expect(await packets(false)).toBeLessThanOrEqual(3);
  });

  it('calls on a closed socket fail, and waits end', async () => {
    const { client } = await between(
      async (socket) => {
        const late = code(socket.recv(1, { timeoutNs: 1e6 }));
        const first = await late;
        await socket.close();
        return [first, await code(socket.recv()), await code(socket.send(new Uint8Array(1)))];
      },
      (socket) => readAll(socket),
    );
    expect(client).toEqual(['EAGAIN', 'EBADF', 'EBADF']);
  });
});
