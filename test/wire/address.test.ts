import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_GID_PREFIX,
  formatGid,
  formatGuid,
  formatLid,
  formatQKey,
  gidGuid,
  gidPrefix,
  isMulticastGid,
  isMulticastLid,
  isPrivilegedQKey,
  isUnicastLid,
  lidMatches,
  makeGid,
  parseGid,
  parseIpv4,
  pKeysMatch,
} from '../../src/wire/index.ts';

describe('addresses', () => {
  it('LID ranges and LMC', () => {
    expect([0, 1, 0xbfff, 0xc000, 0xfffe, 0xffff].map(isUnicastLid)).toEqual([false, true, true, false, false, false]);
    expect([0xbfff, 0xc000, 0xfffe, 0xffff].map(isMulticastLid)).toEqual([false, true, true, false]);
    expect([8, 9, 11, 12].map((lid) => lidMatches(lid, 8, 2))).toEqual([true, true, true, false]);
    expect(formatLid(18)).toBe('0x0012');
  });

  it('GID text: the URL parser writes the same canonical IPv6', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 }),
        (groups) => {
          const gid = Uint8Array.from(groups.flatMap((g) => [g >> 8, g & 0xff]));
          const text = formatGid(gid);
          const full = groups.map((g) => g.toString(16)).join(':');
          expect(text).toBe(new URL(`http://[${full}]/`).hostname.slice(1, -1));
          expect(parseGid(text)).toEqual(gid);
          expect(parseGid(full)).toEqual(gid);
        },
      ),
    );
  });

  it('GID text: accepts what IPv6 is and nothing else', () => {
    const cases = [
      '::',
      '::1',
      '1::',
      'fe80::2:c903:5:f34a',
      '::ffff:10.0.0.1',
      '1:2:3:4:5:6:7:8',
      '1:2:3:4:5:6:7',
      '1::2::3',
      ':::',
      'g::',
      '12345::',
      '',
      ':',
      '1:',
      '::1.2.3',
      '::1.2.3.256',
      '1.2.3.4::',
      '1:2:3:4:5:6:7:8::',
    ];
    for (const text of cases) expect(parseGid(text) !== undefined, text).toBe(isIPv6(text));
    expect(parseGid('::ffff:10.0.0.1')?.slice(10)).toEqual(Uint8Array.of(255, 255, 10, 0, 0, 1));
    expect(parseIpv4('10.0.0.300')).toBeUndefined();
  });

  it('GID = prefix and GUID', () => {
    const gid = makeGid(DEFAULT_GID_PREFIX, 0x0002c9030005f34an);
    expect(formatGid(gid)).toBe('fe80::2:c903:5:f34a');
    expect([gidPrefix(gid), formatGuid(gidGuid(gid))]).toEqual([DEFAULT_GID_PREFIX, '0x0002c9030005f34a']);
    expect([isMulticastGid(gid), isMulticastGid(parseGid('ff12::1') as Uint8Array)]).toEqual([false, true]);
  });

  it('P_Keys: full speaks with all of its partition, limited only with full', () => {
    expect(pKeysMatch(0xffff, 0xffff)).toBe(true);
    expect(pKeysMatch(0xffff, 0x7fff)).toBe(true);
    expect(pKeysMatch(0x7fff, 0x7fff)).toBe(false);
    expect(pKeysMatch(0x8001, 0x8002)).toBe(false);
    expect(pKeysMatch(0x8000, 0x8000)).toBe(false);
  });

  it('Q_Keys', () => {
    expect([isPrivilegedQKey(0x80010000), isPrivilegedQKey(0x01234567)]).toEqual([true, false]);
    expect(formatQKey(0x80010000)).toBe('0x80010000');
  });
});
