/**
 * BTH opcodes as data. Bits 7–5 are the transport, bits 4–0 the operation (IBA vol. 1, table 38; Linux `ib_pack.h`).
 *
 * Hot code uses the numeric constants and asks the typed arrays, each indexed by opcode: `OPCODE_FLAGS[op] & OP_LAST`.
 * Which packet may follow which is two small tables: `SEQUENCE_BEFORE[next]` must equal `SEQUENCE_AFTER[previous]`.
 */

export const TRANSPORT_RC = 0;
export const TRANSPORT_UC = 1;
export const TRANSPORT_RD = 2;
export const TRANSPORT_UD = 3;
export const TRANSPORT_CNP = 4;
export const TRANSPORT_XRC = 5;
export const TRANSPORT_NAMES: readonly string[] = ['RC', 'UC', 'RD', 'UD', 'CNP', 'XRC', 'reserved', 'vendor'];

export const RC_SEND_FIRST = 0x00;
export const RC_SEND_MIDDLE = 0x01;
export const RC_SEND_LAST = 0x02;
export const RC_SEND_LAST_IMM = 0x03;
export const RC_SEND_ONLY = 0x04;
export const RC_SEND_ONLY_IMM = 0x05;
export const RC_WRITE_FIRST = 0x06;
export const RC_WRITE_MIDDLE = 0x07;
export const RC_WRITE_LAST = 0x08;
export const RC_WRITE_LAST_IMM = 0x09;
export const RC_WRITE_ONLY = 0x0a;
export const RC_WRITE_ONLY_IMM = 0x0b;
export const RC_READ_REQUEST = 0x0c;
export const RC_READ_RESPONSE_FIRST = 0x0d;
export const RC_READ_RESPONSE_MIDDLE = 0x0e;
export const RC_READ_RESPONSE_LAST = 0x0f;
export const RC_READ_RESPONSE_ONLY = 0x10;
export const RC_ACK = 0x11;
export const RC_ATOMIC_ACK = 0x12;
export const RC_COMPARE_SWAP = 0x13;
export const RC_FETCH_ADD = 0x14;
export const RC_SEND_LAST_INV = 0x16;
export const RC_SEND_ONLY_INV = 0x17;
export const RC_FLUSH = 0x1c;
export const RC_ATOMIC_WRITE = 0x1d;

export const UC_SEND_FIRST = 0x20;
export const UC_SEND_MIDDLE = 0x21;
export const UC_SEND_LAST = 0x22;
export const UC_SEND_LAST_IMM = 0x23;
export const UC_SEND_ONLY = 0x24;
export const UC_SEND_ONLY_IMM = 0x25;
export const UC_WRITE_FIRST = 0x26;
export const UC_WRITE_MIDDLE = 0x27;
export const UC_WRITE_LAST = 0x28;
export const UC_WRITE_LAST_IMM = 0x29;
export const UC_WRITE_ONLY = 0x2a;
export const UC_WRITE_ONLY_IMM = 0x2b;

export const RD_BASE = 0x40;
export const RD_RESYNC = 0x55;

export const UD_SEND_ONLY = 0x64;
export const UD_SEND_ONLY_IMM = 0x65;

/** Congestion notification packet. */
export const CNP = 0x80;
/** XRC opcodes are the RC operations from 0xA0 on; requests carry an XRCETH. */
export const XRC_BASE = 0xa0;

