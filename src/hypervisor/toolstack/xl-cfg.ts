/**
 * A guest's configuration out of an xl.cfg file: each setting to its field, with every mistake at its line and column (xl.cfg(5), tools/xl/xl_parse.c).
 *
 * Where xl warns and passes over a value (a number that is none, a list for a text, an unknown key of a vif), this refuses it: a simulation of another guest
 * than the one described helps nobody. Settings that xl knows and a simulation has no use for are named in a warning.
 */
import { formatIssue, type Issue } from '../../sim/index.ts';
import { parseChannel, parseIb, parsePci, parseVif, type Spec, type Warn } from './device-specs.ts';
import { parseDisk } from './disk-spec.ts';
import { checkGuestConfig } from './guest-check.ts';
import { END_ACTIONS, type GuestConfig, type GuestConfigInput } from './guest-config.ts';
import { XL_KEYS_WITHOUT_EFFECT } from './xl-keys.ts';
import { parseXlDocument, type XlSetting, type XlValue } from './xl-parser.ts';

export interface XlConfigResult {
  /** Null if there are issues. */
  readonly config: GuestConfig | null;
  /** What the file said, as far as it could be read. */
  readonly input: GuestConfigInput;
  /** By line. Throw them as `ConfigError` where that fits. */
  readonly issues: readonly Issue[];
  /** What is worth saying though the configuration stands. */
  readonly warnings: readonly Issue[];
}

export interface XlConfigOptions {
  /** Settings that neither xl nor heddle knows are mistakes; otherwise they are warnings. */
  readonly strict?: boolean;
}

type Draft = { -readonly [K in keyof GuestConfigInput]?: GuestConfigInput[K] };

