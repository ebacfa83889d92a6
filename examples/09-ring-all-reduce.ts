/**
 * Ring all-reduce, as data-parallel training uses it: every node has a vector, at the end all have the sum. Each node writes to its right neighbour only,
 * 2 (N − 1) steps with a chunk of 1/N of the vector, by RDMA WRITE with immediate. Prints the bandwidth that the algorithm reached.
 *
 *   heddle run topologies/connectx2-switch.yaml examples/09-ring-all-reduce.ts [elements]
 */
import { Access, Opcode, program, type QpEndpoint, SendFlags } from 'heddle';

type Neighbour = { endpoint: QpEndpoint; addr: number; rkey: number };

export default program(async ({ ctx, peers, rank, size, args, sim, log }) => {
  const elements = Math.ceil(Number(args[0] ?? 65_536) / size) * size;
  const chunk = elements / size;
  const bytes = chunk * 4;
  const access = Access.LOCAL_WRITE | Access.REMOTE_WRITE;
  const pd = ctx.allocPd();
  const sendCq = ctx.createCq({ cqe: 16 });
  const recvCq = ctx.createCq({ cqe: size });
  const vector = pd.regMr(elements * 4, access);
  const inbox = pd.regMr(bytes * size, access); // the left neighbour may be so many steps ahead of us
  const values = new Float32Array(vector.bytes.buffer, vector.bytes.byteOffset, elements);
  values.forEach((_, i) => {
    values[i] = rank + (i % 7);
  });

  const [left, right] = [(rank + size - 1) % size, (rank + 1) % size];
  const newQp = () => pd.createQp({ type: 'RC', sendCq, recvCq, cap: { maxRecvWr: size } });
  const [fromLeft, toRight] = [newQp(), newQp()];
  peers.send(left, { endpoint: fromLeft.endpoint(), addr: inbox.addr, rkey: inbox.rkey });
  peers.send(right, toRight.endpoint());
  const neighbour = await peers.recv<Neighbour>(right);
  fromLeft.connect(await peers.recv<QpEndpoint>(left));
  toRight.connect(neighbour.endpoint);
  for (let i = 0; i < size; i++) fromLeft.postRecv({});
  await peers.barrier();

  const start = sim.now();
  for (let step = 0; step < 2 * (size - 1); step++) {
    const isReduce = step < size - 1;
    const first = isReduce ? rank - step : rank + 1 - (step - (size - 1));
    const out = ((first % size) + size) % size;
    const into = (out + size - 1) % size;
    const slot = (step % size) * bytes;
    const target = { remoteAddr: neighbour.addr + slot, rkey: neighbour.rkey };
    const sge = [vector.sge(out * bytes, bytes)];
    toRight.postSend({ opcode: Opcode.RDMA_WRITE_WITH_IMM, sge, ...target, immData: step, sendFlags: SendFlags.SIGNALED });
    await recvCq.wait(1);
    fromLeft.postRecv({});
    const arrived = new Float32Array(inbox.bytes.buffer, inbox.bytes.byteOffset + slot, chunk);
    for (let i = 0; i < chunk; i++) {
      const old = isReduce ? (values[into * chunk + i] as number) : 0;
      values[into * chunk + i] = old + (arrived[i] as number);
    }
    await sendCq.wait(1);
  }
  const seconds = (sim.now() - start) / 1e12;

  const wrong = values.findIndex((value, i) => value !== (size * (size - 1)) / 2 + size * (i % 7));
  if (wrong >= 0) throw new Error(`element ${wrong} is ${values[wrong]}`);
  const gbits = (2 * (size - 1) * bytes * 8) / seconds / 1e9;
  if (rank === 0) log(`${size} nodes, ${elements} floats: ${(seconds * 1e6).toFixed(1)} us, ${gbits.toFixed(2)} Gb/s per link`);
  await peers.barrier();
  return { microseconds: seconds * 1e6, gbits };
});
