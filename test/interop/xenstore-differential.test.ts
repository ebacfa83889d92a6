/**
 * The same random requests to our store and to Xen's xenstored, reply by reply and event by event; in the end both trees are compared node by node.
 *
 * What is left out, and why, is the list in docs/model-xen.md, "Differences from xenstored 4.17".
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { XenStore } from '../../src/hypervisor/index.ts';
import { XS } from '../../src/hypervisor/xenstore/abi.ts';
import type { StoreConnection } from '../../src/hypervisor/xenstore/connection.ts';
import type { StoreMessage } from '../../src/hypervisor/xenstore/wire.ts';
import { storeHost } from '../kit/xenstore-host.ts';
import { type RealClient, RealXenstored } from './real-xenstored.ts';

const DOMIDS = [1, 2, 3];
/** Domain 1 acts for domain 2: xenstored keeps a domain half alive as long as it is another's target, ours does not. So domain 2 never goes. */
const TARGET = 2;
const MORTAL = [1, 3];
const SYNC_ID = 0xabcd;
/** Requests that may make others hear of something. */
const SILENT = new Set<number>([
  XS.read,
  XS.directory,
  XS.directoryPart,
  XS.getPerms,
  XS.getDomainPath,
  XS.isDomainIntroduced,
  XS.transactionStart,
]);

/** A client of both stores. */
interface Pair {
  readonly name: string;
  /** Null while its domain is not introduced. */
  real: RealClient | null;
  ours: StoreConnection | null;
  transactions: number[];
}

class Comparison {
  readonly daemon = new RealXenstored();
  readonly host = storeHost(DOMIDS);
  readonly store = new XenStore(this.host);
  readonly pairs: Pair[] = [];
  /** What differed, in words. */
  readonly differences: string[] = [];
  requests = 0;
  /** How often xenstored gave each error, and how many events it sent. */
  readonly seen = new Map<string, number>();

  async start(): Promise<void> {
    await this.daemon.start();
    for (const name of ['tools', 'more tools']) {
      this.pairs.push({ name, real: await this.daemon.connect(), ours: this.store.connect(), transactions: [] });
    }
    for (const domid of DOMIDS) {
      this.daemon.addDomain(domid);
      this.pairs.push({ name: `domain ${domid}`, real: null, ours: null, transactions: [] });
      await this.introduce(domid);
    }
  }

  pairOf(domid: number): Pair {
    return this.pairs[DOMIDS.indexOf(domid) + 2];
  }

  async introduce(domid: number): Promise<void> {
    await this.ask(this.pairs[0], XS.introduce, `${domid}\x0077\x005\x00`);
    const pair = this.pairOf(domid);
    pair.real = this.daemon.ringClient(domid);
    pair.ours = this.store.connectionOf(domid) ?? null;
    pair.transactions = [];
  }

  /** Release by the toolstack, or death. */
  async remove(domid: number, dies: boolean): Promise<void> {
    const pair = this.pairOf(domid);
    pair.real = null;
    pair.ours = null;
    if (!dies) {
      await this.ask(this.pairs[0], XS.release, `${domid}\0`);
      return;
    }
    this.host.alive.delete(domid);
    this.daemon.killDomain(domid);
    this.store.domainDied(domid);
    await this.synchronize(`death of domain ${domid}`);
    this.host.alive.add(domid);
    this.daemon.addDomain(domid);
  }

  /** One request to both. */
  async ask(pair: Pair, type: number, payload: string, txId = 0): Promise<StoreMessage> {
    const message = { type, requestId: ++this.requests, txId, payload };
    const real = await (pair.real as RealClient).ask(message);
    this.store.handle(pair.ours as StoreConnection, message);
    const what = `${pair.name}: ${type} tx ${txId} ${JSON.stringify(payload.slice(0, 80))}`;
    if (SILENT.has(type)) this.compare(what, real, taken(pair.ours as StoreConnection));
    else await this.synchronize(what, pair, real);
    return real.find(({ requestId }) => requestId === message.requestId) as StoreMessage;
  }

  /** Collects what a request caused, at its sender (who got `received` already) and at all others. */
  async synchronize(what: string, sender?: Pair, received: readonly StoreMessage[] = []): Promise<void> {
    const present = this.pairs.filter(({ real }) => real !== null);
    const question = { type: XS.getDomainPath, requestId: SYNC_ID, txId: 0, payload: '0\0' };
    const answers = await Promise.all(present.map(({ real }) => (real as RealClient).ask(question)));
    for (const [i, pair] of present.entries()) {
      const real = [...(pair === sender ? received : []), ...answers[i].slice(0, -1)];
      this.compare(pair === sender ? what : `${what}, heard by ${pair.name}`, real, taken(pair.ours as StoreConnection));
    }
  }

