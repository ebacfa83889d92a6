/**
 * A ping-pong in two lines each way: one node sends, the other sends back.
 * Shows how to set up a connected queue pair: memory, a completion queue, the exchange of addresses over the out-of-band channel, and RTS.
 *
 *   heddle run topologies/two-hosts.yaml examples/01-ping-pong.ts
 */
import { Access, Opcode, program, SendFlags } from 'heddle';

const ROUNDS = 100;

export default program(
  async ({ ctx, peers, rank, role, sim, log }) => {
    const pd = ctx.allocPd();
    const sendCq = ctx.createCq({ cqe: 16 });
    const recvCq = ctx.createCq({ cqe: 16 });
    const mr = pd.regMr(64, Access.LOCAL_WRITE);
    const qp = pd.createQp({ type: 'RC', sendCq, recvCq, cap: { maxInlineData: 64 } });
    qp.connect(await peers.exchange(1 - rank, qp.endpoint()));

    const recv = () => qp.postRecv({ sge: [mr.sge()] });
    const send = () => qp.postSend({ opcode: Opcode.SEND, sge: [mr.sge()], sendFlags: SendFlags.SIGNALED | SendFlags.INLINE });

    recv();
    await peers.barrier(); // nobody sends before the other has a receive posted
    const start = sim.now();
    for (let round = 0; round < ROUNDS; round++) {
      if (role === 'client') send();
      await recvCq.wait(1);
      recv();
      if (role === 'server') send();
      await sendCq.wait(1);
    }
    const microseconds = (sim.now() - start) / 1e6 / ROUNDS;
    if (role === 'client') log(`${ROUNDS} round trips of 64 bytes, ${microseconds.toFixed(3)} us each`);
    return { microseconds };
  },
  { roles: 'client-server' },
);
