/**
 * Every operation of RC, UC and UD once, one after the other, between two nodes; then a SEND that finds no receive posted, and a WRITE with a wrong key.
 * Both sides return what they know of their queue pairs and memory, from which `operations-packets.ts` says what must be on the wire.
 */
import { Access, Opcode, type QpEndpoint, program, SendFlags } from 'heddle';

const BYTES = 16_384;
const QKEY = 0x1234567;
const GRH = 40;

/** What one side knows: queue pair numbers and first PSNs, the memory that the other side may use. */
export interface Side {
  readonly lid: number;
  /** The port's GID, in hexadecimal. */
  readonly gid: string;
  readonly rc: Queue;
  readonly uc: Queue;
  readonly bad: Queue;
  readonly ud: number;
  readonly addr: number;
  readonly rkey: number;
  /** Completion statuses of the client's work requests, in order. */
  readonly status: readonly number[];
}
type Queue = Pick<QpEndpoint, 'qpNum' | 'psn'>;

interface Endpoints {
  readonly rc: QpEndpoint;
  readonly uc: QpEndpoint;
  readonly bad: QpEndpoint;
  readonly ud: number;
  readonly addr: number;
  readonly rkey: number;
}

const queue = ({ qpNum, psn }: QpEndpoint): Queue => ({ qpNum, psn });

function summary({ rc, uc, bad, ...rest }: Endpoints, status: readonly number[]): Side {
  const gid = Array.from(rc.gid, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { ...rest, lid: rc.lid, gid, rc: queue(rc), uc: queue(uc), bad: queue(bad), status };
}

export default program(
  async ({ ctx, peers, role, rank, sim }) => {
    const pd = ctx.allocPd();
    const sendCq = ctx.createCq({ cqe: 64 });
    const recvCq = ctx.createCq({ cqe: 64 });
    const mr = pd.regMr(BYTES, Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC);
    for (let i = 0; i < BYTES; i++) mr.bytes[i] = 0x5a + ((i + rank) % 7);
    mr.bytes.fill(0, BYTES - 8);
    mr.bytes[BYTES - 8] = 5; // a counter in the order of the host, little-endian
    const cap = { maxSendWr: 16, maxRecvWr: 16, maxSendSge: 1, maxRecvSge: 1 };
    const rc = pd.createQp({ type: 'RC', sendCq, recvCq, cap });
    const uc = pd.createQp({ type: 'UC', sendCq, recvCq, cap });
    const bad = pd.createQp({ type: 'RC', sendCq, recvCq, cap });
    const ud = pd.createQp({ type: 'UD', sendCq, recvCq, cap });
    ud.activate({ qkey: QKEY });
    const own: Endpoints = {
      rc: rc.endpoint(),
      uc: uc.endpoint(),
      bad: bad.endpoint(),
      ud: ud.qpNum,
      addr: mr.addr,
      rkey: mr.rkey,
    };
    const theirs = await peers.exchange<Endpoints>(1 - rank, own);
    const mtu = 4; // 2048 bytes
    rc.connect(theirs.rc, { mtu, minRnrTimer: 3 });
    uc.connect(theirs.uc, { mtu });
    bad.connect(theirs.bad, { mtu });
    await peers.barrier();

    if (role === 'server') {
      for (let i = 0; i < 3; i++) rc.postRecv({ sge: [mr.sge(0, 8192)] });
      uc.postRecv({ sge: [mr.sge(0, 8192)] });
      ud.postRecv({ sge: [mr.sge(0, 8192)] });
      await peers.barrier();
      for (let i = 0; i < 5; i++) await recvCq.wait(1);
      await peers.barrier();
      await sim.sleep(25_000); // an RNR timer of code 3 is 30 us
      rc.postRecv({ sge: [mr.sge(0, 8192)] });
      await recvCq.wait(1);
      await peers.barrier();
      return summary(own, []);
    }

    await peers.barrier();
    const to = { remoteAddr: theirs.addr, rkey: theirs.rkey };
    const common = { sendFlags: SendFlags.SIGNALED };
    const status: number[] = [];
    const done = async () => status.push((await sendCq.wait(1))[0]!.status);
    rc.postSend({ ...common, opcode: Opcode.SEND, sge: [mr.sge(0, 10)] });
    await done();
    rc.postSend({ ...common, opcode: Opcode.SEND_WITH_IMM, immData: 0xdeadbeef, sge: [mr.sge(0, 5000)] });
    await done();
    rc.postSend({ ...common, ...to, opcode: Opcode.RDMA_WRITE, sge: [mr.sge(0, 4096)] });
    await done();
    rc.postSend({ ...common, ...to, opcode: Opcode.RDMA_WRITE_WITH_IMM, immData: 7, sge: [mr.sge(0, 3)] });
    await done();
    rc.postSend({ ...common, ...to, opcode: Opcode.RDMA_READ, sge: [mr.sge(0, 5000)] });
    await done();
    const counter = { remoteAddr: theirs.addr + BYTES - 8, rkey: theirs.rkey, sge: [mr.sge(BYTES - 16, 8)] };
    rc.postSend({ ...common, ...counter, opcode: Opcode.ATOMIC_CMP_AND_SWP, compareAdd: 5, swap: 0x1122334455667788n });
    await done();
    rc.postSend({ ...common, ...counter, opcode: Opcode.ATOMIC_FETCH_AND_ADD, compareAdd: 9 });
    await done();
    uc.postSend({ ...common, opcode: Opcode.SEND, sge: [mr.sge(0, 3000)] });
    await done();
    const ah = pd.createAh({ dlid: theirs.rc.lid, grh: { dgid: theirs.rc.gid, hopLimit: 9, trafficClass: 3, flowLabel: 77 } });
    const sge = [mr.sge(GRH, 7)];
    ud.postSend({ ...common, opcode: Opcode.SEND, ah, remoteQpn: theirs.ud, remoteQkey: QKEY, sge });
    await done();
    await peers.barrier();
    rc.postSend({ ...common, opcode: Opcode.SEND, sge: [mr.sge(0, 1)] });
    await done();
    bad.postSend({ ...common, ...to, rkey: theirs.rkey ^ 0xff, opcode: Opcode.RDMA_WRITE, sge: [mr.sge(0, 1)] });
    await done();
    await peers.barrier();
    return summary(own, status);
  },
  { roles: 'client-server' },
);
