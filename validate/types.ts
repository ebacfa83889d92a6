/**
 * What a validation module gives to the runner (`validate/index.ts`). Each `validate/<name>.ts` exports `rows()`: tables of published or
 * computed values beside what heddle measures.
 */

/** One comparison. */
export interface ValidationRow {
  /** As in `4096 B` or `N = 16`. */
  readonly name: string;
  readonly published: number;
  readonly ours: number;
  /** ours / published. */
  readonly ratio: number;
  /** In words, as in `±8 %` or `+0 / -3.5 %`. */
  readonly tolerance: string;
  readonly ok: boolean;
}

export interface ValidationTable {
  /** Unique over all modules. */
  readonly title: string;
  /** Where the published column comes from: a publication with its table or figure, or the law and its formula. */
  readonly source: string;
  /** Unit of `published` and `ours`, as in `us` or `MB/s`. */
  readonly unit?: string;
  readonly rows: readonly ValidationRow[];
}

/** The shape of a module in `validate/`. */
export interface ValidationModule {
  rows(): Promise<readonly ValidationTable[]>;
}

/** A row whose tolerance is a band of `plusPercent` above and `minusPercent` below the published value. */
export function compare(
  name: string,
  published: number,
  ours: number,
  plusPercent: number,
  minusPercent = plusPercent,
): ValidationRow {
  const ratio = ours / published;
  const tolerance = plusPercent === minusPercent ? `±${plusPercent} %` : `+${plusPercent} / -${minusPercent} %`;
  return { name, published, ours, ratio, tolerance, ok: ratio <= 1 + plusPercent / 100 && ratio >= 1 - minusPercent / 100 };
}
