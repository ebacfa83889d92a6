import { describe, expect, it } from 'vitest';
import { Access, Opcode, QpState, SendFlags, WcStatus } from '../../src/verbs/index.ts';
import { IbLab, type IbBody } from '../kit/ib-lab.ts';

const ALL = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ;

/** An RC ping-pong of SENDs and WRITEs of `bytes`; gives the times of its rounds. */
function pingPong(me: string, peer: string, isClient: boolean, bytes: number): IbBody {
  return async ({ ctx, thread, get, put }) => {
    const pd = ctx.allocPd();
    const mr = pd.regMr(8192, ALL);
    const cq = ctx.createCq({ cqe: 64 });
    const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxInlineData: 64 } });
    qp.modify({ qpState: QpState.INIT, pkeyIndex: 0, portNum: 1, qpAccessFlags: ALL });
    for (let i = 0; i < 8; i++) qp.postRecv({ wrId: i, sge: [mr.sge(4096)] });
    put(me, { ...qp.endpoint(), rkey: mr.rkey, addr: mr.addr });
    const other = await get<ReturnType<typeof qp.endpoint> & { rkey: number; addr: number }>(peer);
    qp.connect(other);
    put(`${me} ready`, true);
    await get(`${peer} ready`);
    await thread.sleep(100_000_000);
    const times: number[] = [];
    const flags = SendFlags.SIGNALED | (bytes <= 64 ? SendFlags.INLINE : 0);
    for (let round = 0; round < 4; round++) {
      const start = thread.nowPs;
      const send = () => qp.postSend({ wrId: 100, opcode: Opcode.SEND, sendFlags: flags, sge: [mr.sge(0, bytes)] });
      if (isClient) send();
      for (let seen = 0; seen < 2; ) {
        for (const wc of await cq.wait(1)) {
          expect(wc.status).toBe(WcStatus.SUCCESS);
          seen++;
          if (wc.wrId !== 100 && !isClient) send();
        }
      }
      times.push(thread.nowPs - start);
    }
    return times;
  };
}

describe('data verbs in a guest', () => {
  for (const bytes of [8, 2000]) {
    it(`take exactly the native time for ${bytes} bytes`, async () => {
      const bare = new IbLab({ hosts: 2, guests: 0 });
      bare.program({ host: 0 }, pingPong('a', 'b', true, bytes));
      bare.program({ host: 1 }, pingPong('b', 'a', false, bytes));
      const guest = new IbLab({ hosts: 2 }).connect();
      guest.program({ guest: 0 }, pingPong('a', 'b', true, bytes));
      guest.program({ host: 1 }, pingPong('b', 'a', false, bytes));
      const [native] = await bare.run();
      const [bypass] = await guest.run();
      expect(native).toHaveLength(4);
      expect((bypass as number[]).slice(1)).toEqual((native as number[]).slice(1));
    });
  }

  it('cost domain 0 nothing, and no event or hypercall', async () => {
    const lab = new IbLab({ hosts: 2 }).connect();
    const used: number[] = [];
    const body = pingPong('a', 'b', true, 8);
    lab.program({ guest: 0 }, body);
    lab.program({ host: 1 }, async (self) => {
      const result = await pingPong('b', 'a', false, 8)(self);
      return result;
    });
    const sum = () =>
      [...lab.dom0.cpus, ...(lab.guests[0]?.domain.cpus ?? [])].reduce(
        (s, cpu) => s + [...cpu.usedPs.values()].reduce((a, b) => a + b, 0),
        0,
      ) + lab.lab.notifications;
    lab.program({ host: 1 }, async ({ thread, get }) => {
      await get('a ready');
      await get('b ready');
      await thread.sleep(90_000_000);
      used.push(sum());
    });
    await lab.run();
    used.push(sum());
    expect(used[0]).toBeGreaterThan(0);
    expect(used[1]).toBe(used[0]);
  });
});
