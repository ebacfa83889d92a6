/**
 * CONTROL: what `xenstore-control` asks of the daemon. Of 4.17's commands, `logfile`, `memreport` (files) and `live-update` are missing: there is nothing of the kind here.
 */
import type { StoreQuotas } from './quotas.ts';
import { parseInteger } from './paths.ts';
import type { RequestHandler } from './request.ts';

const HELP = [
  'check\t',
  'log\ton|off',
  'print\t<string>',
  'quota\t[set <name> <val>|<domid>]',
  'quota-soft\t[set <name> <val>]',
  'help\t',
];

const QUOTAS: readonly (readonly [string, keyof StoreQuotas, string])[] = [
  ['nodes', 'nodes', 'Nodes per domain'],
  ['watches', 'watches', 'Watches per domain'],
  ['transactions', 'transactions', 'Transactions per domain'],
  ['outstanding', 'outstanding', 'Outstanding requests per domain'],
  ['transaction-nodes', 'transactionNodes', 'Max. number of accessed nodes per transaction'],
  ['memory', 'memoryBytes', 'Total Xenstore memory per domain (error level)'],
  ['node-size', 'nodeBytes', 'Max. size of a node'],
  ['path-max', 'pathBytes', 'Max. length of a node path'],
  ['permissions', 'permissions', 'Max. number of permissions per node'],
];
const SOFT_QUOTAS: typeof QUOTAS = [['memory', 'softMemoryBytes', 'Total Xenstore memory per domain (warning level)']];

export const control: RequestHandler = (parts, request) => {
  const [command, ...args] = request.strings;
  const isOne = args.length === 1;
  switch (command) {
    case 'help':
      return args.length > 0 ? 'EINVAL' : request.reply(`${HELP.map((line) => `${line}\n`).join('')}\0`);
    case 'check':
      return args.length > 0 ? 'EINVAL' : request.acknowledge();
    case 'log':
      return isOne && (args[0] === 'on' || args[0] === 'off') ? request.acknowledge() : 'EINVAL';
    case 'print':
      return isOne ? request.acknowledge() : 'EINVAL';
    case 'quota':
      return args.length === 1 && args[0] !== 'set' ? usage(parts, request) : quota(QUOTAS, parts, request);
    case 'quota-soft':
      return quota(SOFT_QUOTAS, parts, request);
    default:
      return 'EINVAL';
  }
};

/** Shows all quotas of a table, or sets one. */
function quota(table: typeof QUOTAS, ...[{ quotas }, request]: Parameters<RequestHandler>): ReturnType<RequestHandler> {
  const args = request.strings.slice(1);
  if (args.length === 0) {
    const lines = table.map(([name, key, text]) => `${name.padEnd(17)}: ${String(quotas[key]).padStart(8)} ${text}\n`);
    return request.reply(`Quota settings:\n${lines.join('')}\0`);
  }
  const entry = table.find(([name]) => name === args[1]);
  const value = parseInteger(args[2] ?? '');
  if (args[0] !== 'set' || args.length !== 3 || value < 1 || entry === undefined) return 'EINVAL';
  quotas[entry[1]] = value;
  return request.acknowledge();
}

/** What a domain uses. */
const usage: RequestHandler = ({ domains }, request) => {
  const domid = parseInteger(request.strings[1]) >>> 0;
  const domain = domains.get(domid);
  if (domain === undefined) return 'ENOENT';
  const used = {
    nodes: domain.nodes,
    watches: domain.watches,
    transactions: domain.connection?.transactions.size ?? 0,
    outstanding: domain.outstanding,
    memory: domain.memory,
  };
  const lines = Object.entries(used).map(([name, count]) => `${name.padEnd(16)}: ${String(count).padStart(8)}\n`);
  return request.reply(`Domain ${domid}:\n${lines.join('')}\0`);
};
