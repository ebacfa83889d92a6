/** A guest's network interfaces as `xl network-list` has them, out of xenstore (libxl_nic.c, `libxl_device_nic_getinfo`). */
import type { StoreClient } from '../xenbus.ts';
import type { Device } from './device-classes.ts';
import type { Guest } from './guest.ts';
import type { VifConfig } from './guest-config.ts';
import type { NetworkRow } from './xl-output.ts';

const KEYS = ['state', 'event-channel', 'tx-ring-ref', 'rx-ring-ref'] as const;

/** What is not there yet, or is split over several keys, is −1. */
const numberOf = (text: string | undefined): number => (text === undefined ? -1 : Number.parseInt(text, 10));

function rowOf(device: Device, values: readonly (string | undefined)[]): NetworkRow {
  const [state, eventChannel, txRingRef, rxRingRef] = values.map(numberOf) as [number, number, number, number];
  const { mac = '' } = device.config as VifConfig;
  return {
    devid: device.id,
    backendDomid: device.backendDomid,
    mac,
    state,
    eventChannel,
    txRingRef,
    rxRingRef,
    backendPath: device.paths.back,
  };
}

/** Reads the rows of all interfaces that the toolstack has given to `guest`. */
export function readNetworkRows(store: StoreClient, guest: Guest, done: (rows: readonly NetworkRow[]) => void): void {
  const devices = [...guest.devices.values()].filter(({ kind }) => kind === 'vif');
  const values = devices.map((): (string | undefined)[] => []);
  let open = devices.length * KEYS.length;
  if (open === 0) done([]);
  devices.forEach((device, index) => {
    KEYS.forEach((key, column) => {
      store.read(`${device.paths.front}/${key}`, (reply) => {
        values[index]![column] = reply.ok ? reply.value : undefined;
        if (--open === 0) done(devices.map((one, at) => rowOf(one, values[at]!)));
      });
    });
  });
}
