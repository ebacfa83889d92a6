/**
 * The work requests of a test: made once per message size, posted over and over, with the addresses moving through a page for small messages
 * as perftest moves them (`increase_loc_addr`, `increase_rem_addr`).
 */
import { type AddressHandle, Opcode, type QueuePair, type RecvRequest, SendFlags, type SendRequest } from '../../verbs/index.ts';
import { DEFAULT_QKEY, type Parameters } from './parameters.ts';
import { CACHE_LINE, CYCLE_BYTES, GRH_BYTES, type Session, type TestQp } from './session.ts';

/** A request whose addresses and flags change between posts. */
interface SendWork {
  readonly opcode: Opcode;
  readonly wrId: number;
  sendFlags: number;
  readonly sge: [{ addr: number; length: number; readonly lkey: number }];
  remoteAddr: number;
  readonly rkey: number;
  readonly immData: number;
  readonly compareAdd?: number;
  readonly swap?: number;
  readonly ah?: AddressHandle;
  readonly remoteQpn?: number;
  readonly remoteQkey?: number;
}

/** perftest's INC: the distance between small messages. */
function step(size: number): number {
  return size > CACHE_LINE ? Math.ceil(size / CACHE_LINE) * CACHE_LINE : CACHE_LINE;
}

/** Where message `count` + 1 lies when message `count` lies at `address`: one step on, and back to the start of the page at its end. */
function nextAddress(address: number, start: number, size: number, count: number): number {
  return (count + 1) % Math.floor(CYCLE_BYTES / step(size)) === 0 ? start : address + step(size);
}

function opcodeOf(p: Parameters): Opcode {
  if (p.verb === 'ATOMIC') return p.atomicType === 'FETCH_AND_ADD' ? Opcode.ATOMIC_FETCH_AND_ADD : Opcode.ATOMIC_CMP_AND_SWP;
  return {
    SEND: Opcode.SEND,
    SEND_IMM: Opcode.SEND_WITH_IMM,
    WRITE: Opcode.RDMA_WRITE,
    WRITE_IMM: Opcode.RDMA_WRITE_WITH_IMM,
    READ: Opcode.RDMA_READ,
  }[p.verb];
}

/** The send requests of one queue pair for one message size: one, or a list (`-l`). */
export class Sender {
  readonly #qp: QueuePair;
  readonly #list: SendWork[];
  readonly #size: number;
  readonly #sendStart: number;
  readonly #remoteStart: number;
  readonly #rotates: boolean;

  constructor(session: Session, end: TestQp, index: number, size: number) {
    const { p } = session;
    this.#qp = end.qp;
    this.#size = size;
    this.#sendStart = end.mr.addr + end.sendOffset;
    this.#remoteStart = end.remote.address;
    const isSmall = p.test === 'BW' && size <= CYCLE_BYTES / 2;
    this.#rotates = isSmall && p.postList === 1;
    this.#list = Array.from({ length: p.postList }, (_, j) => this.#make(session, end, index, j));
    for (let j = 1; isSmall && j < p.postList; j++) this.#placeAfter(j);
  }

