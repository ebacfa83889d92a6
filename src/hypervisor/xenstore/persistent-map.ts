/**
 * An immutable map from strings: setting or deleting a key gives a new map that shares nearly all of the old one, so that a snapshot is a reference.
 *
 * A hash array mapped trie (Bagwell 2001) with 5 bits of the key's hash a level. It depends on the keys alone, not on the order in which they came.
 */

interface Leaf<V> {
  readonly hash: number;
  /** Pairs of the same hash, by key: one, but for collisions. */
  readonly entries: readonly (readonly [string, V])[];
}
interface Branch<V> {
  /** Which of 32 places are taken; `places` has those only, in order. */
  readonly bits: number;
  readonly places: readonly (Branch<V> | Leaf<V>)[];
}
type Trie<V> = Branch<V> | Leaf<V>;

const EMPTY: Branch<never> = { bits: 0, places: [] };

export class PersistentMap<V> {
  static empty<V>(): PersistentMap<V> {
    return new PersistentMap<V>(EMPTY, 0);
  }

  readonly size: number;
  readonly #root: Branch<V>;

  private constructor(root: Branch<V>, size: number) {
    this.#root = root;
    this.size = size;
  }

  get(key: string): V | undefined {
    const hash = hashOf(key);
    let trie: Trie<V> = this.#root;
    for (let shift = 0; 'bits' in trie; shift += 5) {
      const bit = 1 << ((hash >>> shift) & 31);
      if ((trie.bits & bit) === 0) return undefined;
      trie = trie.places[countOnes(trie.bits & (bit - 1))];
    }
    return trie.entries.find(([name]) => name === key)?.[1];
  }

  set(key: string, value: V): PersistentMap<V> {
    const isNew = this.get(key) === undefined;
    const root = put(this.#root, hashOf(key), 0, key, value) as Branch<V>;
    return new PersistentMap(root, this.size + (isNew ? 1 : 0));
  }

  delete(key: string): PersistentMap<V> {
    if (this.get(key) === undefined) return this;
    return new PersistentMap((drop(this.#root, hashOf(key), 0, key) ?? EMPTY) as Branch<V>, this.size - 1);
  }
}

function put<V>(trie: Trie<V>, hash: number, shift: number, key: string, value: V): Trie<V> {
  if (!('bits' in trie)) {
    if (trie.hash === hash) return { hash, entries: [...trie.entries.filter(([name]) => name !== key), [key, value]] };
    const branch: Branch<V> = { bits: 1 << ((trie.hash >>> shift) & 31), places: [trie] };
    return put(branch, hash, shift, key, value);
  }
  const bit = 1 << ((hash >>> shift) & 31);
  const at = countOnes(trie.bits & (bit - 1));
  const places = trie.places.slice();
  if ((trie.bits & bit) === 0) places.splice(at, 0, { hash, entries: [[key, value]] });
  else places[at] = put(places[at], hash, shift + 5, key, value);
  return { bits: trie.bits | bit, places };
}

/** The trie without a key that it has; null when nothing is left. */
function drop<V>(trie: Trie<V>, hash: number, shift: number, key: string): Trie<V> | null {
  if (!('bits' in trie)) {
    const entries = trie.entries.filter(([name]) => name !== key);
    return entries.length === 0 ? null : { hash, entries };
  }
  const bit = 1 << ((hash >>> shift) & 31);
  const at = countOnes(trie.bits & (bit - 1));
  const places = trie.places.slice();
  const rest = drop(places[at], hash, shift + 5, key);
  if (rest !== null) places[at] = rest;
  else places.splice(at, 1);
  return places.length === 0 ? null : { bits: rest === null ? trie.bits & ~bit : trie.bits, places };
}

/** FNV-1a. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash;
}

function countOnes(bits: number): number {
  let count = bits - ((bits >>> 1) & 0x55555555);
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333);
  return Math.imul((count + (count >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
