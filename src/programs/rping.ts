/**
 * `rping`: librdmacm's ping. The client tells where its buffer is, the server fetches it by RDMA READ and writes it back by RDMA WRITE, over a connection
 * made by rdma_cm; both sleep on completion events, as the original does.
 */
import {
  Access,
  type CompletionChannel,
  type CompletionQueue,
  type MemoryRegion,
  Opcode,
  type ProgramContext,
  program,
  type QueuePair,
  type RdmaId,
  SendFlags,
  type SendRequest,
  WcOpcode,
  WcStatus,
  type WorkCompletion,
  wcStatusStr,
} from '../verbs/index.ts';
import { hasOption, helpText, type OptionSpec, readOptions, textOption, throwIssues, wholeOption } from './options.ts';

const SIDES = 'heddle chooses the sides, with --client and --server before the program';
const OPTIONS: readonly OptionSpec[] = [
  { long: 'client', short: 'c', text: 'client side', verdict: 'warned', why: SIDES },
  { long: 'server', short: 's', text: 'server side', verdict: 'warned', why: SIDES },
  { long: 'verbose', short: 'v', text: 'display ping data' },
  { long: 'validate', short: 'V', text: 'validate ping data' },
  { long: 'size', short: 'S', value: 'size', text: 'ping data size (default 64)' },
  {
    long: 'count',
    short: 'C',
    value: 'count',
    text: "ping count times (default 10; the original's default, for ever, would not end)",
  },
  {
    long: 'address',
    short: 'a',
    value: 'addr',
    text: 'address of the server: a node name or 10.x.y.z (default the server node)',
  },
  { long: 'port', short: 'p', value: 'port', text: 'port (default 7174)' },
  { long: 'persistent', short: 'P', text: '', verdict: 'refused', why: 'one client and one server run, and then end' },
  { long: 'source', short: 'I', value: 'addr', text: '', verdict: 'refused', why: 'the first port of the node is used' },
  { long: 'own-qp', short: 'q', text: '', verdict: 'refused', why: 'queue pairs are made by rdma_create_qp' },
  { long: 'debug', short: 'd', text: '', verdict: 'refused', why: 'use heddle run --pcap to see what goes on' },
  { long: 'help', short: 'h', text: 'show this help' },
];

const QUEUE_DEPTH = 16;
/** buf64 rkey32 size32, big-endian. */
const INFO_BYTES = 16;
/** Room for the text `rdma-ping-2147483647: ` and its end. */
const MIN_SIZE = 26;
const MAX_SIZE = 65_535;
const FIRST_LETTER = 65;
const LAST_LETTER = 122;

interface Options {
  readonly verbose: boolean;
  readonly validate: boolean;
  readonly size: number;
  readonly count: number;
  readonly address: string;
  readonly port: number;
}

interface RemoteBuffer {
  readonly addr: bigint;
  readonly rkey: number;
  readonly size: number;
}

/** One connected side: queue pair, buffers, and completions by kind. */
class Side {
  readonly #qp: QueuePair;
  readonly #cq: CompletionQueue;
  readonly #channel: CompletionChannel;
  readonly #recv: MemoryRegion;
  readonly #send: MemoryRegion;
  /** Sink of reads and writes, and on the client the text of the ping. */
  readonly sink: MemoryRegion;
  readonly start: MemoryRegion;
  #found: WorkCompletion[] = [];

  constructor(id: RdmaId, context: ProgramContext, size: number) {
    const ctx = id.verbs ?? context.ctx;
    const pd = ctx.allocPd();
    this.#channel = ctx.createCompChannel();
    this.#cq = ctx.createCq({ cqe: QUEUE_DEPTH * 2, channel: this.#channel });
    this.#cq.reqNotify();
    const cap = { maxSendWr: QUEUE_DEPTH, maxRecvWr: 2, maxSendSge: 1, maxRecvSge: 1 };
    this.#qp = id.createQp(pd, { sendCq: this.#cq, recvCq: this.#cq, cap }) as unknown as QueuePair;
    const remote = Access.LOCAL_WRITE | Access.REMOTE_READ | Access.REMOTE_WRITE;
    this.#recv = pd.regMr(INFO_BYTES, Access.LOCAL_WRITE);
    this.#send = pd.regMr(INFO_BYTES, 0);
    this.sink = pd.regMr(size, remote);
    this.start = pd.regMr(size, remote);
    this.#postReceive();
  }