  #make({ p, facts }: Session, end: TestQp, index: number, j: number): SendWork {
    const isInline = p.verb !== 'READ' && p.verb !== 'ATOMIC' && this.#size <= facts.inlineSize;
    return {
      opcode: opcodeOf(p),
      wrId: index,
      sendFlags: ((j + 1) % p.cqMod === 0 ? SendFlags.SIGNALED : 0) | (isInline ? SendFlags.INLINE : 0),
      sge: [{ addr: this.#sendStart, length: this.#size, lkey: end.mr.lkey }],
      remoteAddr: this.#remoteStart,
      rkey: end.remote.rkey,
      immData: 0,
      ...(p.verb === 'ATOMIC' ? (p.atomicType === 'FETCH_AND_ADD' ? { compareAdd: 1 } : { compareAdd: 0, swap: 0 }) : {}),
      ...(end.ah === null ? {} : { ah: end.ah, remoteQpn: end.remote.qpn, remoteQkey: DEFAULT_QKEY }),
    };
  }

  /** Puts request `j` of a list behind the one before it. */
  #placeAfter(j: number): void {
    const [before, work] = [this.#list[j - 1] as SendWork, this.#list[j] as SendWork];
    work.sge[0].addr = nextAddress(before.sge[0].addr, this.#sendStart, this.#size, j - 1);
    work.remoteAddr = nextAddress(before.remoteAddr, this.#remoteStart, this.#size, j - 1);
  }

  /** Posts the request or the list; `count` messages were posted before. */
  post(count: number): void {
    const first = this.#list[0] as SendWork;
    // The fields are those that the opcode needs; the compiler can not know, since both come from the command line.
    const work: unknown = this.#list.length > 1 ? this.#list : first;
    this.#qp.postSend(work as SendRequest);
    if (!this.#rotates) return;
    first.sge[0].addr = nextAddress(first.sge[0].addr, this.#sendStart, this.#size, count);
    first.remoteAddr = nextAddress(first.remoteAddr, this.#remoteStart, this.#size, count);
  }

  /** Whether the next single post asks for a completion. */
  setSignaled(isSignaled: boolean): void {
    const first = this.#list[0] as SendWork;
    first.sendFlags = isSignaled ? first.sendFlags | SendFlags.SIGNALED : first.sendFlags & ~SendFlags.SIGNALED;
  }
}

/** The receive requests of one queue pair for one message size. */
export class Receiver {
  readonly #session: Session;
  readonly #end: TestQp;
  readonly #size: number;
  readonly #start: number;
  readonly #list: RecvRequest[];
  readonly #rotates: boolean;
  readonly #work: { addr: number; readonly length: number; readonly lkey: number };
  /** Receives posted so far. */
  posted = 0;

  constructor(session: Session, end: TestQp, index: number, size: number) {
    const { p, facts } = session;
    this.#session = session;
    this.#end = end;
    this.#size = size;
    const isDatagram = p.connection === 'UD';
    this.#start = end.mr.addr + end.recvOffset + (isDatagram ? CACHE_LINE - GRH_BYTES : 0);
    const needed = size + (isDatagram ? GRH_BYTES : 0);
    // With a shared queue perftest rounds the buffers up to whole packets; here they never reach beyond the memory.
    const room = end.mr.addr + end.mr.length - this.#start;
    const length =
      p.verb === 'WRITE_IMM' ? 0 : Math.min(p.useSrq ? Math.ceil(needed / facts.mtuBytes) * facts.mtuBytes : needed, room);
    const isSmall = p.test === 'BW' && size <= CYCLE_BYTES / 2 && p.verb !== 'WRITE_IMM';
    this.#rotates = isSmall && p.recvPostList === 1;
    this.#work = { addr: this.#start, length, lkey: end.mr.lkey };
    this.#list = Array.from({ length: p.recvPostList }, () => ({ wrId: index, ...(length === 0 ? {} : { sge: [this.#work] }) }));
  }

  /** Fills the queue, or this queue pair's share of the shared one. */
  fill(): void {
    const { p } = this.#session;
    const lists = Math.floor(Math.floor(p.rxDepth / p.recvPostList) / (p.useSrq ? p.qps : 1));
    for (let i = 0; i < lists; i++) this.post();
    this.#work.addr = this.#start;
  }

  /** Posts one request, or one list. */
  post(): void {
    const work = this.#list.length === 1 ? (this.#list[0] as RecvRequest) : this.#list;
    const { srq } = this.#session;
    if (srq === null) this.#end.qp.postRecv(work);
    else srq.postRecv(work);
    if (this.#rotates) this.#work.addr = nextAddress(this.#work.addr, this.#start, this.#size, this.posted);
    this.posted += this.#list.length;
  }
}