/** The opcode is assigned. All other flags are 0 where this one is. */
export const OP_KNOWN = 1 << 0;
export const OP_FIRST = 1 << 1;
export const OP_MIDDLE = 1 << 2;
export const OP_LAST = 1 << 3;
export const OP_ONLY = 1 << 4;
export const OP_REQUEST = 1 << 5;
export const OP_RESPONSE = 1 << 6;
/** May carry payload. */
export const OP_PAYLOAD = 1 << 7;
/** Carries an ImmDt. */
export const OP_IMM = 1 << 8;
/** Carries an IETH (remote invalidate). */
export const OP_INV = 1 << 9;
export const OP_SEND = 1 << 10;
export const OP_WRITE = 1 << 11;
/** READ request and READ responses. */
export const OP_READ = 1 << 12;
/** CmpSwap, FetchAdd and their acknowledge. */
export const OP_ATOMIC = 1 << 13;
/** Acknowledge or atomic acknowledge. */
export const OP_ACK = 1 << 14;
export const OP_FLUSH = 1 << 15;
export const OP_ATOMIC_WRITE = 1 << 16;
export const OP_RETH = 1 << 17;
export const OP_ATOMIC_ETH = 1 << 18;
export const OP_AETH = 1 << 19;
export const OP_ATOMIC_ACK_ETH = 1 << 20;
export const OP_DETH = 1 << 21;
export const OP_RDETH = 1 << 22;
export const OP_XRCETH = 1 << 23;
export const OP_FETH = 1 << 24;
/** Takes a receive WQE off the queue: SEND first and only, WRITE with immediate last and only. */
export const OP_TAKES_RECEIVE = 1 << 25;
/** Completes a receive WQE: SEND last/only, WRITE with immediate. */
export const OP_COMPLETES_RECEIVE = 1 << 26;
/** Begins a message. */
export const OP_START = OP_FIRST | OP_ONLY;
/** Ends a message. */
export const OP_END = OP_LAST | OP_ONLY;

/** Place in the sequence of packets of one direction: between messages, or inside a SEND, a WRITE or a READ response. */
export const SEQUENCE_IDLE = 0;
export const SEQUENCE_SEND = 1;
export const SEQUENCE_WRITE = 2;
export const SEQUENCE_READ_RESPONSE = 3;
/** An acknowledge may come at any place. */
export const SEQUENCE_ANY = 4;
/** Of an unassigned opcode. */
export const SEQUENCE_NEVER = 255;

/** Headers that may stand between BTH and payload, in the order of the wire where several do. */
export type ExtensionHeader =
  | 'RDETH'
  | 'DETH'
  | 'XRCETH'
  | 'FETH'
  | 'RETH'
  | 'AtomicETH'
  | 'AETH'
  | 'AtomicAckETH'
  | 'ImmDt'
  | 'IETH';

/** Sizes in bytes. */
export const EXTENSION_BYTES: Readonly<Record<ExtensionHeader, number>> = {
  RDETH: 4,
  DETH: 8,
  XRCETH: 4,
  FETH: 4,
  RETH: 16,
  AtomicETH: 28,
  AETH: 4,
  AtomicAckETH: 8,
  ImmDt: 4,
  IETH: 4,
};

/** Order of the wire, each with the flag that says it is there. */
const EXTENSION_FLAGS: readonly (readonly [ExtensionHeader, number])[] = [
  ['RDETH', OP_RDETH],
  ['DETH', OP_DETH],
  ['XRCETH', OP_XRCETH],
  ['FETH', OP_FETH],
  ['RETH', OP_RETH],
  ['AtomicETH', OP_ATOMIC_ETH],
  ['AETH', OP_AETH],
  ['AtomicAckETH', OP_ATOMIC_ACK_ETH],
  ['ImmDt', OP_IMM],
  ['IETH', OP_INV],
];

const REQ = OP_REQUEST;
const RSP = OP_RESPONSE;
const PAY = OP_PAYLOAD;
const TAKE = OP_TAKES_RECEIVE;
const DONE = OP_COMPLETES_RECEIVE;

