/** What becomes of a domain that stopped: xl.cfg(5) "Event Actions", xl_vmcontrol.c `handle_domain_death`. */
import type { EndAction, GuestConfig } from './guest-config.ts';
import { SHUTDOWN_REASONS } from './guest-control.ts';

export interface Ending {
  readonly action: EndAction;
  /** A new domain takes its place. */
  readonly isRestarted: boolean;
  /** The old one stays. */
  readonly isKept: boolean;
}

function actionFor(config: GuestConfig, reason: number): EndAction {
  switch (reason) {
    case SHUTDOWN_REASONS.poweroff:
      return config.onPoweroff;
    case SHUTDOWN_REASONS.reboot:
      return config.onReboot;
    case SHUTDOWN_REASONS.suspend:
      // A domain that suspends is for its saver to deal with.
      return 'preserve';
    case SHUTDOWN_REASONS.crash:
      return config.onCrash;
    case SHUTDOWN_REASONS.watchdog:
      return config.onWatchdog;
    case SHUTDOWN_REASONS.soft_reset:
      return config.onSoftReset;
    default:
      return 'destroy';
  }
}

/** For SHUTDOWN_* `reason`. Nobody reads core dumps of a simulated guest, so the coredump actions are those without; a soft reset is a restart. */
export function endingOf(config: GuestConfig, reason: number): Ending {
  const action = actionFor(config, reason);
  const isRestarted =
    action === 'restart' || action === 'rename-restart' || action === 'coredump-restart' || action === 'soft-reset';
  return { action, isRestarted, isKept: action === 'preserve' || action === 'rename-restart' };
}
