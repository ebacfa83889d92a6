/**
 * The binary interface as data: sizes and offsets of the structures that cross an interface of Xen, and the numbers of its calls, flags and statuses.
 *
 * - `layout.ts`   what a table row is
 * - `numbers.ts`  hypercalls and error numbers
 * - `guest.ts`    shared info, start info, runstate; scheduling, vCPU, memory, version
 * - `grant.ts`    grant tables
 * - `event.ts`    event channels
 * - `io.ts`       network and block rings
 * - `store.ts`    xenstore, console and vchan pages
 * - `control.ts`  domctl and sysctl
 */
export * from './control.ts';
export * from './event.ts';
export * from './grant.ts';
export * from './guest.ts';
export * from './io.ts';
export * from './layout.ts';
export * from './numbers.ts';
export * from './store.ts';