/** The 32 operations: [bits 4–0, name, flags as in RC, place before, place after]. Other transports take a subset and add their own headers. */
const OPERATIONS: readonly (readonly [number, string, number, number, number])[] = [
  [0x00, 'SEND_FIRST', REQ | PAY | OP_SEND | OP_FIRST | TAKE, SEQUENCE_IDLE, SEQUENCE_SEND],
  [0x01, 'SEND_MIDDLE', REQ | PAY | OP_SEND | OP_MIDDLE, SEQUENCE_SEND, SEQUENCE_SEND],
  [0x02, 'SEND_LAST', REQ | PAY | OP_SEND | OP_LAST | DONE, SEQUENCE_SEND, SEQUENCE_IDLE],
  [0x03, 'SEND_LAST_IMM', REQ | PAY | OP_SEND | OP_LAST | OP_IMM | DONE, SEQUENCE_SEND, SEQUENCE_IDLE],
  [0x04, 'SEND_ONLY', REQ | PAY | OP_SEND | OP_ONLY | TAKE | DONE, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x05, 'SEND_ONLY_IMM', REQ | PAY | OP_SEND | OP_ONLY | OP_IMM | TAKE | DONE, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x06, 'WRITE_FIRST', REQ | PAY | OP_WRITE | OP_FIRST | OP_RETH, SEQUENCE_IDLE, SEQUENCE_WRITE],
  [0x07, 'WRITE_MIDDLE', REQ | PAY | OP_WRITE | OP_MIDDLE, SEQUENCE_WRITE, SEQUENCE_WRITE],
  [0x08, 'WRITE_LAST', REQ | PAY | OP_WRITE | OP_LAST, SEQUENCE_WRITE, SEQUENCE_IDLE],
  [0x09, 'WRITE_LAST_IMM', REQ | PAY | OP_WRITE | OP_LAST | OP_IMM | TAKE | DONE, SEQUENCE_WRITE, SEQUENCE_IDLE],
  [0x0a, 'WRITE_ONLY', REQ | PAY | OP_WRITE | OP_ONLY | OP_RETH, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x0b, 'WRITE_ONLY_IMM', REQ | PAY | OP_WRITE | OP_ONLY | OP_RETH | OP_IMM | TAKE | DONE, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x0c, 'READ_REQUEST', REQ | OP_READ | OP_ONLY | OP_RETH, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x0d, 'READ_RESPONSE_FIRST', RSP | PAY | OP_READ | OP_FIRST | OP_AETH, SEQUENCE_IDLE, SEQUENCE_READ_RESPONSE],
  [0x0e, 'READ_RESPONSE_MIDDLE', RSP | PAY | OP_READ | OP_MIDDLE, SEQUENCE_READ_RESPONSE, SEQUENCE_READ_RESPONSE],
  [0x0f, 'READ_RESPONSE_LAST', RSP | PAY | OP_READ | OP_LAST | OP_AETH, SEQUENCE_READ_RESPONSE, SEQUENCE_IDLE],
  [0x10, 'READ_RESPONSE_ONLY', RSP | PAY | OP_READ | OP_ONLY | OP_AETH, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x11, 'ACK', RSP | OP_ACK | OP_ONLY | OP_AETH, SEQUENCE_ANY, SEQUENCE_IDLE],
  [0x12, 'ATOMIC_ACK', RSP | OP_ACK | OP_ATOMIC | OP_ONLY | OP_AETH | OP_ATOMIC_ACK_ETH, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x13, 'COMPARE_SWAP', REQ | OP_ATOMIC | OP_ONLY | OP_ATOMIC_ETH, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x14, 'FETCH_ADD', REQ | OP_ATOMIC | OP_ONLY | OP_ATOMIC_ETH, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x15, 'RESYNC', REQ | OP_ONLY, SEQUENCE_ANY, SEQUENCE_IDLE],
  [0x16, 'SEND_LAST_INV', REQ | PAY | OP_SEND | OP_LAST | OP_INV | DONE, SEQUENCE_SEND, SEQUENCE_IDLE],
  [0x17, 'SEND_ONLY_INV', REQ | PAY | OP_SEND | OP_ONLY | OP_INV | TAKE | DONE, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x1c, 'FLUSH', REQ | OP_FLUSH | OP_ONLY | OP_FETH | OP_RETH, SEQUENCE_IDLE, SEQUENCE_IDLE],
  [0x1d, 'ATOMIC_WRITE', REQ | PAY | OP_ATOMIC_WRITE | OP_ONLY | OP_RETH, SEQUENCE_IDLE, SEQUENCE_IDLE],
];

