/**
 * Ring all-reduce and binomial broadcast out of RDMA WRITEs with immediate, without the arithmetic, and before them a ping-pong of ranks 0 and 1 with
 * messages of the collective's step. Returns when the rank began and when it had all data, half of the round trip, and the time from posting a step to having polled its completion.
 *
 * Options: `ring`|`broadcast` bytes-of-a-step
 */
import { Access, Opcode, program, type QpEndpoint, SendFlags } from 'heddle';

type Hello = { endpoint: QpEndpoint; addr: number; rkey: number };

const ROUNDS = 8;
/** All ranks begin at a full millisecond, and the collective begins so much later than the ping-pong. */
const GRID_PS = 1e9;

export default program(async ({ ctx, peers, rank, size, args, sim }) => {
  const [kind = 'ring', text = '4096'] = args;
  const bytes = Number(text);
  const pd = ctx.allocPd();
  const sendCq = ctx.createCq({ cqe: 16 });
  const recvCq = ctx.createCq({ cqe: 64 });
  const mr = pd.regMr({ payloadFreeBytes: bytes }, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
  const others = Array.from({ length: size }, (_, i) => i).filter((i) => i !== rank);
  const cap = { maxSendWr: 128, maxRecvWr: 64 };
  const qps = new Map(others.map((peer) => [peer, pd.createQp({ type: 'RC', sendCq, recvCq, cap })]));
  const targets = new Map<number, Hello>();
  for (const [peer, qp] of qps) peers.send(peer, { endpoint: qp.endpoint(), addr: mr.addr, rkey: mr.rkey });
  for (const [peer, qp] of qps) {
    const hello = await peers.recv<Hello>(peer);
    qp.connect(hello.endpoint);
    targets.set(peer, hello);
    for (let i = 0; i < 2 * size + ROUNDS; i++) qp.postRecv({});
  }
  const write = (peer: number, sendFlags = 0): void => {
    const { addr: remoteAddr, rkey } = targets.get(peer)!;
    const wr = { sge: [mr.sge(0, bytes)], remoteAddr, rkey, immData: 0, sendFlags };
    qps.get(peer)!.postSend({ opcode: Opcode.RDMA_WRITE_WITH_IMM, ...wr });
  };
  const writeWhole = async (peer: number): Promise<void> => {
    write(peer, SendFlags.SIGNALED);
    await sendCq.wait(1);
  };
  const startTogether = async (): Promise<number> => {
    await peers.barrier();
    await sim.sleepPs(GRID_PS + GRID_PS - (sim.now() % GRID_PS));
    return sim.now();
  };

  const pingPs = await startTogether();
  if (rank < 2)
    for (let i = 0; i < ROUNDS; i++) {
      if (rank === 0) write(1);
      await recvCq.wait(1);
      if (rank === 1) write(0);
    }
  const halfPs = (sim.now() - pingPs) / (2 * ROUNDS);

  const singlePs = await startTogether();
  if (rank === 0) await writeWhole(1);
  const completedPs = sim.now() - singlePs;
  if (rank === 1) await recvCq.wait(1);

  const startPs = await startTogether();
  let endPs = startPs;
  if (kind === 'ring') {
    for (let step = 0; step < 2 * (size - 1); step++) {
      write((rank + 1) % size);
      await recvCq.wait(1);
    }
    endPs = sim.now();
  } else {
    if (rank > 0) await recvCq.wait(1);
    endPs = sim.now();
    // Rank r has the message after round ⌊log2 r⌋ and sends to r + 2^round from then on.
    for (let reach = 1; reach < size; reach *= 2) if (rank < reach && rank + reach < size) await writeWhole(rank + reach);
  }
  return { startPs, endPs, halfPs, completedPs };
});
