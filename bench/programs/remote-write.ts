/** The client writes eight bytes to the server, one write after the other; the server's program sleeps, its adapter answers. */
import { Access, Opcode, program, type QpEndpoint, SendFlags, type SendRequest, WcStatus } from 'heddle';

type Hello = { endpoint: QpEndpoint; addr: number; rkey: number };

export default program(
  async ({ ctx, peers, rank, role, args }) => {
    const rounds = Number(args[0]);
    const pd = ctx.allocPd();
    const cq = ctx.createCq({ cqe: 4 });
    const mr = pd.regMr(64, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
    const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxInlineData: 64 } });
    const { endpoint, addr, rkey } = await peers.exchange<Hello>(1 - rank, {
      endpoint: qp.endpoint(),
      addr: mr.addr,
      rkey: mr.rkey,
    });
    qp.connect(endpoint);
    await peers.barrier();
    const write: SendRequest<'RC'> = {
      opcode: Opcode.RDMA_WRITE,
      sge: [mr.sge(0, 8)],
      remoteAddr: addr,
      rkey,
      sendFlags: SendFlags.SIGNALED | SendFlags.INLINE,
    };
    for (let round = 0; role === 'client' && round < rounds; round++) {
      qp.postSend(write);
      const [wc] = await cq.wait(1);
      if (wc!.status !== WcStatus.SUCCESS) throw new Error(`status ${wc!.status}`);
    }
    await peers.barrier();
    return { rounds };
  },
  { roles: 'client-server' },
);
