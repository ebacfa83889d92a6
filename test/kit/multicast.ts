/**
 * Every rank has three UD queue pairs and attaches them to one multicast group, but for the first of rank 0, which sends six datagrams there. The third has receives for
 * two of them. The result is what each queue pair got, and whether the bytes were those sent.
 */
import { Access, Opcode, program, SendFlags } from 'heddle';

const GROUP = Uint8Array.from([0xff, 0x12, ...new Array(13).fill(0), 9]);
const MLID = 0xc003;
const QKEY = 5;
const GRH = 40;
const BYTES = 2048;
const SLOT = GRH + BYTES;
const DATAGRAMS = 6;
const RECEIVES = [8, 8, 2];

export interface Heard {
  readonly counts: readonly number[];
  readonly intact: boolean;
}

export default program(async ({ ctx, peers, rank, sim }) => {
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 64 });
  const mr = pd.regMr(24 * SLOT, Access.LOCAL_WRITE);
  const qps = RECEIVES.map((receives, i) => {
    const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq });
    qp.activate({ qkey: QKEY });
    if (rank !== 0 || i > 0) qp.attachMcast(GROUP, MLID);
    for (let k = 0; k < receives; k++) qp.postRecv({ wrId: i * 8 + k, sge: [mr.sge((i * 8 + k) * SLOT, SLOT)] });
    return qp;
  });
  await peers.barrier();
  if (rank === 0) {
    const out = pd.regMr(DATAGRAMS * BYTES, Access.LOCAL_WRITE);
    for (let k = 0; k < DATAGRAMS; k++) out.bytes.fill(k + 1, k * BYTES, (k + 1) * BYTES);
    const target = { ah: pd.createAh({ dlid: MLID, grh: { dgid: GROUP } }), remoteQpn: 0xffffff, remoteQkey: QKEY };
    for (let k = 0; k < DATAGRAMS; k++)
      qps[0]!.postSend({ opcode: Opcode.SEND, sge: [out.sge(k * BYTES, BYTES)], ...target, sendFlags: SendFlags.SIGNALED });
  }
  await sim.sleep(1_000_000);
  const received = cq.poll().filter((wc) => wc.byteLen === SLOT && wc.status === 0);
  const counts = qps.map((qp) => received.filter((wc) => wc.qpNum === qp.qpNum).length);
  const intact = received.every((wc) => {
    const at = Number(wc.wrId) * SLOT + GRH;
    return mr.bytes.subarray(at, at + BYTES).every((byte) => byte === (Number(wc.wrId) % 8) + 1);
  });
  return { counts, intact } satisfies Heard;
});
