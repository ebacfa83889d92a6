/** Makes what a device has on its adapter: domain, completion queues, the queue pair of datagrams in INIT, the ring of buffers to send from. */
import { mtuBytes } from '../../wire/index.ts';
import { type CompletionQueue, type Context, QpState } from '../../verbs/index.ts';
import { CONNECTED_MTU, datagramMtu } from './link-address.ts';
import type { Link } from './link.ts';
import { DEFAULT_IPOIB_COSTS, type IpoibCounters, type IpoibOptions } from './options.ts';
import { TransmitRing } from './transmit-ring.ts';

const FULL_MEMBER = 0x8000;
const DEFAULT_SEND_RING = 128;
const DEFAULT_RECEIVE_RING = 256;

export interface OpenedLink {
  readonly link: Link;
  readonly receiveCq: CompletionQueue;
  /** Buffers for datagrams, and as many large ones in connected mode. */
  readonly receiveRing: number;
  readonly portMtuBytes: number;
  /** Code of the adapter's delay of acknowledges. */
  readonly caAckDelay: number;
}

/** Throws `VerbsError` ENOENT where the port's P_Key table does not hold the partition. */
export function openLink(options: IpoibOptions, counters: IpoibCounters): OpenedLink {
  const { context, cpu, subnet, mode = 'datagram', portNum = 1 } = options;
  const { sendRing = DEFAULT_SEND_RING, receiveRing = DEFAULT_RECEIVE_RING } = options;
  const pkey = (options.pkey ?? 0xffff) | FULL_MEMBER;
  const pkeyIndex = findPkey(context, portNum, pkey);
  const { lid, activeMtu } = context.queryPort(portNum);
  const portMtuBytes = mtuBytes(activeMtu) as number;
  const isConnected = mode === 'connected';
  const pd = context.allocPd();
  const receiveCq = context.createCq({ cqe: receiveRing * (isConnected ? 2 : 1) });
  const sendCq = context.createCq({ cqe: sendRing });
  const tx = new TransmitRing(pd, sendCq, sendRing, isConnected ? CONNECTED_MTU : datagramMtu(portMtuBytes));
  const cap = { maxSendWr: sendRing, maxRecvWr: receiveRing, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
  const qp = pd.createQp({ type: 'UD', sendCq, recvCq: receiveCq, cap });
  // Groups belong to a port, which the queue pair has from INIT on; its Q_Key comes with the broadcast group.
  qp.modify({ qpState: QpState.INIT, portNum, pkeyIndex, qkey: 0 });
  const link: Link = {
    context,
    cpu,
    subnet,
    costs: { ...DEFAULT_IPOIB_COSTS, ...options.costs },
    counters,
    pd,
    qp,
    tx,
    portNum,
    pkey,
    pkeyIndex,
    gid: context.queryGid(portNum, 0),
    lid,
    qkey: 0,
    datagramMtu: datagramMtu(portMtuBytes),
  };
  return { link, receiveCq, receiveRing, portMtuBytes, caAckDelay: context.queryDevice().localCaAckDelay };
}

/** The table entry of a partition: full membership before limited. */
function findPkey(context: Context, portNum: number, pkey: number): number {
  const { pkeys } = context.port('ib_find_pkey', portNum);
  const full = pkeys.indexOf(pkey);
  const limited = pkeys.indexOf(pkey & ~FULL_MEMBER);
  return full >= 0 || limited < 0 ? context.getPkeyIndex(portNum, pkey) : limited;
}
