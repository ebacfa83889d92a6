/**
 * Sleeping on a completion channel instead of polling: the server arms its completion queue, sleeps until the interrupt, drains the queue, arms again.
 * Prints how much longer a message takes that way. Only solicited messages wake the server: the client marks every fourth.
 *
 *   heddle run topologies/two-hosts.yaml examples/05-completion-events.ts
 */
import { Access, Opcode, program, SendFlags } from 'heddle';

const MESSAGES = 32;
const EVERY = 4;

export default program(
  async ({ ctx, peers, rank, role, sim, log }) => {
    const pd = ctx.allocPd();
    const channel = ctx.createCompChannel();
    const sendCq = ctx.createCq({ cqe: MESSAGES });
    const recvCq = ctx.createCq({ cqe: MESSAGES, channel });
    const mr = pd.regMr(256, Access.LOCAL_WRITE);
    const qp = pd.createQp({ type: 'RC', sendCq, recvCq, cap: { maxSendWr: MESSAGES, maxRecvWr: MESSAGES } });
    qp.connect(await peers.exchange(1 - rank, qp.endpoint()));
    if (role === 'server') {
      for (let i = 0; i < MESSAGES; i++) qp.postRecv({ wrId: i, sge: [mr.sge()] });
      recvCq.reqNotify(true);
    }
    await peers.barrier();

    if (role === 'client') {
      for (let i = 1; i <= MESSAGES; i++) {
        const flags = SendFlags.SIGNALED | (i % EVERY === 0 ? SendFlags.SOLICITED : 0);
        qp.postSend({ opcode: Opcode.SEND, sge: [mr.sge()], sendFlags: flags });
        await sendCq.wait(1);
        if (i % EVERY === 0) await sim.sleep(50_000);
      }
      return { sent: MESSAGES };
    }

    let received = 0;
    let events = 0;
    let delayPs = 0;
    while (received < MESSAGES) {
      const cq = await channel.getEvent();
      events++;
      cq.ackEvents(1);
      cq.reqNotify(true);
      const found = cq.poll();
      received += found.length;
      const newest = found.at(-1);
      if (newest !== undefined) delayPs = Math.max(delayPs, sim.now() - newest.completionTs);
    }
    log(`${received} messages, ${events} events, at most ${(delayPs / 1e6).toFixed(2)} us from completion to program`);
    return { received, events };
  },
  { roles: 'client-server' },
);