/** `OP_*` flags by opcode; 0 for an unassigned one. */
export const OPCODE_FLAGS = new Int32Array(256);
/** Bytes of BTH and extension headers by opcode; 0 for an unassigned one. */
export const OPCODE_HEADER_BYTES = new Uint8Array(256);
/** Where in the sequence the packet may come. */
export const SEQUENCE_BEFORE = new Uint8Array(256).fill(SEQUENCE_NEVER);
/** Where in the sequence the packet leaves its direction. */
export const SEQUENCE_AFTER = new Uint8Array(256).fill(SEQUENCE_NEVER);
/** Extension headers by opcode, in the order of the wire. */
export const OPCODE_EXTENSIONS: (readonly ExtensionHeader[])[] = Array.from({ length: 256 }, () => []);
/** Names by opcode: `RC_SEND_FIRST`, and `0x1f` for an unassigned one. */
export const OPCODE_NAMES: string[] = Array.from({ length: 256 }, (_, op) => `0x${op.toString(16).padStart(2, '0')}`);

/** All assigned opcodes, ascending. */
export const OPCODES: readonly number[] = fillTables();

/** Transport (`TRANSPORT_*`) of an opcode. */
export function opcodeTransport(opcode: number): number {
  return opcode >>> 5;
}

/**
 * Whether `next` may follow `previous` in the same direction of one connection (−1: nothing came before).
 * Requests and responses are separate directions; ask only about two of a kind.
 */
export function isLegalSuccessor(previous: number, next: number): boolean {
  const place = SEQUENCE_BEFORE[next];
  return place === SEQUENCE_ANY || place === (previous < 0 ? SEQUENCE_IDLE : SEQUENCE_AFTER[previous]);
}

function fillTables(): number[] {
  for (const [operation, name, flags, before, after] of OPERATIONS) {
    if (operation !== 0x15) define(operation, `RC_${name}`, flags, before, after);
    if (operation <= 0x0b) define(0x20 | operation, `UC_${name}`, flags, before, after);
    if (operation <= 0x15 || operation === 0x1c) {
      define(RD_BASE | operation, `RD_${name}`, flags | OP_RDETH | (flags & OP_REQUEST ? OP_DETH : 0), before, after);
    }
    if (operation === 0x04 || operation === 0x05) define(0x60 | operation, `UD_${name}`, flags | OP_DETH, before, after);
    if (operation <= 0x17 && operation !== 0x15) {
      define(XRC_BASE | operation, `XRC_${name}`, flags | (flags & OP_REQUEST ? OP_XRCETH : 0), before, after);
    }
  }
  define(CNP, 'CNP', OP_REQUEST | OP_ONLY | OP_PAYLOAD, SEQUENCE_ANY, SEQUENCE_IDLE);
  return Array.from(OPCODE_FLAGS.keys()).filter((op) => OPCODE_FLAGS[op] !== 0);
}

function define(opcode: number, name: string, flags: number, before: number, after: number): void {
  OPCODE_FLAGS[opcode] = flags | OP_KNOWN;
  OPCODE_NAMES[opcode] = name;
  SEQUENCE_BEFORE[opcode] = before;
  SEQUENCE_AFTER[opcode] = after;
  const extensions = EXTENSION_FLAGS.filter(([, bit]) => flags & bit).map(([header]) => header);
  OPCODE_EXTENSIONS[opcode] = extensions;
  OPCODE_HEADER_BYTES[opcode] = extensions.reduce((sum, header) => sum + EXTENSION_BYTES[header], 12);
}
