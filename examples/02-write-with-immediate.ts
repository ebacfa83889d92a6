/**
 * RDMA WRITE with immediate data: the client writes into the server's memory and tells it, in the same message, how many bytes it wrote.
 * The server's program posts a receive without memory; the data does not need one.
 *
 *   heddle run topologies/two-hosts.yaml examples/02-write-with-immediate.ts
 */
import { Access, Opcode, program, SendFlags, WcFlags, WcStatus, wcStatusStr } from 'heddle';

const TEXT = 'written by RDMA, without any help from the processor over there';

export default program(
  async ({ ctx, peers, rank, role, log }) => {
    const pd = ctx.allocPd();
    const cq = ctx.createCq({ cqe: 4 });
    const mr = pd.regMr(4096, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
    const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
    const mine = { endpoint: qp.endpoint(), addr: mr.addr, rkey: mr.rkey };
    const theirs = await peers.exchange(1 - rank, mine);
    qp.connect(theirs.endpoint);

    if (role === 'server') qp.postRecv({});
    await peers.barrier();

    if (role === 'client') {
      const bytes = new TextEncoder().encode(TEXT);
      mr.bytes.set(bytes);
      qp.postSend({
        opcode: Opcode.RDMA_WRITE_WITH_IMM,
        sge: [mr.sge(0, bytes.length)],
        remoteAddr: theirs.addr,
        rkey: theirs.rkey,
        immData: bytes.length,
        sendFlags: SendFlags.SIGNALED,
      });
      const [wc] = await cq.wait(1);
      log(`write: ${wcStatusStr(wc!.status)}`);
      return { status: wc!.status };
    }

    const [wc] = await cq.wait(1);
    if (wc!.status !== WcStatus.SUCCESS || (wc!.wcFlags & WcFlags.WITH_IMM) === 0) throw new Error('no immediate data');
    const text = new TextDecoder().decode(mr.bytes.subarray(0, wc!.immData));
    log(`${wc!.immData} bytes: ${text}`);
    return { text };
  },
  { roles: 'client-server' },
);
