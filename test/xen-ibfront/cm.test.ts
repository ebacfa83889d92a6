/** rdma_cm in guests: their connection managers have no queue pair 1 of their own. */
import { describe, expect, it } from 'vitest';
import { cmProxyOf, Opcode, PortSpace, type QueuePair, SendFlags } from '../../src/verbs/index.ts';
import { IbLab, type IbBody } from '../kit/ib-lab.ts';

const server =
  (port: number): IbBody =>
  async ({ cm, put, ctx }) => {
    const id = cm.createId(null, PortSpace.TCP);
    await id.bindAddr({ host: '', port });
    id.listen(1);
    put(`listening ${port}`, true);
    const request = await id.getRequest();
    const pd = ctx.allocPd();
    const mr = pd.regMr(64, 1);
    const qp = request.createQp(pd, {});
    qp.postRecv({ wrId: 1, sge: [mr.sge()] });
    await request.accept({});
    const [wc] = await qp.recvCq.wait(1);
    return [wc?.status, mr.bytes[0]];
  };

const client =
  (host: string, port: number): IbBody =>
  async ({ cm, get, ctx, thread }) => {
    await get(`listening ${port}`);
    await thread.sleep(100_000_000);
    const id = cm.createId(null, PortSpace.TCP);
    await id.resolveAddr(null, { host, port }, 1000);
    await id.resolveRoute(1000);
    const pd = ctx.allocPd();
    const mr = pd.regMr(64, 1);
    mr.bytes[0] = 42;
    const qp = id.createQp(pd, {}) as QueuePair<'RC'>;
    await id.connect({});
    qp.postSend({ wrId: 1, opcode: Opcode.SEND, sendFlags: SendFlags.SIGNALED, sge: [mr.sge()] });
    const [wc] = await qp.sendCq.wait(1);
    return wc?.status;
  };

describe('connections of guests', () => {
  it('are made by a guest and to a guest, by the datagrams that the driver domain carries', async () => {
    const lab = new IbLab({ hosts: 2, guests: 2 }).connect();
    lab.program({ guest: 0 }, client('10.0.0.2', 7471));
    lab.program({ host: 1 }, server(7471));
    lab.program({ guest: 1 }, server(7472));
    lab.program({ host: 1 }, client('10.0.0.1', 7472));
    expect((await lab.run()).slice(0, 4)).toEqual([0, [0, 42], [0, 42], 0]);
    const counters = [...lab.backend.channels.values()].map(({ counters: { madsOut, madsIn } }) => [madsOut, madsIn]);
    // The asking side sends REQ and RTU and gets REP, the other side the other way round.
    expect(counters.map(([out, into]) => `${out} out, ${into} in`).sort()).toEqual(['1 out, 2 in', '2 out, 1 in']);
    const proxy = cmProxyOf(lab.wire.hosts[0]!.hca);
    expect(proxy.size).toBeGreaterThan(0);
    for (const { domain } of lab.guests) domain.kill();
    await lab.run(2 * 10 ** 13);
    expect(proxy.size).toBe(0);
  });

  it('are refused where nobody listens, as by any host', async () => {
    const lab = new IbLab({ hosts: 2 }).connect();
    lab.program({ host: 1 }, async (self) => {
      self.put('listening 1', true);
      return client('10.0.0.1', 1)(self).catch((error: Error) => error.message);
    });
    const [result] = await lab.run();
    expect(result).toMatch(/ECONNREFUSED/);
  });
});