  /** The next completion of this kind; completions of sends are of no interest. */
  async #next(opcode: number): Promise<WorkCompletion> {
    for (;;) {
      const at = this.#found.findIndex((wc) => wc.opcode === opcode);
      if (at >= 0) return this.#found.splice(at, 1)[0] as WorkCompletion;
      const cq = await this.#channel.getEvent();
      cq.ackEvents(1);
      cq.reqNotify();
      for (const wc of cq.poll()) {
        if (wc.status !== WcStatus.SUCCESS)
          throw new Error(`cq completion failed status ${wc.status} (${wcStatusStr(wc.status)})`);
        if (wc.opcode !== WcOpcode.SEND) this.#found.push(wc);
      }
    }
  }

  #postReceive(): void {
    this.#qp.postRecv({ sge: [this.#recv.sge()] });
  }

  /** Waits for a message of the other side and says what it announces. */
  async receive(): Promise<RemoteBuffer> {
    const wc = await this.#next(WcOpcode.RECV);
    if (wc.byteLen !== INFO_BYTES) throw new Error(`Received bogus data, size ${wc.byteLen}`);
    const view = this.#recv.view();
    const info = { addr: view.getBigUint64(0), rkey: view.getUint32(8), size: view.getUint32(12) };
    this.#postReceive();
    return info;
  }

  /** Announces a buffer; without one, sends a go-ahead. */
  announce(mr?: MemoryRegion): void {
    if (mr !== undefined) {
      const view = this.#send.view();
      view.setBigUint64(0, BigInt(mr.addr));
      view.setUint32(8, mr.rkey);
      view.setUint32(12, mr.length);
    }
    this.#qp.postSend({ opcode: Opcode.SEND, sge: [this.#send.sge()], sendFlags: SendFlags.SIGNALED });
  }

  /** Reads `remote` into the sink, or writes the first `bytes` of the sink there, and waits until it is done. */
  async transfer(opcode: typeof Opcode.RDMA_READ | typeof Opcode.RDMA_WRITE, remote: RemoteBuffer, bytes: number): Promise<void> {
    const where = { remoteAddr: remote.addr, rkey: remote.rkey };
    const wr = { opcode, sge: [this.sink.sge(0, bytes)], ...where, sendFlags: SendFlags.SIGNALED };
    this.#qp.postSend(wr as SendRequest);
    await this.#next(opcode === Opcode.RDMA_READ ? WcOpcode.RDMA_READ : WcOpcode.RDMA_WRITE);
  }
}

/** The bytes up to the first zero, as text. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
}

/** `rdma-ping-3: DEFGH…`, ending with a zero. */
export function pingText(ping: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const head = new TextEncoder().encode(`rdma-ping-${ping}: `);
  bytes.set(head);
  const letters = LAST_LETTER - FIRST_LETTER + 1;
  for (let i = head.length; i < size - 1; i++) bytes[i] = FIRST_LETTER + ((ping + i - head.length) % letters);
  return bytes;
}

async function runServer(context: ProgramContext, options: Options): Promise<void> {
  const listener = context.cm.createId(null);
  await listener.bindAddr({ host: '', port: options.port });
  await listener.listen(3);
  await context.peers.barrier();
  const id = await listener.getRequest();
  const side = new Side(id, context, options.size);
  await id.accept({ responderResources: 1, initiatorDepth: 1 });
  for (let ping = 0; ping < options.count; ping++) {
    const source = await side.receive();
    await side.transfer(Opcode.RDMA_READ, source, source.size);
    if (options.verbose) context.log(`server ping data: ${textOf(side.sink.bytes)}`);
    side.announce();
    const sink = await side.receive();
    await side.transfer(Opcode.RDMA_WRITE, sink, textOf(side.sink.bytes).length + 1);
    side.announce();
  }
  await context.peers.barrier();
  await id.disconnect();
  context.log('server DISCONNECT EVENT...');
}

async function runClient(context: ProgramContext, options: Options): Promise<void> {
  await context.peers.barrier();
  const id = context.cm.createId(null);
  await id.resolveAddr(null, { host: options.address, port: options.port }, 2000);
  await id.resolveRoute(2000);
  const side = new Side(id, context, options.size);
  await id.connect({ responderResources: 1, initiatorDepth: 1, retryCount: 7, rnrRetryCount: 7 });
  for (let ping = 0; ping < options.count; ping++) {
    side.start.bytes.set(pingText(ping, options.size));
    side.announce(side.start);
    await side.receive();
    side.announce(side.sink);
    await side.receive();
    if (options.validate && side.start.bytes.some((byte, i) => byte !== side.sink.bytes[i])) throw new Error('data mismatch!');
    if (options.verbose) context.log(`ping data: ${textOf(side.sink.bytes)}`);
  }
  await context.peers.barrier();
  await id.disconnect();
  context.log('client DISCONNECT EVENT...');
}

export default program(
  async (context) => {
    const found = readOptions('rping', OPTIONS, context.args);
    const options: Options = {
      verbose: hasOption(found, 'verbose'),
      validate: hasOption(found, 'validate'),
      size: wholeOption(found, 'rping', 'size', 64, MIN_SIZE, MAX_SIZE),
      count: wholeOption(found, 'rping', 'count', 10, 1, 2 ** 31 - 1),
      address: textOption(found, 'address') ?? (context.peers.names[0] as string),
      port: wholeOption(found, 'rping', 'port', 7174, 1, 65_535),
    };
    throwIssues(found.issues);
    for (const line of hasOption(found, 'help') ? helpText('rping', OPTIONS) : found.warnings) context.log(line);
    if (hasOption(found, 'help')) return null;
    await (context.role === 'server' ? runServer : runClient)(context, options);
    return { pings: options.count, size: options.size };
  },
  { name: 'rping', summary: 'ping by RDMA READ and WRITE over an rdma_cm connection (librdmacm)', roles: 'client-server' },
);
