/**
 * What `operations.ts` must put on the wire, by IBA 9.7 and 9.8, as the client's port sees it: built from what the program's two sides know of their queue
 * pairs and memory, and from nothing of the adapter or the fabric.
 */
import type { Side } from './operations.ts';

/** One packet. Fields that are left out are not looked at. */
export interface Expected {
  readonly fromClient: boolean;
  readonly opcode: number;
  readonly destQp: number;
  readonly psn: number;
  /** Payload bytes, without pad. */
  readonly bytes: number;
  readonly syndrome?: number | 'credits';
  readonly msn?: number;
  readonly immediate?: number;
  readonly virtualAddress?: number;
  readonly rKey?: number;
  readonly dmaLength?: number;
  readonly swapOrAdd?: bigint;
  readonly compare?: bigint;
  readonly original?: bigint;
  readonly qKey?: number;
  readonly sourceQp?: number;
  /** Source and destination GID, where there is a GRH. */
  readonly gids?: readonly [string, string];
}

const MTU = 2048;
const PSN_MASK = 0xffffff;
/** RNR NAK with timer code 3. */
const RNR_SYNDROME = 0x23;
/** NAK, remote access error. */
const ACCESS_SYNDROME = 0x62;
const SWAP = 0x1122334455667788n;

/** The packets in the order in which they pass the client's port. */
export function expectedPackets(client: Side, server: Side): Expected[] {
  const packets: Expected[] = [];
  let psn = client.rc.psn;
  let msn = 0;
  const next = () => {
    psn = (psn + 1) & PSN_MASK;
  };
  const request = (opcode: number, bytes: number, more: Partial<Expected> = {}) => {
    packets.push({ fromClient: true, opcode, destQp: server.rc.qpNum, psn, bytes, ...more });
  };
  const answer = (opcode: number, bytes: number, more: Partial<Expected> = {}) => {
    packets.push({ fromClient: false, opcode, destQp: client.rc.qpNum, psn, bytes, ...more });
  };
  const acknowledged = () => answer(0x11, 0, { syndrome: 'credits', msn: ++msn });
  const memory = { virtualAddress: server.addr, rKey: server.rkey };

  request(0x04, 10); // SEND only
  acknowledged();
  next();
  request(0x00, MTU); // SEND first, middle, last with immediate
  next();
  request(0x01, MTU);
  next();
  request(0x03, 5000 - 2 * MTU, { immediate: 0xdeadbeef });
  acknowledged();
  next();
  request(0x06, MTU, { ...memory, dmaLength: 4096 }); // RDMA WRITE first, last
  next();
  request(0x08, MTU);
  acknowledged();
  next();
  request(0x0b, 3, { ...memory, dmaLength: 3, immediate: 7 }); // RDMA WRITE only with immediate
  acknowledged();
  next();
  request(0x0c, 0, { ...memory, dmaLength: 5000 }); // RDMA READ request; responses first, middle, last
  msn++;
  answer(0x0d, MTU, { syndrome: 'credits', msn });
  next();
  answer(0x0e, MTU);
  next();
  answer(0x0f, 5000 - 2 * MTU, { syndrome: 'credits', msn });
  next();
  const counter = { virtualAddress: server.addr + 16_384 - 8, rKey: server.rkey };
  request(0x13, 0, { ...counter, swapOrAdd: SWAP, compare: 5n }); // CmpSwap
  answer(0x12, 0, { syndrome: 'credits', msn: ++msn, original: 5n });
  next();
  request(0x14, 0, { ...counter, swapOrAdd: 9n }); // FetchAdd
  answer(0x12, 0, { syndrome: 'credits', msn: ++msn, original: SWAP });
  next();
  const unreliable = { fromClient: true, destQp: server.uc.qpNum };
  packets.push({ ...unreliable, opcode: 0x20, psn: client.uc.psn, bytes: MTU }); // UC SEND first, last
  packets.push({ ...unreliable, opcode: 0x22, psn: (client.uc.psn + 1) & PSN_MASK, bytes: 3000 - MTU });
  const gids = [client.gid, server.gid] as const;
  const datagram = { qKey: 0x1234567, sourceQp: client.ud, gids };
  packets.push({ fromClient: true, opcode: 0x64, destQp: server.ud, psn: 0, bytes: 7, ...datagram });
  request(0x04, 1); // finds no receive: the same PSN again after the RNR timer
  answer(0x11, 0, { syndrome: RNR_SYNDROME, msn });
  request(0x04, 1);
  acknowledged();
  const wrong = { ...memory, rKey: (server.rkey ^ 0xff) >>> 0, dmaLength: 1 };
  packets.push({ fromClient: true, opcode: 0x0a, destQp: server.bad.qpNum, psn: client.bad.psn, bytes: 1, ...wrong });
  const refused = { syndrome: ACCESS_SYNDROME, msn: 0 };
  packets.push({ fromClient: false, opcode: 0x11, destQp: client.bad.qpNum, psn: client.bad.psn, bytes: 0, ...refused });
  return packets;
}
