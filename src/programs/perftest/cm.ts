/**
 * `-R`: the queue pairs of a test made and connected by rdma_cm, one connection each, in the order of their numbers.
 */
import type {
  ProgramContext,
  ProtectionDomain,
  QpCap,
  QueuePair,
  RdmaId,
  CompletionQueue,
  SharedReceiveQueue,
} from '../../verbs/index.ts';
import type { Parameters } from './parameters.ts';

/** perftest's port, the default of `-p`. */
const PORT = 18_515;
const TIMEOUT_MS = 2000;

/** What a queue pair of the test is made of. */
export interface QpParts {
  readonly pd: ProtectionDomain;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly srq: SharedReceiveQueue | null;
  readonly cap: QpCap;
}

/** A connected queue pair and the id that it belongs to. */
export interface CmConnection {
  readonly id: RdmaId;
  readonly qp: QueuePair;
}

/** Connects all queue pairs; `outReads` is what either side may have outstanding. `sync` waits for the other side. */
export async function connectByCm(
  program: ProgramContext,
  p: Parameters,
  parts: QpParts,
  outReads: number,
  sync: () => Promise<unknown>,
): Promise<CmConnection[]> {
  const limits = { responderResources: outReads, initiatorDepth: outReads };
  const connections: CmConnection[] = [];
  if (p.machine === 'SERVER') {
    const listener = program.cm.createId(null);
    await listener.bindAddr({ host: '', port: PORT });
    await listener.listen(p.qps);
    await sync();
    while (connections.length < p.qps) {
      const id = await listener.getRequest();
      connections.push({ id, qp: makeQp(id, parts) });
      await id.accept(limits);
    }
    return connections;
  }
  await sync();
  while (connections.length < p.qps) {
    const id = program.cm.createId(null);
    await id.resolveAddr(null, { host: program.peers.names[1 - program.rank] as string, port: PORT }, TIMEOUT_MS);
    await id.resolveRoute(TIMEOUT_MS);
    id.setOption('ackTimeout', p.qpTimeout);
    connections.push({ id, qp: makeQp(id, parts) });
    await id.connect({ ...limits, retryCount: p.retryCount, rnrRetryCount: 7 });
  }
  return connections;
}

function makeQp(id: RdmaId, { pd, sendCq, recvCq, srq, cap }: QpParts): QueuePair {
  return id.createQp(pd, { sendCq, recvCq, cap, ...(srq === null ? {} : { srq }) }) as unknown as QueuePair;
}
