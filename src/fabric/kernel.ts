/**
 * The hot loop of the fabric: one closure over typed arrays, no allocation, object or closure per packet. `docs/performance-kernel.md` says why each
 * part is as it is; `docs/model-fabric.md` says what is modelled. A plain reference kernel in `test/fabric` must give the same deliveries.
 *
 * How it works
 * - Time is cut into *slots* of one lookahead. A *process* (a switch, or the hosts on one) runs all its events of a slot in the order (time, key), for
 *   nothing that another process does inside the slot can reach it there. Keys are made of kind and port, never of allocation order.
 * - A packet is its pending event: a 32-byte record that lies in a slot's list or in an output queue. Arrival and switch latency are one event.
 * - A credit's return is known when the transmission starts that frees the room: it goes into the sender's ring of (time, blocks) and is counted when
 *   the sender's arbiter looks. A ring that is full falls back on an event.
 * - An output port knows when it decides next (when it is free, or when a credit comes while it is blocked). It is caught up before an arrival
 *   that would change the decision, and at the end of the slot. At equal times arrivals come before decisions.
 * - `fifo` switches have outputs that compete for inputs, so there arbitration is one event per switch and time.
 *
 * The file is one function on purpose, and refers to nothing outside itself: V8 makes constants of what the closure captures only while the function was
 * called once, so `fabric.ts` evaluates its text afresh for each further fabric. Flags of unused features are constants then, and fold away.
 */
import type { KernelEnv, KernelState } from './kernel-env.ts';