  compare(what: string, real: readonly StoreMessage[], ours: readonly StoreMessage[]): void {
    const theirs = real.map(shown).join('\n');
    const mine = ours.map(shown).join('\n');
    for (const { type, payload } of real) {
      const kind = type === XS.error ? payload.slice(0, -1) : type === XS.watchEvent ? 'event' : 'success';
      this.seen.set(kind, (this.seen.get(kind) ?? 0) + 1);
    }
    if (theirs !== mine) this.differences.push(`${what}\n  xenstored: ${theirs}\n  ours:      ${mine}`);
  }
}

function taken(connection: StoreConnection): StoreMessage[] {
  const messages: StoreMessage[] = [];
  for (let next = connection.next; next !== null; next = connection.next) {
    connection.sent();
    messages.push(next);
  }
  return messages;
}

function shown({ type, requestId, txId, payload }: StoreMessage): string {
  // Generations are counted otherwise.
  if (type === XS.directoryPart) return `${type} ${requestId} ${txId} ${JSON.stringify(payload.slice(payload.indexOf('\0')))}`;
  // A copy in a transaction weighs the transaction's generation as well.
  const text = /transactions +: +[1-9]/.test(payload) ? payload.replace(/memory +: +\d+\n/, '') : payload;
  return `${type} ${requestId} ${txId} ${JSON.stringify(text)}`;
}

/** Random choices, the same for each seed. */
class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }
}

const PATHS = [
  '/f',
  '/f/a',
  '/f/a/x',
  '/f/b',
  '/f/b/y',
  '/g',
  '/g/h/i/j',
  'rel',
  'rel/z',
  'data',
  '/local/domain/1/data',
  '/local/domain/2/rel',
];
const ODD_PATHS = [
  '/',
  '',
  '/f//x',
  '/f/',
  '/f/sp ace',
  '@releaseDomain',
  '@introduceDomain',
  '@other',
  `/f/${'L'.repeat(2048)}`,
  '/local',
  'd!',
];
ODD_PATHS.push(
  `/local/domain/1/${'p'.repeat(2048)}`,
  `/local/domain/1/${'p'.repeat(2049)}`,
  `/${'q'.repeat(2047)}`,
  `${'r'.repeat(2040)}`,
);
const PERMISSIONS = ['n0', 'r0', 'b1', 'w2', 'r3', 'n1', 'b3', 'r2', 'n7', 'r7', 'z1', 'r', 'r0x2', 'r-1', 'b02', 'n 3', 'b1x'];
const TYPES = [
  XS.directory,
  XS.read,
  XS.getPerms,
  XS.watch,
  XS.unwatch,
  XS.transactionStart,
  XS.transactionEnd,
  XS.write,
  XS.mkdir,
  XS.rm,
  XS.setPerms,
];
const MANY = [XS.write, XS.write, XS.write, XS.mkdir, XS.rm, XS.setPerms, XS.transactionEnd, XS.watch, XS.directoryPart];
const RARE = [
  20,
  23,
  99,
  XS.watchEvent,
  XS.error,
  XS.getDomainPath,
  XS.isDomainIntroduced,
  XS.resume,
  XS.setTarget,
  XS.resetWatches,
  XS.control,
  XS.introduce,
];

async function step(both: Comparison, dice: Dice): Promise<void> {
  if (dice.below(150) === 0) {
    const domid = dice.of(MORTAL);
    if (both.pairOf(domid).real === null) await both.introduce(domid);
    else await both.remove(domid, dice.below(2) === 0);
    return;
  }
  const pair = dice.of(both.pairs.filter(({ real }) => real !== null));
  const type = dice.below(20) === 0 ? dice.of(RARE) : dice.of([...TYPES, ...MANY]);
  const isOdd = dice.below(14) === 0;
  const path = isOdd ? dice.of(ODD_PATHS) : dice.of(PATHS);
  let txId = pair.transactions.length > 0 && dice.below(2) === 0 ? dice.of(pair.transactions) : 0;
  if (dice.below(100) === 0) txId = 99;
  const payload = payloadOf(type, path, dice);
  // xenstored answers these by a stale errno.
  if (type === XS.setPerms && path[0] === '@') return;
  // When the owner of the root goes, so does xenstored's whole tree.
  if (type === XS.setPerms && path === '/') return;
  const reply = await both.ask(pair, type, payload, txId);
  if (type === XS.transactionStart && reply.type === type) pair.transactions.push(Number.parseInt(reply.payload, 10));
  if (type === XS.transactionEnd && !(reply.type === XS.error && reply.payload === 'EINVAL\0')) {
    pair.transactions = pair.transactions.filter((id) => id !== txId);
  }
  if (type === XS.resetWatches && reply.type === type) pair.transactions = [];
  if (type === XS.introduce && reply.type === type) both.pairOf(Number.parseInt(payload, 10)).transactions = [];
}

