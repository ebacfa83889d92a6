/**
 * A connection made the way sockets are: the server listens on a port, the client resolves its address and connects; connection requests travel as
 * real management datagrams over QP1. Both sides send private data along. Then an echo, and a clean disconnect.
 *
 *   heddle run topologies/two-hosts.yaml examples/10-rdma-cm-echo.ts
 */
import { Access, Opcode, program, type QueuePair, SendFlags } from 'heddle';

const PORT = 7471;
const WORDS = ['one', 'two', 'three'];
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replace(/\0.*$/, '');
const bytes = (words: string) => new TextEncoder().encode(words);

export default program(
  async ({ cm, ctx, peers, role, sim, log }) => {
    const pd = ctx.allocPd();
    const sendCq = ctx.createCq({ cqe: 8 });
    const recvCq = ctx.createCq({ cqe: 8 });
    const mr = pd.regMr(64, Access.LOCAL_WRITE);
    const prepare = (qp: QueuePair<'RC'>) => qp.postRecv({ sge: [mr.sge()] });
    const send = async (qp: QueuePair<'RC'>, length: number) => {
      qp.postSend({ opcode: Opcode.SEND, sge: [mr.sge(0, length)], sendFlags: SendFlags.SIGNALED });
      await sendCq.wait(1);
    };

    if (role === 'server') {
      const listener = cm.createId(null);
      await listener.bindAddr({ host: '', port: PORT });
      await listener.listen();
      await peers.barrier();
      const id = await listener.getRequest();
      log(`request: ${text(id.event!.conn!.privateData)}`);
      const qp = id.createQp(pd, { sendCq, recvCq }) as QueuePair<'RC'>;
      prepare(qp);
      await id.accept({ privateData: bytes('welcome') });
      for (const _ of WORDS) {
        const [wc] = await recvCq.wait(1);
        log(`echo: ${text(mr.bytes.subarray(0, wc!.byteLen))}`);
        prepare(qp);
        await send(qp, wc!.byteLen);
      }
      await peers.barrier();
      await id.disconnect();
      return {};
    }

    await peers.barrier(); // the server listens
    const id = cm.createId(null);
    const start = sim.now();
    await id.resolveAddr(null, { host: peers.names[0] as string, port: PORT }, 2000);
    await id.resolveRoute(2000);
    const qp = id.createQp(pd, { sendCq, recvCq }) as QueuePair<'RC'>;
    await id.connect({ privateData: bytes('hello') });
    const microseconds = (sim.now() - start) / 1e6;
    log(`connected in ${microseconds.toFixed(1)} us: ${text(id.event!.conn!.privateData)}`);
    for (const word of WORDS) {
      mr.bytes.fill(0);
      mr.bytes.set(bytes(word));
      prepare(qp);
      await send(qp, word.length);
      await recvCq.wait(1);
      if (text(mr.bytes) !== word) throw new Error(`${word} came back as ${text(mr.bytes)}`);
    }
    await peers.barrier();
    await id.disconnect();
    return { microseconds };
  },
  { roles: 'client-server' },
);
