/** Rank 0 writes to rank 1, over the transport named, each of the sizes five times, and marks each write up to its completion. */
import { Access, Opcode, program, type QpEndpoint, SendFlags } from 'heddle';

type Hello = { endpoint: QpEndpoint; addr: number; rkey: number };

export default program(async ({ ctx, peers, rank, args, trace }) => {
  if (rank > 1) return;
  const sizes = args.length > 1 ? args.slice(1).map(Number) : [512];
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 4 });
  const mr = pd.regMr(Math.max(...sizes), Access.LOCAL_WRITE | Access.REMOTE_WRITE);
  const qp = pd.createQp({ type: args[0] === 'UC' ? 'UC' : 'RC', sendCq: cq, recvCq: cq });
  const peer = await peers.exchange<Hello>(1 - rank, { endpoint: qp.endpoint(), addr: mr.addr, rkey: mr.rkey });
  qp.connect(peer.endpoint);
  await peers.barrier();
  for (let i = 0; i < 5 * sizes.length && rank === 0; i++) {
    const bytes = sizes[Math.floor(i / 5)] as number;
    trace.begin(i, { bytes, divisor: 1 });
    const target = { remoteAddr: peer.addr, rkey: peer.rkey };
    qp.postSend({ opcode: Opcode.RDMA_WRITE, sge: [mr.sge(0, bytes)], ...target, sendFlags: SendFlags.SIGNALED });
    await cq.wait(1);
    trace.end(i);
  }
  await peers.barrier();
});