function payloadOf(type: number, path: string, dice: Dice): string {
  const domid = dice.of(['1', '2', '3', '0', '7', '32752', 'x', '-1', ' 2']);
  switch (type) {
    case XS.write:
      return `${path}\0${dice.below(40) === 0 ? 'v'.repeat(dice.of([1900, 1970, 2010, 2020])) : `v${dice.below(9)}\0${dice.below(3)}`}`;
    case XS.watch:
    case XS.unwatch:
      return dice.below(30) === 0 ? `${path}\0` : `${path}\0t${dice.below(2)}\0`;
    case XS.transactionStart:
      return '\0';
    case XS.transactionEnd:
      return dice.below(30) === 0 ? 'X\0' : `${dice.of(['T', 'T', 'F'])}\0`;
    case XS.setPerms: {
      const count = dice.of([0, 1, 1, 2, 2, 3, 5, 6]);
      const entry = () => (dice.below(4) === 0 ? dice.of(PERMISSIONS) : dice.of(PERMISSIONS.slice(0, 8)));
      return `${path}\0${Array.from({ length: count }, () => `${entry()}\0`).join('')}`;
    }
    case XS.directoryPart:
      return dice.below(30) === 0 ? `${path}\0` : `${path}\0${dice.of(['0', '2', '3', '9', '-1', 'x'])}\0`;
    case XS.setTarget:
      return `${dice.of(['1', '7', 'x'])}\0${dice.of([TARGET, 9])}\0`;
    case XS.resetWatches:
      return '\0';
    case XS.control:
      return dice.of([
        'check\0',
        `quota\0${dice.of(DOMIDS)}\0`,
        'quota\0',
        'print\0hello\0',
        'nonsense\0',
        'quota\0set\0nodes\0',
        'check\0x\0',
      ]);
    case XS.introduce:
      return dice.of([`${dice.of(['7', '8'])}\x001\x005\x00`, `1\x001\x000\x00`, `1\x001\x00`]);
    case XS.getDomainPath:
    case XS.isDomainIntroduced:
    case XS.resume:
      return `${domid}\0`;
    default:
      return `${path}\0`;
  }
}

/** Both trees, node by node, as dom0 sees them. */
async function compareTrees(both: Comparison, path = '/'): Promise<number> {
  const [tools] = both.pairs;
  const { payload } = await both.ask(tools, XS.directory, `${path}\0`);
  await both.ask(tools, XS.read, `${path}\0`);
  await both.ask(tools, XS.getPerms, `${path}\0`);
  let count = 1;
  for (const name of payload.split('\0').slice(0, -1))
    count += await compareTrees(both, path === '/' ? `/${name}` : `${path}/${name}`);
  return count;
}

const KINDS = ['EINVAL', 'EACCES', 'ENOENT', 'EEXIST', 'EBUSY', 'EAGAIN', 'EPERM', 'ENOSPC', 'EIO'];

describe.each([
  { name: 'default quotas', seed: 1, quotas: {}, kinds: KINDS },
  {
    name: 'tight quotas',
    seed: 2,
    quotas: { nodes: 9, watches: 4, transactions: 2, 'transaction-nodes': 8, permissions: 3, 'node-size': 400 },
    kinds: [...KINDS, 'E2BIG', 'ENOMEM'],
  },
])('our store and Xen’s xenstored: $name', ({ seed, quotas, kinds }) => {
  const both = new Comparison();
  beforeAll(() => both.start());
  afterAll(() => both.daemon.stop());

  it('answer 10,000 random requests of two toolstacks and three guests alike', async () => {
    const dice = new Dice(seed);
    for (const [name, value] of Object.entries(quotas))
      await both.ask(both.pairs[0], XS.control, `quota\0set\0${name}\0${value}\0`);
    await both.ask(both.pairs[0], XS.write, '/f\0');
    await both.ask(both.pairs[0], XS.setPerms, '/f\0b0\0');
    for (const domid of DOMIDS) {
      await both.ask(both.pairs[0], XS.mkdir, `/local/domain/${domid}\0`);
      await both.ask(both.pairs[0], XS.setPerms, `/local/domain/${domid}\0n${domid}\0`);
    }
    for (let i = 0; i < 10_000 && both.differences.length < 10; i++) await step(both, dice);
    expect(both.differences).toEqual([]);
    expect(await compareTrees(both)).toBeGreaterThan(5);
    expect(both.differences).toEqual([]);
    expect(both.requests).toBeGreaterThan(10_000);
    for (const kind of kinds) expect(both.seen.get(kind), kind).toBeGreaterThan(0);
    expect(both.seen.get('success')).toBeGreaterThan(3000);
    expect(both.seen.get('event')).toBeGreaterThan(1500);
  });
});
