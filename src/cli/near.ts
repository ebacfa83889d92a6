/** "Did you mean …?": the name nearest to what was typed. (The topology room has its own; loading it would cost more than a help text does.) */

/** `; did you mean X?` where one of `names` is near `found`, else nothing. */
export function didYouMean(found: string, names: Iterable<string>): string {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(found.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(found.toLowerCase(), name.toLowerCase());
    if (distance < least || (name.startsWith(found) && best === undefined && found.length > 1)) [best, least] = [name, distance];
  }
  return best === undefined ? '' : `; did you mean ${best}?`;
}

/** Insertions, deletions, substitutions, and swaps of neighbours. Texts longer than 40 characters count as far away. */
export function editDistance(a: string, b: string): number {
  if (a.length > 40 || b.length > 40) return Number.POSITIVE_INFINITY;
  const table: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  for (let j = 0; j <= b.length; j++) table[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(table[i - 1]![j]! + 1, table[i]![j - 1]! + 1, table[i - 1]![j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, table[i - 2]![j - 2]! + 1);
      table[i]![j] = best;
    }
  }
  return table[a.length]![b.length]!;
}
