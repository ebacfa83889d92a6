/**
 * One pool of receive buffers for many clients: rank 0 serves all other nodes from a shared receive queue and answers each over its own queue pair.
 * The limit event tells when the pool runs low, and then it is filled again.
 *
 *   heddle run topologies/connectx2-switch.yaml examples/07-srq-server.ts
 */
import { Access, EventType, Opcode, program, type QpEndpoint, type QueuePair, SendFlags, SrqAttrMask } from 'heddle';

const REQUESTS = 40;
const BYTES = 128;
const POOL = 32;
const LOW = 8;

export default program(async ({ ctx, peers, rank, size, log }) => {
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 256 });
  const sendCq = ctx.createCq({ cqe: 256 });

  if (rank !== 0) {
    const mr = pd.regMr(BYTES, Access.LOCAL_WRITE);
    const qp = pd.createQp({ type: 'RC', sendCq, recvCq: cq });
    qp.connect(await peers.exchange<QpEndpoint>(0, qp.endpoint()));
    await peers.barrier();
    for (let i = 0; i < REQUESTS; i++) {
      qp.postRecv({ sge: [mr.sge()] });
      qp.postSend({ opcode: Opcode.SEND, sge: [mr.sge()], sendFlags: SendFlags.SIGNALED });
      await sendCq.wait(1);
      await cq.wait(1);
    }
    return { requests: REQUESTS };
  }

  const mr = pd.regMr(POOL * BYTES, Access.LOCAL_WRITE);
  const srq = pd.createSrq({ maxWr: POOL, maxSge: 1 });
  const post = (slot: number) => srq.postRecv({ wrId: slot, sge: [mr.sge(slot * BYTES, BYTES)] });
  for (let slot = 0; slot < POOL; slot++) post(slot);
  srq.modify({ srqLimit: LOW }, SrqAttrMask.LIMIT);
  const byNumber = new Map<number, QueuePair<'RC'>>();
  for (let peer = 1; peer < size; peer++) {
    const qp = pd.createQp({ type: 'RC', sendCq, recvCq: cq, srq, cap: { maxSendWr: 4 } });
    qp.connect(await peers.exchange<QpEndpoint>(peer, qp.endpoint()));
    byNumber.set(qp.qpNum, qp);
  }
  await peers.barrier();
  const used: number[] = [];
  let refills = 0;
  for (let served = 0; served < REQUESTS * (size - 1); served++) {
    const [wc] = await cq.wait(1);
    const slot = Number(wc!.wrId);
    const sge = [mr.sge(slot * BYTES, BYTES)];
    byNumber.get(wc!.qpNum)?.postSend({ opcode: Opcode.SEND, sge, sendFlags: SendFlags.SIGNALED });
    sendCq.poll(); // completions of earlier answers: their room in the send queues is free again
    used.push(slot);
    if (ctx.pendingAsyncEvents === 0) continue;
    const event = await ctx.getAsyncEvent();
    ctx.ackAsyncEvent(event);
    if (event.eventType !== EventType.SRQ_LIMIT_REACHED) continue;
    refills++;
    for (const free of used.splice(0)) post(free);
    srq.modify({ srqLimit: LOW }, SrqAttrMask.LIMIT);
  }
  log(`${REQUESTS * (size - 1)} requests of ${size - 1} clients from a pool of ${POOL}, filled again ${refills} times`);
  return { refills };
});
