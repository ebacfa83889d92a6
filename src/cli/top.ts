/** `heddle top`: runs a program and shows the domains of Xen hosts meanwhile, in virtual time, as xentop does. */
import type { DomainSample, RunOptions } from '../cluster/index.ts';
import type { Call, Command, Context } from './command.ts';
import { EXIT_OK } from './failure.ts';
import { readRun } from './run-options.ts';
import { runCommand } from './run.ts';

const DEFAULT_EVERY_PS = 10e9;
const CLEAR = '\x1b[H\x1b[2J';
/** Options of `heddle run` that make sense here too. */
const SHARED = ['client', 'server', 'nodes', 'seed', 'fault', 'allow-cycles', 'until', 'placement', 'workers', 'watchdog'];
const FROM_RUN = Object.fromEntries(Object.entries(runCommand.options).filter(([name]) => SHARED.includes(name)));

export const topCommand: Command = {
  name: 'top',
  summary: 'run a program and watch the domains of Xen hosts, in virtual time',
  positionals: runCommand.positionals,
  trailing: 'options of the program stand after PROGRAM',
  options: {
    every: { value: 'TIME', describe: 'virtual time between two screens (default 10ms)', group: 'What is shown:' },
    batch: { describe: 'one screen after the other, as text (default where the output is no terminal)', group: 'What is shown:' },
    ...FROM_RUN,
  },
  examples: [
    ['heddle top topologies/xen-neighbours.yaml netperf -t TCP_STREAM', 'who gets the CPU while a stream runs'],
    ['heddle top --batch --every 5ms topologies/xen-two-hosts.yaml ib_write_bw', 'as text, every 5 ms'],
  ],
  execute: showTop,
};

async function showTop(call: Call, context: Context): Promise<number> {
  const cluster = await context.doors.cluster();
  const everyPs = call.options.timePs('every') ?? DEFAULT_EVERY_PS;
  const isBatch = call.options.flag('batch') || !context.terminal.drawsProgress;
  const { options } = await readRun(call, cluster, context.doors);
  const { formatTop } = await import('../report/index.ts');
  let last: DomainSample = { atPs: 0, domains: [] };
  const show = (sample: DomainSample) => {
    const lines = formatTop(sample.domains, sample.atPs, last.domains, last.atPs);
    context.terminal.out(`${isBatch ? '' : CLEAR}${lines.join('\n')}\n${isBatch ? '\n' : ''}`);
    last = sample;
  };
  const withOutput: RunOptions = { ...options, domains: true, sampleEveryPs: everyPs, onDomains: show };
  const result = await cluster.run(withOutput);
  if (result.domains?.length === 0) context.terminal.err('warning: no node of the topology runs Xen\n');
  for (const { text, role } of result.lines) if (role !== 'server') context.terminal.out(`${text}\n`);
  return EXIT_OK;
}
