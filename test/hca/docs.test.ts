import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PARAMETERS, PROFILES } from '../../src/hca/index.ts';

describe('docs/model-hca.md', () => {
  const text = readFileSync(new URL('../../docs/model-hca.md', import.meta.url), 'utf8');

  it('has every parameter as it is', () => {
    for (const [name, p] of Object.entries(PARAMETERS)) {
      const [value, min, max] = [p.default, p.min, p.max].map((n) => n.toLocaleString('en'));
      expect(text).toContain(`| \`${name}\` | ${p.unit} | ${value} | ${min} … ${max} | ${p.meaning} | ${p.source} |`);
    }
  });

  it('has every profile', () => {
    for (const profile of PROFILES) expect(text).toContain(`| \`${profile.name}\` | ${profile.product} | ${profile.speed} |`);
  });
});
