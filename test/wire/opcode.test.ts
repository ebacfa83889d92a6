import { describe, expect, it } from 'vitest';
import {
  CNP,
  EXTENSION_BYTES,
  isLegalSuccessor,
  OP_COMPLETES_RECEIVE,
  OP_END,
  OP_FIRST,
  OP_KNOWN,
  OP_LAST,
  OP_MIDDLE,
  OP_ONLY,
  OP_PAYLOAD,
  OP_REQUEST,
  OP_RESPONSE,
  OP_START,
  OP_TAKES_RECEIVE,
  OPCODE_EXTENSIONS,
  OPCODE_FLAGS,
  OPCODE_HEADER_BYTES,
  OPCODE_NAMES,
  OPCODES,
  opcodeTransport,
  TRANSPORT_NAMES,
} from '../../src/wire/index.ts';
import * as wire from '../../src/wire/index.ts';

/** RC operations as the specification lists them: operation, name, header bytes after the BTH. */
const RC_TABLE = `
00 SEND_FIRST 0            01 SEND_MIDDLE 0           02 SEND_LAST 0             03 SEND_LAST_IMM 4
04 SEND_ONLY 0             05 SEND_ONLY_IMM 4         06 WRITE_FIRST 16          07 WRITE_MIDDLE 0
08 WRITE_LAST 0            09 WRITE_LAST_IMM 4        0a WRITE_ONLY 16           0b WRITE_ONLY_IMM 20
0c READ_REQUEST 16         0d READ_RESPONSE_FIRST 4   0e READ_RESPONSE_MIDDLE 0  0f READ_RESPONSE_LAST 4
10 READ_RESPONSE_ONLY 4    11 ACK 4                   12 ATOMIC_ACK 12           13 COMPARE_SWAP 28
14 FETCH_ADD 28            16 SEND_LAST_INV 4         17 SEND_ONLY_INV 4         1c FLUSH 20
1d ATOMIC_WRITE 16`;

const rcRows = RC_TABLE.trim()
  .split(/\s{2,}|\n/)
  .map((row) => row.split(' '))
  .map(([code, name, bytes]) => ({ op: Number.parseInt(code, 16), name, bytes: Number(bytes) }));

describe('opcode tables', () => {
  it('RC as the specification lists it', () => {
    expect(OPCODES.filter((op) => opcodeTransport(op) === 0)).toEqual(rcRows.map((row) => row.op));
    for (const { op, name, bytes } of rcRows) {
      expect(OPCODE_NAMES[op]).toBe(`RC_${name}`);
      expect(OPCODE_HEADER_BYTES[op]).toBe(12 + bytes);
    }
  });

  it('constants carry the names of the table', () => {
    const constants = wire as unknown as Record<string, unknown>;
    for (const op of OPCODES.filter((o) => opcodeTransport(o) < 2 || opcodeTransport(o) === 3)) {
      expect(constants[OPCODE_NAMES[op]]).toBe(op);
    }
    expect(CNP).toBe(0x80);
  });

  it('other transports take subsets and add their headers', () => {
    const count = (transport: number) => OPCODES.filter((op) => opcodeTransport(op) === transport).length;
    expect(TRANSPORT_NAMES.map((_, t) => count(t))).toEqual([25, 12, 23, 2, 1, 23, 0, 0]);
    expect(OPCODE_EXTENSIONS[0x65]).toEqual(['DETH', 'ImmDt']);
    expect(OPCODE_EXTENSIONS[0x4b]).toEqual(['RDETH', 'DETH', 'RETH', 'ImmDt']);
    expect(OPCODE_EXTENSIONS[0x51]).toEqual(['RDETH', 'AETH']);
    expect(OPCODE_EXTENSIONS[0xaa]).toEqual(['XRCETH', 'RETH']);
    expect(OPCODE_EXTENSIONS[0xb1]).toEqual(['AETH']);
    expect(OPCODE_EXTENSIONS[0x1c]).toEqual(['FETH', 'RETH']);
    expect(OPCODE_EXTENSIONS[0x12]).toEqual(['AETH', 'AtomicAckETH']);
    for (let op = 0x20; op < 0x2c; op++) expect(OPCODE_FLAGS[op]).toBe(OPCODE_FLAGS[op - 0x20]);
  });

  it('every opcode is one of first, middle, last, only, and one of request, response', () => {
    for (let op = 0; op < 256; op++) {
      const flags = OPCODE_FLAGS[op];
      expect((flags & OP_KNOWN) !== 0).toBe(OPCODES.includes(op));
      if (flags === 0) continue;
      expect([OP_FIRST, OP_MIDDLE, OP_LAST, OP_ONLY].filter((bit) => flags & bit)).toHaveLength(1);
      expect([OP_REQUEST, OP_RESPONSE].filter((bit) => flags & bit)).toHaveLength(1);
      expect(OPCODE_HEADER_BYTES[op]).toBe(12 + OPCODE_EXTENSIONS[op].reduce((sum, h) => sum + EXTENSION_BYTES[h], 0));
      // First and middle packets are full, so they can only be such as carry payload.
      if (flags & (OP_FIRST | OP_MIDDLE)) expect(flags & OP_PAYLOAD).not.toBe(0);
    }
  });

  it('receive work requests: taken once and completed once per message that needs one', () => {
    const rc = OPCODES.filter((op) => op < 0x20);
    expect(rc.filter((op) => OPCODE_FLAGS[op] & OP_TAKES_RECEIVE)).toEqual([0x00, 0x04, 0x05, 0x09, 0x0b, 0x17]);
    expect(rc.filter((op) => OPCODE_FLAGS[op] & OP_COMPLETES_RECEIVE)).toEqual([0x02, 0x03, 0x04, 0x05, 0x09, 0x0b, 0x16, 0x17]);
  });

  it('legal successors: the rule of IBA 9.7.4.1 written out by hand', () => {
    const requests = OPCODES.filter((op) => op < 0x20 && OPCODE_FLAGS[op] & OP_REQUEST);
    const follows: Record<string, RegExp> = {
      SEND: /^RC_SEND_(MIDDLE|LAST)/,
      WRITE: /^RC_WRITE_(MIDDLE|LAST)/,
    };
    for (const previous of requests) {
      const open = OPCODE_FLAGS[previous] & (OP_FIRST | OP_MIDDLE);
      const pattern = open
        ? follows[OPCODE_NAMES[previous].split('_')[1]]
        : /_(FIRST|ONLY)|READ_REQUEST|SWAP|ADD|FLUSH|ATOMIC_WRITE/;
      for (const next of requests) {
        expect(isLegalSuccessor(previous, next), `${OPCODE_NAMES[previous]} → ${OPCODE_NAMES[next]}`).toBe(
          pattern.test(OPCODE_NAMES[next]),
        );
      }
    }
  });

  it('a connection begins with the beginning of a message', () => {
    for (const op of OPCODES.filter((o) => o < 0x20 && o !== 0x11)) {
      expect(isLegalSuccessor(-1, op)).toBe((OPCODE_FLAGS[op] & OP_START) !== 0);
    }
    expect(isLegalSuccessor(0x0e, 0x11)).toBe(true);
    expect(isLegalSuccessor(0x0d, 0x0f)).toBe(true);
    expect(isLegalSuccessor(0x0d, 0x10)).toBe(false);
    expect(isLegalSuccessor(-1, 0x1f)).toBe(false);
    expect(OPCODE_FLAGS[0x0f] & OP_END).toBe(OP_LAST);
  });
});