export function makeKernel(env: KernelEnv): KernelState {
  const w = env.wiring;
  const uses = w.uses;
  const traffic = env.traffic;
  const out = env.out;

  // ---- sizes and features ------------------------------------------------------------------------------------------------------------------
  const NP = w.ports;
  const SWITCH_PORTS = w.switchPorts;
  const HOSTS = w.hostCount;
  const VLS = w.vls;
  const QUEUES = w.queues;
  const LIDS = w.lids;
  const WORDS = w.maskWords;
  const PROCESSES = w.processes;
  const PROCESS_WORDS = (PROCESSES + 31) >> 5;
  const PROCESS_WIDTH = 32 * WORDS;
  const CAPACITY = env.packetCapacity + 2 * HOSTS;

  const oneRate = uses.oneRate;
  const oneHop = uses.oneHop;
  const oneCredit = uses.oneCredit;
  const slowSink = uses.slowSink;
  const fasterOutput = uses.fasterOutput;
  const mapsVl = uses.sl2vl;
  const arbTables = uses.arbTables;
  const hasFifo = uses.fifo;
  const lifetimes = uses.lifetimes;
  const partitions = uses.partitions;
  const mtus = uses.mtus;
  const multicast = uses.multicast;
  const bitErrors = uses.bitErrors;
  const faults = uses.faults;
  const records = env.records;
  const vl15 = env.records;
  const wide = WORDS > 1;
  const trace = env.trace;
  const capture = env.capture;

  const peer = w.peer;
  const psPerByte = w.psPerByte;
  const hopPs = w.hopPs;
  const creditPs = w.creditPs;
  const propagationPs = w.propagationPs;
  const processOf = w.processOf;
  const bitOf = w.bitOf;
  const processPort = w.processPort;
  const lft = w.lft;
  const switchOf = w.switchOf;
  const portBase = w.portBase;
  let anyLink = 0;
  let anyHop = 0;
  for (let p = 0; p < NP; p++) {
    if (peer[p] >= 0) anyLink = p;
    if (peer[p] >= 0 && peer[p] < SWITCH_PORTS) anyHop = p;
  }
  const RATE = psPerByte[anyLink];
  const wholeRate = oneRate && Number.isInteger(RATE);
  const HOP = hopPs[anyHop];
  const CREDIT = creditPs[anyLink];
  /** Per input port: where its switch's LFT begins, and its first port. */
  const lftBase = new Int32Array(NP);
  const base = new Int32Array(NP);
  const portCount = new Int32Array(NP);
  for (let p = 0; p < NP; p++) {
    const s = switchOf[p];
    lftBase[p] = s >= 0 ? s * LIDS : 0;
    base[p] = s >= 0 ? portBase[s] : p;
    portCount[p] = s >= 0 ? portBase[s + 1] - portBase[s] : 1;
  }

  // ---- packet and event records: 32 bytes --------------------------------------------------------------------------------------------------
  const NEXT = 2;
  const KEY = 3;
  /** DLID 0–15, output port in the switch 16–23, DAMAGED. */
  const ROUTE = 4;
  /** Blocks 0–11, VL it came on 16–19, VL it leaves on 20–23, SL 24–27. */
  const SIZE = 5;
  const BYTES = 6;
  /** Copies of one multicast packet share buffer room: group + 1. */
  const GROUP = 7;
  const COPY = -1; // a multicast packet with one copy: no shared room, but deferred once like the others
  const DAMAGED = 1 << 24;
  const OUTPUT_MASK = 255 << 16;
  const BLOCKS_MASK = 0xfff;
  const eventBytes = new ArrayBuffer(CAPACITY * 32);
  const F = new Float64Array(eventBytes);
  const E = new Int32Array(eventBytes);
  /** When it was made (float64 0), who sent it (word 2), its number (word 3); all 16 words of an injected record. */
  const originBytes = new ArrayBuffer(CAPACITY * 16);
  const born = new Float64Array(originBytes);
  const origin = new Int32Array(originBytes);
  const SOURCE = 2;
  const NUMBER = 3;
  const cold = new Int32Array(records ? CAPACITY * 16 : 16);
  const headSince = new Float64Array(lifetimes ? CAPACITY : 1);

  // ---- port records: 64 bytes --------------------------------------------------------------------------------------------------------------
  const P_FREE = 1; // end of the last transmission
  const P_SINCE = 2; // blocked since, −1 = not blocked
  const P_WAIT = 3; // blocked time so far
  const P_BYTES = 4; // sent
  const P_PACKETS = 5;
  const I_BACKLOG = 12;
  const I_VL = 13; // whose turn in the arbitration
  const I_LEFT = 14; // blocks left of the turn
  const I_VL15 = 15; // VL15 packets among the backlog
  const portBytes = new ArrayBuffer(NP * 64);
  const P = new Float64Array(portBytes);
  const PI = new Int32Array(portBytes);
  /** Time of a port's next decision: by itself, because whoever returns a credit must look at it. */
  const nextAt = new Float64Array(NP);

  // ---- queue records, one a port and VL: 64 bytes ------------------------------------------------------------------------------------------
  const Q_REQUEST = 0; // bit per input with packets
  const Q_CREDITS = 1;
  const Q_TURN = 2; // input whose turn it is
  const Q_TAILS = 3; // where its tails begin in `tails`
  const Q_RING = 4; // credits under way in the ring 0–3, the first one's place 4–5
  const Q_SOLE = 5; // tail of the only input that has packets; then its word in `tails` does not count
  const queueBytes = new ArrayBuffer(NP * QUEUES * 64);
  const QF = new Float64Array(queueBytes); // ring times at 4 … 7
  const Q = new Int32Array(queueBytes);
  const QH = new Int16Array(queueBytes); // ring blocks at 12 … 15
  const UNLIMITED = 0xffff; // VL15 has no flow control: its credits are not touched
  /** More request bits of ports beyond the 32nd. */
  const moreRequests = new Int32Array(wide ? NP * QUEUES * (WORDS - 1) : 1);
  let tailEnd = 0;
  for (let p = 0; p < NP; p++) {
    PI[p * 16 + I_LEFT] = 64;
    P[p * 8 + P_SINCE] = -1;
    for (let v = 0; v < QUEUES; v++) {
      const q = p * QUEUES + v;
      Q[q * 16 + Q_TAILS] = tailEnd;
      tailEnd += p < SWITCH_PORTS ? portCount[p] : 1;
      if (peer[p] >= 0) Q[q * 16 + Q_CREDITS] = v < VLS ? w.roomBlocks[peer[p] * QUEUES + v] : UNLIMITED;
    }
  }
  /** Tail of the circular list of packets from an input to a queue, where the input's request bit is set. */
  const tails = new Int32Array(tailEnd);
  /** `fifo` switches: tail per (input port, VL), read port busy until, last VL read, outputs to arbitrate, time of the pending arbitration. */
  const fifoTails = new Int32Array(hasFifo ? NP * QUEUES : 1).fill(-1);
  const readBusy = new Float64Array(hasFifo ? NP : 1);
  const readVl = new Int32Array(hasFifo ? NP : 1);
  const pendingOutputs = new Int32Array(hasFifo ? w.switchCount * WORDS : 1);
  const arbitrateAt = new Float64Array(hasFifo ? w.switchCount : 1).fill(-1);
  const firstOutput = new Int32Array(hasFifo ? w.switchCount : 1);
  const fifoPort = new Uint8Array(NP);
  for (let p = 0; p < SWITCH_PORTS; p++) fifoPort[p] = w.isFifo[switchOf[p]];

  // ---- state of rarer features -------------------------------------------------------------------------------------------------------------
  const arbOf = w.arbOf;
  const tables = w.arbTables;
  const highAt = new Int32Array(arbTables ? NP : 1);
  const highLeft = new Int32Array(arbTables ? NP : 1);
  const lowAt = new Int32Array(arbTables ? NP : 1);
  const lowLeft = new Int32Array(arbTables ? NP : 1);
  const highSent = new Float64Array(arbTables ? NP : 1);
  if (arbTables)
    for (let p = 0; p < NP; p++) {
      const table = tables[arbOf[p]];
      highLeft[p] = table.highWeight.length > 0 ? table.highWeight[0] : 0;
      lowLeft[p] = table.lowWeight.length > 0 ? table.lowWeight[0] : 0;
    }
  const sinkFree = new Float64Array(slowSink ? NP : 1);
  const sinkPsPerByte = w.sinkPsPerByte.slice();
  const sinkLatencyPs = w.sinkLatencyPs;
  const bitErrorRate = w.bitErrorRate.slice();
  const portDown = new Uint8Array(NP);
  const lastDown = new Float64Array(NP).fill(-1);
  const hoqPs = w.hoqPs;
  const lifePs = w.lifePs;
  const stallRun = new Int32Array(lifetimes ? NP * QUEUES : 1);
  const stalledUntil = new Float64Array(lifetimes ? NP * QUEUES : 1);
  /** Management packets in an input's buffer: blocks; (time, blocks) of those whose leaving is known. */
  const vl15Used = new Int32Array(NP);
  const vl15Leaving: number[][] = Array.from({ length: vl15 ? NP : 0 }, () => []);
  const groupLeft = new Int32Array(multicast ? env.packetCapacity : 1);
  const groupTime = new Float64Array(multicast ? env.packetCapacity : 1);
  const groupFree: number[] = [];
  let groupEnd = 0;
  const ERRORS = env.errorKinds;
  const ERR_RECEIVE = 0;
  const ERR_RELAY = 1;
  const ERR_DISCARD = 2;
  const ERR_XMIT_CONSTRAINT = 3;
  const ERR_RCV_CONSTRAINT = 4;
  const ERR_VL15 = 5;
  const ERR_LINK_DOWNED = 6;
  const errors = new Int32Array(NP * ERRORS);
  /** Sent by the peer but never received here (lost or damaged on the way); multicast packets sent. */
  const lostPackets = new Float64Array(NP);
  const lostBytes = new Float64Array(NP);
  const multicastSent = new Float64Array(NP);
  const multicastLost = new Float64Array(NP);
  const dropped = new Float64Array(16);
  const DROP_ROUTE = 0;
  const DROP_VL = 1;
  const DROP_DAMAGED = 2;
  const DROP_LINK = 3;
  const DROP_HOQ = 4;
  const DROP_LIFETIME = 5;
  const DROP_PARTITION = 6;
  const DROP_VL15 = 7;
  const DROP_MANAGEMENT = 8;
  const DROP_MTU = 9;

  // ---- scalars (mutable numbers captured by a closure would be boxed) ----------------------------------------------------------------------
  const NOW = 0;
  const SLOT_START = 1;
  const HORIZON = 2;
  const SLICE_END = 3;
  const EVENTS = 4;
  const HOPS = 5;
  const INJECTED = 6;
  const DELIVERED = 7;
  const COPIED = 8;
  const BYTES_DELIVERED = 9;
  const LATENCY_SUM = 10;
  const LATENCY_MIN = 11;
  const LATENCY_MAX = 12;
  const MEASURED = 13;
  const REFUSED = 14;
  const OVERFLOWS = 15;
  const DROPPED = 16;
  const NEXT_FAULT = 17;
  const X = new Float64Array(32);
  X[LATENCY_MIN] = Number.POSITIVE_INFINITY;
  const Y_FREE = 0;
  const Y_FRESH = 1;
  const Y_AT = 2;
  const Y_END = 3;
  const Y_HEAP = 4;
  const Y_USED = 5;
  const Y_MOST = 6;
  const Y_PROCESS = 7;
  const Y_SLOT = 8;
  const Y_FAULT = 9;
  const Y_HASH0 = 10;
  const Y_HASH1 = 11;
  const Y_SETTLING = 12;
  const Y = new Int32Array(16);
  Y[Y_FREE] = -1;
  Y[Y_FRESH] = 2 * HOSTS; // records below are the hosts' traffic and injection events
  Y[Y_PROCESS] = -1;

  // ---- key ranges: kind of event and order at equal times ----------------------------------------------------------------------------------
  const K_DEFERRED = NP;
  const K_CREDIT = 2 * NP;
  const K_TRAFFIC = 4 * NP;
  const K_INJECT = 5 * NP;
  const K_READ_DONE = 6 * NP;
  const K_ARBITRATE = 7 * NP;
  for (let h = 0; h < HOSTS; h++) {
    E[h * 8 + KEY] = K_TRAFFIC + SWITCH_PORTS + h;
    E[(HOSTS + h) * 8 + KEY] = K_INJECT + SWITCH_PORTS + h;
  }
  /** Records that wait for their time to enter a host port, in order of time: circular-free list, head and tail by host. */
  const injectHead = new Int32Array(HOSTS).fill(-1);
  const injectTail = new Int32Array(HOSTS).fill(-1);

  // ---- the wheel ---------------------------------------------------------------------------------------------------------------------------
  const SLOT_PS = w.lookaheadPs;
  let slots = 32;
  while (slots < 256 && slots * SLOT_PS < 2 * w.longestEventPs) slots *= 2;
  const SLOTS = slots;
  const SLOT_MASK = SLOTS - 1;
  const PER_PS = 1 / SLOT_PS;
  const NUDGE = 0.25 / SLOT_PS; // (t − start) / SLOT_PS is a multiple of 1/SLOT_PS, so this repairs what the multiplication rounds down
  const lists = new Int32Array(SLOTS * PROCESSES).fill(-1);
  const eventBits = new Int32Array(SLOTS * PROCESS_WORDS);
  const activeBits = new Int32Array(PROCESS_WORDS); // processes with packets that wait
  const activePorts = new Int32Array(PROCESSES * WORDS);
  const nextDecision = new Float64Array(PROCESSES).fill(Number.POSITIVE_INFINITY);
  const currentTime = new Float64Array(CAPACITY);
  const currentKey = new Int32Array(CAPACITY);
  const currentId = new Int32Array(CAPACITY);
  const heapTime = new Float64Array(CAPACITY + 2);
  const heapId = new Int32Array(CAPACITY + 2);
  X[HORIZON] = SLOTS * SLOT_PS;

  // ---- measurement -------------------------------------------------------------------------------------------------------------------------
  const histogram = env.histogram;
  const sourceBytes = new Float64Array(HOSTS);
  const sinkBytes = new Float64Array(HOSTS);
  const perFlow = env.perFlow;
  const flowBytes = new Float64Array(perFlow ? HOSTS * HOSTS : 1);
  const MEASURE_FROM = traffic === null ? 0 : traffic.measureFromPs;

  // ---- traffic -----------------------------------------------------------------------------------------------------------------------------
  const hasTraffic = traffic !== null;
  const T = traffic ?? env.noTraffic;
  const rng = T.state;
  const target = T.target;
  const sequence = new Int32Array(HOSTS);
  const closed = T.closed;
  const closedHere = T.closed && T.responsePs < 0;
  const closedThere = T.closed && T.responsePs >= 0;
  const hasChoices = T.choices.length > 0;
  const oneSize = T.sizeBytes.length === 1;
  const SIZE0 = T.sizeBytes[0];
  const oneSl = T.sls.length === 1;
  const SL0 = T.sls[0];
  const hasPathSls = T.places > 0;
  const exponentials = new Float64Array(4096);
  for (let i = 0; i < 4096; i++) exponentials[i] = -Math.log(1 - (i + 0.5) / 4096);

  // ==== records =============================================================================================================================
  function allocate(): number {
    let p = Y[Y_FREE];
    if (p >= 0) Y[Y_FREE] = E[p * 8 + NEXT];
    else {
      p = Y[Y_FRESH];
      if (p === CAPACITY) env.fail(`more than ${CAPACITY} packets in the fabric: raise packetCapacity`);
      Y[Y_FRESH] = p + 1;
    }
    const used = Y[Y_USED] + 1;
    Y[Y_USED] = used;
    if (used > Y[Y_MOST]) Y[Y_MOST] = used;
    return p;
  }

  function free(p: number): void {
    E[p * 8 + NEXT] = Y[Y_FREE];
    Y[Y_FREE] = p;
    Y[Y_USED] = Y[Y_USED] - 1;
  }

  function serialPs(port: number, bytes: number): number {
    if (wholeRate) return bytes * RATE;
    return Math.ceil(bytes * psPerByte[port]);
  }

  // ==== event queue =========================================================================================================================
  function insert(at: number, low: number, t: number, key: number, id: number): void {
    let i = at;
    while (i > low) {
      const before = currentTime[i - 1];
      if (before < t || (before === t && currentKey[i - 1] <= key)) break;
      currentTime[i] = before;
      currentKey[i] = currentKey[i - 1];
      currentId[i] = currentId[i - 1];
      i = (i - 1) | 0;
    }
    currentTime[i] = t;
    currentKey[i] = key;
    currentId[i] = id;
  }

  function schedule(t: number, id: number, process: number): void {
    F[id * 4] = t;
    if (t >= X[HORIZON]) {
      heapPush(t, id);
      return;
    }
    const d = ((t - X[SLOT_START]) * PER_PS + NUDGE) | 0;
    if (d <= 0) {
      if (process === Y[Y_PROCESS] && t < X[SLICE_END]) {
        if (Y[Y_SETTLING] !== 0) env.fail(`event for ${t} ps by a decision of the process itself`);
        if (Y[Y_END] === CAPACITY) compact();
        const n = Y[Y_END];
        Y[Y_END] = n + 1;
        insert(n, Y[Y_AT], t, E[id * 8 + KEY], id);
        return;
      }
      if ((Y[Y_PROCESS] >= 0 && process !== Y[Y_PROCESS]) || t < X[NOW])
        env.fail(`lookahead violated: event for ${t} ps at ${X[NOW]} ps`);
    }
    const slot = (Y[Y_SLOT] + d) & SLOT_MASK;
    const list = slot * PROCESSES + process;
    const first = lists[list];
    E[id * 8 + NEXT] = first;
    lists[list] = id;
    if (first < 0) eventBits[slot * PROCESS_WORDS + (process >> 5)] |= 1 << (process & 31);
  }

  /** Events that keep coming into the running slot reach the end of its array: what was done makes room. */
  function compact(): void {
    const done = Y[Y_AT];
    currentTime.copyWithin(0, done, Y[Y_END]);
    currentKey.copyWithin(0, done, Y[Y_END]);
    currentId.copyWithin(0, done, Y[Y_END]);
    Y[Y_END] -= done;
    Y[Y_AT] = 0;
  }

  function processOfEvent(id: number): number {
    const key = E[id * 8 + KEY];
    return key >= K_ARBITRATE ? key - K_ARBITRATE : processOf[key % NP];
  }

  function heapPush(t: number, id: number): void {
    let i = Y[Y_HEAP];
    Y[Y_HEAP] = i + 1;
    const key = E[id * 8 + KEY];
    while (i > 0) {
      const up = (i - 1) >> 1;
      const tUp = heapTime[up];
      if (tUp < t || (tUp === t && E[heapId[up] * 8 + KEY] <= key)) break;
      heapTime[i] = tUp;
      heapId[i] = heapId[up];
      i = up;
    }
    heapTime[i] = t;
    heapId[i] = id;
  }

  function heapPop(): number {
    const result = heapId[0];
    const n = Y[Y_HEAP] - 1;
    Y[Y_HEAP] = n;
    const t = heapTime[n];
    const id = heapId[n];
    const key = E[id * 8 + KEY];
    let i = 0;
    for (;;) {
      let child = (2 * i + 1) | 0;
      if (child >= n) break;
      let tChild = heapTime[child];
      const right = (child + 1) | 0;
      if (right < n) {
        const tRight = heapTime[right];
        if (tRight < tChild || (tRight === tChild && E[heapId[right] * 8 + KEY] < E[heapId[child] * 8 + KEY])) {
          child = right;
          tChild = tRight;
        }
      }
      if (tChild > t || (tChild === t && E[heapId[child] * 8 + KEY] >= key)) break;
      heapTime[i] = tChild;
      heapId[i] = heapId[child];
      i = child;
    }
    heapTime[i] = t;
    heapId[i] = id;
    return result;
  }

  /** Far events whose slot has come into the wheel's reach move there. */
  function refill(): void {
    while (Y[Y_HEAP] > 0 && heapTime[0] < X[HORIZON]) {
      const t = heapTime[0];
      const id = heapPop();
      schedule(t, id, processOfEvent(id));
    }
  }

  // ==== credits =============================================================================================================================
  /** `blocks` may be used by the sending port `up` on `vl` from time `t` on. */
  function giveCredit(up: number, vl: number, t: number, blocks: number): void {
    const q = up * QUEUES + vl;
    const at = q * 16;
    const ring = Q[at + Q_RING];
    const n = ring & 15;
    if (n === 4 || (hasFifo && fifoPort[up] !== 0)) {
      creditEvent(up, vl, t, blocks);
      return;
    }
    if (t < X[SLICE_END] && processOf[up] !== Y[Y_PROCESS])
      env.fail(`lookahead violated: credit for ${t} ps before ${X[SLICE_END]} ps`);
    Q[at + Q_RING] = ring + 1;
    const head = ring >> 4;
    let i = n;
    while (i > 0) {
      const before = (head + i - 1) & 3;
      const tBefore = QF[q * 8 + 4 + before];
      if (tBefore <= t) break;
      const to = (head + i) & 3;
      QF[q * 8 + 4 + to] = tBefore;
      QH[q * 32 + 12 + to] = QH[q * 32 + 12 + before];
      i = (i - 1) | 0;
    }
    const slot = (head + i) & 3;
    QF[q * 8 + 4 + slot] = t;
    QH[q * 32 + 12 + slot] = blocks;
    if (t < nextAt[up]) wakeBy(up, t);
  }

  /** A blocked port decides again at `t`; a port that is not blocked does not care. */
  function wakeBy(port: number, t: number): void {
    const busy = P[port * 8 + P_FREE];
    const next = t > busy ? t : busy;
    if (next < nextAt[port]) {
      nextAt[port] = next;
      const process = processOf[port];
      if (next < nextDecision[process]) nextDecision[process] = next;
    }
  }

  function creditEvent(up: number, vl: number, t: number, blocks: number): void {
    X[OVERFLOWS] += 1;
    const e = allocate();
    E[e * 8 + KEY] = K_CREDIT + up;
    E[e * 8 + SIZE] = blocks | (vl << 16);
    schedule(t, e, processOf[up]);
  }

  function onCredit(port: number, id: number, t: number): void {
    const fifo = hasFifo && fifoPort[port] !== 0;
    if (!fifo && PI[port * 16 + I_BACKLOG] !== 0) catchUp(port, t);
    const size = E[id * 8 + SIZE];
    Q[(port * QUEUES + ((size >> 16) & 15)) * 16 + Q_CREDITS] += size & 0xffff;
    free(id);
    if (PI[port * 16 + I_BACKLOG] === 0) return;
    if (fifo) requestArbitration(port, t);
    else wakeBy(port, t);
  }

  /** Room of a packet in the buffer of input `port` is free from time `t` on (the last copy of a multicast packet frees it). */
  function releaseRoom(id: number, port: number, t: number): void {
    let at = t;
    if (multicast && E[id * 8 + GROUP] > 0) {
      const g = E[id * 8 + GROUP] - 1;
      if (t > groupTime[g]) groupTime[g] = t;
      groupLeft[g] -= 1;
      if (groupLeft[g] > 0) return;
      at = groupTime[g];
      groupFree.push(g);
    }
    const size = E[id * 8 + SIZE];
    const vl = (size >> 16) & 15;
    const blocks = size & BLOCKS_MASK;
    if (vl15 && vl === VLS) {
      vl15Leaving[port].push(at, blocks);
      return;
    }
    giveCredit(peer[port], vl, at + (oneCredit ? CREDIT : creditPs[port]), blocks);
  }

  // ==== queues ==============================================================================================================================
  /** The next input at or after `from`, cyclically, that has a packet in queue `q`; there is one. Ports beyond the 32nd only. */
  function nextRequest(q: number, from: number): number {
    for (let round = 0; round <= WORDS; round++) {
      const word = ((from >> 5) + round) % WORDS;
      let m = word === 0 ? Q[q * 16 + Q_REQUEST] : moreRequests[q * (WORDS - 1) + word - 1];
      if (round === 0) m &= -1 << (from & 31);
      if (m !== 0) return word * 32 + 31 - Math.clz32(m & -m);
    }
    return -1;
  }

  function setRequest(q: number, input: number): void {
    if (!wide || input < 32) Q[q * 16 + Q_REQUEST] |= 1 << input;
    else moreRequests[q * (WORDS - 1) + (input >> 5) - 1] |= 1 << (input & 31);
  }

  function clearRequest(q: number, input: number): void {
    if (!wide || input < 32) Q[q * 16 + Q_REQUEST] &= ~(1 << input);
    else moreRequests[q * (WORDS - 1) + (input >> 5) - 1] &= ~(1 << (input & 31));
  }

  function isRequested(q: number): boolean {
    if (Q[q * 16 + Q_REQUEST] !== 0) return true;
    if (wide) for (let i = 0; i < WORDS - 1; i++) if (moreRequests[q * (WORDS - 1) + i] !== 0) return true;
    return false;
  }

  /** Queues a packet of `input` (number within the switch) at output `port`, from time `t` on. */
  function enqueue(port: number, vl: number, input: number, id: number, t: number): void {
    const q = port * QUEUES + vl;
    const at = q * 16;
    const requests = Q[at + Q_REQUEST];
    const bit = 1 << input;
    if (!wide && requests === 0) {
      E[id * 8 + NEXT] = id;
      Q[at + Q_REQUEST] = bit;
      Q[at + Q_SOLE] = id;
      if (lifetimes) headSince[id] = t;
    } else if (!wide && requests === bit) {
      const tail = Q[at + Q_SOLE];
      E[id * 8 + NEXT] = E[tail * 8 + NEXT];
      E[tail * 8 + NEXT] = id;
      Q[at + Q_SOLE] = id;
    } else {
      const x = Q[at + Q_TAILS] + input;
      if (!wide && (requests & (requests - 1)) === 0) tails[Q[at + Q_TAILS] + 31 - Math.clz32(requests)] = Q[at + Q_SOLE];
      if (wide ? hasRequest(q, input) : (requests & bit) !== 0) {
        const tail = tails[x];
        E[id * 8 + NEXT] = E[tail * 8 + NEXT];
        E[tail * 8 + NEXT] = id;
      } else {
        E[id * 8 + NEXT] = id;
        setRequest(q, input);
        if (lifetimes) headSince[id] = t;
      }
      tails[x] = id;
    }
    const backlog = PI[port * 16 + I_BACKLOG];
    PI[port * 16 + I_BACKLOG] = backlog + 1;
    if (vl15 && vl === VLS) PI[port * 16 + I_VL15] += 1;
    if (backlog === 0) {
      const process = Y[Y_PROCESS];
      const bit = bitOf[port];
      if (wide) activePorts[process * WORDS + (bit >> 5)] |= 1 << (bit & 31);
      else activePorts[process] |= 1 << bit;
      activeBits[process >> 5] |= 1 << (process & 31);
      if (P[port * 8 + P_FREE] < t) nextAt[port] = t;
      else nextAt[port] = P[port * 8 + P_FREE];
    } else if (t < nextAt[port] && P[port * 8 + P_SINCE] >= 0) nextAt[port] = t; // blocked, but this one may fit
  }

  /** Takes the first packet of `input` out of queue `q`. */
  function takeHead(q: number, input: number, t: number): number {
    const at = q * 16;
    const requests = Q[at + Q_REQUEST];
    const sole = !wide && requests === 1 << input;
    const from = Q[at + Q_TAILS];
    const tail = sole ? Q[at + Q_SOLE] : tails[from + input];
    const id = E[tail * 8 + NEXT];
    if (id !== tail) {
      E[tail * 8 + NEXT] = E[id * 8 + NEXT];
      if (lifetimes) headSince[E[id * 8 + NEXT]] = t;
    } else if (sole) Q[at + Q_REQUEST] = 0;
    else if (wide) clearRequest(q, input);
    else {
      const rest = requests & ~(1 << input);
      Q[at + Q_REQUEST] = rest;
      if ((rest & (rest - 1)) === 0) Q[at + Q_SOLE] = tails[from + 31 - Math.clz32(rest)];
    }
    return id;
  }

  /** Counts the credits that have come for queue `q` by time `t`, and returns how many there are. */
  function credits(q: number, t: number): number {
    const at = q * 16;
    let sum = Q[at + Q_CREDITS];
    const ring = Q[at + Q_RING];
    let n = ring & 15;
    if (n !== 0) {
      let head = ring >> 4;
      while (n > 0 && QF[q * 8 + 4 + head] <= t) {
        sum = (sum + QH[q * 32 + 12 + head]) | 0;
        head = (head + 1) & 3;
        n = (n - 1) | 0;
      }
      Q[at + Q_RING] = n | (head << 4);
      Q[at + Q_CREDITS] = sum;
    }
    return sum;
  }

  /** The input whose packet may leave queue `q` at `t`: round robin among those that credits suffice for; −1 = none. */
  function pick(q: number, t: number): number {
    const have = credits(q, t);
    if (wide) return pickWide(q, have);
    const at = q * 16;
    const requests = Q[at + Q_REQUEST];
    if ((requests & (requests - 1)) === 0)
      return (E[E[Q[at + Q_SOLE] * 8 + NEXT] * 8 + SIZE] & BLOCKS_MASK) <= have ? 31 - Math.clz32(requests) : -1;
    const from = Q[at + Q_TAILS];
    let m = requests & (-1 << Q[at + Q_TURN]);
    let rest = requests ^ m;
    for (;;) {
      while (m !== 0) {
        const bit = m & -m;
        const input = 31 - Math.clz32(bit);
        if ((E[E[tails[from + input] * 8 + NEXT] * 8 + SIZE] & BLOCKS_MASK) <= have) return input;
        m ^= bit;
      }
      if (rest === 0) return -1;
      m = rest;
      rest = 0;
    }
  }

  function pickWide(q: number, have: number): number {
    const from = Q[q * 16 + Q_TAILS];
    const first = nextRequest(q, Q[q * 16 + Q_TURN]);
    let input = first;
    if (input < 0) return -1;
    do {
      if ((E[E[tails[from + input] * 8 + NEXT] * 8 + SIZE] & BLOCKS_MASK) <= have) return input;
      input = nextRequest(q, input + 1 >= PROCESS_WIDTH ? 0 : input + 1);
    } while (input !== first);
    return -1;
  }

  // ==== decisions ===========================================================================================================================
  /** One decision of output `port` at time `t`: starts a transmission, or leaves the port blocked. Returns whether one started. */
  function decide(port: number, t: number): boolean {
    const q0 = port * QUEUES;
    const fifo = hasFifo && fifoPort[port] !== 0;
    if (lifetimes) {
      expire(port, t);
      if (PI[port * 16 + I_BACKLOG] === 0) {
        unblock(port, t);
        return false;
      }
    }
    if (vl15 && PI[port * 16 + I_VL15] !== 0) {
      const input = fifo ? pickFifo(q0 + VLS, port, t) : pick(q0 + VLS, t);
      if (input >= 0) {
        transmit(port, VLS, input, t);
        return true;
      }
    }
    if (arbTables && arbOf[port] !== 0) {
      if (decideByTables(port, t, fifo)) return true;
    } else {
      let vl = PI[port * 16 + I_VL];
      let left = PI[port * 16 + I_LEFT];
      for (let n = 0; n <= VLS; n = (n + 1) | 0) {
        const q = q0 + vl;
        if (left > 0 && (wide ? isRequested(q) : Q[q * 16 + Q_REQUEST] !== 0)) {
          const input = fifo ? pickFifo(q, port, t) : pick(q, t);
          if (input >= 0) {
            PI[port * 16 + I_VL] = vl;
            PI[port * 16 + I_LEFT] = left - transmit(port, vl, input, t);
            return true;
          }
        }
        vl = vl + 1 === VLS ? 0 : vl + 1;
        left = 64;
      }
    }
    block(port, t, fifo);
    return false;
  }

  function unblock(port: number, t: number): void {
    const since = P[port * 8 + P_SINCE];
    if (since >= 0) {
      P[port * 8 + P_WAIT] += t - since;
      P[port * 8 + P_SINCE] = -1;
    }
    nextAt[port] = P[port * 8 + P_FREE];
  }

  /** Nothing may leave now: the next decision is when the first credit under way arrives or the first packet expires. */
  function block(port: number, t: number, fifo: boolean): void {
    if (P[port * 8 + P_SINCE] < 0) P[port * 8 + P_SINCE] = t;
    let next = Number.POSITIVE_INFINITY;
    for (let v = 0; v < VLS; v = (v + 1) | 0) {
      const q = port * QUEUES + v;
      if ((Q[q * 16 + Q_RING] & 15) !== 0 && (wide ? isRequested(q) : Q[q * 16 + Q_REQUEST] !== 0)) {
        const first = QF[q * 8 + 4 + (Q[q * 16 + Q_RING] >> 4)];
        if (first < next) next = first;
      }
    }
    if (lifetimes) {
      const expiry = firstExpiry(port);
      if (expiry < next) next = expiry;
      if (fifo && expiry < Number.POSITIVE_INFINITY && nextAt[port] !== expiry)
        scheduleArbitration(switchOf[port], port - base[port] + 1, expiry);
      if (fifo) next = expiry; // remembers that it is scheduled; credits come as events
    } else if (fifo) next = Number.POSITIVE_INFINITY;
    nextAt[port] = next;
  }

  /** The VL arbitration of IBA 7.6.9: high-priority table until its limit is spent, then one chance for the low one. */
  function decideByTables(port: number, t: number, fifo: boolean): boolean {
    const table = tables[arbOf[port]];
    const spent = highSent[port] > 0 && highSent[port] >= table.highLimitBytes;
    if (!spent && decideByTable(port, table.highVl, table.highWeight, highAt, highLeft, true, t, fifo)) return true;
    if (decideByTable(port, table.lowVl, table.lowWeight, lowAt, lowLeft, false, t, fifo)) {
      highSent[port] = 0;
      return true;
    }
    if (!spent) return false;
    const before = highSent[port];
    highSent[port] = 0; // low priority had its chance
    if (decideByTable(port, table.highVl, table.highWeight, highAt, highLeft, true, t, fifo)) return true;
    highSent[port] = before;
    return false;
  }

  function decideByTable(
    port: number,
    vls: Uint8Array,
    weights: Int32Array,
    at: Int32Array,
    leftOf: Int32Array,
    high: boolean,
    t: number,
    fifo: boolean,
  ): boolean {
    const rows = vls.length;
    if (rows === 0) return false;
    let row = at[port];
    let left = leftOf[port];
    for (let n = 0; n <= rows; n++) {
      const q = port * QUEUES + vls[row];
      if (left > 0 && isRequested(q)) {
        const input = fifo ? pickFifo(q, port, t) : pick(q, t);
        if (input >= 0) {
          const bytes = P[port * 8 + P_BYTES];
          at[port] = row;
          leftOf[port] = left - transmit(port, vls[row], input, t);
          if (high) highSent[port] += P[port * 8 + P_BYTES] - bytes;
          return true;
        }
      }
      row = row + 1 === rows ? 0 : row + 1;
      left = weights[row];
    }
    return false;
  }

  /** Sends the first packet of `input` in the queue of `vl` at output `port`; returns its blocks. */
  function transmit(port: number, vl: number, input: number, t: number): number {
    const q = port * QUEUES + vl;
    const at = q * 16;
    const inPort = base[port] + input;
    const id = hasFifo && fifoPort[port] !== 0 ? takeFifo(q, port, input, t) : takeHead(q, input, t);
    const size = E[id * 8 + SIZE];
    const blocks = size & BLOCKS_MASK;
    const bytes = E[id * 8 + BYTES];
    Q[at + Q_TURN] = input + 1 === portCount[port] ? 0 : input + 1;
    PI[port * 16 + I_BACKLOG] -= 1;
    if (vl15 && vl === VLS) PI[port * 16 + I_VL15] -= 1;
    if (!vl15 || vl !== VLS) Q[at + Q_CREDITS] -= blocks;
    if (lifetimes) stallRun[q] = 0;
    const end = t + serialPs(port, bytes);
    const p8 = port * 8;
    nextAt[port] = end;
    P[p8 + P_FREE] = end;
    P[p8 + P_BYTES] += bytes;
    P[p8 + P_PACKETS] += 1;
    if (P[p8 + P_SINCE] >= 0) {
      P[p8 + P_WAIT] += t - P[p8 + P_SINCE];
      P[p8 + P_SINCE] = -1;
    }
    X[HOPS] += 1;
    if (trace !== null) trace(origin[id * 4 + SOURCE], origin[id * 4 + NUMBER], port, vl === VLS ? 15 : vl, F[id * 4], t, end);
    if (multicast && (E[id * 8 + ROUTE] & 0xffff) >= 0xc000) multicastSent[port] += 1;
    if (port < SWITCH_PORTS) releaseRoom(id, inPort, end);
    else if (closedHere) nextOfClosed(port, end);
    if (records && port >= SWITCH_PORTS) sendFreed(port, vl, id, end);
    if (capture !== null && capture.ports[port] !== 0) capture.packet(port, true, end, cold, id * 16, vl === VLS ? 15 : vl);
    if (bitErrors) damage(port, id, bytes);

    if (hasFifo && fifoPort[port] !== 0) {
      readBusy[inPort] = end;
      const e = allocate();
      E[e * 8 + KEY] = K_READ_DONE + inPort;
      E[e * 8 + ROUTE] = port - base[port] + 1;
      schedule(end, e, processOf[port]);
    }
    const to = peer[port];
    E[id * 8 + KEY] = to;
    E[id * 8 + GROUP] = 0;
    if (mapsVl) E[id * 8 + SIZE] = (size & ~(15 << 16)) | (vl << 16); // what it leaves on is what it comes on
    if (to < SWITCH_PORTS) schedule(t + (oneHop ? HOP : hopPs[port]), id, processOf[to]);
    else {
      if (!vl15 || vl !== VLS) sinkCredit(port, to, vl, end, bytes, blocks);
      schedule(end + propagationPs[port], id, processOf[to]);
    }
    return blocks;
  }

  /** When the host behind `to` has taken the packet out of its port's buffer is known now, and with it when the credit is back. */
  function sinkCredit(port: number, to: number, vl: number, end: number, bytes: number, blocks: number): void {
    let out = end + propagationPs[port];
    if (slowSink) {
      const start = out + sinkLatencyPs[to];
      out = Math.ceil((sinkFree[to] > start ? sinkFree[to] : start) + bytes * sinkPsPerByte[to]);
      sinkFree[to] = out;
    }
    giveCredit(port, vl, out + creditPs[to], blocks);
  }

  /** All decisions of `port` before time `t`. */
  function catchUp(port: number, t: number): void {
    while (PI[port * 16 + I_BACKLOG] !== 0) {
      const next = nextAt[port];
      if (next >= t) return;
      decide(port, next);
    }
  }

  // ==== arrivals ============================================================================================================================
  function onArrival(inPort: number, id: number, t: number): void {
    if (faults && lostOnLink(inPort, id, t - hopPs[peer[inPort]])) return;
    if (capture !== null && capture.ports[inPort] !== 0) captureArrival(inPort, id, t);
    if (bitErrors && (E[id * 8 + ROUTE] & DAMAGED) !== 0) {
      receiveError(inPort, id, t);
      return;
    }
    if (vl15 && ((E[id * 8 + SIZE] >> 16) & 15) === VLS && !roomForVl15(inPort, id, t)) return;
    if (partitions && !mayEnter(inPort, id, t)) return;
    if (multicast && (E[id * 8 + ROUTE] & 0xffff) >= 0xc000) {
      replicate(inPort, id, t, false);
      return;
    }
    route(inPort, (E[id * 8 + ROUTE] >> 16) & 255, id, t);
  }

  /** To output number `number` of the switch: checks, VL, queue. */
  function route(inPort: number, number: number, id: number, t: number): void {
    const port = base[inPort] + number - 1;
    if (number === 0 || number > portCount[inPort] || peer[port] < 0) {
      errors[inPort * ERRORS + ERR_RELAY] += 1;
      drop(id, inPort, t, number === 0 ? DROP_MANAGEMENT : DROP_ROUTE);
      return;
    }
    if (partitions && !mayLeave(inPort, port, id, t)) return;
    if (mtus && E[id * 8 + BYTES] > w.maxBytes[port]) {
      errors[port * ERRORS + ERR_DISCARD] += 1;
      drop(id, inPort, t, DROP_MTU);
      return;
    }
    let vl = (E[id * 8 + SIZE] >> 16) & 15;
    if (mapsVl) {
      vl = vlFor(inPort, number, id, vl);
      if (vl < 0) {
        errors[port * ERRORS + ERR_DISCARD] += 1;
        drop(id, inPort, t, DROP_VL);
        return;
      }
    }
    if (fasterOutput && E[id * 8 + GROUP] === 0) {
      const wait = serialPs(inPort, E[id * 8 + BYTES]) - serialPs(port, E[id * 8 + BYTES]);
      if (wait > 0) {
        defer(inPort, number, vl, id, t + wait);
        return;
      }
    }
    admit(inPort, port, vl, id, t);
  }

  /** On a faster output the packet would overtake its own tail: it may leave when the tail is so near that it cannot. */
  function defer(inPort: number, number: number, vl: number, id: number, t: number): void {
    E[id * 8 + ROUTE] = (E[id * 8 + ROUTE] & 0xffff) | (number << 16);
    E[id * 8 + SIZE] = (E[id * 8 + SIZE] & ~(15 << 20)) | (vl << 20);
    E[id * 8 + KEY] = K_DEFERRED + inPort;
    schedule(t, id, Y[Y_PROCESS]);
  }

  function onDeferred(inPort: number, id: number, t: number): void {
    const number = (E[id * 8 + ROUTE] >> 16) & 255;
    if (number === 0) replicate(inPort, id, t, true);
    else admit(inPort, base[inPort] + number - 1, (E[id * 8 + SIZE] >> 20) & 15, id, t);
  }

  function admit(inPort: number, port: number, vl: number, id: number, t: number): void {
    if (faults && portDown[port] !== 0) {
      errors[port * ERRORS + ERR_DISCARD] += 1;
      drop(id, inPort, t, DROP_LINK);
      return;
    }
    if (lifetimes && t < stalledUntil[port * QUEUES + vl]) {
      errors[port * ERRORS + ERR_DISCARD] += 1;
      drop(id, inPort, t, DROP_HOQ);
      return;
    }
    if (hasFifo && fifoPort[port] !== 0) {
      enqueueFifo(inPort, port, vl, id, t);
      return;
    }
    if (PI[port * 16 + I_BACKLOG] !== 0) catchUp(port, t);
    enqueue(port, vl, inPort - base[inPort], id, t);
    decideEarly(port, t);
  }

  /** A port that decides at `t` may do so at once, while its lines are in the cache, if nothing else happens to its process at `t`. */
  function decideEarly(port: number, t: number): void {
    if (nextAt[port] > t) return;
    const at = Y[Y_AT];
    if (at === Y[Y_END] || currentTime[at] > t) decide(port, t);
  }

  function onDelivery(inPort: number, id: number, t: number): void {
    if (faults && lostOnLink(inPort, id, t - propagationPs[inPort] - serialPs(inPort, E[id * 8 + BYTES]))) return;
    if (capture !== null && capture.ports[inPort] !== 0) captureReceived(inPort, id, t);
    if (bitErrors && (E[id * 8 + ROUTE] & DAMAGED) !== 0) {
      receiveError(inPort, id, t);
      return;
    }
    const bytes = E[id * 8 + BYTES];
    const source = origin[id * 4 + SOURCE];
    const host = inPort - SWITCH_PORTS;
    const latency = t - born[id * 2];
    X[DELIVERED] += 1;
    X[BYTES_DELIVERED] += bytes;
    // order-independent: the sum over all deliveries of a mix of (time, source, destination, number, bytes)
    let a = Math.imul((t | 0) ^ Math.imul(source + 1, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(host + 1, 0xc2b2ae35);
    a = Math.imul(a ^ (a >>> 15), 0x2c1b3c6d) ^ origin[id * 4 + NUMBER];
    let b = Math.imul(a ^ (a >>> 13), 0x297a2d39) ^ ((t / 0x100000000) | 0) ^ Math.imul(bytes, 0x27d4eb2f);
    b = Math.imul(b ^ (b >>> 16), 0x165667b1);
    Y[Y_HASH0] = Y[Y_HASH0] + b;
    Y[Y_HASH1] = Y[Y_HASH1] + Math.imul(b ^ (b >>> 14), 0x9e3779b1) + a;
    if (t >= MEASURE_FROM) {
      X[MEASURED] += 1;
      X[LATENCY_SUM] += latency;
      if (latency < X[LATENCY_MIN]) X[LATENCY_MIN] = latency;
      if (latency > X[LATENCY_MAX]) X[LATENCY_MAX] = latency;
      const units = (latency / 256) >>> 0;
      const shift = 25 - Math.clz32(units | 64);
      histogram[(shift << 6) + (units >>> shift)] += 1;
      sourceBytes[source] += bytes;
      sinkBytes[host] += bytes;
      if (perFlow) flowBytes[source * HOSTS + host] += bytes;
    }
    if (closedThere) respond(source, t);
    if (records) receive(host, id, t);
    free(id);
  }

  // ==== hosts ===============================================================================================================================
  function draw(h: number): number {
    let r = rng[h];
    r ^= r << 13;
    r ^= r >>> 17;
    r ^= r << 5;
    rng[h] = r;
    return Math.imul(r, 0x9e3779b1) >>> 0;
  }

  function gapPs(h: number): number {
    if (T.spacing === 0) return 1 + Math.floor(T.gapPs[h] * exponentials[draw(h) >>> 20]);
    if (T.spacing === 1) return T.gapPs[h];
    // slotted: each slot of one packet's time has a packet with probability `load`
    return T.slotPs[h] * (1 + Math.floor(Math.log(1 - (draw(h) + 0.5) / 4294967296) / T.logIdle));
  }

  function destination(h: number): number {
    const fixed = target[h];
    if (fixed >= 0) return fixed;
    if (T.roundRobin) {
      const d = h + 1 + (sequence[h] % (HOSTS - 1));
      return d >= HOSTS ? d - HOSTS : d;
    }
    if (T.hotHost >= 0 && h !== T.hotHost && draw(h) < T.hotBelow) return T.hotHost;
    if (hasChoices) {
      const place = T.choicePlace[h];
      const i = Math.floor((draw(h) * (T.choiceCount[h] - (place >= 0 ? 1 : 0))) / 4294967296);
      return T.choices[T.choiceStart[h] + (place >= 0 && i >= place ? i + 1 : i)];
    }
    const d = Math.floor((draw(h) * (HOSTS - 1)) / 4294967296);
    return d >= h ? d + 1 : d;
  }

  function onTraffic(port: number, id: number, t: number): void {
    const h = port - SWITCH_PORTS;
    const mine = id === h; // the open-loop source's own record; closed loops come on records of the pool
    if (!mine) free(id);
    if (t >= T.stopPs) return;
    if (PI[port * 16 + I_BACKLOG] !== 0) catchUp(port, t);
    if (closed || PI[port * 16 + I_BACKLOG] < T.queueLimit) makePacket(h, port, t);
    else X[REFUSED] += 1;
    if (!closed) schedule(t + gapPs(h), h, Y[Y_PROCESS]);
  }

  function makePacket(h: number, port: number, t: number): void {
    if (faults && portDown[port] !== 0) {
      X[REFUSED] += 1;
      return;
    }
    const to = destination(h);
    if (to === h) return;
    const id = allocate();
    let bytes = SIZE0;
    if (!oneSize) {
      const r = draw(h);
      let k = 0;
      while (r >= T.sizeBelow[k]) k++;
      bytes = T.sizeBytes[k];
    }
    const sl = hasPathSls
      ? T.pathSls[T.place[h] * T.places + T.place[to]]
      : oneSl
        ? SL0
        : T.sls[Math.floor((draw(h) * T.sls.length) / 4294967296)];
    const vl = mapsVl ? w.sl2vl[w.sl2vlBase[w.switchCount + h] + sl] : sl;
    const at = id * 8;
    E[at + ROUTE] = T.lid[to];
    E[at + SIZE] = ((bytes + 63) >> 6) | (vl << 16) | (sl << 24);
    E[at + BYTES] = bytes;
    E[at + GROUP] = 0;
    F[id * 4] = t;
    born[id * 2] = t;
    origin[id * 4 + SOURCE] = h;
    origin[id * 4 + NUMBER] = sequence[h];
    sequence[h] += 1;
    X[INJECTED] += 1;
    enqueue(port, vl, 0, id, t);
  }

  /** Closed loop on the sender alone: one is leaving, so the next is made, for the moment at which it has left. The port is busy until then. */
  function nextOfClosed(port: number, t: number): void {
    if (t < T.stopPs) makePacket(port - SWITCH_PORTS, port, t);
  }

  /** Closed loop with responses: the sender learns of the arrival. */
  function respond(source: number, t: number): void {
    const e = allocate();
    E[e * 8 + KEY] = K_TRAFFIC + SWITCH_PORTS + source;
    schedule(t + T.responsePs, e, processOf[SWITCH_PORTS + source]);
  }

  /** A record of `packet-record.ts` enters its host port's transmit queue at its time; among equal times of one port in the order of the calls. */
  function inject(words: Int32Array, times: Float64Array, at: number): void {
    const h = words[at + 2];
    const t = times[at >> 1];
    if (!(h >= 0 && h < HOSTS)) env.fail(`record for host port ${h}`);
    if (!(t >= X[NOW])) env.fail(`record injected for ${t} ps, but the fabric has run until ${X[NOW]} ps`);
    const id = allocate();
    for (let i = 0; i < 16; i++) cold[id * 16 + i] = words[at + i];
    const dlid = words[at + 3] & 0xffff;
    const length = words[at + 4];
    const bytes = length & 0xffff;
    const sl = (length >> 16) & 15;
    let vl = (length >> 20) & 15;
    const managed = vl === 15;
    if (!managed) vl = mapsVl ? w.sl2vl[w.sl2vlBase[w.switchCount + h] + sl] : sl;
    const usable = managed || (vl < VLS && peer[SWITCH_PORTS + h] >= 0 && w.roomBlocks[peer[SWITCH_PORTS + h] * QUEUES + vl] > 0);
    if (managed || !usable) vl = VLS;
    if (bytes < env.minWireBytes || bytes > env.maxWireBytes)
      env.fail(`packet of ${bytes} bytes: this fabric was made for ${env.minWireBytes} to ${env.maxWireBytes}`);
    const e = id * 8;
    E[e + ROUTE] = dlid < LIDS || dlid >= 0xc000 ? dlid : 0;
    E[e + SIZE] = ((bytes + 63) >> 6) | (vl << 16) | (sl << 24);
    E[e + BYTES] = bytes;
    E[e + GROUP] = usable ? 0 : 1; // no VL for this SL: dropped when its time has come
    E[e + NEXT] = -1;
    F[id * 4] = t;
    born[id * 2] = t;
    origin[id * 4 + SOURCE] = h;
    origin[id * 4 + NUMBER] = words[at + 15];
    X[INJECTED] += 1;
    const tail = injectTail[h];
    const port = SWITCH_PORTS + h;
    if (tail < 0) {
      injectHead[h] = id;
      injectTail[h] = id;
      scheduleInjection(h, port, t);
    } else if (t >= F[tail * 4]) {
      E[tail * 8 + NEXT] = id;
      injectTail[h] = id;
    } else injectEarlier(h, port, id, t);
  }

  function scheduleInjection(h: number, port: number, t: number): void {
    // the host's own record unless it is still pending for another time
    const own = HOSTS + h;
    let e = own;
    if (E[own * 8 + BYTES] !== 0) {
      e = allocate();
      E[e * 8 + KEY] = K_INJECT + port;
    } else E[own * 8 + BYTES] = 1;
    schedule(t, e, processOf[port]);
  }

  function injectEarlier(h: number, port: number, id: number, t: number): void {
    let before = -1;
    let after = injectHead[h];
    while (F[after * 4] <= t) {
      before = after;
      after = E[after * 8 + NEXT];
    }
    E[id * 8 + NEXT] = after;
    if (before >= 0) E[before * 8 + NEXT] = id;
    else {
      injectHead[h] = id;
      scheduleInjection(h, port, t);
    }
  }

  function onInject(port: number, event: number, t: number): void {
    const h = port - SWITCH_PORTS;
    if (event >= 2 * HOSTS) free(event);
    else E[event * 8 + BYTES] = 0;
    let id = injectHead[h];
    let any = false;
    while (id >= 0 && F[id * 4] <= t) {
      const next = E[id * 8 + NEXT];
      if (!any && PI[port * 16 + I_BACKLOG] !== 0) catchUp(port, t);
      any = true;
      enter(port, id, t);
      id = next;
    }
    injectHead[h] = id;
    if (id < 0) injectTail[h] = -1;
    else if (any) scheduleInjection(h, port, F[id * 4]);
  }

  function enter(port: number, id: number, t: number): void {
    const vl = (E[id * 8 + SIZE] >> 16) & 15;
    if (E[id * 8 + GROUP] !== 0 || peer[port] < 0 || portDown[port] !== 0) {
      errors[port * ERRORS + ERR_DISCARD] += 1;
      dropAtHost(port, vl, id, t, E[id * 8 + GROUP] !== 0 ? DROP_VL : DROP_LINK);
      return;
    }
    enqueue(port, vl, 0, id, t);
  }

  function dropAtHost(port: number, vl: number, id: number, t: number, reason: number): void {
    sendFreed(port, vl, id, t);
    forget(id, reason);
  }

  /** Tells the host when its transmit buffer has room again. */
  function sendFreed(port: number, vl: number, id: number, t: number): void {
    const h = port - SWITCH_PORTS;
    const batch = out[w.groupOf[h]];
    const at = batch.reserve();
    for (let i = 2; i < 16; i++) batch.words[at + i] = 0;
    batch.times[at >> 1] = t;
    batch.words[at + 2] = h;
    batch.words[at + 4] =
      E[id * 8 + BYTES] | (((E[id * 8 + SIZE] >> 24) & 15) << 16) | ((vl === VLS ? 15 : vl) << 20) | (2 << 24);
    batch.words[at + 15] = origin[id * 4 + NUMBER];
  }

  function receive(host: number, id: number, t: number): void {
    const batch = out[w.groupOf[host]];
    const at = batch.reserve();
    for (let i = 2; i < 16; i++) batch.words[at + i] = cold[id * 16 + i];
    batch.times[at >> 1] = t;
    batch.words[at + 2] = host;
    const vl = (E[id * 8 + SIZE] >> 16) & 15;
    batch.words[at + 4] = (batch.words[at + 4] & ~(15 << 20)) | ((vl === VLS ? 15 : vl) << 20);
  }

  // ==== drops and rarer features ============================================================================================================
  function forget(id: number, reason: number): void {
    X[DROPPED] += 1;
    dropped[reason] += 1;
    if (records && cold[id * 16 + 5] !== 0) env.releasePayload(cold[id * 16 + 5] - 1);
    if (closedThere) respond(origin[id * 4 + SOURCE], X[NOW] > F[id * 4] ? X[NOW] : F[id * 4]);
    free(id);
  }

  /** A switch discards a packet that came in on `inPort`: its room is free when all of it would have been read. */
  function drop(id: number, inPort: number, t: number, reason: number): void {
    releaseRoom(id, inPort, t + serialPs(inPort, E[id * 8 + BYTES]));
    forget(id, reason);
  }

  function lost(inPort: number, id: number, t: number, reason: number): void {
    lostPackets[inPort] += 1;
    lostBytes[inPort] += E[id * 8 + BYTES];
    if ((E[id * 8 + ROUTE] & 0xffff) >= 0xc000) multicastLost[inPort] += 1;
    if (inPort >= SWITCH_PORTS) {
      forget(id, reason); // a host's credit was given when the transmission started
      return;
    }
    if (vl15 && ((E[id * 8 + SIZE] >> 16) & 15) === VLS) vl15Used[inPort] += E[id * 8 + SIZE] & BLOCKS_MASK;
    drop(id, inPort, t, reason);
  }

  function receiveError(inPort: number, id: number, t: number): void {
    errors[inPort * ERRORS + ERR_RECEIVE] += 1;
    lost(inPort, id, t, DROP_DAMAGED);
  }

  /** Whether the link behind `inPort` went down since the packet's transmission started at `start`; then it is gone. */
  function lostOnLink(inPort: number, id: number, start: number): boolean {
    if (lastDown[inPort] < start) return false;
    lost(inPort, id, F[id * 4], DROP_LINK);
    return true;
  }

  function damage(port: number, id: number, bytes: number): void {
    const rate = bitErrorRate[port];
    if (rate > 0 && env.errorStream(port).float() < -Math.expm1(8 * bytes * Math.log1p(-rate))) E[id * 8 + ROUTE] |= DAMAGED;
  }

  function captureArrival(inPort: number, id: number, t: number): void {
    // the time on the wire: all of it has come in, before the switch's latency
    const from = peer[inPort];
    const wire = t - hopPs[from] + propagationPs[from] + serialPs(inPort, E[id * 8 + BYTES]);
    captureReceived(inPort, id, wire);
  }

  /** A damaged packet is captured as it came in, before it is dropped. */
  function captureReceived(inPort: number, id: number, t: number): void {
    if (bitErrors && (E[id * 8 + ROUTE] & DAMAGED) !== 0) cold[id * 16 + 4] |= 16 << 24; // RECORD_BAD_CRC
    const vl = (E[id * 8 + SIZE] >> 16) & 15;
    if (capture !== null) capture.packet(inPort, false, t, cold, id * 16, vl === VLS ? 15 : vl);
  }

  function roomForVl15(inPort: number, id: number, t: number): boolean {
    const blocks = E[id * 8 + SIZE] & BLOCKS_MASK;
    for (let port = base[inPort]; port < base[inPort] + portCount[inPort]; port++)
      if (fifoPort[port] === 0 && PI[port * 16 + I_BACKLOG] !== 0) catchUp(port, t);
    const leaving = vl15Leaving[inPort];
    let kept = 0;
    for (let i = 0; i < leaving.length; i += 2) {
      if (leaving[i] <= t) vl15Used[inPort] -= leaving[i + 1];
      else {
        leaving[kept++] = leaving[i];
        leaving[kept++] = leaving[i + 1];
      }
    }
    leaving.length = kept;
    if (vl15Used[inPort] + blocks > w.vl15Blocks[inPort]) {
      errors[inPort * ERRORS + ERR_VL15] += 1;
      forget(id, DROP_VL15);
      return false;
    }
    vl15Used[inPort] += blocks;
    return true;
  }

  function vlFor(inPort: number, number: number, id: number, vl: number): number {
    if (vl15 && vl === VLS) return vl;
    const s = switchOf[inPort];
    const at = w.sl2vlBase[s] + (inPort - base[inPort] + 1) * w.sl2vlStrideIn[s] + number * w.sl2vlStrideOut[s];
    const to = w.sl2vl[at + ((E[id * 8 + SIZE] >> 24) & 15)];
    return to < VLS && w.roomBlocks[peer[base[inPort] + number - 1] * QUEUES + to] > 0 ? to : -1;
  }

  function mayEnter(inPort: number, id: number, t: number): boolean {
    const partition = w.partitions[inPort];
    if (!partition?.enforceIn || !isPartitioned(id) || mayUse(partition.table, cold[id * 16 + 6] >>> 16)) return true;
    errors[inPort * ERRORS + ERR_RCV_CONSTRAINT] += 1;
    drop(id, inPort, t, DROP_PARTITION);
    return false;
  }

  function mayLeave(inPort: number, port: number, id: number, t: number): boolean {
    const partition = w.partitions[port];
    if (!partition?.enforceOut || !isPartitioned(id) || mayReceive(partition.table, cold[id * 16 + 6] >>> 16)) return true;
    errors[port * ERRORS + ERR_XMIT_CONSTRAINT] += 1;
    drop(id, inPort, t, DROP_PARTITION);
    return false;
  }

  /** Management and synthetic traffic are not partitioned. */
  function isPartitioned(id: number): boolean {
    return records && ((E[id * 8 + SIZE] >> 16) & 15) !== VLS;
  }

  /** What comes from a member carries a key of its own: its table has the same base key, with at least this membership. */
  function mayUse(table: readonly number[], pkey: number): boolean {
    for (let i = 0; i < table.length; i++) if ((table[i] & 0x7fff) === (pkey & 0x7fff) && table[i] >= pkey) return true;
    return false;
  }

  /** IBA 10.9.3: the same base key, and not both limited members. */
  function mayReceive(table: readonly number[], pkey: number): boolean {
    for (let i = 0; i < table.length; i++)
      if ((table[i] & 0x7fff) === (pkey & 0x7fff) && (table[i] & 0x7fff) !== 0 && ((table[i] | pkey) & 0x8000) !== 0) return true;
    return false;
  }

  function replicate(inPort: number, id: number, t: number, deferred: boolean): void {
    const here = inPort - base[inPort] + 1;
    const list = w.mft[switchOf[inPort]]?.get(E[id * 8 + ROUTE] & 0xffff);
    let copies = 0;
    if (list !== undefined) for (let i = 0; i < list.length; i++) if (list[i] !== here) copies++;
    if (list === undefined || copies === 0) {
      errors[inPort * ERRORS + ERR_RELAY] += 1;
      drop(id, inPort, t, DROP_ROUTE);
      return;
    }
    if (fasterOutput && !deferred) {
      let wait = 0; // for the fastest of its outputs: all copies become ready together
      for (let i = 0; i < list.length; i++) {
        const port = base[inPort] + list[i] - 1;
        if (list[i] === here || list[i] < 1 || list[i] > portCount[inPort] || peer[port] < 0) continue;
        const w = serialPs(inPort, E[id * 8 + BYTES]) - serialPs(port, E[id * 8 + BYTES]);
        if (w > wait) wait = w;
      }
      if (wait > 0) {
        defer(inPort, 0, 0, id, t + wait);
        return;
      }
    }
    E[id * 8 + GROUP] = COPY;
    if (copies > 1) {
      const g = groupFree.length > 0 ? (groupFree.pop() as number) : groupEnd++;
      groupLeft[g] = copies;
      groupTime[g] = 0;
      E[id * 8 + GROUP] = g + 1;
      X[COPIED] += copies - 1;
      if (records && cold[id * 16 + 5] !== 0) env.retainPayload(cold[id * 16 + 5] - 1, copies - 1);
    }
    let left = copies;
    for (let i = 0; i < list.length; i++) {
      if (list[i] === here) continue;
      left--;
      route(inPort, list[i], left === 0 ? id : copyOf(id), t);
    }
  }

  function copyOf(id: number): number {
    const copy = allocate();
    for (let i = 2; i < 8; i++) E[copy * 8 + i] = E[id * 8 + i];
    F[copy * 4] = F[id * 4];
    born[copy * 2] = born[id * 2];
    origin[copy * 4 + SOURCE] = origin[id * 4 + SOURCE];
    origin[copy * 4 + NUMBER] = origin[id * 4 + NUMBER];
    if (records) for (let i = 0; i < 16; i++) cold[copy * 16 + i] = cold[id * 16 + i];
    return copy;
  }

  // ---- head-of-queue life, packet life time ------------------------------------------------------------------------------------------------
  function headOf(port: number, q: number, input: number): number {
    if (hasFifo && fifoPort[port] !== 0) return fifoHead(port, q - port * QUEUES, input);
    if (!wide && Q[q * 16 + Q_REQUEST] === 1 << input) return E[Q[q * 16 + Q_SOLE] * 8 + NEXT];
    return E[tails[Q[q * 16 + Q_TAILS] + input] * 8 + NEXT];
  }

  function expiryOf(port: number, id: number): number {
    const byHead = headSince[id] + hoqPs[port];
    const byLife = F[id * 4] + lifePs[port];
    return byHead < byLife ? byHead : byLife;
  }

  /** Time at which the first head packet of `port` expires. */
  function firstExpiry(port: number): number {
    let first = Number.POSITIVE_INFINITY;
    if (port >= SWITCH_PORTS) return first;
    for (let v = 0; v < VLS; v++) {
      const q = port * QUEUES + v;
      for (let input = 0; input < portCount[port]; input++) {
        if (!hasRequest(q, input)) continue;
        const expiry = expiryOf(port, headOf(port, q, input));
        if (expiry < first) first = expiry;
      }
    }
    return first;
  }

  function hasRequest(q: number, input: number): boolean {
    const word = input < 32 ? Q[q * 16 + Q_REQUEST] : moreRequests[q * (WORDS - 1) + (input >> 5) - 1];
    return (word & (1 << (input & 31))) !== 0;
  }

  /** Discards every head packet of `port` whose time is over at `t`; a VL that loses too many in a row stalls and loses all. */
  function expire(port: number, t: number): void {
    if (port >= SWITCH_PORTS) return;
    for (let v = 0; v < VLS; v++) {
      const q = port * QUEUES + v;
      for (let input = 0; input < portCount[port]; input++) {
        while (hasRequest(q, input)) {
          const id = headOf(port, q, input);
          const tooOld = t >= F[id * 4] + lifePs[port];
          if (!tooOld && t < headSince[id] + hoqPs[port] && t >= stalledUntil[q]) break;
          discardHead(port, v, input, t, tooOld ? DROP_LIFETIME : DROP_HOQ);
          if (!tooOld && t >= stalledUntil[q]) countTowardStall(port, q, t);
        }
      }
    }
  }

  /** One more packet in a row whose head-of-queue life was over. */
  function countTowardStall(port: number, q: number, t: number): void {
    stallRun[q] += 1;
    if (w.stallCount[port] === 0 || stallRun[q] < w.stallCount[port]) return;
    stallRun[q] = 0;
    stalledUntil[q] = t + 8 * hoqPs[port];
  }

  /** Takes the first packet of `input` out of the queue of `vl` at `port` and drops it. */
  function discardHead(port: number, vl: number, input: number, t: number, reason: number): void {
    const q = port * QUEUES + vl;
    const id = hasFifo && fifoPort[port] !== 0 ? takeFifo(q, port, input, t) : takeHead(q, input, t);
    PI[port * 16 + I_BACKLOG] -= 1;
    if (vl === VLS) PI[port * 16 + I_VL15] -= 1;
    errors[port * ERRORS + ERR_DISCARD] += 1;
    if (port >= SWITCH_PORTS) {
      if (records) dropAtHost(port, vl, id, t, reason);
      else forget(id, reason);
    } else drop(id, base[port] + input, t, reason);
  }

  // ---- switches with one FIFO per input and VL ---------------------------------------------------------------------------------------------
  function enqueueFifo(inPort: number, port: number, vl: number, id: number, t: number): void {
    const x = inPort * QUEUES + ((E[id * 8 + SIZE] >> 16) & 15);
    E[id * 8 + ROUTE] = (E[id * 8 + ROUTE] & 0xffff) | ((port - base[port] + 1) << 16);
    E[id * 8 + SIZE] = (E[id * 8 + SIZE] & ~(15 << 20)) | (vl << 20);
    const tail = fifoTails[x];
    fifoTails[x] = id;
    if (tail < 0) {
      E[id * 8 + NEXT] = id;
      expose(inPort, id, t);
    } else {
      E[id * 8 + NEXT] = E[tail * 8 + NEXT];
      E[tail * 8 + NEXT] = id;
    }
  }

  /** A packet has come to the head of its FIFO: it asks for its output. */
  function expose(inPort: number, id: number, t: number): void {
    const port = base[inPort] + ((E[id * 8 + ROUTE] >> 16) & 255) - 1;
    const vl = (E[id * 8 + SIZE] >> 20) & 15;
    if (lifetimes) headSince[id] = t;
    setRequest(port * QUEUES + vl, inPort - base[inPort]);
    PI[port * 16 + I_BACKLOG] += 1;
    if (vl15 && vl === VLS) PI[port * 16 + I_VL15] += 1;
    if (faults && portDown[port] !== 0) discardHead(port, vl, inPort - base[inPort], t, DROP_LINK);
    else requestArbitration(port, t);
  }

  /** Head packet of `input` that wants `vl` of output `port`; if there are several, of the VL after the one read last. */
  function fifoHead(port: number, vl: number, input: number): number {
    const inPort = base[port] + input;
    for (let i = 1; i <= QUEUES; i++) {
      const tail = fifoTails[inPort * QUEUES + ((readVl[inPort] + i) % QUEUES)];
      if (tail < 0) continue;
      const id = E[tail * 8 + NEXT];
      if (base[port] + ((E[id * 8 + ROUTE] >> 16) & 255) - 1 === port && ((E[id * 8 + SIZE] >> 20) & 15) === vl) return id;
    }
    return -1;
  }

  /** Takes that packet; the next of its FIFO is at the head. */
  function takeFifo(q: number, port: number, input: number, t: number): number {
    const vl = q - port * QUEUES;
    const inPort = base[port] + input;
    const id = fifoHead(port, vl, input);
    const inVl = (E[id * 8 + SIZE] >> 16) & 15;
    const x = inPort * QUEUES + inVl;
    const tail = fifoTails[x];
    readVl[inPort] = inVl;
    let next = -1;
    if (id === tail) fifoTails[x] = -1;
    else {
      next = E[id * 8 + NEXT];
      E[tail * 8 + NEXT] = next;
    }
    if (fifoHead(port, vl, input) < 0) clearRequest(q, input);
    if (next >= 0) expose(inPort, next, t);
    return id;
  }

  function pickFifo(q: number, port: number, t: number): number {
    if (!isRequested(q)) return -1;
    const vl = q - port * QUEUES;
    const have = credits(q, t);
    const inputs = portCount[port];
    const random = w.randomTie[switchOf[port]] !== 0;
    let ready = 0;
    let chosen = -1;
    for (let i = 0; i < inputs; i++) {
      let input = Q[q * 16 + Q_TURN] + i;
      if (input >= inputs) input -= inputs;
      if (!hasRequest(q, input) || readBusy[base[port] + input] > t) continue;
      if ((E[fifoHead(port, vl, input) * 8 + SIZE] & BLOCKS_MASK) > have) continue;
      ready++;
      if (!random) return input;
      if (ready === 1 || env.tieStream(switchOf[port]).below(ready) === 0) chosen = input;
    }
    return chosen;
  }

  /** Output `port` is to be looked at when all that happens at `t`, now, has happened. */
  function requestArbitration(port: number, t: number): void {
    const s = switchOf[port];
    const number = port - base[port];
    pendingOutputs[s * WORDS + (number >> 5)] |= 1 << (number & 31);
    if (arbitrateAt[s] === t) return;
    arbitrateAt[s] = t;
    scheduleArbitration(s, 0, t);
  }

  function scheduleArbitration(s: number, number: number, t: number): void {
    const e = allocate();
    E[e * 8 + KEY] = K_ARBITRATE + s;
    E[e * 8 + ROUTE] = number;
    schedule(t, e, s);
  }

  /** All outputs of a `fifo` switch that have something to decide at `t`, beginning behind the one that won last. */
  function onArbitrate(s: number, id: number, t: number): void {
    const later = E[id * 8 + ROUTE]; // an output that asked beforehand, for an expiry
    if (later !== 0) pendingOutputs[s * WORDS + ((later - 1) >> 5)] |= 1 << ((later - 1) & 31);
    free(id);
    arbitrateAt[s] = t;
    const outputs = portBase[s + 1] - portBase[s];
    const first = firstOutput[s];
    let won = -1;
    let again = true;
    while (again) {
      again = false;
      for (let i = 0; i < outputs; i++) {
        const number = first + i < outputs ? first + i : first + i - outputs;
        const word = s * WORDS + (number >> 5);
        const bit = 1 << (number & 31);
        if ((pendingOutputs[word] & bit) === 0) continue;
        pendingOutputs[word] &= ~bit;
        again = true;
        const port = portBase[s] + number;
        if (P[port * 8 + P_FREE] <= t && PI[port * 16 + I_BACKLOG] !== 0 && decide(port, t) && won < 0) won = number;
      }
    }
    if (won >= 0) firstOutput[s] = won + 1 === outputs ? 0 : won + 1;
  }

  /** A packet has been read out of input `inPort` of a `fifo` switch: the input and the output are free. */
  function onReadDone(inPort: number, id: number, t: number): void {
    const port = base[inPort] + E[id * 8 + ROUTE] - 1;
    free(id);
    requestArbitration(port, t);
    for (let v = 0; v < QUEUES; v++) {
      const tail = fifoTails[inPort * QUEUES + v];
      if (tail >= 0) requestArbitration(base[inPort] + ((E[E[tail * 8 + NEXT] * 8 + ROUTE] >> 16) & 255) - 1, t);
    }
  }

  // ==== faults ==============================================================================================================================
  function applyFaults(): void {
    const list = w.spec.faults ?? [];
    while (Y[Y_FAULT] < list.length && list[Y[Y_FAULT]].atPs <= X[NOW]) {
      const fault = list[Y[Y_FAULT]];
      Y[Y_FAULT] += 1;
      const value = fault.value ?? 0;
      for (let p = 0; p < NP; p++) {
        const host = p >= SWITCH_PORTS ? w.spec.hostPorts[p - SWITCH_PORTS] : null;
        if (
          fault.kind === 'switch-dead' ? switchOf[p] === fault.target : fault.kind === 'node-dead' && host?.node === fault.target
        )
          takeDown(p);
        else if (fault.kind === 'slow-receiver' && host?.node === fault.target) sinkPsPerByte[p] = value;
        else if (w.linkOf[p] === fault.target && fault.kind === 'link-down') takeDown(p);
        else if (w.linkOf[p] === fault.target && fault.kind === 'link-up') portDown[p] = 0;
        else if (w.linkOf[p] === fault.target && fault.kind === 'bit-error-rate') bitErrorRate[p] = value;
      }
    }
    X[NEXT_FAULT] = Y[Y_FAULT] < list.length ? list[Y[Y_FAULT]].atPs : Number.POSITIVE_INFINITY;
  }

  /** Both ends of the port's link go down: what waits there is discarded, what is on the wire is lost when it would have arrived. */
  function takeDown(port: number): void {
    for (const p of [port, peer[port]]) {
      if (p < 0 || portDown[p] !== 0) continue;
      portDown[p] = 1;
      lastDown[p] = X[NOW];
      errors[p * ERRORS + ERR_LINK_DOWNED] += 1;
      for (let v = 0; v < QUEUES; v++)
        for (let input = 0; input < portCount[p]; input++)
          while (hasRequest(p * QUEUES + v, input)) discardHead(p, v, input, X[NOW], DROP_LINK);
      unblock(p, X[NOW]);
    }
  }

  // ==== the loop ============================================================================================================================
  /** Takes the events before `end` out of a process's list of the current slot, sorted. */
  function open(list: number, end: number): boolean {
    let id = lists[list];
    let n = 0;
    let rest = -1;
    while (id >= 0) {
      const next = E[id * 8 + NEXT];
      const t = F[id * 4];
      if (t < end) {
        const key = E[id * 8 + KEY];
        if (key < SWITCH_PORTS) {
          // the output is looked up here, where the loads of many packets can overlap
          const way = E[id * 8 + ROUTE];
          const dlid = way & 0xffff;
          if (!multicast || dlid < LIDS) E[id * 8 + ROUTE] = (way & ~OUTPUT_MASK) | (lft[lftBase[key] + dlid] << 16);
        }
        insert(n, 0, t, key, id);
        n = (n + 1) | 0;
      } else {
        E[id * 8 + NEXT] = rest;
        rest = id;
      }
      id = next;
    }
    lists[list] = rest;
    Y[Y_AT] = 0;
    Y[Y_END] = n;
    return rest >= 0;
  }

  function runEvents(): number {
    let n = 0;
    for (;;) {
      const at = Y[Y_AT];
      if (at === Y[Y_END]) break;
      const t = currentTime[at];
      const id = currentId[at];
      const key = currentKey[at];
      Y[Y_AT] = at + 1;
      n = (n + 1) | 0;
      if (key < SWITCH_PORTS) onArrival(key, id, t);
      else if (key < NP) onDelivery(key, id, t);
      else rarer(key, id, t);
    }
    return n;
  }

  function rarer(key: number, id: number, t: number): void {
    if (key >= K_ARBITRATE) onArbitrate(key - K_ARBITRATE, id, t);
    else if (key >= K_READ_DONE) onReadDone(key - K_READ_DONE, id, t);
    else if (key >= K_INJECT) onInject(key - K_INJECT, id, t);
    else if (key >= K_TRAFFIC) onTraffic(key - K_TRAFFIC, id, t);
    else if (key >= K_CREDIT) onCredit(key - K_CREDIT, id, t);
    else onDeferred(key - K_DEFERRED, id, t);
  }

  /** Catches the waiting ports of a process up to `end` and finds its next decision. */
  function settle(process: number, end: number): void {
    Y[Y_SETTLING] = 1;
    let next = Number.POSITIVE_INFINITY;
    let waiting = 0;
    for (let word = 0; word < WORDS; word++) {
      let m = activePorts[process * WORDS + word];
      let keep = 0;
      while (m !== 0) {
        const bit = m & -m;
        m ^= bit;
        const port = processPort[process * PROCESS_WIDTH + word * 32 + 31 - Math.clz32(bit)];
        catchUp(port, end);
        if (PI[port * 16 + I_BACKLOG] !== 0) {
          keep |= bit;
          if (nextAt[port] < next) next = nextAt[port];
        }
      }
      activePorts[process * WORDS + word] = keep;
      waiting |= keep;
    }
    Y[Y_SETTLING] = 0;
    nextDecision[process] = next;
    if (waiting === 0) activeBits[process >> 5] &= ~(1 << (process & 31));
  }

  /** Everything of the current slot before `end`. */
  function runSlice(end: number): void {
    X[SLICE_END] = end;
    const slot = Y[Y_SLOT];
    let n = 0;
    for (let word = 0; word < PROCESS_WORDS; word = (word + 1) | 0) {
      let m = eventBits[slot * PROCESS_WORDS + word] | activeBits[word];
      while (m !== 0) {
        const bit = m & -m;
        m ^= bit;
        const process = word * 32 + 31 - Math.clz32(bit);
        const list = slot * PROCESSES + process;
        Y[Y_PROCESS] = process;
        if (lists[list] >= 0) {
          if (!open(list, end)) eventBits[slot * PROCESS_WORDS + word] &= ~bit;
          n = (n + runEvents()) | 0;
        } else if (nextDecision[process] >= end) continue;
        settle(process, end);
      }
    }
    Y[Y_PROCESS] = -1;
    X[EVENTS] += n;
  }

  /** The earliest time at which something can happen, Infinity if never. */
  function nextPs(): number {
    let next = Y[Y_HEAP] > 0 ? heapTime[0] : Number.POSITIVE_INFINITY;
    if (faults && X[NEXT_FAULT] < next) next = X[NEXT_FAULT];
    for (let process = 0; process < PROCESSES; process++)
      if ((activeBits[process >> 5] & (1 << (process & 31))) !== 0 && nextDecision[process] < next) next = nextDecision[process];
    for (let d = 0; d < SLOTS; d++) {
      const slot = (Y[Y_SLOT] + d) & SLOT_MASK;
      let any = 0;
      for (let word = 0; word < PROCESS_WORDS; word++) any |= eventBits[slot * PROCESS_WORDS + word];
      if (any === 0) continue;
      for (let process = 0; process < PROCESSES; process++)
        for (let id = lists[slot * PROCESSES + process]; id >= 0; id = E[id * 8 + NEXT]) if (F[id * 4] < next) next = F[id * 4];
      break;
    }
    return next;
  }

  function slotIsEmpty(slot: number): boolean {
    for (let word = 0; word < PROCESS_WORDS; word++) if (eventBits[slot * PROCESS_WORDS + word] !== 0) return false;
    return true;
  }

  function advance(count: number): void {
    X[SLOT_START] += count * SLOT_PS;
    X[HORIZON] += count * SLOT_PS;
    Y[Y_SLOT] = (Y[Y_SLOT] + (count % SLOTS)) & SLOT_MASK;
    if (Y[Y_HEAP] > 0) refill();
  }

  /** Everything before `limit`. How the calls are cut has no influence on any result. */
  function runUntil(limit: number): void {
    while (X[NOW] < limit) {
      if (faults && X[NEXT_FAULT] <= X[NOW]) applyFaults();
      if (slotIsEmpty(Y[Y_SLOT])) {
        // nothing in this slot: go to the next thing that happens, at most to the limit
        const next = nextPs();
        const stop = next < limit ? next : limit;
        if (stop > X[NOW]) X[NOW] = stop;
        const skip = Math.floor((X[NOW] - X[SLOT_START]) / SLOT_PS);
        if (skip > 0) advance(skip);
        if (X[NOW] >= limit) return;
        if (faults && X[NEXT_FAULT] <= X[NOW]) continue;
      }
      const slotEnd = X[SLOT_START] + SLOT_PS;
      let end = limit < slotEnd ? limit : slotEnd;
      if (faults && X[NEXT_FAULT] < end) end = X[NEXT_FAULT];
      runSlice(end);
      X[NOW] = end;
      if (end === slotEnd) advance(1);
    }
  }

  /** Calls `visit` with each packet that is on its way to a port: for counters and checks. */
  function eachPending(visit: (id: number) => void): void {
    for (let list = 0; list < SLOTS * PROCESSES; list++) for (let id = lists[list]; id >= 0; id = E[id * 8 + NEXT]) visit(id);
    for (let i = 0; i < Y[Y_HEAP]; i++) visit(heapId[i]);
  }

  // ==== start ===============================================================================================================================
  X[NEXT_FAULT] = faults ? (w.spec.faults ?? [])[0].atPs : Number.POSITIVE_INFINITY;
  if (hasTraffic)
    for (let h = 0; h < HOSTS; h++) {
      if (peer[SWITCH_PORTS + h] < 0 || !T.sends[h]) continue;
      if (!closed) schedule(T.startPs[h], h, processOf[SWITCH_PORTS + h]);
      else
        for (let i = 0; i < T.outstanding; i++) {
          const e = allocate();
          E[e * 8 + KEY] = K_TRAFFIC + SWITCH_PORTS + h;
          schedule(T.startPs[h], e, processOf[SWITCH_PORTS + h]);
        }
    }

  return {
    runUntil,
    nextPs,
    inject,
    eachPending,
    hasRequest,
    F,
    E,
    P,
    PI,
    Q,
    QF,
    QH,
    tails,
    fifoTails,
    cold,
    origin,
    errors,
    lostPackets,
    lostBytes,
    multicastSent,
    multicastLost,
    dropped,
    groupLeft,
    sourceBytes,
    sinkBytes,
    flowBytes,
    X,
    Y,
  };
}
