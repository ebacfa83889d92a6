/**
 * The guest's side of `xl shutdown` and `xl reboot`: its kernel watches control/shutdown, clears what it finds there, winds up, and calls SCHEDOP_shutdown
 * (Linux: drivers/xen/manage.c). It also says which requests it knows, as feature-* nodes.
 */
import type { GuestKernel } from '../guest-kernel.ts';

/** SHUTDOWN_* by the request that leads to it (xen/include/public/sched.h). */
export const SHUTDOWN_REASONS = { poweroff: 0, halt: 0, reboot: 1, suspend: 2, crash: 3, watchdog: 4, soft_reset: 5 } as const;
export type ShutdownRequest = 'poweroff' | 'halt' | 'reboot';

const PATH = 'control/shutdown';

function isRequest(text: string): text is ShutdownRequest {
  return text === 'poweroff' || text === 'halt' || text === 'reboot';
}

/**
 * Has a guest obey. `windUp` is what its user space does first: it calls `finished` when the domain may stop. Requests that it does not know stay unanswered
 * and the toolstack's patience runs out.
 */
export function obeyShutdown(
  kernel: GuestKernel,
  windUp: (request: ShutdownRequest, finished: () => void) => void = (_, finished) => finished(),
): void {
  const { store } = kernel.xenbus;
  let isObeying = false;
  for (const feature of ['poweroff', 'reboot']) store.write(`control/feature-${feature}`, '1');
  store.watch(PATH, () =>
    store.read(PATH, (reply) => {
      if (!reply.ok || isObeying || !isRequest(reply.value)) return;
      const request = reply.value;
      isObeying = true;
      // Cleared before anything else: this is the acknowledgement.
      store.write(PATH, '', () =>
        windUp(request, () => kernel.cpu.exec(0, 'shutdown', () => kernel.xen.shutdown(kernel.cpu, SHUTDOWN_REASONS[request]))),
      );
    }),
  );
}
