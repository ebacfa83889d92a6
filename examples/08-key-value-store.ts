/**
 * A key-value store without a server program: the table lies in the memory of rank 0, the other nodes work on it by RDMA alone.
 * A bucket is { lock, version, value }. Writers take the lock by compare-and-swap, write value and version, unlock; readers read the
 * bucket in one RDMA READ and look again while the lock is taken. The check at the end: no update was lost.
 *
 *   heddle run topologies/connectx2-switch.yaml examples/08-key-value-store.ts
 */
import { Access, Opcode, program, type QpEndpoint, SendFlags, type SendRequest, WcStatus, wcStatusStr } from 'heddle';

const BUCKETS = 8;
const BUCKET = 24;
const UPDATES = 25;

type Server = { endpoint: QpEndpoint; addr: number; rkey: number };

export default program(async ({ ctx, peers, rank, size, sim, log }) => {
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 16 });
  const access = Access.LOCAL_WRITE | Access.REMOTE_READ | Access.REMOTE_WRITE | Access.REMOTE_ATOMIC;

  if (rank === 0) {
    const table = pd.regMr(BUCKETS * BUCKET, access);
    for (let peer = 1; peer < size; peer++) {
      const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
      const server: Server = { endpoint: qp.endpoint(), addr: table.addr, rkey: table.rkey };
      peers.send(peer, server);
      qp.connect(await peers.recv<QpEndpoint>(peer), { access });
    }
    await peers.barrier();
    await peers.barrier(); // the clients work
    const words = Array.from({ length: BUCKETS * 3 }, (_, i) => Number(table.view(i * 8, 8).getBigUint64(0, true)));
    const updates = words.filter((_, i) => i % 3 === 1).reduce((sum, version) => sum + version, 0);
    const values = words.filter((_, i) => i % 3 === 2).reduce((sum, value) => sum + value, 0);
    log(
      `${updates} updates, sum of values ${values}, locks ${words.some((word, i) => i % 3 === 0 && word !== 0) ? 'taken' : 'free'}`,
    );
    if (updates !== UPDATES * (size - 1) || values !== updates) throw new Error('an update was lost');
    return { updates };
  }

  const local = pd.regMr(BUCKET + 8, Access.LOCAL_WRITE);
  const view = local.view();
  const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
  const server = await peers.recv<Server>(0);
  peers.send(0, qp.endpoint());
  qp.connect(server.endpoint);
  await peers.barrier();

  const run = async (request: SendRequest<'RC'>) => {
    qp.postSend({ ...request, sendFlags: SendFlags.SIGNALED });
    const [wc] = await cq.wait(1);
    if (wc!.status !== WcStatus.SUCCESS) throw new Error(wcStatusStr(wc!.status));
  };
  const at = (bucket: number, offset: number) => ({ remoteAddr: server.addr + bucket * BUCKET + offset, rkey: server.rkey });
  let retries = 0;
  for (let i = 0; i < UPDATES; i++) {
    const bucket = Math.floor(sim.random() * BUCKETS);
    for (;;) {
      await run({ opcode: Opcode.ATOMIC_CMP_AND_SWP, sge: [local.sge(BUCKET, 8)], ...at(bucket, 0), compareAdd: 0, swap: rank });
      if (view.getBigUint64(BUCKET, true) === 0n) break; // the lock was free, now it is ours
      retries++;
      await sim.sleep(2000 * sim.random());
    }
    await run({ opcode: Opcode.RDMA_READ, sge: [local.sge(8, 16)], ...at(bucket, 8) });
    view.setBigUint64(8, view.getBigUint64(8, true) + 1n, true);
    view.setBigUint64(16, view.getBigUint64(16, true) + 1n, true);
    await run({ opcode: Opcode.RDMA_WRITE, sge: [local.sge(8, 16)], ...at(bucket, 8) });
    view.setBigUint64(0, 0n, true);
    await run({ opcode: Opcode.RDMA_WRITE, sge: [local.sge(0, 8)], ...at(bucket, 0) });
  }
  log(`${UPDATES} updates, ${retries} times the lock was taken`);
  await peers.barrier();
  return { retries };
});
