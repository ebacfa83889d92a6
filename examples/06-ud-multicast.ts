/**
 * Datagrams to a multicast group: everybody joins 239.1.2.3 by rdma_cm, rank 0 sends, the switches copy. Datagrams may be lost, so receives are posted
 * before anybody sends. A received datagram begins with 40 bytes of GRH.
 *
 *   heddle run topologies/connectx2-switch.yaml examples/06-ud-multicast.ts
 */
import { Access, Opcode, PortSpace, program, SendFlags, type QueuePair } from 'heddle';

const GRH = 40;
const SLOT = GRH + 64;
const MESSAGES = 5;
const GROUP = { host: '239.1.2.3', port: 0 };

export default program(async ({ cm, ctx, node, peers, rank, log }) => {
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 32 });
  const mr = pd.regMr(MESSAGES * SLOT, Access.LOCAL_WRITE);

  const id = cm.createId(null, PortSpace.UDP); // without an event channel its calls wait for their outcome
  await id.bindAddr({ host: node.name, port: 0 });
  const qp = id.createQp(pd, { sendCq: cq, recvCq: cq }) as QueuePair<'UD'>;
  await id.joinMulticast(GROUP);
  const group = id.event!.ud!;
  if (rank !== 0) for (let i = 0; i < MESSAGES; i++) qp.postRecv({ wrId: i, sge: [mr.sge(i * SLOT, SLOT)] });
  await peers.barrier();

  const heard: string[] = [];
  if (rank === 0) {
    const ah = pd.createAh(group.ahAttr);
    const target = { ah, remoteQpn: group.qpNum, remoteQkey: group.qkey };
    for (let i = 0; i < MESSAGES; i++) {
      mr.bytes.set(new TextEncoder().encode(`message ${i}`), GRH);
      qp.postSend({ opcode: Opcode.SEND, sge: [mr.sge(GRH, 9)], ...target, sendFlags: SendFlags.SIGNALED });
      await cq.wait(1);
    }
  } else {
    while (heard.length < MESSAGES) {
      const [wc] = await cq.wait(1);
      const at = Number(wc!.wrId) * SLOT;
      heard.push(new TextDecoder().decode(mr.bytes.subarray(at + GRH, at + wc!.byteLen)));
    }
    log(`heard: ${heard.join(', ')}`);
  }
  await peers.barrier();
  await id.leaveMulticast(GROUP);
  return { heard };
});
