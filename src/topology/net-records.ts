/**
 * Reads the lines of `ibnetdiscover` output and of ibsim's `.net` files, which are one language in two dialects: a node record is a
 * header line and a line for each linked port; assignments before it give its GUID and identity. Sources: the printing
 * functions of rdma-core's ibnetdiscover.c and the parsing ones of ibsim's sim_net.c.
 *
 *     switchguid=0x2c90200200000(2c90200200000)
 *     Switch  36 "S-0002c90200200000"    # "leaf1" base port 0 lid 6 lmc 0
 *     [22]    "H-0002c90300100000"[1](2c90300100001)    # "cpu1 mlx4_0" lid 4 4xQDR
 *
 * A line that is neither is an issue. What the lines mean together is `import-net.ts`.
 */
import { type IssueList, oneOf, show } from './issue.ts';
import { MAX_PORTS } from './limits.ts';
import type { LinkMasks } from './link-masks.ts';
import { LINK_SPEEDS, LINK_WIDTHS, type LinkSpeed, type LinkWidth } from './speeds.ts';

export type RecordType = 'Switch' | 'Ca' | 'Rt';

export interface NetPort {
  readonly line: number;
  readonly number: number;
  readonly portGuid?: bigint;
  /** The id in quotes, with the module prefix, or `module@alias`. */
  readonly remoteId: string;
  /** Absent: port 1, as ibsim has it, or the alias's own. */
  readonly remotePort?: number;
  readonly lid?: number;
  readonly lmc?: number;
  /** Named at the end of the comment, as in `4xQDR`. */
  readonly named?: { readonly speed: LinkSpeed; readonly width: LinkWidth };
  /** Enabled masks of ibsim: what is set here, else by `width=` and `speed=` above. */
  readonly masks: LinkMasks;
  /** Whether anything in the file sets the masks. */
  readonly masksGiven: boolean;
}

export interface NetRecord {
  readonly line: number;
  readonly type: RecordType;
  readonly portCount: number;
  readonly id: string;
  readonly description?: string;
  readonly guid?: bigint;
  readonly systemImageGuid?: bigint;
  readonly vendorId?: number;
  readonly deviceId?: number;
  readonly chassis?: string;
  readonly enhancedPort0: boolean;
  readonly lid?: number;
  readonly lmc?: number;
  readonly ports: NetPort[];
  /** Port number by alias. */
  readonly aliases: Map<string, number>;
}

/** 4x and SDR alone, as ibsim starts. */
const IBSIM_DEFAULT: LinkMasks = { width: 2, speed: 1, extended: 0 };
const MAX_LINE = 4000;
const MAX_INCLUDES = 8;

/** Reads a file named by `include`; `undefined` where that is not possible. */
export type IncludeReader = (name: string) => string | undefined;

interface State {
  readonly issues: IssueList;
  readonly records: NetRecord[];
  readonly include: IncludeReader | undefined;
  includeDepth: number;
  current: NetRecord | undefined;
  module: string;
  chassis: string | undefined;
  masks: LinkMasks;
  masksGiven: boolean;
  vendorId: number | undefined;
  deviceId: number | undefined;
  systemImageGuid: bigint | undefined;
  /** Next GUID by record type, and the base that `+n` counts from. */
  readonly nextGuid: Map<RecordType, bigint>;
  readonly baseGuid: Map<RecordType, bigint>;
}

/** All records of a text, in its order. Lines that do not fit become issues; issues name their line by the place `[line]`. */
export function readNetRecords(text: string, issues: IssueList, include?: IncludeReader): NetRecord[] {
  const state: State = {
    issues,
    include,
    records: [],
    includeDepth: 0,
    current: undefined,
    module: '',
    chassis: undefined,
    masks: IBSIM_DEFAULT,
    masksGiven: false,
    vendorId: undefined,
    deviceId: undefined,
    systemImageGuid: undefined,
    nextGuid: new Map(),
    baseGuid: new Map(),
  };
  readLines(text, state);
  return state.records;
}

function readLines(text: string, state: State): void {
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!.trimEnd();
    if (line.length > MAX_LINE) state.issues.add([i + 1], `is longer than ${MAX_LINE} characters`);
    else readLine(line, i + 1, state);
  }
}

