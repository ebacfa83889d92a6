/**
 * The small languages within the texts of xl.cfg's device lists: `vif`, `channel`, `pci` and heddle's own `ib`; disks are in disk-spec.ts.
 * Each function gives the device, or says what is wrong with its text. What xl only warns of goes to `warn`.
 */
import type { ChannelConfig, IbConfig, IbMode, PciConfig, VifConfig } from './guest-config.ts';
import { IB_MODES } from './guest-config.ts';
import { parseRate } from './vif-rate.ts';

/** A device, or what is wrong. */
export type Spec<T> =
  | { readonly device: T; readonly fault?: undefined }
  | { readonly fault: string; readonly device?: undefined };
export type Warn = (message: string) => void;

type Fields<T> = { -readonly [K in keyof T]?: T[K] };

const quoted = (text: string) => JSON.stringify(text);
const fault = (found: string, accepted: string) => `found ${found}, accepted ${accepted}`;

/** What `strtok(text, ",")` gives: pieces between commas, empty ones left out, blanks before each taken off. */
function pieces(text: string): string[] {
  return text
    .split(',')
    .filter((piece) => piece !== '')
    .map((piece) => piece.replace(/^ +/, ''));
}

/** The value of a piece `key=value`; null where it has no `=`. */
function pair(piece: string): readonly [string, string | null] {
  const at = piece.indexOf('=');
  return at < 0 ? [piece, null] : [piece.slice(0, at), piece.slice(at + 1)];
}

const MAC = /^[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5}$/i;

/** Six numbers in hexadecimal as `00:16:3e:01:02:03`, or null. */
export function normalMac(text: string): string | null {
  if (!MAC.test(text)) return null;
  return text
    .split(':')
    .map((byte) => byte.padStart(2, '0').toLowerCase())
    .join(':');
}

const VIF_TEXTS = ['bridge', 'ip', 'script', 'backend', 'vifname', 'model', 'gatewaydev'] as const;
const VIF_KEYS = 'type mac bridge gatewaydev ip script backend vifname model rate devid mtu trusted untrusted';

/** Sets what one piece of a vif says; the fault, or null. */
function vifPiece(vif: Fields<VifConfig>, piece: string, warn: Warn): string | null {
  const [key, value] = pair(piece);
  if (value === null) {
    if (key === 'trusted' || key === 'untrusted') vif.trusted = key === 'trusted';
    else return fault(quoted(piece), `KEY=VALUE with one of ${VIF_KEYS}`);
    return null;
  }
  const name = VIF_TEXTS.find((known) => known === (key === 'netdev' ? 'gatewaydev' : key));
  if (name !== undefined) vif[name] = value;
  else if (key === 'type') {
    if (value !== 'vif' && value !== 'ioemu') return fault(`type=${quoted(value)}`, 'vif or ioemu');
    vif.type = value;
  } else if (key === 'mac') {
    const mac = normalMac(value);
    if (mac === null) return fault(`mac=${quoted(value)}`, 'six bytes in hexadecimal with colons, such as 00:16:3e:00:00:01');
    if ((Number.parseInt(mac.slice(0, 2), 16) & 1) !== 0)
      return fault(`mac=${quoted(value)}`, 'an address of one station: its first byte even');
    vif.mac = mac;
  } else if (key === 'rate') {
    const rate = parseRate(value);
    if (typeof rate === 'string') return rate;
    vif.rate = rate;
  } else if (key === 'devid' || key === 'mtu') {
    const most = key === 'mtu' ? 65535 : 4095;
    if (!/^\d+$/.test(value) || Number(value) > most) return fault(`${key}=${quoted(value)}`, `a number up to ${most}`);
    vif[key] = Number(value);
  } else if (/^(colo_|forwarddev$|accel$)/.test(key)) warn(`vif: ${key} has no effect in a simulation`);
  else return fault(quoted(piece), `KEY=VALUE with one of ${VIF_KEYS}`);
  return null;
}

/** xl-network-configuration(5); xl_parse.c `parse_nic_config`. What xl prints and passes over is a mistake here: a wrong MAC, an unknown key. */
export function parseVif(text: string, warn: Warn): Spec<VifConfig> {
  const vif: Fields<VifConfig> = {};
  for (const piece of pieces(text)) {
    const wrong = vifPiece(vif, piece, warn);
    if (wrong !== null) return { fault: wrong };
  }
  return { device: vif };
}

/** xl.cfg(5) `channel`: `name=…,connection=pty|socket[,path=…][,backend=…]`. */
export function parseChannel(text: string, warn: Warn): Spec<ChannelConfig> {
  const keys: Record<string, string> = {};
  for (const piece of pieces(text)) {
    const [key, value] = pair(piece);
    if (value === null) return { fault: fault(quoted(piece), 'KEY=VALUE with one of backend name path connection') };
    if (!/^\s*(backend|name|path|connection)\s*$/.test(key)) warn(`channel: unknown parameter ${quoted(key.trim())} is ignored`);
    keys[key.trim()] = value.trim();
  }
  const { name, path, backend, connection } = keys;
  if (connection !== 'pty' && connection !== 'socket')
    return { fault: fault(connection === undefined ? 'no connection=' : `connection=${quoted(connection)}`, 'pty or socket') };
  if (connection === 'socket' && path === undefined)
    return { fault: fault('connection=socket without a path', 'path=… beside it') };
  return {
    device: {
      connection,
      ...(name !== undefined && { name }),
      ...(connection === 'socket' && { path: path! }),
      ...(backend !== undefined && { backend }),
    },
  };
}

