/** Each node writes eight bytes to itself through its own adapter, one write after the other: post, completion, post … No packet leaves the node. */
import { Access, Opcode, program, SendFlags, type SendRequest, WcStatus } from 'heddle';

export default program(async ({ ctx, peers, args }) => {
  const rounds = Number(args[0]);
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 4 });
  const mr = pd.regMr(64, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
  const [from, to] = [0, 1].map(() => pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxInlineData: 64 } }));
  from!.connect(to!.endpoint());
  to!.connect(from!.endpoint());
  const write: SendRequest<'RC'> = {
    opcode: Opcode.RDMA_WRITE,
    sge: [mr.sge(0, 8)],
    remoteAddr: mr.addr + 8,
    rkey: mr.rkey,
    sendFlags: SendFlags.SIGNALED | SendFlags.INLINE,
  };
  await peers.barrier();
  for (let round = 0; round < rounds; round++) {
    from!.postSend(write);
    const [wc] = await cq.wait(1);
    if (wc!.status !== WcStatus.SUCCESS) throw new Error(`status ${wc!.status}`);
  }
  return { rounds };
});
