/**
 * READs of 32 bytes over many queue pairs: each participant is connected to the others by `qps` queue pairs, spread evenly, and keeps `window` READs under way,
 * each over a queue pair chosen at random. The first third of `reads` fills the adapter's context cache and is not counted. Returns READs a second.
 *
 * Options: qps reads window
 */
import { Access, Opcode, program, type QpEndpoint, SendFlags, WcStatus } from 'heddle';

const BYTES = 32;

interface Offer {
  readonly addr: number;
  readonly rkey: number;
  /** In the order of the distances from the one who offers to the peer. */
  readonly endpoints: readonly QpEndpoint[];
}

export default program(async ({ ctx, peers, rank, size, args, sim }) => {
  const [count = 88, reads = 3000, window = 128] = args.map(Number);
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: window });
  const mr = pd.regMr({ payloadFreeBytes: BYTES }, Access.LOCAL_WRITE | Access.REMOTE_READ);
  const cap = { maxSendWr: 16, maxRecvWr: 1 };
  const qps = Array.from({ length: count }, () => pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap }));
  // Queue pair 2 j goes to the rank that is `distance` further on, to whom it is the queue pair 2 j + 1.
  const distance = (j: number): number => 1 + (j % Math.floor((size - 1) / 2));
  const peerOf = (i: number): number => (rank + (i % 2 === 0 ? 1 : size - 1) * distance(i >> 1)) % size;
  const offer: Offer = { addr: mr.addr, rkey: mr.rkey, endpoints: qps.map((qp) => qp.endpoint()) };
  for (let peer = 0; peer < size; peer++) if (peer !== rank) peers.send(peer, offer);
  const offers = new Map<number, Offer>();
  for (let peer = 0; peer < size; peer++) if (peer !== rank) offers.set(peer, await peers.recv<Offer>(peer));
  const targets = qps.map((qp, i) => {
    const { addr, rkey, endpoints } = offers.get(peerOf(i)) as Offer;
    qp.connect(endpoints[i ^ 1] as QpEndpoint);
    return { opcode: Opcode.RDMA_READ, sge: [mr.sge(0, BYTES)], remoteAddr: addr, rkey, sendFlags: SendFlags.SIGNALED } as const;
  });
  await peers.barrier();

  const underWay = new Uint8Array(count);
  let posted = 0;
  const post = (): void => {
    let i = Math.floor(sim.random() * count);
    while ((underWay[i] as number) >= cap.maxSendWr) i = (i + 1) % count;
    underWay[i] = (underWay[i] as number) + 1;
    (qps[i] as (typeof qps)[number]).postSend({ ...(targets[i] as (typeof targets)[number]), wrId: i });
    posted++;
  };
  const first = Math.floor(reads / 3);
  let [done, startPs] = [0, 0];
  while (posted < Math.min(window, reads)) post();
  while (done < reads) {
    for (const wc of await cq.wait(16)) {
      if (wc.status !== WcStatus.SUCCESS) throw new Error(`completion ${done} has status ${wc.status}`);
      const i = Number(wc.wrId);
      underWay[i] = (underWay[i] as number) - 1;
      if (++done === first) startPs = sim.now();
      if (posted < reads) post();
    }
  }
  const perSecond = (reads - first) / ((sim.now() - startPs) / 1e12);
  await peers.barrier();
  return perSecond;
});
