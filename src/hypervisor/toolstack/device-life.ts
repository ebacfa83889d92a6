/**
 * A device attached and detached, as libxl does it: directories written, the backend awaited, its hotplug script run; and at the end the backend told, awaited, and the
 * directories removed (tools/libs/light/libxl_device.c).
 */
import type { KernelCpu, Ps } from '../../sim/index.ts';
import { type StoreClient, type StoreReply, XENBUS_STATE } from '../xenbus.ts';
import { classOf, type Device, deviceEntries, deviceGoneEntries } from './device-classes.ts';
import { applyChanges, entries, removal, removeEach } from './store-plan.ts';
import { awaitNode } from './store-wait.ts';

/** Why it failed, or null. */
export type Done = (error: string | null) => void;

/** How long libxl waits for a backend (LIBXL_INIT_TIMEOUT, LIBXL_DESTROY_TIMEOUT). */
const TIMEOUT_PS: Ps = 10e12;

export interface DeviceHost {
  readonly store: StoreClient;
  readonly cpu: KernelCpu;
  /** What a hotplug script costs. */
  readonly scriptPs: Ps;
  /** Connects a backend to what is behind it, or takes it off: what the script of a real system does. */
  readonly onHotplug: ((device: Device, isOnline: boolean) => void) | null;
}

/** Calls `done` once the backend is in one of `states`, or is gone if `orGone`; with an error after the timeout. */
function awaitBackend(host: DeviceHost, { paths }: Device, states: readonly number[], orGone: boolean, done: Done): void {
  const isThere = (reply: StoreReply<string>) =>
    reply.ok ? states.includes(Number(reply.value)) : orGone && reply.error === 'ENOENT';
  awaitNode(host, `${paths.back}/state`, isThere, TIMEOUT_PS, `device ${paths.back} did not answer within 10 s`, done);
}

function hotplug(host: DeviceHost, device: Device, isOnline: boolean, done: Done): void {
  if (!classOf(device.kind).hasHotplug) {
    done(null);
    return;
  }
  host.cpu.exec(host.scriptPs, 'hotplug', () => {
    host.onHotplug?.(device, isOnline);
    if (!isOnline) done(null);
    else applyChanges(host.store, entries(device.paths.back, { 'hotplug-status': 'connected' }), done);
  });
}

/** Adds a device; `done` when its backend waits for the frontend. */
export function attachDevice(host: DeviceHost, device: Device, done: Done): void {
  // The path is the device's for as long as libxl's copy is there.
  host.store.read(`${device.paths.libxl}/backend`, (known) => {
    if (known.ok) {
      done(`device ${device.kind} ${device.id} of domain ${device.domid} is there already`);
      return;
    }
    applyChanges(host.store, deviceEntries(device), (error) => {
      if (error !== null) {
        done(`device ${device.paths.back}: xenstore says ${error}`);
        return;
      }
      // A backend that a fast frontend has drawn on already is as good.
      awaitBackend(host, device, [XENBUS_STATE.initWait, XENBUS_STATE.initialised, XENBUS_STATE.connected], false, (failed) => {
        if (failed === null) hotplug(host, device, true, done);
        else removeEach(host.store, deviceGoneEntries(device), () => done(failed));
      });
    });
  });
}

/**
 * Removes a device: `online` 0 and Closing at the backend, then Closed awaited. `isForced` takes the frontend's directory away first, as for a domain that is
 * gone. A backend that does not answer is an error, but the directories go all the same when it is forced.
 */
export function detachDevice(host: DeviceHost, device: Device, isForced: boolean, done: Done): void {
  const finish = (error: string | null) => removeEach(host.store, deviceGoneEntries(device), () => done(error));
  const wait = () =>
    awaitBackend(host, device, [XENBUS_STATE.closed], true, (error) => {
      if (error !== null && !isForced) done(error);
      else hotplug(host, device, false, () => finish(error));
    });
  host.store.read(`${device.paths.back}/state`, (state) => {
    if (!state.ok) {
      finish(null);
      return;
    }
    const changes = [
      ...(isForced ? [removal(device.paths.front)] : []),
      ...entries(device.paths.back, { online: 0 }),
      ...(Number(state.value) === XENBUS_STATE.closed ? [] : entries(device.paths.back, { state: XENBUS_STATE.closing })),
    ];
    applyChanges(host.store, changes, (error) =>
      error === null ? wait() : done(`device ${device.paths.back}: xenstore says ${error}`),
    );
  });
}