function readLine(line: string, number: number, state: State): void {
  if (line.startsWith('#')) return;
  if (line.startsWith('[') || line.startsWith('@[')) {
    if (state.current === undefined)
      state.issues.add([number], 'a port stands outside a node; a node begins with Switch, Ca, Hca or Rt');
    else if (line.startsWith('@')) readAlias(line, number, state, state.current);
    else readPort(line, number, state, state.current);
    return;
  }
  state.current = undefined;
  if (line.trim() === '') return;
  if (/^(?:Switch|Hca|Ca|Rt)\b/.test(line)) readHeader(line, number, state);
  else if (/^[a-z]+ *[=+]/.test(line)) readAssignment(line, number, state);
  else readOther(line, number, state);
}

function readHeader(line: string, number: number, state: State): void {
  const match = /^(Switch|Hca|Ca|Rt)\s+([0-9]{1,5})\s+"([^"]*)"\s*(?:#(.*))?$/.exec(line);
  const portCount = Number(match?.[2]);
  if (match === null || match[3] === '') {
    state.issues.add(
      [number],
      `found ${show(line)}; expected a header such as: Switch 36 "S-0002c90200200000" # "leaf1" base port 0 lid 6 lmc 0`,
    );
    return;
  }
  if (portCount < 1 || portCount > MAX_PORTS) {
    state.issues.add([number], `has ${portCount} ports; expected 1 to ${MAX_PORTS}`);
    return;
  }
  const type: RecordType = match[1] === 'Hca' ? 'Ca' : (match[1] as RecordType);
  const id = state.module === '' ? match[3]! : `${state.module}#${match[3]}`;
  const comment = splitComment(match[4] ?? '');
  if (
    type === 'Switch' &&
    /\S/.test(comment.rest) &&
    !/^\s*(?:(?:base|enhanced) port 0)?\s*(?:lid [0-9]+)?\s*(?:lmc [0-9]+)?\s*$/.test(comment.rest)
  )
    state.issues.add(
      [number],
      `found ${show(comment.rest.trim())} after the description; expected: base|enhanced port 0 lid N lmc N`,
    );
  const lid = readNumber(comment.rest, 'lid');
  const lmc = readNumber(comment.rest, 'lmc');
  const guid = takeGuid(state, type, portCount, id);
  state.current = {
    line: number,
    type,
    portCount,
    id,
    enhancedPort0: comment.rest.includes('enhanced port 0'),
    ports: [],
    aliases: new Map(),
    ...(comment.description !== undefined && { description: comment.description }),
    ...(guid !== undefined && { guid }),
    ...(state.systemImageGuid !== undefined && state.systemImageGuid !== 0n && { systemImageGuid: state.systemImageGuid }),
    ...(state.vendorId !== undefined && { vendorId: state.vendorId }),
    ...(state.deviceId !== undefined && { deviceId: state.deviceId }),
    ...(state.chassis !== undefined && { chassis: state.chassis }),
    ...(lid !== undefined && lid > 0 && { lid }),
    ...(lmc !== undefined && { lmc }),
  };
  state.systemImageGuid = undefined;
  state.records.push(state.current);
}

/** The GUID that an assignment announced, else the one inside an id such as `S-0002c90200200000`. */
function takeGuid(state: State, type: RecordType, portCount: number, id: string): bigint | undefined {
  const announced = state.nextGuid.get(type);
  if (announced !== undefined) {
    state.nextGuid.set(type, announced + BigInt(type === 'Switch' ? 1 : portCount + 1));
    return announced;
  }
  const inId = /(?:^|#)[SHR]-([0-9a-fA-F]{16})$/.exec(id);
  return inId === null ? undefined : BigInt(`0x${inId[1]}`);
}

/** The text between the first and the last quote, and what stands around it. */
function splitComment(comment: string): { description?: string; before: string; rest: string } {
  const first = comment.indexOf('"');
  const last = comment.lastIndexOf('"');
  if (first < 0 || last === first) return { before: '', rest: comment };
  return { description: comment.slice(first + 1, last), before: comment.slice(0, first), rest: comment.slice(last + 1) };
}

function readNumber(text: string, word: string): number | undefined {
  const match = new RegExp(`\\b${word} ([0-9]{1,6})\\b`).exec(text);
  return match === null ? undefined : Number(match[1]);
}

const PORT =
  /^\[([0-9]{1,5})\](?:\[ext [0-9]{1,5}\])?(?:\(([0-9a-fA-F]{1,16})\))?\s*"([^"]*)"\s*(?:\[([0-9]{1,5})\])?(?:\[ext [0-9]{1,5}\])?\s*(?:\(([0-9a-fA-F]{1,16})\))?([^#]*)(?:#(.*))?$/;

