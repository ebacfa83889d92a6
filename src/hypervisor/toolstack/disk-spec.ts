/**
 * xl-disk-configuration(5): `TARGET,FORMAT,VDEV,ACCESS` by place, then or instead `KEY=VALUE` and flags; `target=` comes last and takes the rest of the text.
 * The old forms with a prefix (`phy:`, `file:`, `raw:` …) are taken as xl takes them (tools/libs/util/libxlu_disk_l.l).
 */
import type { Spec, Warn } from './device-specs.ts';
import type { DiskConfig } from './guest-config.ts';

const FORMATS = ['raw', 'qcow', 'qcow2', 'vhd', 'qed', 'empty'] as const;
const BACKEND_TYPES = ['phy', 'qdisk', 'tap', 'standalone'] as const;
const ACCESS: Readonly<Record<string, boolean>> = { r: false, ro: false, w: true, rw: true, '': true };
const FLAGS = ['cdrom', 'direct-io-safe', 'discard', 'no-discard', 'trusted', 'untrusted', 'colo', 'no-colo'];
const KEYS = 'format vdev access devtype backend backendtype specification script target';

type Draft = { -readonly [K in keyof DiskConfig]?: DiskConfig[K] } & { accessSet?: boolean };

/** Thrown within this file: what is wrong with the text. */
class DiskFault extends Error {}

function refuse(found: string, accepted: string): never {
  throw new DiskFault(`found ${found}, accepted ${accepted}`);
}

/** Sets a field that may be said once, or again the same if `sameAgain`. */
function once<K extends keyof Draft>(disk: Draft, key: K, value: NonNullable<Draft[K]>, sameAgain = false): void {
  const before = disk[key];
  if (before !== undefined && before !== '' && !(sameAgain && before === value)) refuse(`${key} twice`, 'once');
  disk[key] = value as Draft[K];
}

function setFormat(disk: Draft, text: string): void {
  const format = FORMATS.find((known) => known === (text === '' ? 'raw' : text));
  if (format === undefined) refuse(`the format ${JSON.stringify(text)}`, FORMATS.join(', '));
  once(disk, 'format', format, true);
}

function setAccess(disk: Draft, text: string): void {
  const writable = ACCESS[text];
  if (writable === undefined) refuse(`the access ${JSON.stringify(text)}`, 'r, ro, w or rw');
  disk.writable = writable;
}

/** Sets the device from `NAME` or the old `NAME:cdrom`; whether it was the old form. */
function setVdev(disk: Draft, text: string): boolean {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return false;
  once(disk, 'vdev', text.slice(0, colon));
  const type = text.slice(colon + 1);
  if (type !== 'cdrom' && type !== 'disk') refuse(`the device type ${JSON.stringify(type)}`, 'cdrom or disk');
  disk.cdrom = type === 'cdrom';
  return true;
}

function setFlag(disk: Draft, flag: string, warn: Warn): void {
  if (flag === 'cdrom') disk.cdrom = true;
  else if (flag === 'direct-io-safe') disk.directIoSafe = true;
  else if (flag === 'discard' || flag === 'no-discard') disk.discard = flag === 'discard';
  else if (flag === 'trusted' || flag === 'untrusted') disk.trusted = flag === 'trusted';
  else warn(`disk: ${flag} has no effect in a simulation`);
}

function setKey(disk: Draft, key: string, value: string, warn: Warn): void {
  if (key === 'format') setFormat(disk, value);
  else if (key === 'access') setAccess(disk, value);
  else if (key === 'vdev' || key === 'backend' || key === 'script') once(disk, key, value);
  else if (key === 'devtype') {
    if (value !== 'cdrom' && value !== 'disk') refuse(`devtype=${JSON.stringify(value)}`, 'cdrom or disk');
    disk.cdrom = value === 'cdrom';
  } else if (key === 'backendtype') {
    const type =
      BACKEND_TYPES.find((known) => known === value) ?? refuse(`backendtype=${JSON.stringify(value)}`, BACKEND_TYPES.join(', '));
    once(disk, 'backendType', type, true);
  } else if (key === 'specification') {
    if (value !== 'xen' && value !== 'virtio') refuse(`specification=${JSON.stringify(value)}`, 'xen or virtio');
    once(disk, 'specification', value, true);
  } else if (/^(colo-(host|port|export)|active-disk|hidden-disk)$/.test(key)) warn(`disk: ${key} has no effect in a simulation`);
  else refuse(JSON.stringify(`${key}=${value}`), `KEY=VALUE with one of ${KEYS}, or one of ${FLAGS.join(' ')}`);
}

