/**
 * Sets of physical CPUs in xl's words: `all`, `3`, `0-3`, `^1`, `node:0`, `nodes:0-1`, joined by commas and worked off from left to right
 * (xl.cfg(5) `cpus`, xl_parse.c `parse_cpurange`).
 */

/** What the words are resolved against. */
export interface CpuTopology {
  /** Physical CPUs, numbered from 0. */
  readonly pcpus: number;
  /** The CPUs of each NUMA node; one node of all CPUs where it is left out. */
  readonly nodes?: readonly (readonly number[])[];
}

interface CpuTerm {
  readonly remove: boolean;
  readonly nodes: boolean;
  readonly first: number;
  /** Last of the range; -1 for all. */
  readonly last: number;
}

/** CPU numbers above this are mistakes, not machines. */
const MAX_CPU = 4095;

function parseTerm(text: string): CpuTerm | string {
  const match = /^(\^?)(nodes?:)?(?:(all)|(\d+)(?:-(\d+))?)$/.exec(text);
  if (match === null)
    return `found ${JSON.stringify(text)}, accepted are "all", a CPU, "A-B", "node:N" and "nodes:A-B", each but "all" also with ^ before it`;
  const remove = match[1] === '^';
  const nodes = match[2] !== undefined;
  if (match[3] !== undefined)
    return remove ? 'found "^all", accepted are ^ and CPUs or nodes' : { remove, nodes, first: 0, last: -1 };
  const first = Number(match[4]);
  const last = match[5] === undefined ? first : Number(match[5]);
  if (last < first || last > MAX_CPU) return `found the range ${JSON.stringify(text)}, accepted are rising ones up to ${MAX_CPU}`;
  return { remove, nodes, first, last };
}

/** What is wrong with a set of CPUs, or null. */
export function cpuRangeFault(text: string): string | null {
  const parts = text.split(',').filter((part) => part !== '');
  if (parts.length === 0) return 'found no CPU, accepted is a list such as "0-3,^1", "all" or "node:0"';
  for (const part of parts) {
    const term = parseTerm(part);
    if (typeof term === 'string') return term;
  }
  return null;
}

function cpusOf(term: CpuTerm, topology: CpuTopology): number[] {
  const range = (first: number, last: number) =>
    Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
  if (term.last < 0) return range(0, topology.pcpus - 1);
  if (!term.nodes) return range(term.first, Math.min(term.last, topology.pcpus - 1));
  const nodes = topology.nodes ?? [range(0, topology.pcpus - 1)];
  return nodes.slice(term.first, term.last + 1).flat();
}

/**
 * The CPUs that `text` names on a machine, rising. CPUs that the machine lacks are left out, as in Xen; an empty result is for the caller to refuse.
 * Throws `RangeError` on a text that `cpuRangeFault` finds fault with.
 */
export function resolveCpus(text: string, topology: CpuTopology): number[] {
  const cpus = new Set<number>();
  for (const part of text.split(',').filter((piece) => piece !== '')) {
    const term = parseTerm(part);
    if (typeof term === 'string') throw new RangeError(term);
    for (const cpu of cpusOf(term, topology)) {
      if (term.remove) cpus.delete(cpu);
      else cpus.add(cpu);
    }
  }
  return [...cpus].sort((a, b) => a - b);
}

/** A set of CPUs as the tools print it: `0-3,6`, or `all`. `none` if empty. */
export function formatCpus(cpus: readonly number[], pcpus: number): string {
  if (cpus.length >= pcpus) return 'all';
  if (cpus.length === 0) return 'none';
  const parts: string[] = [];
  for (let at = 0; at < cpus.length; ) {
    let end = at;
    while (end + 1 < cpus.length && cpus[end + 1] === cpus[end]! + 1) end++;
    parts.push(end === at ? `${cpus[at]}` : `${cpus[at]}-${cpus[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}