const BDF = /^(?:([0-9a-f]+):)?([0-9a-f]+):([0-9a-f]+)\.(\*|[0-9a-f]+)/i;
const PCI_FLAGS: Readonly<Record<string, 'permissive' | 'msiTranslate' | 'powerManagement' | 'seize'>> = {
  permissive: 'permissive',
  msitranslate: 'msiTranslate',
  power_mgmt: 'powerManagement',
  seize: 'seize',
};

/** A PCI address at the start of `text`, with what follows it; null if there is none. */
function pciAddress(text: string): { address: NonNullable<PciConfig['address']>; rest: string } | null {
  const match = BDF.exec(text);
  if (match === null) return null;
  const [domain, bus, device] = [match[1] ?? '0', match[2]!, match[3]!].map((part) => Number.parseInt(part, 16)) as [
    number,
    number,
    number,
  ];
  const func = match[4] === '*' ? -1 : Number.parseInt(match[4]!, 16);
  if (domain > 0xffff || bus > 0xff || device > 0x1f || func > 7) return null;
  return { address: { domain, bus, device, func }, rest: text.slice(match[0].length) };
}

function pciOption(pci: Fields<PciConfig>, piece: string): string | null {
  const [key, value] = pair(piece);
  const flag = PCI_FLAGS[key];
  if (value === null) return fault(quoted(piece), 'KEY=VALUE');
  if (flag !== undefined) pci[flag] = Number.parseInt(value, 10) > 0;
  else if (key === 'name') pci.name = value;
  else if (key === 'bdf') {
    const bdf = pciAddress(value);
    if (bdf === null) return fault(`bdf=${quoted(value)}`, '[DOMAIN:]BUS:DEVICE.FUNCTION in hexadecimal, or * as function');
    pci.address = bdf.address;
  } else if (key === 'vslot') {
    const slot = Number.parseInt(value, 16);
    if (!(slot >= 0 && slot <= 0x1f)) return fault(`vslot=${quoted(value)}`, 'a slot from 0 to 1f in hexadecimal');
    pci.virtualSlot = slot;
  } else if (key === 'rdm_policy' && (value === 'strict' || value === 'relaxed')) pci.rdmPolicy = value;
  else return fault(quoted(piece), 'bdf= vslot= permissive= msitranslate= seize= power_mgmt= rdm_policy=strict|relaxed name=');
  return null;
}

/** xl-pci-configuration(5), libxlu_pci.c: `[DOMAIN:]BUS:DEVICE.FUNCTION[@VSLOT][,KEY=VALUE…]` or `name=…`. */
export function parsePci(text: string): Spec<PciConfig> {
  const pci: Fields<PciConfig> = {};
  const first = pciAddress(text);
  let rest = text;
  if (first !== null) {
    pci.address = first.address;
    const slot = /^@([0-9a-f]+)/i.exec(first.rest);
    rest = first.rest;
    if (slot !== null) {
      const wrong = pciOption(pci, `vslot=${slot[1]}`);
      if (wrong !== null) return { fault: wrong };
      rest = rest.slice(slot[0].length);
    }
    if (rest !== '' && !rest.startsWith(','))
      return { fault: fault(quoted(text), 'an address such as 0000:01:00.0, then options after commas') };
  }
  for (const piece of rest.split(',').filter((part) => part !== '')) {
    const wrong = pciOption(pci, piece);
    if (wrong !== null) return { fault: wrong };
  }
  if ((pci.address === undefined) === (pci.name === undefined))
    return { fault: fault(quoted(text), 'either an address or name=') };
  return { device: pci };
}

const IB_NUMBERS = { hca: [0, 15], port: [1, 255], pkey: [1, 0xffff] } as const;

/** heddle's own: `mode=bypass|netfront|vf,hca=0,port=1,pkey=0x8001[,backend=DOMAIN]`. The mode is needed; the rest is adapter 0, port 1, P_Key 0xffff. */
export function parseIb(text: string): Spec<IbConfig> {
  const ib = { hca: 0, port: 1, pkey: 0xffff };
  let mode: IbMode | undefined;
  let backend: string | undefined;
  for (const piece of pieces(text)) {
    const [key, value] = pair(piece);
    if (value !== null && key === 'mode') {
      mode = IB_MODES.find((known) => known === value);
      if (mode === undefined) return { fault: fault(`mode=${quoted(value)}`, IB_MODES.join(', ')) };
    } else if (value !== null && key === 'backend') backend = value;
    else if (value !== null && (key === 'hca' || key === 'port' || key === 'pkey')) {
      const [least, most] = IB_NUMBERS[key];
      const number = /^(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : Number.NaN;
      if (!(number >= least && number <= most))
        return { fault: fault(`${key}=${quoted(value)}`, `a number from ${least} to ${most}`) };
      ib[key] = number;
    } else return { fault: fault(quoted(piece), 'mode=bypass|netfront|vf, hca=N, port=N, pkey=0xNNNN, backend=DOMAIN') };
  }
  if (mode === undefined) return { fault: fault(`${quoted(text)} without a mode`, `mode=${IB_MODES.join('|')}`) };
  return { device: { mode, ...ib, ...(backend !== undefined && { backend }) } };
}
