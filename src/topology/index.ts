/**
 * topology: descriptions of fabrics, from files, importers and generators, as one plain graph. Builds nothing that runs; imports no other room.
 *
 * - `types.ts`         what a resolved topology is
 * - `load.ts`          the way in: a file, a text or a specification
 * - `document.ts` `schema.ts` `check.ts` `salvage.ts`   YAML and JSON with positions; the shape of a file; what does not fit it; what is left then
 * - `resolve.ts` `settings.ts` `connect.ts` `members.ts` `faults.ts`   from a file's words to the graph
 * - `generators.ts` `generate-trees.ts` `generate-grids.ts` `plan.ts` `spec.ts`   generated fabrics
 * - `net-records.ts` `link-masks.ts` `import-net.ts`   ibnetdiscover output and ibsim files
 * - `export.ts` `export-file.ts` `export-net.ts`   the same formats, written
 * - `show.ts` `graph.ts`   what a fabric amounts to: levels, diameter, bisection
 * - `draw.ts` `draw-model.ts` `draw-layout.ts`   the fabric as a picture
 * - `xen.ts` `xen-types.ts` `schema-xen.ts`   Xen hosts and their guests, IP over InfiniBand
 * - `builder.ts`       names, ports, GUIDs and LIDs kept unique while a topology grows
 * - `speeds.ts` `switch-types.ts` `products.ts`   link speeds, switch products, what device ids mean
 * - `names.ts` `units.ts` `qos.ts` `limits.ts` `issue.ts` `lazy.ts`   ranges, units, virtual lanes, limits, errors, late libraries
 */
export { drawTopology } from './draw.ts';
export { exportTopology, type TopologyFormat } from './export.ts';
export { formatEnd, parseFault } from './faults.ts';
export { GENERATORS, type Generator } from './generators.ts';
export { formatTopologyIssue, TopologyError } from './issue.ts';
export { checkTopologyText, type LoadOptions, loadTopology, loadTopologyBytes, loadTopologyText } from './load.ts';
export { type Expansion, expandNames } from './names.ts';
export { topologySchemaText } from './schema.ts';
export { describeTopology } from './show.ts';
export { generateTopology, isGeneratorSpec, SPEC_SETTINGS } from './spec.ts';
export * from './speeds.ts';
export { SWITCH_TYPES, type SwitchType } from './switch-types.ts';
export * from './types.ts';
export type * from './xen-types.ts';
