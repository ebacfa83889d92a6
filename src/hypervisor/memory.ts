/** Skeleton: a domain's memory. */
import type { MemoryView } from './memory-view.ts';
export interface DomainMemory extends MemoryView {
  readonly totalPages: number;
  readonly maxPages: number;
}
