/** Waiting for a node of xenstore to say something, with patience of a limit. */
import type { KernelCpu, Ps } from '../../sim/index.ts';
import type { StoreClient, StoreReply } from '../xenbus.ts';

/** Calls `done` once what stands at `path` is accepted: with null, or with `complaint` when `patiencePs` have passed. */
export function awaitNode(
  { store, cpu }: { readonly store: StoreClient; readonly cpu: KernelCpu },
  path: string,
  isAccepted: (reply: StoreReply<string>) => boolean,
  patiencePs: Ps,
  complaint: string,
  done: (error: string | null) => void,
): void {
  let isOver = false;
  const finish = (error: string | null) => {
    if (isOver) return;
    isOver = true;
    cpu.clearTimer(timer);
    unwatch();
    done(error);
  };
  const timer = cpu.setTimer(cpu.nowPs + patiencePs, () => finish(complaint));
  const unwatch = store.watch(path, () =>
    store.read(path, (reply) => {
      if (isAccepted(reply)) finish(null);
    }),
  );
}
