/** `heddle topology check`, `show` and `convert`: look at a topology without running anything on it. */
import { writeFileSync } from 'node:fs';
import { formatIssue } from '../sim/index.ts';
import type { Topology } from '../topology/index.ts';
import type { Call, Command, Context } from './command.ts';
import { EXPORT_FORMATS } from './doors.ts';
import { EXIT_OK } from './failure.ts';

const FILE = {
  name: 'file',
  describe: 'YAML, JSON, ibnetdiscover output, an ibsim .net file, or a generator such as torus:dimensions=4x4x4',
};

const check: Command = {
  name: 'topology check',
  summary: 'check a topology: its fields, that all nodes reach each other, that no routes can block each other for ever',
  positionals: [FILE],
  options: { 'allow-cycles': { describe: 'report cycles among the routes as a warning' } },
  examples: [['heddle topology check topologies/exadata-rack.yaml', 'prints each mistake with file, line and field']],
  execute: checkTopology,
};

const show: Command = {
  name: 'topology show',
  summary: 'print counts, levels, diameter and bisection of a topology, and draw it',
  positionals: [FILE],
  options: { svg: { value: 'FILE', describe: 'draw the fabric as SVG' } },
  examples: [['heddle topology show fat-tree:k=4,levels=3 --svg tree.svg', 'what is this fabric?']],
  execute: showTopology,
};

const convert: Command = {
  name: 'topology convert',
  summary: 'write a topology in another format',
  positionals: [FILE],
  options: {
    to: { value: EXPORT_FORMATS.join('|'), describe: 'the format (required)' },
    output: { value: 'FILE', describe: 'where to write it (default: standard output)' },
  },
  examples: [
    [
      'heddle topology convert topologies/cluster-96.ibnetdiscover --to yaml --output fabric.yaml',
      'a real fabric as a topology file',
    ],
  ],
  execute: convertTopology,
};

export const topologyCommands: readonly Command[] = [check, show, convert];

async function load(call: Call, { doors, terminal }: Context): Promise<Topology> {
  const { loadTopologyFile } = await doors.cluster();
  const topology = loadTopologyFile(call.positionals.file!);
  for (const warning of topology.warnings) terminal.err(`warning: ${formatIssue(warning)}\n`);
  return topology;
}

async function checkTopology(call: Call, context: Context): Promise<number> {
  const { doors, terminal } = context;
  const cluster = await doors.cluster();
  const found = await cluster.checkTopology(await load(call, context), { allowCycles: call.options.flag('allow-cycles') });
  for (const warning of found.warnings) terminal.err(`warning: ${warning}\n`);
  for (const finding of found.findings) terminal.out(`${finding}\n`);
  return EXIT_OK;
}

async function showTopology(call: Call, context: Context): Promise<number> {
  const { doors, terminal } = context;
  const svg = call.options.outputFile('svg', true);
  call.options.finish();
  const topology = await load(call, context);
  const { describeTopology, drawTopology } = await doors.topology();
  const { findRoutingRoots } = await doors.cluster();
  if (svg !== '-') terminal.out(`${describeTopology(topology, findRoutingRoots(topology)).join('\n')}\n`);
  if (svg === undefined) return EXIT_OK;
  const drawing = await drawTopology(topology);
  if (svg === '-') terminal.out(drawing);
  else writeFileSync(svg, drawing);
  return EXIT_OK;
}

async function convertTopology(call: Call, context: Context): Promise<number> {
  const { doors, terminal } = context;
  const format = call.options.oneOf('to', EXPORT_FORMATS);
  const output = call.options.outputFile('output', true);
  if (!call.options.given('to')) call.options.fail('to', `is missing; one of ${EXPORT_FORMATS.join(', ')}`);
  call.options.finish();
  const topology = await load(call, context);
  const { exportTopology } = await doors.topology();
  const text = exportTopology(topology, format!);
  if (output === undefined || output === '-') terminal.out(text);
  else writeFileSync(output, text);
  return EXIT_OK;
}
