/**
 * `netperf` 2.7: TCP and UDP streams and transactions between two nodes or guests. The server's part is netserver's; what the two tell each other beside
 * the test goes over the out-of-band channel, as netperf has a control connection.
 */
import { SocketError, type TcpOptions } from '../net/index.ts';
import { type ProgramContext, program } from '../verbs/index.ts';
import { type NetperfTest, netperfBanner, tcpStreamLines, transactionLines, udpStreamLines } from './netperf-format.ts';
import { type NetperfOptions, readNetperfOptions } from './netperf-options.ts';

/** Linux's default sizes, which netperf prints when none were asked for. */
const TCP_SEND = 16_384;
const TCP_RECEIVE = 87_380;
const UDP_BUFFER = 212_992;
const UDP_MOST = 65_507;
/** After the last datagram, how long the server waits for those that are late. */
const SILENCE_NS = 500_000_000;

/** What the client tells the server before a test. */
interface Setup {
  readonly test: NetperfTest;
  readonly requestSize: number;
  readonly responseSize: number;
  readonly receiveSize: number;
  readonly socketSize: number;
  readonly noDelay: boolean;
  readonly congestion: string;
  readonly lifeNs: number;
}

/** What the server tells. */
interface Ready {
  readonly port: number;
}

interface Counts {
  readonly messages: number;
  readonly bytes: number;
}

const sizeOf = (asked: number, fallback: number) => (asked > 0 ? asked : fallback);

/** Socket options for buffers of `size` bytes, 0 leaving them to the kernel. */
function tcpOptions(size: number, options: { readonly noDelay: boolean; readonly congestion: string }): TcpOptions {
  return {
    noDelay: options.noDelay,
    ...(size > 0 ? { sendBuffer: size, receiveBuffer: size } : {}),
    ...(options.congestion === 'reno' || options.congestion === 'cubic' ? { congestion: options.congestion } : {}),
  };
}

const udpOptions = (size: number) => (size > 0 ? { sendBuffer: size, receiveBuffer: size } : {});

/** netserver: does what the client asks for, once. */
async function serve(context: ProgramContext): Promise<null> {
  const setup = await context.peers.recv<Setup | null>(1);
  if (setup === null) return null;
  if (setup.test === 'TCP_STREAM' || setup.test === 'TCP_RR') await serveTcp(context, setup);
  else await serveUdp(context, setup);
  return null;
}

async function serveTcp({ net, peers }: ProgramContext, setup: Setup): Promise<void> {
  const listener = await net.tcp.listen(tcpOptions(setup.socketSize, setup));
  peers.send<Ready>(1, { port: listener.local.port });
  const socket = await listener.accept();
  const response = new Uint8Array(setup.responseSize);
  let bytes = 0;
  let messages = 0;
  for (;;) {
    const isStream = setup.test === 'TCP_STREAM';
    const data = isStream ? await socket.recv(setup.receiveSize) : await socket.recvExactly(setup.requestSize);
    if (data.length === 0) break;
    bytes += data.length;
    messages++;
    if (!isStream) await socket.send(response);
  }
  await socket.close();
  await listener.close();
  peers.send<Counts>(1, { messages, bytes });
}

async function serveUdp({ net, peers, sim }: ProgramContext, setup: Setup): Promise<void> {
  const socket = await net.udp(udpOptions(setup.socketSize));
  peers.send<Ready>(1, { port: socket.local.port });
  const response = new Uint8Array(setup.responseSize);
  const endPs = sim.now() + setup.lifeNs * 1000;
  let bytes = 0;
  let messages = 0;
  for (;;) {
    const timeoutNs = Math.max(0, (endPs - sim.now()) / 1000) + SILENCE_NS;
    try {
      const { data, from } = await socket.recv({ timeoutNs });
      bytes += data.length;
      messages++;
      if (setup.test === 'UDP_RR') await socket.send(response, { host: from.address, port: from.port });
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      if (error.code === 'EAGAIN') break;
    }
  }
  await socket.close();
  peers.send<Counts>(1, { messages, bytes });
}

