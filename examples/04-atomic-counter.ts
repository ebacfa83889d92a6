/**
 * A counter that many nodes share: it lives in the memory of rank 0, and everybody takes tickets from it by fetch-and-add.
 * No two tickets are alike, however the requests interleave. Runs on any number of nodes.
 *
 *   heddle run topologies/connectx2-switch.yaml examples/04-atomic-counter.ts
 */
import { Access, Opcode, program, type QpEndpoint, SendFlags } from 'heddle';

const TICKETS = 50;

export default program(async ({ ctx, peers, rank, size, log }) => {
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 16 });
  const access = Access.LOCAL_WRITE | Access.REMOTE_ATOMIC;
  const mr = pd.regMr(8, access);
  const newQp = () => pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });

  if (rank === 0) {
    for (let peer = 1; peer < size; peer++) {
      const qp = newQp();
      peers.send(peer, { endpoint: qp.endpoint(), addr: mr.addr, rkey: mr.rkey });
      qp.connect(await peers.recv<QpEndpoint>(peer), { access });
    }
    await peers.barrier();
    const taken: bigint[] = [];
    for (let peer = 1; peer < size; peer++) taken.push(...(await peers.recv<bigint[]>(peer)));
    const counter = mr.view().getBigUint64(0, true);
    const different = new Set(taken).size;
    log(`counter ${counter}, ${different} different tickets for ${size - 1} nodes`);
    if (different !== taken.length || Number(counter) !== taken.length) throw new Error('tickets were lost or given twice');
    return { counter: Number(counter) };
  }

  const qp = newQp();
  const server = await peers.recv<{ endpoint: QpEndpoint; addr: number; rkey: number }>(0);
  peers.send(0, qp.endpoint());
  qp.connect(server.endpoint);
  await peers.barrier();
  const tickets: bigint[] = [];
  for (let i = 0; i < TICKETS; i++) {
    const where = { remoteAddr: server.addr, rkey: server.rkey };
    qp.postSend({ opcode: Opcode.ATOMIC_FETCH_AND_ADD, sge: [mr.sge()], ...where, compareAdd: 1, sendFlags: SendFlags.SIGNALED });
    await cq.wait(1);
    tickets.push(mr.view().getBigUint64(0, true)); // the value before the addition lands in our memory
  }
  peers.send(0, tickets);
  return { first: Number(tickets[0]), last: Number(tickets.at(-1)) };
});
