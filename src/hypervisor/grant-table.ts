/** Skeleton: a domain's grant table. */
export interface GrantTable {
  readonly version: 1 | 2;
}
