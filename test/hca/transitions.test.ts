import { describe, expect, it } from 'vitest';
import { QPT_RC, QPT_UC, QPT_UD, transitionAllowed } from '../../src/hca/index.ts';
import { MASK_BITS, maskOf, STATES, TRANSITIONS } from '../conformance/qp-transitions.ts';

const TYPES = { RC: QPT_RC, UC: QPT_UC, UD: QPT_UD } as const;
const STATE_BIT = maskOf('STATE');

describe('queue pair transitions', () => {
  for (const [name, type] of Object.entries(TYPES)) {
    it(`${name}: exactly those of the table, with exactly their attributes`, () => {
      for (const [from, fromName] of STATES.entries()) {
        for (const [to, toName] of STATES.entries()) {
          const row = TRANSITIONS.find((r) => r.type === name && r.from === fromName && r.to === toName);
          const free = toName === 'RESET' || (toName === 'ERR' && fromName !== 'RESET');
          const required = row === undefined ? 0 : maskOf(row.required);
          const allowed = required | (row === undefined ? 0 : maskOf(row.optional));
          const exists = free || row !== undefined;
          const where = `${fromName} → ${toName}`;
          expect([where, transitionAllowed(type, from, to, STATE_BIT | required)]).toEqual([where, exists]);
          if (!exists) continue;
          for (const [bit, attribute] of MASK_BITS.entries()) {
            const one = 1 << bit;
            if (one === STATE_BIT) continue;
            if (required & one)
              expect([where, attribute, transitionAllowed(type, from, to, STATE_BIT | (required & ~one))]).toEqual([
                where,
                attribute,
                false,
              ]);
            else
              expect([where, attribute, transitionAllowed(type, from, to, STATE_BIT | required | one)]).toEqual([
                where,
                attribute,
                (allowed & one) !== 0,
              ]);
          }
        }
      }
    });
  }
});
