/**
 * Which HCA profile and switch type stand for what an importer finds. Device ids are those of the makers' PCI listings; where a device
 * is not known, the link's speed decides, and the importer says so in a warning.
 */
import type { LinkSpeed } from './speeds.ts';

const PROFILE_OF_SPEED: Readonly<Record<LinkSpeed, string>> = {
  SDR: 'infinihost-sdr',
  DDR: 'connectx2-qdr',
  QDR: 'connectx2-qdr',
  FDR10: 'connectx3-qdr',
  FDR: 'connect-ib-fdr',
  EDR: 'connectx4-edr',
  HDR: 'connectx6-hdr',
  NDR: 'connectx7-ndr',
  XDR: 'connectx7-ndr',
};

/** The profile of the HCA generation whose native speed it is, or of the nearest one that has a profile. */
export function profileForSpeed(speed: LinkSpeed): string {
  return PROFILE_OF_SPEED[speed];
}

/** NodeInfo device id to profile. */
const PROFILE_OF_DEVICE: Readonly<Record<number, string>> = {
  23108: 'infinihost-sdr',
  25208: 'infinihost-sdr',
  25218: 'infinihost-sdr',
  26418: 'connectx2-qdr',
  26428: 'connectx2-qdr',
  26438: 'connectx2-qdr',
  4099: 'connectx3-qdr',
  4103: 'connectx3-qdr',
  4113: 'connect-ib-fdr',
  4115: 'connectx4-edr',
  4119: 'connectx4-edr',
  4123: 'connectx6-hdr',
  4129: 'connectx7-ndr',
};

/** The profile of a device, or `undefined` where it is not known. */
export function profileForDevice(deviceId: number | undefined): string | undefined {
  return deviceId === undefined ? undefined : PROFILE_OF_DEVICE[deviceId];
}

/** NodeInfo device id of switches to switch type. */
const SWITCH_TYPE_OF_DEVICE: Readonly<Record<number, string>> = {
  47396: 'infiniscale-iii-ddr',
  48438: 'infiniscale-iv',
  51000: 'switchx-2',
  52000: 'switch-ib',
  53000: 'switch-ib',
  54000: 'quantum',
  54002: 'quantum-2',
};

export function switchTypeForDevice(deviceId: number | undefined): string | undefined {
  return deviceId === undefined ? undefined : SWITCH_TYPE_OF_DEVICE[deviceId];
}
