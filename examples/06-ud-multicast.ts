/**
 * Datagrams to a multicast group: everybody joins 239.1.2.3 by rdma_cm, rank 0 sends, the switches copy. Datagrams may be lost, so receives are posted
 * before anybody sends. A received datagram begins with 40 bytes of GRH.
 *
 *   heddle run topologies/connectx2-switch.yaml examples/06-ud-multicast.ts
 */
import { Access, Opcode, PortSpace, program, RdmaCmEventType, SendFlags } from 'heddle';

const GRH = 40;
const MESSAGES = 5;
const GROUP = { host: '239.1.2.3', port: 0 };

export default program(async ({ cm, node, peers, rank, log }) => {
  const channel = cm.createEventChannel();
  const id = channel.createId(PortSpace.UDP);
  const expect = async (type: RdmaCmEventType) => {
    const event = await channel.getEvent();
    if (event.event !== type) throw new Error(`event ${event.event} with status ${event.status}`);
    channel.ackEvent(event);
    return event;
  };
  id.bindAddr({ host: node.name, port: 0 });
  const ctx = id.verbs!;
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 32 });
  const mr = pd.regMr(GRH + 64, Access.LOCAL_WRITE);
  const qp = id.createQp({ pd, type: 'UD', sendCq: cq, recvCq: cq });
  id.joinMulticast(GROUP);
  const { ud } = await expect(RdmaCmEventType.MULTICAST_JOIN);
  if (rank !== 0) for (let i = 0; i < MESSAGES; i++) qp.postRecv({ wrId: i, sge: [mr.sge()] });
  await peers.barrier();

  const heard: string[] = [];
  if (rank === 0) {
    const ah = pd.createAh(ud!.ahAttr);
    for (let i = 0; i < MESSAGES; i++) {
      mr.bytes.set(new TextEncoder().encode(`message ${i}`.padEnd(16)), GRH);
      const target = { ah, remoteQpn: ud!.qpNum, remoteQkey: ud!.qkey };
      qp.postSend({ opcode: Opcode.SEND, sge: [mr.sge(GRH, 16)], ...target, sendFlags: SendFlags.SIGNALED });
      await cq.wait(1);
    }
  } else {
    while (heard.length < MESSAGES) {
      const [wc] = await cq.wait(1);
      heard.push(new TextDecoder().decode(mr.bytes.subarray(GRH, wc!.byteLen)).trim());
    }
    log(`heard: ${heard.join(', ')}`);
  }
  await peers.barrier();
  id.leaveMulticast(GROUP);
  return { heard };
});
