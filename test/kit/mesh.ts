/**
 * A program with something of everything, drawn from its own random stream: every rank is connected to every other and posts writes, sends, reads and atomics of random
 * sizes, computes, sleeps, and meets the others at barriers. Its result is a digest of all memory at the end. For tests of determinism.
 */
import { Access, Opcode, program, SendFlags, WcStatus } from 'heddle';

const BUFFER = 32 * 1024;
const SIZES = [0, 1, 7, 64, 255, 256, 257, 1024, 2048, 4096, 4097, 10_000];

export default program(async ({ ctx, peers, rank, size, sim, cpu, args }) => {
  const operations = Number(args[0] ?? 20);
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 1024 });
  const mr = pd.regMr(BUFFER * (size + 1), Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC);
  for (let i = 0; i < mr.bytes.length; i++) mr.bytes[i] = (i * 31 + rank * 17) & 255;
  const others = Array.from({ length: size }, (_, i) => i).filter((i) => i !== rank);
  const qps = new Map(
    others.map(
      (peer) =>
        [
          peer,
          pd.createQp({
            type: 'RC',
            sendCq: cq,
            recvCq: cq,
            cap: { maxSendWr: 64, maxRecvWr: 64, maxSendSge: 1, maxRecvSge: 1 },
          }),
        ] as const,
    ),
  );
  const remote = new Map<number, { addr: number; rkey: number }>();
  for (const [peer, qp] of qps) peers.send(peer, { endpoint: qp.endpoint(), addr: mr.addr, rkey: mr.rkey });
  for (const [peer, qp] of qps) {
    const theirs = (await peers.recv(peer)) as { endpoint: ReturnType<typeof qp.endpoint>; addr: number; rkey: number };
    qp.connect(theirs.endpoint);
    remote.set(peer, theirs);
    for (let i = 0; i < operations; i++) qp.postRecv({ wrId: 1_000_000 + peer, sge: [mr.sge(BUFFER * size, BUFFER)] });
  }
  await peers.barrier();

  let digest = 0;
  const pick = (n: number) => Math.floor(sim.random() * n);
  for (let i = 0; i < operations; i++) {
    const peer = others[pick(others.length)] as number;
    const { addr, rkey } = remote.get(peer) as { addr: number; rkey: number };
    const bytes = SIZES[pick(SIZES.length)] as number;
    const base = addr + BUFFER * rank;
    const common = { wrId: i, remoteAddr: base, rkey, sendFlags: SendFlags.SIGNALED };
    const kind = pick(5);
    const qp = qps.get(peer) as NonNullable<ReturnType<typeof qps.get>>;
    if (kind === 0) qp.postSend({ ...common, opcode: Opcode.RDMA_WRITE, sge: [mr.sge(BUFFER * peer, bytes)] });
    else if (kind === 1) qp.postSend({ ...common, opcode: Opcode.RDMA_READ, sge: [mr.sge(BUFFER * peer, bytes)] });
    else if (kind === 2)
      qp.postSend({ ...common, opcode: Opcode.ATOMIC_FETCH_AND_ADD, sge: [mr.sge(BUFFER * peer, 8)], compareAdd: 3 });
    else qp.postSend({ wrId: i, opcode: Opcode.SEND, sge: [mr.sge(BUFFER * peer, bytes)], sendFlags: SendFlags.SIGNALED });
    for (let done = false; !done; ) {
      for (const wc of await cq.wait(8)) {
        if (wc.status !== WcStatus.SUCCESS) throw new Error(`rank ${rank}: status ${wc.status} of ${wc.wrId}`);
        digest = (Math.imul(digest, 31) + Number(wc.wrId) + wc.byteLen + (sim.now() % 1_000_003)) | 0;
        if (wc.wrId === i) done = true;
      }
    }
    if (pick(3) === 0) await sim.sleep(pick(5000));
    if (pick(3) === 0) await cpu.work(pick(2000));
  }
  await peers.barrier();
  for (const byte of mr.bytes) digest = (Math.imul(digest, 33) + byte) | 0;
  return { digest };
});
