/**
 * `ping` of iputils: ICMP echo from the client's node or guest to the server's, whose kernel answers; the server's program only waits until that is over.
 */
import { type EchoReply, type IcmpSocket, SocketError } from '../net/index.ts';
import { type ProgramContext, program } from '../verbs/index.ts';
import { hasOption, helpText, type OptionSpec, readOptions, throwIssues, wholeOption, textOption } from './options.ts';
import { type PingCounts, pingError, pingHeader, pingReply, pingStatistics, summarizeRtt } from './ping-format.ts';

const NO_END = 'a run has an end: give the number of requests with -c';
const OPTIONS: readonly OptionSpec[] = [
  {
    long: 'count',
    short: 'c',
    value: 'count',
    text: "stop after count requests (default 5; the original's default, for ever, would not end)",
  },
  { long: 'interval', short: 'i', value: 'seconds', text: 'seconds between requests (default 1)' },
  { long: 'size', short: 's', value: 'bytes', text: 'bytes of data in a request (default 56)' },
  { long: 'timeout', short: 'W', value: 'seconds', text: 'how long to wait for the last answers (default 10)' },
  { long: 'quiet', short: 'q', text: 'only the statistics' },
  { long: 'ttl', short: 't', value: 'ttl', text: 'time to live (default 64)' },
  { long: 'numeric', short: 'n', text: 'no names for addresses' },
  { long: 'flood', short: 'f', text: '', verdict: 'refused', why: 'use a small interval: -i 0.0001' },
  { long: 'deadline', short: 'w', value: 'seconds', text: '', verdict: 'refused', why: NO_END },
  { long: 'help', short: 'h', text: 'show this help' },
];

/** Time stamps take the first 16 bytes of the data. */
const STAMP_BYTES = 16;
const MAX_SIZE = 65_507;

interface Options {
  readonly host: string;
  readonly count: number;
  readonly intervalNs: number;
  readonly size: number;
  readonly timeoutNs: number;
  readonly ttl: number;
  readonly isQuiet: boolean;
  readonly isNumeric: boolean;
}

/** One run of ping against one host. */
class Ping {
  readonly #context: ProgramContext;
  readonly #options: Options;
  readonly #socket: IcmpSocket;
  readonly #sentNs = new Map<number, number>();
  readonly #answered = new Set<number>();
  readonly #rttNs: number[] = [];
  readonly #rttUs: number[] = [];
  #transmitted = 0;
  #duplicates = 0;
  #errors = 0;
  #pipe = 1;

  constructor(context: ProgramContext, options: Options, socket: IcmpSocket) {
    this.#context = context;
    this.#options = options;
    this.#socket = socket;
  }