function readPort(line: string, lineNumber: number, state: State, record: NetRecord): void {
  const match = PORT.exec(line);
  if (match === null) {
    state.issues.add(
      [lineNumber],
      `found ${show(line)}; expected a port such as: [1] "H-0002c90300100000"[1](2c90300100001) # "cpu1 mlx4_0" lid 4 4xQDR`,
    );
    return;
  }
  const number = Number(match[1]);
  const remotePort = match[4] === undefined ? undefined : Number(match[4]);
  if (!checkPortNumber(number, lineNumber, state, record)) return;
  if (match[3] === '' || remotePort === 0) {
    state.issues.add([lineNumber], match[3] === '' ? 'names no remote node' : 'port 0 is no external port');
    return;
  }
  const comment = splitComment(match[7] ?? '');
  const own = record.type === 'Switch' ? '' : comment.description === undefined ? (match[7] ?? '') : comment.before;
  const [lid, lmc] = [readNumber(own, 'lid'), readNumber(own, 'lmc')];
  const tail = comment.rest;
  const named = readRate(tail, lineNumber, state);
  const masks = readMasks(`${match[6]} ${tail}`, state.masks, lineNumber, state);
  if (masks === undefined) return;
  const remote = match[3]!;
  record.ports.push({
    line: lineNumber,
    number,
    remoteId: remote.includes('@') ? (remote.startsWith('@') ? state.module + remote : remote) : withModule(state.module, remote),
    ...(match[2] !== undefined && { portGuid: BigInt(`0x${match[2]}`) }),
    ...(remotePort !== undefined && { remotePort }),
    ...(lid !== undefined && lid > 0 && { lid }),
    ...(lmc !== undefined && { lmc }),
    ...(named !== undefined && { named }),
    masks: masks.masks,
    masksGiven: state.masksGiven || masks.given,
  });
}

function withModule(module: string, id: string): string {
  return module === '' || id.includes('#') ? id : `${module}#${id}`;
}

function checkPortNumber(number: number, line: number, state: State, record: NetRecord): boolean {
  const problem =
    number < 1 || number > record.portCount
      ? `port ${number}: ${show(record.id)} has ports 1 to ${record.portCount}`
      : record.ports.some((port) => port.number === number)
        ? `port ${number} of ${show(record.id)} is listed twice`
        : undefined;
  if (problem !== undefined) state.issues.add([line], problem);
  return problem === undefined;
}

/** `4xQDR` where the comment has it. */
function readRate(text: string, line: number, state: State): NetPort['named'] {
  const match = /(?:^|\s)([0-9?]{1,2}x?)([A-Z]{3}[0-9]{0,2}|\?{3})(?:\s|$)/.exec(text);
  if (match === null) return undefined;
  const [width, speed] = [LINK_WIDTHS.find((name) => name === match[1]), LINK_SPEEDS.find((name) => name === match[2])];
  if (width !== undefined && speed !== undefined) return { width, speed };
  state.issues.add(
    [line],
    `found the link ${show(match[0].trim())}; expected a width (${oneOf(LINK_WIDTHS)}) and a speed (${oneOf(LINK_SPEEDS)})`,
  );
  return undefined;
}

/** ibsim's `w=`, `s=` and `e=`; ibnetdiscover's `v=` is the number of VLs and tells nothing of the link. */
function readMasks(text: string, above: LinkMasks, line: number, state: State): { masks: LinkMasks; given: boolean } | undefined {
  const masks = { ...above };
  let given = false;
  for (const [, name, value] of text.matchAll(/([A-Za-z]+)\s*=\s*(\S*)/g)) {
    const number = /^[0-9]{1,3}$/.test(value!) ? Number(value) : Number.NaN;
    const key = ({ w: 'width', s: 'speed', e: 'extended', v: 'vls' } as const)[name!.toLowerCase()];
    const most = { width: 31, speed: 7, extended: 15, vls: 15 }[key ?? 'vls'];
    if (key === undefined || !(number >= (key === 'extended' ? 0 : 1) && number <= most)) {
      state.issues.add(
        [line],
        `found the option ${show(`${name}=${value}`)}; expected w= (1 to 31), s= (1 to 7) or e= (0 to 15)`,
      );
      return undefined;
    }
    if (key === 'vls') continue;
    masks[key] = number;
    given = true;
  }
  return { masks, given };
}