/** The client's part: the test, then its lines. */
class Client {
  readonly #context: ProgramContext;
  readonly #options: NetperfOptions;

  constructor(context: ProgramContext, options: NetperfOptions) {
    this.#context = context;
    this.#options = options;
  }

  async run() {
    const { log, net } = this.#context;
    const { host, test, noDelay } = this.#options;
    const address = net.resolve(host);
    log(netperfBanner(test, host, address, noDelay));
    const { port } = await this.#arrange();
    if (test === 'TCP_STREAM') return this.#tcpStream(port);
    if (test === 'UDP_STREAM') return this.#udpStream(port);
    return test === 'TCP_RR' ? this.#tcpTransactions(port) : this.#udpTransactions(port);
  }

  async #arrange(): Promise<Ready> {
    const { peers } = this.#context;
    const { test, requestSize, responseSize, receiveSize, remoteSocket, noDelay, congestion, seconds } = this.#options;
    peers.send<Setup>(0, {
      test,
      requestSize,
      responseSize,
      receiveSize: sizeOf(receiveSize, sizeOf(remoteSocket, TCP_RECEIVE)),
      socketSize: remoteSocket,
      noDelay,
      congestion,
      lifeNs: Math.max(seconds, 0) * 1e9,
    });
    return peers.recv<Ready>(0);
  }

  #connect(port: number) {
    const { host, localSocket } = this.#options;
    return this.#context.net.tcp.connect({ host, port, ...tcpOptions(localSocket, this.#options) });
  }

  /** Calls `step` until the time is up, or as often as `-l -N` says; how long it took, in s, and how often it was. */
  async #repeat(limit: number, step: () => Promise<boolean>): Promise<number> {
    const { sim } = this.#context;
    const { seconds } = this.#options;
    const endPs = seconds > 0 ? sim.now() + seconds * 1e12 : Number.POSITIVE_INFINITY;
    let count = 0;
    while (sim.now() < endPs && (seconds > 0 || count < limit)) {
      if (!(await step())) break;
      count++;
    }
    return count;
  }

  async #tcpStream(port: number) {
    const { log, peers, sim } = this.#context;
    const { sendSize, localSocket, remoteSocket, seconds } = this.#options;
    const size = sizeOf(sendSize, sizeOf(localSocket, TCP_SEND));
    const data = new Uint8Array(size);
    const socket = await this.#connect(port);
    const startPs = sim.now();
    await this.#repeat(Math.ceil(-seconds / size), async () => {
      await socket.send(data);
      return true;
    });
    await socket.shutdown();
    await socket.recv();
    const elapsed = (sim.now() - startPs) / 1e12;
    const info = socket.info();
    await socket.close();
    const { bytes } = await peers.recv<Counts>(0);
    const throughput = (bytes * 8) / elapsed / 1e6;
    const sizes = { receiveSocket: sizeOf(remoteSocket, TCP_RECEIVE), sendSocket: sizeOf(localSocket, TCP_SEND), sendSize: size };
    for (const line of tcpStreamLines({ ...sizes, seconds: elapsed, throughput })) log(line);
    return { throughput, seconds: elapsed, bytes, retransmits: info.retransmits, timeouts: info.timeouts };
  }

  #transactionResult(count: number, elapsed: number, send: number, receive: number) {
    const { requestSize, responseSize, localSocket, remoteSocket } = this.#options;
    const rate = count / elapsed;
    const figures = {
      localSend: sizeOf(localSocket, send),
      localReceive: sizeOf(localSocket, receive),
      remoteSend: sizeOf(remoteSocket, send),
      remoteReceive: sizeOf(remoteSocket, receive),
      requestSize,
      responseSize,
      seconds: elapsed,
      rate,
    };
    for (const line of transactionLines(figures)) this.#context.log(line);
    return { rate, seconds: elapsed, transactions: count, meanNs: (elapsed * 1e9) / count };
  }

  async #tcpTransactions(port: number) {
    const { peers, sim, trace } = this.#context;
    const { requestSize, responseSize, seconds } = this.#options;
    const request = new Uint8Array(requestSize);
    const socket = await this.#connect(port);
    const startPs = sim.now();
    const count = await this.#repeat(-seconds, async () => {
      trace.begin(0, { bytes: requestSize, divisor: 1, path: 'kernel' });
      await socket.send(request);
      const isWhole = (await socket.recvExactly(responseSize)).length === responseSize;
      trace.end(0);
      return isWhole;
    });
    const elapsed = (sim.now() - startPs) / 1e12;
    await socket.close();
    await peers.recv<Counts>(0);
    return this.#transactionResult(count, elapsed, TCP_SEND, TCP_RECEIVE);
  }

  async #udpTransactions(port: number) {
    const { peers, sim, net } = this.#context;
    const { requestSize, localSocket, host, seconds } = this.#options;
    const request = new Uint8Array(requestSize);
    const socket = await net.udp(udpOptions(localSocket));
    await socket.connect(host, port);
    const startPs = sim.now();
    const lifeNs = seconds > 0 ? seconds * 1e9 : Number.POSITIVE_INFINITY;
    // A datagram that is lost ends the test, as the original then waits until its time is up.
    const count = await this.#repeat(-seconds, async () => {
      await socket.send(request);
      const leftNs = Math.max(1, lifeNs - (sim.now() - startPs) / 1000);
      try {
        await socket.recv({ timeoutNs: Math.min(Math.ceil(leftNs), 10e9) });
        return true;
      } catch (error) {
        if (error instanceof SocketError && error.code === 'EAGAIN') return false;
        throw error;
      }
    });
    const elapsed = (sim.now() - startPs) / 1e12;
    await socket.close();
    await peers.recv<Counts>(0);
    return this.#transactionResult(count, elapsed, UDP_BUFFER, UDP_BUFFER);
  }

  async #udpStream(port: number) {
    const { log, peers, sim, net } = this.#context;
    const { sendSize, localSocket, remoteSocket, host, seconds } = this.#options;
    const size = sizeOf(sendSize, Math.min(sizeOf(localSocket, UDP_MOST), UDP_MOST));
    const data = new Uint8Array(size);
    const socket = await net.udp(udpOptions(localSocket));
    await socket.connect(host, port);
    const startPs = sim.now();
    let errors = 0;
    const sent = await this.#repeat(Math.ceil(-seconds / size), async () => {
      try {
        await socket.send(data);
      } catch (error) {
        if (!(error instanceof SocketError) || error.code !== 'ENOBUFS') throw error;
        errors++;
      }
      return true;
    });
    const elapsed = (sim.now() - startPs) / 1e12;
    await socket.close();
    const { messages, bytes } = await peers.recv<Counts>(0);
    const sentThroughput = ((sent - errors) * size * 8) / elapsed / 1e6;
    const receivedThroughput = (bytes * 8) / elapsed / 1e6;
    const figures = {
      sendSocket: sizeOf(localSocket, UDP_BUFFER),
      receiveSocket: sizeOf(remoteSocket, UDP_BUFFER),
      sendSize: size,
      seconds: elapsed,
      sent: sent - errors,
      errors,
      received: messages,
      sentThroughput,
      receivedThroughput,
    };
    for (const line of udpStreamLines(figures)) log(line);
    return { sentThroughput, receivedThroughput, seconds: elapsed, sent: sent - errors, received: messages };
  }
}

export default program(
  async (context) => {
    const options = readNetperfOptions(context);
    if (options === null) return null;
    if (context.role === 'server') return serve(context);
    try {
      return await new Client(context, options).run();
    } catch (error) {
      if (error instanceof SocketError) context.peers.send(0, null);
      throw error;
    }
  },
  {
    name: 'netperf',
    summary: 'throughput and transactions of TCP and UDP (netperf)',
    roles: 'client-server',
    network: true,
  },
);
