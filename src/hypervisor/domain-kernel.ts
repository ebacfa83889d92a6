/** Skeleton: a domain's kernel. */
import type { GuestKernel } from './guest-kernel.ts';
export interface DomainKernel extends GuestKernel {
  die(): void;
}