function readAlias(line: string, number: number, state: State, record: NetRecord): void {
  const match = /^@\[([0-9]{1,5})\]\s*"([^"#@]+)"\s*(?:#.*)?$/.exec(line);
  if (match === null) {
    state.issues.add([number], `found ${show(line)}; expected a port's alias such as: @[3] "uplink1"`);
    return;
  }
  const alias = `${state.module}@${match[2]}`;
  const port = Number(match[1]);
  if (port < 1 || port > record.portCount)
    state.issues.add([number], `port ${port}: ${show(record.id)} has ports 1 to ${record.portCount}`);
  else if (state.records.some((other) => other.aliases.has(alias)))
    state.issues.add([number], `the alias ${show(match[2])} is used twice`);
  else record.aliases.set(alias, port);
}

const GUID_TYPES: Readonly<Record<string, RecordType>> = {
  switchguid: 'Switch',
  caguid: 'Ca',
  hcaguids: 'Ca',
  hcaguid: 'Ca',
  rtguid: 'Rt',
};

function readAssignment(line: string, number: number, state: State): void {
  const module = /^module *= *"([^"#@]{0,64})"\s*(?:#.*)?$/.exec(line);
  if (module !== null) {
    state.module = module[1]!;
    return;
  }
  const match = /^([a-z]+) *([=+]) *(0x[0-9a-fA-F]{1,16}|[0-9]{1,10})(?:\([0-9a-fA-F]{1,16}\))?\s*(?:#(.*))?$/.exec(line);
  const known = [...Object.keys(GUID_TYPES), 'vendid', 'devid', 'sysimgguid', 'width', 'speed', 'extspeed', 'pdebug', 'module'];
  if (match === null || !known.includes(match[1]!) || match[1] === 'module') {
    state.issues.add([number], `found ${show(line)}; expected an assignment of a number to one of ${known.join(', ')}`);
    return;
  }
  const [, name, operator, digits, comment] = match as unknown as [string, string, string, string, string?];
  const value = BigInt(digits);
  const type = GUID_TYPES[name];
  if (type !== undefined) {
    if (operator === '=') state.baseGuid.set(type, value);
    state.nextGuid.set(type, operator === '=' ? value : (state.baseGuid.get(type) ?? 0n) + value);
  } else if (operator === '+') state.issues.add([number], `found ${show(line)}; only GUIDs count from a base with "+"`);
  else if (name === 'vendid') state.vendorId = Number(value);
  else if (name === 'devid') state.deviceId = Number(value);
  else if (name === 'sysimgguid') {
    state.systemImageGuid = value;
    const chassis = /\bChassis ([0-9]+)/.exec(comment ?? '');
    state.chassis = chassis === null ? undefined : `chassis${chassis[1]}`;
  } else setMask(name, Number(value), number, state);
}

function setMask(name: string, value: number, line: number, state: State): void {
  if (name === 'pdebug') return;
  const [key, least, most] = {
    width: ['width', 1, 31] as const,
    speed: ['speed', 1, 7] as const,
    extspeed: ['extended', 0, 15] as const,
  }[name as 'width' | 'speed' | 'extspeed'];
  if (value < least || value > most) state.issues.add([line], `${name} is ${value}; expected a mask from ${least} to ${most}`);
  else {
    state.masks = { ...state.masks, [key]: value };
    state.masksGiven = true;
  }
}

function readOther(line: string, number: number, state: State): void {
  const include = /^include\s+"([^"]+)"/.exec(line);
  if (include !== null) {
    const text = state.includeDepth < MAX_INCLUDES ? state.include?.(include[1]!) : undefined;
    if (text === undefined) {
      state.issues.add(
        [number],
        `cannot include ${show(include[1])}: ${state.includeDepth < MAX_INCLUDES ? 'there is no such file beside this one' : `more than ${MAX_INCLUDES} deep`}`,
      );
      return;
    }
    state.includeDepth++;
    readLines(text, state);
    state.includeDepth--;
    state.current = undefined;
    return;
  }
  if (/^do\b/.test(line)) {
    state.issues.add(
      [number],
      `found the console command ${show(line)}; a topology holds none: change the links in the file, or use a fault`,
    );
    return;
  }
  // Chassis headings of `ibnetdiscover -g`, and complaints of the tool itself that went to the same file.
  if (/^(?:Chassis [0-9]+(?: \(guid 0x[0-9a-fA-F]+\))?|Non-Chassis Nodes|Hostname: .*)$/.test(line)) return;
  if (/^(?:ibwarn:|ibnetdiscover:|src\/)/.test(line)) {
    state.issues.warn([number], `the tool complained: ${show(line)}`);
    return;
  }
  state.issues.add(
    [number],
    `found ${show(line)}; expected a node (Switch, Ca, Hca, Rt), a port in brackets, an assignment, or a comment`,
  );
}
