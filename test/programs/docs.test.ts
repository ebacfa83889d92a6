import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PROGRAMS } from '../../src/programs/index.ts';
import type { OptionSpec } from '../../src/programs/options.ts';
import { PERFTEST_OPTIONS } from '../../src/programs/perftest/option-table.ts';

const text = readFileSync(new URL('../../docs/programs.md', import.meta.url), 'utf8');

function nameOf(option: OptionSpec): string {
  const value = option.value === undefined ? '' : `=<${option.value}>`;
  return `\`${option.short === undefined ? '' : `-${option.short} `}--${option.long}${value}\``;
}

describe('docs/programs.md', () => {
  it('names every program', () => {
    for (const { name } of PROGRAMS) expect(text, name).toContain(`\`${name}\``);
  });

  it('has a row for every option that is used or warned of', () => {
    for (const option of PERFTEST_OPTIONS) {
      if (option.verdict === 'refused') continue;
      const row = `| ${nameOf(option)} | ${option.text}${option.verdict === 'warned' ? `. No effect: ${option.why}` : ''} |`;
      expect(text, option.long).toContain(row);
    }
  });

  it('gives the reason for every option that is refused', () => {
    const reasons = new Map<string, string[]>();
    for (const option of PERFTEST_OPTIONS)
      if (option.verdict === 'refused')
        reasons.set(option.why as string, [...(reasons.get(option.why as string) ?? []), `\`--${option.long}\``]);
    for (const [why, names] of reasons) expect(text).toContain(`| ${names.join(', ')} | ${why} |`);
  });
});
