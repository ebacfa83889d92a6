#!/usr/bin/env node
/** The program `heddle`: this process's words, terminal and exit code around `cli.ts`. Ctrl-C is left to the system, which ends all threads at once. */
import { readFileSync } from 'node:fs';
import { runCommandLine } from './cli.ts';
import { rooms } from './doors.ts';
import { processTerminal } from './terminal.ts';

async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  const exitCode = await runCommandLine(process.argv.slice(2), { terminal: processTerminal(), doors: rooms, version });
  // Whatever still stands (a worker that is slow to end) must not hold the user up, but what was printed must be out.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
}

void main();
