/**
 * topology: descriptions of fabrics, from files, importers and generators, as one plain graph. Builds nothing that runs; imports no other room.
 *
 * - `types.ts`         what a resolved topology is
 * - `issue.ts`         what is wrong, all of it at once
 * - `speeds.ts`        link speeds and widths, the exact time of a byte
 * - `switch-types.ts`  switch products
 * - `builder.ts`       names, ports, GUIDs and LIDs kept unique while a topology grows
 * - `names.ts` `units.ts` `qos.ts` `limits.ts`   ranges, values with units, virtual lanes, stated limits
 */
export * from './issue.ts';
export * from './speeds.ts';
export * from './switch-types.ts';
export * from './types.ts';
