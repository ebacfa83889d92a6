/**
 * The client writes `count` messages of `bytes` to the server with the P_Key `pkey` and tells what became of each.
 * Arguments, all optional: pkey=0x10 bytes=4096 count=1 mtu=CODE timeout=CODE; device=mlx4_1 port=2: from and to which port; path=1: which of a port's LIDs.
 */
import { Access, Opcode, program, SendFlags } from 'heddle';

export interface Written {
  readonly status: readonly number[];
  /** Of all messages together. */
  readonly bytesPerSecond: number;
  /** P_Key violations that the node's port has counted. */
  readonly violations: number;
}

export default program(
  async ({ open, devices, peers, rank, role, sim, args }) => {
    const given = new Map(args.map((word) => word.split('=') as [string, string]));
    const number = (name: string, otherwise: number) => Number(given.get(name) ?? otherwise);
    const bytes = number('bytes', 4096);
    const count = number('count', 1);
    const ctx = open(given.get('device') ?? (devices[0] as string));
    const portNum = number('port', 1);
    const path = number('path', 0);
    const pd = ctx.allocPd();
    const cq = ctx.createCq({ cqe: count + 1 });
    const mr = pd.regMr({ payloadFreeBytes: bytes }, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
    const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxSendWr: count } });
    const keys = Array.from({ length: ctx.queryPort(portNum).pkeyTblLen }, (_, i) => ctx.queryPkey(portNum, i) & 0x7fff);
    const pkeyIndex = keys.indexOf(number('pkey', 0x7fff));
    const own = { endpoint: qp.endpoint({ portNum }), addr: mr.addr, rkey: mr.rkey };
    const theirs = await peers.exchange<typeof own>(1 - rank, own);
    const mtu = given.has('mtu') ? { mtu: number('mtu', 5) as 5 } : {};
    const { endpoint } = theirs;
    qp.connect(
      { ...endpoint, lid: endpoint.lid + path },
      { portNum, srcPathBits: path, pkeyIndex: Math.max(pkeyIndex, 0), timeout: number('timeout', 14), retryCnt: 1, ...mtu },
    );
    await peers.barrier();
    const status: number[] = [];
    const begin = sim.now();
    if (role === 'client') {
      for (let i = 0; i < count; i++)
        qp.postSend({
          opcode: Opcode.RDMA_WRITE,
          sge: [mr.sge()],
          remoteAddr: theirs.addr,
          rkey: theirs.rkey,
          sendFlags: SendFlags.SIGNALED,
        });
      while (status.length < count) for (const wc of await cq.wait()) status.push(wc.status);
    }
    const bytesPerSecond = (1e12 * bytes * count) / (sim.now() - begin);
    await peers.barrier();
    return { status, bytesPerSecond, violations: ctx.queryPort(portNum).badPkeyCntr } satisfies Written;
  },
  { roles: 'client-server' },
);
