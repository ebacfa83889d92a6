/** Every rank writes to the next but `by`, once, between two barriers; for tests with very many nodes. Returns when it began and when its own write had ended. */
import { Access, Opcode, program, type QpEndpoint, SendFlags, WcStatus } from 'heddle';

type Hello = { endpoint: QpEndpoint; addr: number; rkey: number };

export default program(async ({ ctx, peers, rank, size, args, sim }) => {
  const by = Number(args[0] ?? 1);
  const bytes = Number(args[1] ?? 4096);
  const [to, from] = [(rank + by) % size, (rank + size - (by % size)) % size];
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 4 });
  const mr = pd.regMr({ payloadFreeBytes: bytes }, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
  const out = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
  const into = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
  peers.send(from, { endpoint: into.endpoint(), addr: mr.addr, rkey: mr.rkey });
  peers.send(to, out.endpoint());
  const { endpoint, addr, rkey } = await peers.recv<Hello>(to);
  out.connect(endpoint);
  into.connect(await peers.recv<QpEndpoint>(from));
  await peers.barrier();
  const startPs = sim.now();
  out.postSend({ opcode: Opcode.RDMA_WRITE, sge: [mr.sge(0, bytes)], remoteAddr: addr, rkey, sendFlags: SendFlags.SIGNALED });
  const [wc] = await cq.wait(1);
  if (wc?.status !== WcStatus.SUCCESS) throw new Error(`status ${wc?.status}`);
  const endPs = sim.now();
  await peers.barrier();
  return { startPs, endPs };
});
