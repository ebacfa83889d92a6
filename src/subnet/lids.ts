/**
 * LID assignment. LIDs that the graph gives are kept; the rest get the next free range, either in the order of the
 * graph (adapter ports, then switches) or in the order in which OpenSM hands them out.
 *
 * An adapter port owns 2^LMC LIDs from a multiple of 2^LMC; a switch's port 0 is a base port and owns one LID
 * (IBA vol. 1, 14.2.5.6 and 18.2.4.2).
 */
import { ConfigError, type Issue } from '../sim/index.ts';
import type { SubnetIndex } from './graph.ts';

/** The last unicast LID. */
export const LAST_UNICAST_LID = 0xbfff;

/** Who has which LID. */
export interface LidPlan {
  /** LID mask control of every adapter port, 0 … 7. */
  readonly lmc: number;
  /** Base LID of each adapter port. */
  readonly adapterLids: Uint16Array;
  /** LID of each switch. */
  readonly switchLids: Uint16Array;
  /** The greatest LID in use. */
  readonly maxLid: number;
  /** Owner of each LID, 0 … `maxLid`: an adapter port's index, or the number of adapter ports + a switch's index; −1 = nobody. */
  readonly owners: Int32Array;
}

export interface LidOptions {
  /** LID mask control, 0 … 7; default 0. */
  readonly lmc?: number;
  /** `graph` (default): as listed, adapter ports first. `opensm`: the manager's own port first, then by GUID as OpenSM's maps keep them. */
  readonly order?: 'graph' | 'opensm';
  /** With `opensm`: the adapter port the manager runs on; default 0. */
  readonly managerPort?: number;
}

/**
 * Assigns every LID.
 * @throws ConfigError naming every LID that is out of range, misaligned for the LMC or wanted by two ports, and when LIDs run out.
 */
export function assignLids(index: SubnetIndex, options: LidOptions = {}): LidPlan {
  const lmc = options.lmc ?? 0;
  if (!Number.isInteger(lmc) || lmc < 0 || lmc > 7)
    throw new ConfigError([{ file: '', path: 'lmc', message: `${lmc} is not in 0 … 7` }]);
  if (options.managerPort !== undefined && !(options.managerPort in index.adapterLink))
    throw new ConfigError([{ file: '', path: 'managerPort', message: `there is no adapter port ${options.managerPort}` }]);
  const table = new LidTable(index, lmc);
  table.keepGiven();
  for (const port of assignmentOrder(index, options)) table.assign(port);
  return table.plan();
}

/**
 * Compares two GUIDs as OpenSM's maps do: it keeps them in network byte order and compares them as the numbers a
 * little-endian machine then sees, so the last byte counts most. Returns a negative, zero or positive number.
 */
export function compareGuidsAsOpenSm(a: bigint, b: bigint): number {
  const x = swapBytes(a);
  const y = swapBytes(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

function swapBytes(guid: bigint): bigint {
  let out = 0n;
  for (let i = 0n; i < 8n; i++) out = (out << 8n) | ((guid >> (8n * i)) & 0xffn);
  return out;
}

/** Owners (see `LidPlan.owners`) in the order in which they get LIDs. */
function assignmentOrder(index: SubnetIndex, options: LidOptions): number[] {
  const owners = Array.from({ length: index.adapterCount + index.switchCount }, (_, i) => i);
  if (options.order !== 'opensm') return owners;
  const { adapters, switches } = index.graph;
  const guids = [...adapters, ...switches].map((node) => node.guid);
  const first = options.managerPort ?? 0;
  return owners.sort((a, b) => {
    if (a === first || b === first) return a === b ? 0 : a === first ? -1 : 1;
    return compareGuidsAsOpenSm(guids[a]!, guids[b]!);
  });
}

class LidTable {
  readonly #index: SubnetIndex;
  readonly #lmc: number;
  readonly #owners = new Int32Array(LAST_UNICAST_LID + 1).fill(-1);
  readonly #lids: Uint16Array;
  readonly #issues: Issue[] = [];
  #next = 1;

  constructor(index: SubnetIndex, lmc: number) {
    this.#index = index;
    this.#lmc = lmc;
    this.#lids = new Uint16Array(index.adapterCount + index.switchCount);
  }

  #size(owner: number): number {
    return owner < this.#index.adapterCount ? 1 << this.#lmc : 1;
  }

  #describe(owner: number): string {
    const { adapters, switches } = this.#index.graph;
    const port = adapters[owner];
    return port === undefined ? `switch ${switches[owner - adapters.length]!.name}` : `port ${port.port} of ${port.name}`;
  }

  keepGiven(): void {
    const { adapters, switches } = this.#index.graph;
    [...adapters, ...switches].forEach((node, owner) => {
      if (node.lid === undefined) return;
      const fault = this.#faultOf(owner, node.lid);
      const list = owner < adapters.length ? `adapters[${owner}]` : `switches[${owner - adapters.length}]`;
      if (fault === undefined) this.#take(owner, node.lid);
      else this.#issues.push({ file: '', path: `${list}.lid`, message: `${this.#describe(owner)}: ${fault}` });
    });
    if (this.#issues.length > 0) throw new ConfigError(this.#issues);
  }

  #faultOf(owner: number, lid: number): string | undefined {
    const size = this.#size(owner);
    if (!Number.isInteger(lid) || lid < 1 || lid + size - 1 > LAST_UNICAST_LID)
      return `LID ${lid} is not in 1 … ${LAST_UNICAST_LID}`;
    if (lid % size !== 0) return `LID ${lid} is not a multiple of ${size}, as LMC ${this.#lmc} asks`;
    for (let l = lid; l < lid + size; l++) {
      if (this.#owners[l] !== -1) return `LID ${l} already belongs to ${this.#describe(this.#owners[l]!)}`;
    }
    return undefined;
  }

  #take(owner: number, lid: number): void {
    this.#owners.fill(owner, lid, lid + this.#size(owner));
    this.#lids[owner] = lid;
  }

  /** The next free range; LIDs below `#next` are taken, or were skipped for alignment. */
  assign(owner: number): void {
    if (this.#lids[owner] !== 0) return;
    const size = this.#size(owner);
    for (let lid = Math.ceil(this.#next / size) * size; lid + size - 1 <= LAST_UNICAST_LID; lid += size) {
      if (this.#faultOf(owner, lid) !== undefined) continue;
      this.#take(owner, lid);
      this.#next = lid + size;
      return;
    }
    throw new ConfigError([{ file: '', path: 'lmc', message: `out of LIDs at ${this.#describe(owner)} with LMC ${this.#lmc}` }]);
  }

  plan(): LidPlan {
    let maxLid = LAST_UNICAST_LID;
    while (maxLid > 0 && this.#owners[maxLid] === -1) maxLid--;
    const adapters = this.#index.adapterCount;
    return {
      lmc: this.#lmc,
      adapterLids: this.#lids.slice(0, adapters),
      switchLids: this.#lids.slice(adapters),
      maxLid,
      owners: this.#owners.slice(0, maxLid + 1),
    };
  }
}