  get #nowNs(): number {
    return this.#context.sim.now() / 1000;
  }

  async run() {
    const { log, net } = this.#context;
    const { host, count, intervalNs, size, timeoutNs } = this.#options;
    const address = net.resolve(host);
    log(pingHeader(host, address, size));
    const startNs = this.#nowNs;
    let lastNs = startNs;
    for (let n = 0; n < count; n++) {
      lastNs = startNs + n * intervalNs;
      await this.#listenUntil(lastNs, false);
      await this.#send(n + 1);
    }
    const longestNs = Math.max(0, ...this.#rttNs);
    const waitNs = this.#rttNs.length > 0 ? Math.max(2 * longestNs, intervalNs) : timeoutNs;
    await this.#listenUntil(this.#nowNs + Math.min(waitNs, timeoutNs), true);
    return this.#summary(Math.round((this.#nowNs - startNs) / 1e6));
  }

  async #send(sequence: number): Promise<void> {
    const { host, size, ttl } = this.#options;
    const data = new Uint8Array(size);
    const nowNs = this.#nowNs;
    for (let i = STAMP_BYTES; i < size; i++) data[i] = i;
    if (size >= STAMP_BYTES) new DataView(data.buffer).setBigUint64(0, BigInt(Math.floor(nowNs / 1000)), true);
    this.#sentNs.set(sequence & 0xffff, nowNs);
    this.#transmitted++;
    this.#context.trace.begin(sequence, { bytes: size, divisor: 1, path: 'kernel' });
    await this.#socket.send(host, sequence, data, { ttl });
  }

  /** Takes what comes until then; or, `isLast`, until every request has its answer. */
  async #listenUntil(untilNs: number, isLast: boolean): Promise<void> {
    for (;;) {
      if (isLast && this.#answered.size + this.#errors >= this.#transmitted) return;
      const leftNs = untilNs - this.#nowNs;
      if (leftNs <= 0) return;
      const reply = await this.#receive(leftNs);
      if (reply === null) return;
      this.#take(reply);
    }
  }

  async #receive(timeoutNs: number): Promise<EchoReply | null> {
    try {
      return await this.#socket.recv({ timeoutNs });
    } catch (error) {
      if (error instanceof SocketError && error.code === 'EAGAIN') return null;
      throw error;
    }
  }

  #take(reply: EchoReply): void {
    const { log } = this.#context;
    const { isQuiet, size } = this.#options;
    const { sequence, bytes, ttl } = reply;
    this.#pipe = Math.max(this.#pipe, (this.#transmitted & 0xffff) - sequence + 1);
    if (reply.kind !== 'reply') {
      this.#errors++;
      if (!isQuiet) log(pingError(reply.from, sequence, { kind: reply.kind, code: reply.code, mtu: reply.mtu }));
      return;
    }
    const isDuplicate = this.#answered.has(sequence);
    if (isDuplicate) this.#duplicates++;
    this.#answered.add(sequence);
    this.#context.trace.end(sequence);
    const sentNs = this.#sentNs.get(sequence) ?? reply.timeNs;
    // Both stamps are whole microseconds, as timeval's are.
    const us = Math.floor(reply.timeNs / 1000) - Math.floor(sentNs / 1000);
    if (!isDuplicate) this.#rttNs.push(reply.timeNs - sentNs);
    if (size >= STAMP_BYTES) this.#rttUs.push(us);
    if (!isQuiet) log(pingReply(this.#nameOf(reply.from), bytes, sequence, ttl, size >= STAMP_BYTES ? us : null, isDuplicate));
  }

  /** As after a look-up of the address: the name that was pinged. */
  #nameOf(address: string): string {
    const { host, isNumeric } = this.#options;
    const isIt = host !== address && !isNumeric && this.#context.net.resolve(host) === address;
    return isIt ? `${host} (${address})` : address;
  }

  #summary(elapsedMs: number) {
    const counts: PingCounts = {
      host: this.#options.host,
      transmitted: this.#transmitted,
      received: this.#answered.size,
      duplicates: this.#duplicates,
      errors: this.#errors,
      elapsedMs,
      pipe: this.#pipe,
      rttUs: this.#rttUs,
    };
    for (const line of pingStatistics(counts)) this.#context.log(line);
    const { transmitted, received, errors } = counts;
    const rtt = this.#rttNs;
    const mean = rtt.reduce((sum, ns) => sum + ns, 0) / rtt.length;
    const rttNs = { min: Math.min(...rtt), avg: mean, max: Math.max(...rtt), mdev: summarizeRtt(rtt).mdevUs };
    return { transmitted, received, errors, rttNs: rtt.length === 0 ? null : rttNs };
  }
}

/** A number of seconds with a fraction, in ns. */
function secondsOption(found: ReturnType<typeof readOptions>, long: string, fallback: number): number {
  const text = textOption(found, long);
  if (text === null) return fallback * 1e9;
  const seconds = Number(text);
  if (text.trim() !== '' && Number.isFinite(seconds) && seconds >= 0) return Math.round(seconds * 1e9);
  found.issues.push({ file: 'ping', path: `--${long}`, message: `found ${text}, accepted a number of seconds` });
  return fallback * 1e9;
}

function readPingOptions(context: ProgramContext): Options | null {
  const found = readOptions('ping', OPTIONS, context.args, true);
  const options: Options = {
    host: found.positionals[0] ?? (context.peers.names[0] as string),
    count: wholeOption(found, 'ping', 'count', 5, 1, 1_000_000),
    intervalNs: secondsOption(found, 'interval', 1),
    size: wholeOption(found, 'ping', 'size', 56, 0, MAX_SIZE),
    timeoutNs: secondsOption(found, 'timeout', 10),
    ttl: wholeOption(found, 'ping', 'ttl', 64, 1, 255),
    isQuiet: hasOption(found, 'quiet'),
    isNumeric: hasOption(found, 'numeric'),
  };
  if (found.positionals.length > 1)
    found.issues.push({ file: 'ping', path: found.positionals[1] as string, message: 'one host only' });
  throwIssues(found.issues);
  if (!hasOption(found, 'help')) return options;
  for (const line of helpText('ping', OPTIONS)) context.log(line);
  return null;
}

const FAILURES: Readonly<Record<string, string>> = {
  ENETUNREACH: 'connect: Network is unreachable',
  ENETDOWN: 'connect: Network is down',
};

async function runClient(context: ProgramContext, options: Options) {
  const { net, log } = context;
  try {
    net.resolve(options.host);
    const socket = await net.icmp();
    const result = await new Ping(context, options, socket).run();
    await socket.close();
    return result;
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    if (error.code === 'ENOTFOUND') log(`ping: ${options.host}: Name or service not known`);
    else log(`ping: ${FAILURES[error.code] ?? error.message}`);
    return { transmitted: 0, received: 0, errors: 1, rttNs: null };
  }
}

export default program(
  async (context) => {
    const options = readPingOptions(context);
    if (options === null) return null;
    const result = context.role === 'client' ? await runClient(context, options) : null;
    await context.peers.barrier();
    return result;
  },
  { name: 'ping', summary: 'ICMP echo (iputils)', roles: 'client-server', network: true },
);
