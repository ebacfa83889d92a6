/** The grammar of faults: each sentence's events, and for each slip the words that help. */
import { expect, test } from 'vitest';
import { loadTopologyText, parseFault } from '../../src/topology/index.ts';

const fabric = loadTopologyText(
  `heddle: 1
defaults: { node: { hca: { profile: p } }, link: { speed: QDR } }
switches: { leaf1: {}, spine1: {} }
nodes: { cpu1: {}, cpu2: { hcas: [{ name: ib0 }, { name: ib1 }] } }
links:
  - cpu1:1 -> leaf1:1
  - cpu2/ib0:1 -> leaf1:2
  - cpu2/ib1:1 -> spine1:2
  - leaf1:10 -> spine1:10
  - { connect: "leaf1:11 -> spine1:11", bitErrorRate: 1e-15 }
faults:
  - node cpu1 slow 1GB/s at 2ms for 1ms
  - switch spine1 dies at 1ms
`,
  'x.yaml',
);
const events = (text: string) => parseFault(text, fabric).map(({ text: _text, ...event }) => event);

test.each([
  ['link leaf1:10 down at 5ms', [{ kind: 'link-down', link: 3, atPs: 5e9 }]],
  [
    'link leaf1:10 down at 5ms for 2us',
    [
      { kind: 'link-down', link: 3, atPs: 5e9 },
      { kind: 'link-up', link: 3, atPs: 5.002e9 },
    ],
  ],
  ['link spine1:10 up at 0ps', [{ kind: 'link-up', link: 3, atPs: 0 }]],
  ['link cpu1 down at 1ns', [{ kind: 'link-down', link: 0, atPs: 1000 }]],
  ['link cpu2/ib1 down at 1ns', [{ kind: 'link-down', link: 2, atPs: 1000 }]],
  ['link cpu2 -> spine1 down at 1ns', [{ kind: 'link-down', link: 2, atPs: 1000 }]],
  [
    'link leaf1:11 ber 1e-9 at 1us for 1us',
    [
      { kind: 'bit-error-rate', link: 4, rate: 1e-9, atPs: 1e6 },
      { kind: 'bit-error-rate', link: 4, rate: 1e-15, atPs: 2e6 },
    ],
  ],
  ['switch spine1 dies at 3ms', [{ kind: 'switch-dies', switch: 1, atPs: 3e9 }]],
  ['node cpu2 dies at 3ms', [{ kind: 'node-dies', node: 1, atPs: 3e9 }]],
  [
    'node cpu1 slow 8Gb/s at 1ms for 1ms',
    [
      { kind: 'slow-receiver', node: 0, bytesPerSecond: 1e9, atPs: 1e9 },
      { kind: 'slow-receiver', node: 0, bytesPerSecond: null, atPs: 2e9 },
    ],
  ],
])('%s', (text, expected) => expect(events(text)).toEqual(expected));

test.each([
  ['link leaf1 -> spine1 down at 1ms', 'may be any of 2 links: leaf1:10 -> spine1:10, leaf1:11 -> spine1:11; name a port'],
  ['link leaf1:9 down at 1ms', 'there is no link "leaf1:9"'],
  ['link leef1:1 down at 1ms', 'did you mean leaf1?'],
  ['link leaf1:1 down at 5', 'expected a time such as'],
  ['link leaf1:1 down at 0.1ps', 'whole picoseconds'],
  ['link leaf1:1 down', 'expected one of: link END down at TIME'],
  ['link leaf1:1 ber 2 at 1ms', 'probability from 0 to 1'],
  ['link leaf1:1 dies at 1ms', 'a link cannot "dies"'],
  ['switch leaf1 dies at 1ms for 1ms', 'what has died does not come back'],
  ['switch cpu1 dies at 1ms', 'there is no switch "cpu1"'],
  ['node cpu1 slow fast at 1ms', 'expected a rate'],
  ['node cpu1 slow at 1ms', 'a node cannot "slow"'],
  ['', 'expected one of'],
])('%j is refused: %s', (text, reason) => expect(() => parseFault(text, fabric)).toThrow(reason));

test('the option is named, and the file has its faults in order of time', () => {
  expect(() => parseFault('x', fabric)).toThrow(/^--fault: found "x"/);
  expect(fabric.faults.map(({ kind, atPs }) => [kind, atPs])).toEqual([
    ['switch-dies', 1e9],
    ['slow-receiver', 2e9],
    ['slow-receiver', 3e9],
  ]);
});
