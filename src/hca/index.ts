/**
 * hca: the channel adapter as hardware.
 *
 * - `constants.ts`  numbers of the interface: opcodes, flags, states, errno
 * - `types.ts`      what goes in and out as plain data: configuration, work requests, completions, events
 * - `profile.ts`    the physical parameters, documented one by one; `profiles.ts` the named products
 */
export * from './constants.ts';
export * from './profile.ts';
export * from './profiles.ts';
export * from './types.ts';
