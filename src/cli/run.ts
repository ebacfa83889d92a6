/** `heddle run`: runs a program on the nodes of a topology. */
import { writeFileSync } from 'node:fs';
import type { OutputLine, RunOptions, RunResult } from '../cluster/index.ts';
import type { Call, Command, Context } from './command.ts';
import { EXIT_OK } from './failure.ts';
import { Progress } from './progress.ts';
import { MACHINE, PLACEMENT_OPTIONS, type RunOutputs, readRun } from './run-options.ts';

const NODES = 'Which nodes run the program:';
const RESULTS = 'What is written:';
const MODEL = 'What is simulated:';
const TOOLS = 'Real tools on a simulated Xen host (the run is then inline):';

export const runCommand: Command = {
  name: 'run',
  summary: 'run a program on the nodes of a topology',
  positionals: [
    { name: 'topology', describe: 'a topology file, or a generator such as fat-tree:k=4,levels=3' },
    { name: 'program', describe: 'a name that "heddle list programs" prints, or a file of yours (.ts, .js, .mjs)' },
  ],
  trailing: 'options of the program stand after PROGRAM',
  options: {
    client: { value: 'NODE', describe: 'client of a two-sided program (default: the first processor node)', group: NODES },
    server: { value: 'NODE', describe: 'server of a two-sided program (default: the second processor node)', group: NODES },
    nodes: {
      value: 'LIST',
      describe: 'the nodes in rank order, such as cpu1,cpu[3-5] (default: all, or server and client)',
      group: NODES,
    },
    seed: { value: 'N', describe: 'seed of all chance (default 1)', group: MODEL },
    fault: { value: 'TEXT', describe: 'something that breaks, as under "faults" in a topology file', repeat: true, group: MODEL },
    'allow-cycles': { describe: 'run although routes depend on each other in a cycle', group: MODEL },
    until: { value: 'TIME', describe: 'stop at this simulated time, such as 5ms', group: MODEL },
    show: {
      value: 'all|client',
      describe: "whose lines are printed (default: the client's, or those of all peers)",
      group: RESULTS,
    },
    breakdown: { describe: 'print where the time of a message went, stage by stage', group: RESULTS },
    counters: { describe: 'print the port counters of these nodes and of the switch ports they are on', group: RESULTS },
    domains: {
      describe: 'print what the domains of Xen hosts used and asked for: CPU time, hypercalls, events, grants',
      group: RESULTS,
    },
    json: { value: 'FILE|-', describe: 'write the results as JSON; - prints the JSON and nothing else', group: RESULTS },
    record: { value: 'FILE', describe: 'write all inputs and the hash, for "heddle replay"', group: RESULTS },
    pcap: { value: 'FILE', describe: 'write the packets of the --capture ports for Wireshark', group: RESULTS },
    capture: {
      value: 'NODE:PORT|SWITCH:PORT',
      describe: 'a port for --pcap (default: every port of the nodes that run the program)',
      repeat: true,
      group: RESULTS,
    },
    'xenstore-socket': {
      value: 'PATH',
      describe: "a Xen host's xenstore on a unix socket, for xenstore-ls and xl",
      group: TOOLS,
    },
    'hypercall-socket': {
      value: 'PATH',
      describe: 'its hypercalls, for xl and xentop with the library of docs/xl.md',
      group: TOOLS,
    },
    'socket-node': { value: 'NODE', describe: 'which host (default: the first that runs Xen)', group: TOOLS },
    hold: { describe: 'go on when the programs have ended, at the pace of real time, until Ctrl-C', group: TOOLS },
    ...PLACEMENT_OPTIONS,
    watchdog: { value: 'SECONDS', describe: 'real time a program may compute without waiting (default 10)', group: MACHINE },
  },
  examples: [
    ['heddle run topologies/connectx2-switch.yaml ib_send_lat -a', 'latency of sends of 2 B to 8 MiB'],
    ['heddle run --breakdown topologies/two-hosts.yaml ib_write_lat -s 4096', 'where each nanosecond of it goes'],
    ['heddle run --json - fat-tree:k=4,levels=3 ib_write_bw', 'on a generated fabric, as JSON'],
    ['heddle run topologies/two-hosts.yaml ./my-program.ts --my-option', 'a program of yours'],
    ['heddle run --record monday.heddle topologies/two-hosts.yaml ib_write_lat', 'recorded, to be replayed'],
    ['heddle run topologies/two-hosts.yaml ib_write_lat --help', 'the options of a program'],
  ],
  execute: runProgram,
};