/** Where a reader of one setting says what it found. */
class Reader {
  readonly draft: Draft = {};
  readonly schedule: {
    -readonly [K in keyof NonNullable<GuestConfigInput['schedule']>]?: NonNullable<GuestConfigInput['schedule']>[K];
  } = {};
  readonly issues: Issue[] = [];
  readonly warnings: Issue[] = [];
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  refuse(at: { line: number; column: number }, path: string, message: string): void {
    this.issues.push({ file: this.#file, line: at.line, column: at.column, path, message });
  }

  warn(at: { line: number; column: number }, path: string, message: string): void {
    this.warnings.push({ file: this.#file, line: at.line, column: at.column, path, message });
  }

  text(setting: XlSetting): string | undefined {
    if (setting.value.kind === 'text') return setting.value.text;
    this.refuse(setting.value, setting.name, 'found a list, accepted is a single value');
    return undefined;
  }

  /** A whole number as C's `strtol` reads it with base 0. */
  number(setting: XlSetting, least: number, most: number): number | undefined {
    const text = this.text(setting);
    if (text === undefined) return undefined;
    const { value, name, isAdded } = setting;
    if (isAdded) this.refuse(setting, name, 'found += with a number, accepted is =');
    const number = cInteger(text);
    if (number !== null && number >= least && number <= most) return isAdded ? undefined : number;
    this.refuse(value, name, `found ${JSON.stringify(text)}, accepted is a whole number from ${least} to ${most}`);
    return undefined;
  }

  list(setting: XlSetting): readonly XlValue[] | undefined {
    if (setting.value.kind === 'list') return setting.value.items;
    this.refuse(setting.value, setting.name, 'found a single value, accepted is a list in [ ]');
    return undefined;
  }

  /** The devices of a list of texts. */
  devices<T>(setting: XlSetting, parse: (text: string, warn: Warn) => Spec<T>): T[] {
    const devices: T[] = [];
    for (const [index, item] of (this.list(setting) ?? []).entries()) {
      const path = `${setting.name}[${index}]`;
      if (item.kind === 'list') {
        this.refuse(item, path, 'found a list, accepted is a text in quotes');
        continue;
      }
      const spec = parse(item.text, (message) => this.warn(item, path, message));
      if (spec.fault !== undefined) this.refuse(item, path, spec.fault);
      else devices.push(spec.device);
    }
    return devices;
  }
}

/** A text as C reads a `long` with base 0: 0x is hexadecimal, 0 octal. Null if it is none. */
function cInteger(text: string): number | null {
  const match = /^[ \t\n\v\f\r]*([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.exec(text);
  if (match === null) return null;
  const digits = match[2]!;
  const size = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return match[1] === '-' ? -size : size;
}

type Handler = (reader: Reader, setting: XlSetting) => void;

const text =
  (field: 'name' | 'uuid' | 'pool' | 'kernel' | 'ramdisk' | 'cmdline' | 'root' | 'extra'): Handler =>
  (reader, setting) => {
    const value = reader.text(setting);
    if (value !== undefined) reader.draft[field] = value;
  };
const count =
  (
    field:
      | 'memoryMb'
      | 'maxMemoryMb'
      | 'vcpus'
      | 'maxVcpus'
      | 'maxGrantFrames'
      | 'maxMaptrackFrames'
      | 'maxGrantVersion'
      | 'maxEventChannels',
    least: number,
    most: number,
  ): Handler =>
  (reader, setting) => {
    const value = reader.number(setting, least, most);
    if (value !== undefined) reader.draft[field] = value;
  };
const flag =
  (field: 'noMigrate' | 'driverDomain' | 'localtime'): Handler =>
  (reader, setting) => {
    const value = reader.number(setting, 0, Number.MAX_SAFE_INTEGER);
    if (value !== undefined) reader.draft[field] = value !== 0;
  };
const schedule =
  (field: 'weight' | 'cap' | 'periodNs' | 'sliceNs' | 'latencyNs', least: number, most: number): Handler =>
  (reader, setting) => {
    const value = reader.number(setting, least, most);
    if (value !== undefined) reader.schedule[field] = value;
  };
const action =
  (field: 'onPoweroff' | 'onReboot' | 'onCrash' | 'onWatchdog' | 'onSoftReset'): Handler =>
  (reader, setting) => {
    const value = reader.text(setting);
    const known = END_ACTIONS.find((name) => name === value);
    if (known !== undefined) reader.draft[field] = known;
    else if (value !== undefined)
      reader.refuse(setting.value, setting.name, `found ${JSON.stringify(value)}, accepted are ${END_ACTIONS.join(', ')}`);
  };
const cpus =
  (field: 'cpus' | 'cpusSoft'): Handler =>
  (reader, setting) => {
    const { value } = setting;
    if (value.kind === 'text') reader.draft[field] = value.text;
    else reader.draft[field] = reader.devices(setting, (device): Spec<string> => ({ device }));
  };

/** Most of anything counted in 32 bits. */
const INT_MAX = 0x7fff_ffff;
const MEMORY_MAX_MB = 0x100_0000;

const type: Handler = (reader, setting) => {
  const value = reader.text(setting);
  if (value === 'pv' || value === 'pvh' || value === 'hvm') reader.draft.type = value;
  else if (value !== undefined)
    reader.refuse(setting.value, setting.name, `found ${JSON.stringify(value)}, accepted are pv, pvh, hvm`);
};
const builder: Handler = (reader, setting) => {
  const value = reader.text(setting);
  if (value === 'hvm' || value === 'generic') reader.draft.type ??= value === 'hvm' ? 'hvm' : 'pv';
  else if (value !== undefined)
    reader.refuse(setting.value, setting.name, `found ${JSON.stringify(value)}, accepted are generic, hvm`);
};

/** Every setting that has an effect. `type` stands before `builder`, which it overrules. */
const HANDLERS: Readonly<Record<string, Handler>> = {
  name: text('name'),
  type,
  builder,
  uuid: text('uuid'),
  memory: count('memoryMb', 1, MEMORY_MAX_MB),
  maxmem: count('maxMemoryMb', 1, MEMORY_MAX_MB),
  vcpus: count('vcpus', 1, INT_MAX),
  maxvcpus: count('maxVcpus', 1, INT_MAX),
  cpus: cpus('cpus'),
  cpus_soft: cpus('cpusSoft'),
  cpu_weight: schedule('weight', 1, 65535),
  cap: schedule('cap', 0, 65535),
  period: schedule('periodNs', 0, Number.MAX_SAFE_INTEGER),
  slice: schedule('sliceNs', 0, Number.MAX_SAFE_INTEGER),
  latency: schedule('latencyNs', 0, Number.MAX_SAFE_INTEGER),
  extratime: (reader, setting) => {
    const value = reader.number(setting, 0, 1);
    if (value !== undefined) reader.schedule.extraTime = value === 1;
  },
  pool: text('pool'),
  kernel: text('kernel'),
  ramdisk: text('ramdisk'),
  cmdline: text('cmdline'),
  root: text('root'),
  extra: text('extra'),
  disk: (reader, setting) => {
    reader.draft.disks = reader.devices(setting, parseDisk);
  },
  vif: (reader, setting) => {
    reader.draft.vifs = reader.devices(setting, parseVif);
  },
  channel: (reader, setting) => {
    reader.draft.channels = reader.devices(setting, parseChannel);
  },
  pci: (reader, setting) => {
    reader.draft.pci = reader.devices(setting, parsePci);
  },
  ib: (reader, setting) => {
    reader.draft.ib = reader.devices(setting, parseIb);
  },
  on_poweroff: action('onPoweroff'),
  on_reboot: action('onReboot'),
  on_crash: action('onCrash'),
  on_watchdog: action('onWatchdog'),
  on_soft_reset: action('onSoftReset'),
  nomigrate: flag('noMigrate'),
  driver_domain: flag('driverDomain'),
  localtime: flag('localtime'),
  max_grant_frames: count('maxGrantFrames', 0, INT_MAX),
  max_maptrack_frames: count('maxMaptrackFrames', 0, INT_MAX),
  max_grant_version: count('maxGrantVersion', 0, INT_MAX),
  max_event_channels: count('maxEventChannels', 0, INT_MAX),
};

/** The settings of xl.cfg that heddle acts on. */
export const XL_KEYS: readonly string[] = Object.keys(HANDLERS);

/** Which of a file's settings each field of the configuration came from, for mistakes that only the whole shows. */
const FIELD_KEYS: Readonly<Record<string, string>> = {
  memoryMb: 'memory',
  maxMemoryMb: 'maxmem',
  maxVcpus: 'maxvcpus',
  cpusSoft: 'cpus_soft',
  vifs: 'vif',
  disks: 'disk',
  channels: 'channel',
  maxGrantVersion: 'max_grant_version',
};

function readSettings(reader: Reader, settings: ReadonlyMap<string, XlSetting>, strict: boolean): void {
  for (const [key, handle] of Object.entries(HANDLERS)) {
    const setting = settings.get(key);
    if (setting !== undefined) handle(reader, setting);
  }
  for (const [key, setting] of settings) {
    if (Object.hasOwn(HANDLERS, key)) continue;
    if (XL_KEYS_WITHOUT_EFFECT.has(key)) reader.warn(setting, key, 'has no effect in a simulation');
    else if (strict) reader.refuse(setting, key, 'found a setting that nobody knows, accepted are those of xl.cfg(5) and ib');
    else reader.warn(setting, key, 'nobody knows this setting; it is ignored');
  }
  if (Object.keys(reader.schedule).length > 0) reader.draft.schedule = reader.schedule;
  const cmdline = settings.get('cmdline');
  if (cmdline !== undefined && (settings.has('root') || settings.has('extra')))
    reader.warn(cmdline, 'cmdline', 'root= and extra= are ignored beside cmdline=');
}

/** The place in the file of what `checkGuestConfig` calls `path`: the setting, or the entry of its list. */
function placeOf(path: string, settings: ReadonlyMap<string, XlSetting>): { path: string; line?: number; column?: number } {
  const [, field, index] = /^(\w+)(?:\[(\d+)\])?/.exec(path) ?? [];
  const key = FIELD_KEYS[field ?? ''] ?? field ?? '';
  const setting = settings.get(key);
  const xlPath = path.replace(field ?? '', key);
  if (setting === undefined) return { path: xlPath };
  const item = setting.value.kind === 'list' && index !== undefined ? setting.value.items[Number(index)] : undefined;
  const { line, column } = item ?? setting.value;
  return { path: xlPath, line, column };
}

/**
 * Reads an xl.cfg file. Never throws: what is wrong is in `issues`, each with file, line and column. `file` is the name that the issues carry.
 */
export function parseXlConfig(source: string, file: string, options: XlConfigOptions = {}): XlConfigResult {
  const { settings, faults, isLikelyPython } = parseXlDocument(source);
  const reader = new Reader(file);
  for (const { line, column, message } of faults) reader.refuse({ line, column }, '', message);
  if (isLikelyPython) {
    const message =
      'this looks like Python, which xm read and xl does not: a configuration is only settings of texts, numbers and lists';
    reader.warnings.push({ file, path: '', message });
  }
  readSettings(reader, settings, options.strict ?? false);
  const input = { ...reader.draft, name: reader.draft.name ?? '' };
  const checked = checkGuestConfig(input, file);
  // Where a setting could not be read, what the whole says of it is an echo.
  const wrong = new Set(reader.issues.map(({ path }) => path.replace(/\[.*/, '')));
  for (const issue of checked.issues) {
    const place = placeOf(issue.path, settings);
    if (!wrong.has(place.path.replace(/\[.*/, ''))) reader.issues.push({ ...issue, ...place });
  }
  const issues = reader.issues.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  return { config: issues.length === 0 ? checked.config : null, input, issues, warnings: reader.warnings };
}

/** Issues and warnings as lines to print. */
export function formatXlIssues(issues: readonly Issue[]): string {
  return issues.map((issue) => `${formatIssue(issue)}\n`).join('');
}
