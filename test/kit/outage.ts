/**
 * Writes one message after the other over an RC queue pair with a short timeout until one fails or all are done; tells when each completed, and with which status.
 * Arguments: messages, bytes, timeout code, retry count.
 */
import { Access, Opcode, type QpEndpoint, program, SendFlags, WcStatus } from 'heddle';

/** What the client returns. */
export interface Outage {
  readonly completions: readonly { readonly status: number; readonly postedPs: number; readonly donePs: number }[];
  /** State of the queue pair in the end: `enum ibv_qp_state`. */
  readonly state: number;
}

type Hello = { endpoint: QpEndpoint; addr: number; rkey: number };

export default program(
  async ({ ctx, peers, rank, role, args, sim }): Promise<Outage | null> => {
    const [messages = 100, bytes = 4096, timeout = 8, retryCnt = 3] = args.map(Number);
    const pd = ctx.allocPd();
    const cq = ctx.createCq({ cqe: 8 });
    const mr = pd.regMr(bytes, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
    const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
    const theirs = await peers.exchange<Hello>(1 - rank, { endpoint: qp.endpoint(), addr: mr.addr, rkey: mr.rkey });
    qp.connect(theirs.endpoint, { timeout, retryCnt });
    await peers.barrier();
    if (role === 'server') return null;
    const target = { remoteAddr: theirs.addr, rkey: theirs.rkey, sendFlags: SendFlags.SIGNALED };
    const completions: { status: number; postedPs: number; donePs: number }[] = [];
    for (let i = 0; i < messages; i++) {
      const postedPs = sim.now();
      qp.postSend({ ...target, opcode: Opcode.RDMA_WRITE, sge: [mr.sge(0, bytes)] });
      const [wc] = await cq.wait(1);
      completions.push({ status: wc!.status, postedPs, donePs: sim.now() });
      if (wc!.status !== WcStatus.SUCCESS) break;
    }
    return { completions, state: qp.state };
  },
  { roles: 'client-server' },
);
