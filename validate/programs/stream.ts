/**
 * A stream of equal operations from rank 1 to rank 0, `depth` of them under way: WRITE or READ over RC, SEND over UD. Regions hold no bytes. Returns when the first was
 * posted, when the last completion was polled, and, of the receiver, when the last datagram had come.
 *
 * Options: operation bytes depth count [timeout code] [reads and atomics under way]
 */
import { Access, Opcode, program, type QpEndpoint, SendFlags, WcStatus } from 'heddle';

type Hello = { endpoint: QpEndpoint; qkey: number; addr: number; rkey: number };

export default program(async ({ ctx, peers, rank, args, sim }) => {
  const [operation = 'write', ...numbers] = args;
  const [bytes = 4096, depth = 128, count = 1000, timeout = 14, maxRdAtomic = 16] = numbers.map(Number);
  const isSender = rank === 1;
  const isDatagram = operation === 'ud';
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 2 * (isDatagram && !isSender ? count : depth) });
  const access = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ;
  const mr = pd.regMr({ payloadFreeBytes: bytes + 40 }, access);
  const cap = { maxSendWr: depth, maxRecvWr: isDatagram && !isSender ? count : 1 };
  const hello = { qkey: 0x11, addr: mr.addr, rkey: mr.rkey };
  const drain = async (wanted: number, again: (done: number) => void): Promise<void> => {
    for (let done = 0; done < wanted; )
      for (const wc of await cq.wait(16)) {
        if (wc.status !== WcStatus.SUCCESS) throw new Error(`completion ${done} has status ${wc.status}`);
        again(++done);
      }
  };

  if (isDatagram) {
    const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq, cap });
    qp.activate({ qkey: hello.qkey });
    const { endpoint } = await peers.exchange<Hello>(1 - rank, { ...hello, endpoint: qp.endpoint() });
    if (!isSender) for (let i = 0; i < count; i++) qp.postRecv({ sge: [mr.sge(0, bytes + 40)] });
    await peers.barrier();
    const startPs = sim.now();
    if (!isSender) await drain(count, () => undefined);
    else {
      const ah = pd.createAh({ dlid: endpoint.lid, portNum: 1 });
      const wr = { opcode: Opcode.SEND, sge: [mr.sge(0, bytes)], sendFlags: SendFlags.SIGNALED } as const;
      const post = () => qp.postSend({ ...wr, ah, remoteQpn: endpoint.qpNum, remoteQkey: hello.qkey });
      for (let i = 0; i < Math.min(depth, count); i++) post();
      await drain(count, (done) => void (done + depth <= count && post()));
    }
    return { startPs, endPs: sim.now() };
  }

  const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap });
  const peer = await peers.exchange<Hello>(1 - rank, { ...hello, endpoint: qp.endpoint() });
  qp.connect(peer.endpoint, { timeout, maxRdAtomic, maxDestRdAtomic: maxRdAtomic });
  await peers.barrier();
  const startPs = sim.now();
  if (isSender) {
    const opcode = operation === 'read' ? Opcode.RDMA_READ : Opcode.RDMA_WRITE;
    const wr = { sge: [mr.sge(0, bytes)], remoteAddr: peer.addr, rkey: peer.rkey, sendFlags: SendFlags.SIGNALED };
    const post = () => qp.postSend({ opcode, ...wr });
    for (let i = 0; i < Math.min(depth, count); i++) post();
    await drain(count, (done) => void (done + depth <= count && post()));
  }
  const endPs = sim.now();
  await peers.barrier();
  return { startPs, endPs };
});
