/**
 * Spinning on memory: `while (*buf != x);` as one wait. The adapter tells when a write into the watched bytes becomes visible; the program goes on then.
 */
import type { MemoryWatcher } from '../hca/index.ts';
import type { Ps, Waiter } from '../sim/index.ts';
import type { Context } from './context.ts';
import type { MemoryRegion } from './memory.ts';

/** Resumes when `predicate` holds of the bytes at a time at which they are visible; without one, at the next write that becomes visible. */
export async function spinOnMemory(
  context: Context,
  mr: MemoryRegion,
  offset: number,
  length: number,
  predicate?: (bytes: Uint8Array) => boolean,
): Promise<void> {
  const { thread, memory, profile } = context;
  if (!thread.isSynced) await thread.sync();
  const view = mr.bytes.subarray(offset, offset + length);
  const addr = context.addressOf(view);
  const start = thread.nowPs;
  for (;;) {
    const visiblePs = memory.visiblePs(addr, length);
    if (visiblePs > thread.nowPs) {
      await sleepUntil(context, visiblePs);
      continue;
    }
    const changed = predicate === undefined ? visiblePs > start : predicate(view);
    if (changed) break;
    await nextWrite(context, addr, length);
  }
  thread.spend(profile.memoryPollPs);
}

function sleepUntil(context: Context, atPs: Ps): Promise<void> {
  const waiter = context.thread.park<void>(`memory of ${context.deviceName}`, null, true);
  waiter.wake(atPs, undefined);
  return waiter.promise;
}

/** Resumes when the next write into the bytes becomes visible. */
function nextWrite(context: Context, addr: number, length: number): Promise<void> {
  const { memory, thread } = context;
  const waiter: Waiter<void> = thread.park<void>(`a write into memory of ${context.deviceName}`, null, true);
  const watcher: MemoryWatcher = {
    addr,
    length,
    onWrite: (visiblePs) => {
      memory.unwatch(watcher);
      waiter.wake(visiblePs, undefined);
    },
  };
  memory.watch(watcher);
  return waiter.promise;
}
