/** `heddle traffic`: synthetic traffic without a program. */
import { writeFileSync } from 'node:fs';
import type { TrafficOptions, TrafficPattern } from '../cluster/index.ts';
import type { Call, Command, Context } from './command.ts';
import type { ClusterDoor, Doors } from './doors.ts';
import { EXIT_OK } from './failure.ts';
import { defined, type OptionValues } from './option-values.ts';
import { Progress } from './progress.ts';
import { readNodes } from './run-options.ts';

const PATTERNS: readonly TrafficPattern[] = ['uniform', 'permutation', 'shift', 'bisection', 'incast', 'hot-spot', 'all-to-all'];
const MAX_MESSAGE_BYTES = 4096;
const DEFAULT_MESSAGE_BYTES = 2048;
const DEFAULT_DURATION_PS = 100e6;
const DEFAULT_WARMUP_PS = 20e6;

const WHO = 'Who sends to whom:';
const HOW = 'How much:';
const RESULTS = 'What is written:';

export const trafficCommand: Command = {
  name: 'traffic',
  summary: 'measure a fabric under synthetic traffic, without a program',
  positionals: [{ name: 'topology', describe: 'a topology file, or a generator such as fat-tree:k=16,levels=3' }],
  options: {
    pattern: { value: 'NAME', describe: `${PATTERNS.join(', ')} (default uniform)`, group: WHO },
    nodes: { value: 'LIST', describe: 'nodes that take part, such as cpu1,cpu[3-5] (default: all)', group: WHO },
    shift: { value: 'K', describe: 'for shift: host i sends to host i + K (default 1)', group: WHO },
    target: { value: 'NODE', describe: 'for incast and hot-spot (default: the first node)', group: WHO },
    'hot-share': {
      value: 'SHARE',
      describe: 'for hot-spot: share of the messages that go to the target (default 0.1)',
      group: WHO,
    },
    load: { value: 'SHARE', describe: "open loop: offered load, as a share of each link's data rate, up to 1", group: HOW },
    'closed-loop': { value: 'N', describe: 'closed loop: messages that each host keeps under way', group: HOW },
    size: { value: 'BYTES', describe: `payload of a packet, at most the MTU (default ${DEFAULT_MESSAGE_BYTES})`, group: HOW },
    for: { value: 'TIME', describe: 'length of the measurement (default 100us)', group: HOW },
    warmup: { value: 'TIME', describe: 'simulated before it and not counted (default 20us)', group: HOW },
    seed: { value: 'N', describe: 'seed of all chance (default 1)', group: HOW },
    fault: { value: 'TEXT', describe: 'something that breaks, as under "faults" in a topology file', repeat: true, group: HOW },
    'allow-cycles': { describe: 'run although routes depend on each other in a cycle', group: HOW },
    links: { value: 'N', describe: 'how many of the fullest links are listed (default 10)', group: RESULTS },
    json: { value: 'FILE|-', describe: 'write the results as JSON; - prints the JSON and nothing else', group: RESULTS },
    histogram: { value: 'FILE', describe: 'write the latencies as an HdrHistogram percentile file (.hgrm)', group: RESULTS },
  },
  examples: [
    ['heddle traffic fat-tree:k=16,levels=3 --load 0.9', '1024 hosts, uniform traffic'],
    [
      'heddle traffic topologies/ring-5.yaml --pattern shift --shift 2 --closed-loop 8 --allow-cycles',
      'can this ring stand still?',
    ],
  ],
  execute: runTraffic,
};

async function runTraffic(call: Call, context: Context): Promise<number> {
  const { options: values } = call;
  const outputs = {
    json: values.outputFile('json', true),
    histogram: values.outputFile('histogram'),
    links: values.whole('links', 0),
  };
  values.needs('links', outputs.json !== '-', 'with --json -, which prints nothing else');
  const cluster = await context.doors.cluster();
  const options = await readTraffic(call, cluster, context.doors);
  const progress = new Progress(context.terminal, options.warmupPs + options.durationPs);
  let result: Awaited<ReturnType<ClusterDoor['runTraffic']>>;
  try {
    result = await cluster.runTraffic({ ...options, onProgress: (state) => progress.update(state) });
  } finally {
    progress.stop();
  }
  const report = await import('../report/index.ts');
  for (const warning of result.warnings) context.terminal.err(`warning: ${warning}\n`);
  if (outputs.histogram !== undefined)
    writeFileSync(outputs.histogram, await report.percentileDistribution(result.latencySamples));
  if (outputs.json !== '-') context.terminal.out(`${report.formatTraffic(result, outputs.links).join('\n')}\n`);
  if (outputs.json !== undefined) {
    const text = report.toJsonText(report.trafficToJson(result));
    if (outputs.json === '-') context.terminal.out(text);
    else writeFileSync(outputs.json, text);
  }
  context.terminal.err(`${report.formatRunSummary(result.run).join('\n')}\n`);
  return EXIT_OK;
}

async function readTraffic(call: Call, cluster: ClusterDoor, doors: Doors): Promise<TrafficOptions> {
  const values = call.options;
  const pattern = values.oneOf('pattern', PATTERNS) ?? 'uniform';
  const settings = {
    pattern,
    messageBytes: values.bytes('size', 1, MAX_MESSAGE_BYTES) ?? DEFAULT_MESSAGE_BYTES,
    durationPs: values.timePs('for') ?? DEFAULT_DURATION_PS,
    warmupPs: values.timePs('warmup', 0) ?? DEFAULT_WARMUP_PS,
    ...defined({
      load: values.positive('load', 1),
      closedLoop: values.whole('closed-loop', 1, 65_536),
      shift: values.whole('shift', 1),
      target: values.text('target'),
      hotShare: values.positive('hot-share', 1),
      nodes: await readNodes(values, doors),
      seed: values.whole('seed', 0),
      faults: values.given('fault') ? values.texts('fault') : undefined,
      allowCycles: values.flag('allow-cycles') || undefined,
    }),
  };
  checkTraffic(values, pattern);
  values.finish();
  const topologyFile = call.positionals.topology!;
  return { topology: cluster.loadTopologyFile(topologyFile), topologyFile, ...settings };
}

function checkTraffic(values: OptionValues, pattern: TrafficPattern): void {
  const withPattern = `with --pattern ${pattern}`;
  values.needs('shift', pattern === 'shift', withPattern);
  values.needs('target', pattern === 'incast' || pattern === 'hot-spot', withPattern);
  values.needs('hot-share', pattern === 'hot-spot', withPattern);
  if (values.given('load') === values.given('closed-loop')) values.fail('load', 'give either --load SHARE or --closed-loop N');
}