/** Prefixes of old: what each says of the format or the script. */
function setPrefix(disk: Draft, prefix: string): void {
  if (/^(raw|qcow2?|vhd)$/.test(prefix)) setFormat(disk, prefix);
  else if (/^(iscsi|e?nbd|drbd)$/.test(prefix)) once(disk, 'script', `block-${prefix}`);
  else if (!/^(tapdisk|tap2?|aio|ioemu|file|phy)$/.test(prefix))
    refuse(
      `the prefix ${JSON.stringify(`${prefix}:`)}`,
      'phy: file: tap: tap2: tapdisk: aio: ioemu: raw: qcow: qcow2: vhd: iscsi: nbd: enbd: drbd:',
    );
}

function setPositional(disk: Draft, value: string, hadPrefix: boolean): void {
  if (disk.target === undefined) disk.target = value;
  else if (!hadPrefix && disk.format === undefined) {
    if (disk.target === '' && setVdev(disk, value)) disk.format = 'empty';
    else setFormat(disk, value);
  } else if (disk.vdev === undefined) {
    if (!setVdev(disk, value)) disk.vdev = value;
  } else if (!disk.accessSet) {
    disk.accessSet = true;
    setAccess(disk, value);
  } else refuse(`${JSON.stringify(value)} as a fifth value by place`, 'target, format, vdev and access');
}

function readPieces(text: string, disk: Draft, warn: Warn): void {
  let hadPrefix = false;
  let rest = text.replace(/^[ \t\n]+(?=$|[^ \t\n])/, '');
  while (rest !== '') {
    const prefix =
      /^([a-z][a-z0-9]*):(?=[^a-z0-9]|$|\/)/.exec(rest) ??
      /^(raw|qcow2?|vhd|iscsi|e?nbd|drbd|tapdisk|tap2?|aio|ioemu|file|phy):/.exec(rest);
    if (prefix !== null) {
      setPrefix(disk, prefix[1]!);
      hadPrefix = true;
      rest = rest.slice(prefix[0].length);
      continue;
    }
    if (rest.startsWith('target=')) {
      once(disk, 'target', rest.slice('target='.length).replace(/,$/, ''));
      return;
    }
    const comma = rest.indexOf(',');
    const piece = comma < 0 ? rest : rest.slice(0, comma);
    rest = comma < 0 ? '' : rest.slice(comma + 1).replace(/^[ \t\n]+/, '');
    const equals = piece.indexOf('=');
    if (FLAGS.includes(piece)) setFlag(disk, piece, warn);
    else if (equals >= 0) setKey(disk, piece.slice(0, equals), piece.slice(equals + 1), warn);
    else setPositional(disk, piece, hadPrefix);
  }
}

/** A disk, or what is wrong with its text. */
export function parseDisk(text: string, warn: Warn): Spec<DiskConfig> {
  const disk: Draft = { writable: true, cdrom: false };
  try {
    readPieces(text, disk, warn);
    if (disk.vdev === undefined) refuse('no vdev', 'one, such as xvda');
    if (disk.target === undefined && !disk.cdrom) refuse('no target', 'one, unless the device is a cdrom');
  } catch (error) {
    if (error instanceof DiskFault) return { fault: error.message };
    throw error;
  }
  const { accessSet: _, ...said } = disk;
  const empty = disk.cdrom && (disk.target === undefined || disk.target === '');
  const format = empty ? 'empty' : (disk.format ?? 'raw');
  return { device: { ...said, vdev: disk.vdev!, cdrom: disk.cdrom!, format, writable: disk.writable! && !disk.cdrom } };
}
