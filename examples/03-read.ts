/**
 * RDMA READ: the client fetches what the server published, and checks every byte. The server's program only waits.
 * Also shows what a wrong key gives: no exception, but a completion with a status, and a queue pair in the state ERR.
 *
 *   heddle run topologies/two-hosts.yaml examples/03-read.ts
 */
import { Access, Opcode, program, QpState, SendFlags, WcStatus, wcStatusStr } from 'heddle';

const BYTES = 1_000_000;

export default program(
  async ({ ctx, peers, rank, role, sim, log }) => {
    const pd = ctx.allocPd();
    const cq = ctx.createCq({ cqe: 4 });
    const mr = pd.regMr(BYTES, Access.LOCAL_WRITE | Access.REMOTE_READ);
    if (role === 'server') for (let i = 0; i < BYTES; i++) mr.bytes[i] = (i * 31) & 0xff;
    const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
    const server = await peers.exchange(1 - rank, { endpoint: qp.endpoint(), addr: mr.addr, rkey: mr.rkey });
    qp.connect(server.endpoint);
    await peers.barrier();

    let result = {};
    if (role === 'client') {
      const read = async (rkey: number) => {
        const sge = [mr.sge()];
        qp.postSend({ opcode: Opcode.RDMA_READ, sge, remoteAddr: server.addr, rkey, sendFlags: SendFlags.SIGNALED });
        const [wc] = await cq.wait(1);
        return wc!.status;
      };
      const start = sim.now();
      const status = await read(server.rkey);
      const microseconds = (sim.now() - start) / 1e6;
      const wrong = mr.bytes.findIndex((byte, i) => byte !== ((i * 31) & 0xff));
      log(
        `read ${BYTES} bytes in ${microseconds.toFixed(1)} us: ${wcStatusStr(status)}, ${wrong < 0 ? 'every byte is right' : `byte ${wrong} is wrong`}`,
      );
      const refused = await read(server.rkey + 1);
      log(`with a wrong key: ${wcStatusStr(refused)}, queue pair in state ${qp.state}`);
      if (wrong >= 0 || refused !== WcStatus.REM_ACCESS_ERR || qp.state !== QpState.ERR) throw new Error('not as expected');
      result = { status, refused, microseconds };
    }
    await peers.barrier(); // the server stays until the client is done
    return result;
  },
  { roles: 'client-server' },
);
