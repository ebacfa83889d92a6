/**
 * Each node writes to one other, all at once: a random permutation without fixed points, RC, in messages of the given size.
 * Arguments: messages, bytes of each, `payload` or `payload-free`.
 */
import { Access, Opcode, program, type QpEndpoint, SendFlags, WcStatus } from 'heddle';

type Hello = { endpoint: QpEndpoint; addr: number; rkey: number };

/** Sattolo's shuffle from a fixed generator: one cycle through all ranks, the same in every node. */
function permutation(size: number): number[] {
  const to = Array.from({ length: size }, (_, i) => i);
  let state = 12345;
  for (let i = size - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * i);
    [to[i], to[j]] = [to[j]!, to[i]!];
  }
  return to;
}

export default program(async ({ ctx, peers, rank, size, args }) => {
  const [messages, bytes] = [Number(args[0]), Number(args[1])];
  const targets = permutation(size);
  const [to, from] = [targets[rank]!, targets.indexOf(rank)];
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 4 });
  const mr = pd.regMr(args[2] === 'payload' ? bytes : { payloadFreeBytes: bytes }, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
  const create = () => pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxSendWr: messages } });
  const [out, into] = [create(), create()];
  peers.send<Hello>(from, { endpoint: into.endpoint(), addr: mr.addr, rkey: mr.rkey });
  peers.send(to, out.endpoint());
  const { endpoint, addr, rkey } = await peers.recv<Hello>(to);
  out.connect(endpoint);
  into.connect(await peers.recv<QpEndpoint>(from));
  await peers.barrier();
  for (let i = 1; i <= messages; i++)
    out.postSend({
      opcode: Opcode.RDMA_WRITE,
      sge: [mr.sge()],
      remoteAddr: addr,
      rkey,
      sendFlags: i === messages ? SendFlags.SIGNALED : 0,
    });
  if (messages > 0) {
    const [wc] = await cq.wait(1);
    if (wc!.status !== WcStatus.SUCCESS) throw new Error(`status ${wc!.status}`);
  }
  await peers.barrier();
  return { messages };
});