async function runProgram(call: Call, context: Context): Promise<number> {
  const cluster = await context.doors.cluster();
  const { options, outputs } = await readRun(call, cluster, context.doors);
  const progress = new Progress(context.terminal, options.untilPs);
  const withOutput: RunOptions = {
    ...options,
    onProgress: (state) => progress.update(state),
    onLine: (line) => {
      if (!isShown(line, outputs)) return;
      progress.clear();
      context.terminal.out(`${linePrefix(line, options, outputs)}${line.text}\n`);
    },
  };
  try {
    const result = await cluster.run(withOutput);
    progress.stop();
    writeProgramFiles(result);
    await printResult(result, options, outputs, context);
    if (outputs.record !== undefined) await cluster.writeRunRecord(outputs.record, options, result);
  } finally {
    progress.stop();
  }
  return EXIT_OK;
}

function isShown(line: OutputLine, outputs: RunOutputs): boolean {
  if (outputs.json === '-') return false;
  if (outputs.show === 'all') return true;
  if (outputs.show === 'client') return line.role === 'client' || (line.role === 'peer' && line.rank === 0);
  return line.role !== 'server';
}

/** The client's lines are bare, and those of a program that runs on one node; others say whose they are. */
function linePrefix(line: OutputLine, options: RunOptions, outputs: RunOutputs): string {
  const bare = line.role === 'client' || outputs.show === 'client' || options.nodes?.length === 1;
  return bare ? '' : `[${line.node}] `;
}

/** Files that a program wants written, such as perftest's --out_json_file: `outputFiles` in what it returned. */
function writeProgramFiles(result: RunResult): void {
  for (const value of Object.values(result.perNode)) {
    const files = (value as { outputFiles?: readonly { readonly name: string; readonly text: string }[] } | null)?.outputFiles;
    if (Array.isArray(files)) for (const { name, text } of files) writeFileSync(name, text);
  }
}

async function printResult(result: RunResult, options: RunOptions, outputs: RunOutputs, { terminal }: Context): Promise<void> {
  const report = await import('../report/index.ts');
  for (const warning of result.warnings) terminal.err(`warning: ${warning}\n`);
  if (options.breakdown === true && result.breakdown.length === 0) {
    terminal.err(`warning: --breakdown: ${result.program} marked no message to break down\n`);
  }
  if (outputs.json !== '-') for (const one of result.breakdown) terminal.out(`\n${report.formatBreakdown(one).join('\n')}\n`);
  if (outputs.json !== '-' && result.ports !== undefined)
    terminal.out(`\n${report.formatPortCounters(result.ports).join('\n')}\n`);
  if (outputs.json !== '-' && result.domains !== undefined) printDomains(result.domains, report, terminal);
  if (outputs.json !== undefined) {
    const text = report.toJsonText(report.runToJson(result, options.breakdown === true));
    if (outputs.json === '-') terminal.out(text);
    else writeFileSync(outputs.json, text);
  }
  terminal.err(`${report.formatRunSummary(result.run).join('\n')}\n`);
}

function printDomains(
  domains: NonNullable<RunResult['domains']>,
  report: typeof import('../report/index.ts'),
  terminal: Context['terminal'],
): void {
  if (domains.length === 0) terminal.err('warning: --domains: no node of the topology runs Xen\n');
  else terminal.out(`\n${report.formatDomains(domains).join('\n')}\n`);
}
