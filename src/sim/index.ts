/**
 * sim: virtual time, order and chance. Imports nothing.
 *
 * - `time.ts`        picoseconds and their units
 * - `errors.ts`      the kinds of failure: bug, user's mistake, program's mistake, deadlock
 * - `random.ts`      one random stream an entity, derived from (seed, name)
 * - `event-loop.ts`  the event queue of everything outside the fabric kernel
 * - `thread.ts`      a thread of a simulated program, and `microtasks.ts`, how it is run to its next wait
 * - `kernel-cpu.ts`  the processor as drivers and protocol stacks see it
 */
export * from './errors.ts';
export * from './event-loop.ts';
export * from './kernel-cpu.ts';
export * from './microtasks.ts';
export * from './random.ts';
export * from './thread.ts';
export * from './time.ts';
