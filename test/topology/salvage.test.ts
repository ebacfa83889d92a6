/** Mistakes of form and mistakes of meaning are reported together, consequences of the former are not. */
import { describe, expect, it } from 'vitest';
import { checkTopologyText } from '../../src/topology/index.ts';
import { isSilenced, salvage } from '../../src/topology/salvage.ts';

const OPTIONS = { catalog: { profiles: ['connectx2'], parameters: ['maxQp'] } };
const problems = (text: string) =>
  checkTopologyText(text, 'x.yaml', OPTIONS).map(({ line, path, message }) => `${line} ${path}: ${message.split(';')[0]}`);

describe('all mistakes at once', () => {
  it('of form and of meaning', () => {
    const found = problems(`heddle: 1
defaults: { node: { hca: { profile: connectx2 } }, link: { speed: QDR } }
switches:
  s: { ports: many }
nodes:
  a: { hca: { profile: connectx9 } }
  b: { role: procesor }
links:
  - a -> s
  - b -> nowhere
routing: { engine: up-down, roots: [t] }
`);
    expect(found).toEqual([
      expect.stringMatching(/^4 switches\.s\.ports: found "many"/),
      expect.stringMatching(/^6 nodes\.a\.hca\.profile: found "connectx9"/),
      expect.stringMatching(/^7 nodes\.b\.role: found "procesor"/),
      expect.stringMatching(/^10 links\[1\]: .*nowhere/),
      expect.stringMatching(/^11 routing\.roots\[0\]: .*"t"/),
    ]);
  });

  it('without those that follow from others', () => {
    // The link has no speed because its speed is wrong, the node has no profile because the word is misspelt.
    const found = problems(`heddle: 1
nodes: { a: { hcaa: { profile: connectx2 } }, b: { hca: { profile: connectx2 } } }
links: [{ connect: a -> b, speed: 7 }]
`);
    expect(found).toEqual([
      expect.stringMatching(/^2 nodes\.a\.hcaa: unknown key/),
      expect.stringMatching(/^3 links\[0\]\.speed: found 7/),
    ]);
  });

  it('but a whole section in doubt makes everything else a consequence', () => {
    expect(problems('heddle: 1\nnods: { a: {} }\nlinks: [a -> b]\n')).toEqual([expect.stringMatching(/^2 nods: unknown key/)]);
  });
});

describe('salvage', () => {
  it('takes out what is bad and says what to be silent about', () => {
    const value = { nodes: { a: 5, b: { role: 'x', hca: {} } }, links: [1, 'a -> b', 2] };
    expect(
      salvage(value, [
        ['nodes', 'a'],
        ['nodes', 'b', 'role'],
        ['links', 0],
        ['links', 2],
      ]),
    ).toEqual({
      value: { nodes: { a: {}, b: { hca: {} } }, links: ['a -> b'] },
      silenced: expect.arrayContaining([['nodes', 'a'], ['nodes', 'b'], ['links']]),
    });
    expect(salvage(value, [['nodes']])).toBeNull();
    expect(value.links).toHaveLength(3);
  });

  it('takes the parent where a key is missing', () => {
    expect(salvage({ links: [{ speed: 'QDR' }] }, [['links', 0, 'connect']])?.value).toEqual({ links: [] });
  });

  it('silences what is at, above and below', () => {
    const quiet = [['nodes', 'a']];
    expect([['nodes'], ['nodes', 'a'], ['nodes', 'a', 'hca'], []].every((place) => isSilenced(place, quiet))).toBe(true);
    expect(isSilenced(['nodes', 'b'], quiet)).toBe(false);
  });
});
