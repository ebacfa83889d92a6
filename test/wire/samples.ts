/** Packets for tests: any field values for a given opcode, as fast-check arbitraries. */
import fc from 'fast-check';
import { type ExtensionHeader, OP_PAYLOAD, OPCODE_EXTENSIONS, OPCODE_FLAGS, OPCODES, type Packet } from '../../src/wire/index.ts';

const uint = (width: number) => fc.integer({ min: 0, max: 2 ** width - 1 });
const wide = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const gid = fc.uint8Array({ minLength: 16, maxLength: 16 });

const EXTENSIONS: Record<ExtensionHeader, fc.Arbitrary<object>> = {
  RDETH: fc.record({ eeContext: uint(24) }),
  DETH: fc.record({ qKey: uint(32), sourceQp: uint(24) }),
  XRCETH: fc.record({ srq: uint(24) }),
  FETH: fc.record({ selectivity: uint(2), placement: uint(4) }),
  RETH: fc.record({ virtualAddress: wide, rKey: uint(32), dmaLength: uint(32) }),
  AtomicETH: fc.record({ virtualAddress: wide, rKey: uint(32), swapOrAdd: wide, compare: wide }),
  AETH: fc.record({ syndrome: uint(8), msn: uint(24) }),
  AtomicAckETH: fc.record({ original: wide }),
  ImmDt: fc.record({ immediate: uint(32) }),
  IETH: fc.record({ rKey: uint(32) }),
};

/** Packets with this opcode; payloads of 0 … `payloadMax` bytes where the opcode has one. */
export function packetWith(opcode: number, payloadMax = 100): fc.Arbitrary<Packet> {
  const extensions = fc.record(Object.fromEntries(OPCODE_EXTENSIONS[opcode].map((header) => [header, EXTENSIONS[header]])));
  const base = fc.record({
    lrh: fc.record({ vl: uint(4), sl: uint(4), dlid: uint(16), slid: uint(16) }),
    bth: fc.record({
      opcode: fc.constant(opcode),
      solicited: fc.boolean(),
      migrated: fc.boolean(),
      pKey: uint(16),
      fecn: fc.boolean(),
      becn: fc.boolean(),
      destQp: uint(24),
      ackRequest: fc.boolean(),
      psn: uint(24),
    }),
    extensions,
    payload: OPCODE_FLAGS[opcode] & OP_PAYLOAD ? fc.uint8Array({ maxLength: payloadMax }) : fc.constant(new Uint8Array(0)),
  });
  const grh = fc.record({ trafficClass: uint(8), flowLabel: uint(20), hopLimit: uint(8), sgid: gid, dgid: gid });
  return fc
    .tuple(base, fc.option(grh))
    .map(([packet, header]) => (header === null ? packet : { ...packet, grh: header })) as fc.Arbitrary<Packet>;
}

/** Any packet of any assigned opcode. */
export const anyPacket: fc.Arbitrary<Packet> = fc.constantFrom(...OPCODES).chain((opcode) => packetWith(opcode));
