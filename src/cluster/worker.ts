/**
 * The body of a worker thread: a group of nodes that does what the coordinator commands, until it is terminated.
 *
 * It never returns to its event loop (programs are resumed from one long macrotask), so nothing real can reach a simulated program.
 */
import { workerData } from 'node:worker_threads';
import { setRunMarker } from '../sim/index.ts';
import type { PeerMessage } from './messages.ts';
import { NodeGroup } from './node-group.ts';
import { plainError } from './solo.ts';
import { CTL_MARKER, CTL_READY, OP_REPORT, OP_RUN, ThreadChannel } from './thread-channel.ts';
import { installVirtualClocks } from './virtual-clock.ts';
import type { WorkerInput } from './worker-group.ts';

const { config, channel: share } = workerData as WorkerInput;
const channel = new ThreadChannel(share);

NodeGroup.create(config, channel.recordsOut).then(
  (group) => setImmediate(serve, group),
  (error: unknown) => {
    throw error;
  },
);

function serve(group: NodeGroup): void {
  installVirtualClocks();
  setRunMarker(new Int32Array(share.control, CTL_MARKER * 4, 2));
  const { control, times, recordsIn, stream } = channel;
  Atomics.store(control, CTL_READY, 1);
  let pending: PeerMessage[] = [];
  let failed = false;
  for (let commands = 0; ; commands = (commands + 1) | 0) {
    const { operation, piece, last } = channel.awaitCommand(commands);
    if (piece.length > 0) pending.push(...(stream.read(piece, last) as PeerMessage[]));
    if (!failed && operation === OP_RUN) {
      try {
        group.run(times[0] as number, recordsIn, pending);
        pending = [];
        for (const message of group.takeMessages()) stream.push(message);
      } catch (error) {
        failed = true;
        const plain = plainError(error);
        stream.push({ kind: 'failure', error: { ...plain, stack: `at ${group.loop.nowPs} ps: ${plain.stack}` } });
      }
    } else if (operation === OP_REPORT) stream.push(group.report());
    recordsIn.clear();
    channel.answer(group.nextPs(), group.waitsForRoom(), failed ? 0 : group.outbox.count);
    group.outbox.clear();
  }
}
