/** What the frontend writes of a verb's attributes, the backend must read as the same attributes: the one is judged by the other. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRequest, encodeRequest, VIB_COMMANDS, type VibCommand } from '../../src/hypervisor/index.ts';
import { type OwnedObjects, QpAttrMask, Timers } from '../../src/verbs/index.ts';
import { carryOut, type DriverRequest, nativePs } from '../../src/xen-ibback/carry-out.ts';
import { checkFrames } from '../../src/xen-ibback/page-lists.ts';
import { modifyFields, qpBytes } from '../../src/xen-ibfront/fields.ts';
import { GuestMadPort } from '../../src/xen-ibfront/mad-port.ts';
import { TestWire } from '../hca/wire.ts';
import { SplitLab } from '../kit/split-lab.ts';

const byte = fc.nat(255);
const vector = fc.record({
  dlid: fc.nat(0xffff),
  sl: byte,
  srcPathBits: byte,
  staticRate: byte,
  portNum: byte,
  grh: fc.option(
    fc.record({
      dgid: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      flowLabel: fc.nat(0xffffffff),
      sgidIndex: byte,
      hopLimit: byte,
      trafficClass: byte,
    }),
  ),
});

/** Attributes, each with the bit that names it. */
const ATTRIBUTES = {
  qpState: [QpAttrMask.STATE, byte],
  pathMtu: [QpAttrMask.PATH_MTU, byte],
  qkey: [QpAttrMask.QKEY, fc.nat(0xffffffff)],
  rqPsn: [QpAttrMask.RQ_PSN, fc.nat(0xffffff)],
  sqPsn: [QpAttrMask.SQ_PSN, fc.nat(0xffffff)],
  destQpNum: [QpAttrMask.DEST_QPN, fc.nat(0xffffffff)],
  qpAccessFlags: [QpAttrMask.ACCESS_FLAGS, fc.nat(0xffffffff)],
  av: [QpAttrMask.AV, vector],
  pkeyIndex: [QpAttrMask.PKEY_INDEX, fc.nat(0xffff)],
  enSqdAsyncNotify: [QpAttrMask.EN_SQD_ASYNC_NOTIFY, fc.boolean()],
  maxRdAtomic: [QpAttrMask.MAX_QP_RD_ATOMIC, byte],
  maxDestRdAtomic: [QpAttrMask.MAX_DEST_RD_ATOMIC, byte],
  minRnrTimer: [QpAttrMask.MIN_RNR_TIMER, byte],
  portNum: [QpAttrMask.PORT, byte],
  timeout: [QpAttrMask.TIMEOUT, byte],
  retryCnt: [QpAttrMask.RETRY_CNT, byte],
  rnrRetry: [QpAttrMask.RNR_RETRY, byte],
} as const;

describe('commands', () => {
  it('carry the attributes of a queue pair from one end to the other', () => {
    const some = fc.record(Object.fromEntries(Object.entries(ATTRIBUTES).map(([name, [, value]]) => [name, value])) as never, {
      requiredKeys: [],
    }) as fc.Arbitrary<Record<string, unknown>>;
    fc.assert(
      fc.property(some, fc.nat(0xffffff), (attr, qpn) => {
        const mask = Object.keys(attr).reduce((bits, name) => bits | ATTRIBUTES[name as keyof typeof ATTRIBUTES][0], 0);
        const seen: unknown[] = [];
        const objects = { modifyQp: (...args: unknown[]) => seen.push(...args) } as unknown as OwnedObjects;
        carryOut(objects, decodeRequest(encodeRequest('modifyQp', modifyFields(qpn, attr, mask))) as DriverRequest, 77);
        const given = Object.fromEntries(Object.entries(seen[1] as object).filter(([, value]) => value !== undefined));
        expect([seen[0], given, seen[2], seen[3]]).toEqual([qpn, attr, mask, 77]);
      }),
      { numRuns: 300 },
    );
  });

  it('have numbers and fields of their own, which overlap nowhere', () => {
    const bytesOf = { u8: 1, u16: 2, u32: 4, u64: 8, gid: 16 };
    const ops = new Set(Object.values(VIB_COMMANDS).map(({ op }) => op));
    expect(ops.size).toBe(Object.keys(VIB_COMMANDS).length);
    for (const [name, { request, response }] of Object.entries(VIB_COMMANDS)) {
      for (const fields of [request, response] as Record<string, readonly [number, keyof typeof bytesOf]>[]) {
        const used = new Map<number, string>();
        for (const [field, [at, kind]] of Object.entries(fields)) {
          expect(at % Math.min(bytesOf[kind], 8), `${name}.${field}`).toBe(0);
          for (let i = 0; i < bytesOf[kind]; i++) {
            expect([name, field, used.get(at + i)]).toEqual([name, field, undefined]);
            used.set(at + i, field);
          }
        }
        for (const at of used.keys()) expect(at >= 8 && at < 128).toBe(true);
      }
    }
  });

  it('cost what the native driver takes', () => {
    const { hca } = new TestWire().hosts[0]!;
    const ask = (command: VibCommand, fields = {}) =>
      nativePs(
        decodeRequest(encodeRequest(command, { gid: new Uint8Array(16), dgid: new Uint8Array(16), ...fields } as never))!,
        hca,
      );
    const { controlPs, registerPs, registerPagePs, postPs } = hca.profile;
    expect([ask('allocPd'), ask('modifyQp'), ask('sendMad')]).toEqual([controlPs, controlPs, postPs]);
    expect(ask('regMr', { pages: 700 })).toBe(registerPs + 700 * registerPagePs);
  });

  it('name as much memory as a queue takes', () => {
    const cap = { maxSendWr: 10, maxRecvWr: 20, maxSendSge: 1, maxRecvSge: 2, maxInlineData: 0 };
    expect([qpBytes(cap), qpBytes({ ...cap, maxInlineData: 400 })]).toEqual([10 * 64 + 20 * 32, 10 * 432 + 20 * 32]);
  });

  it('do not name frames by lists that are not there', () => {
    const lab = new SplitLab();
    const dom0 = lab.addDomain(0, 'xen-3.0', { pages: 4 });
    lab.addDomain(1, 'xen-3.0', { pages: 4 });
    const seen: boolean[] = [];
    const { kernel } = dom0;
    kernel.cpu.exec(0, 'test', () => {
      for (const pages of [0, 1, 2 ** 31]) seen.push(checkFrames(kernel, 1, 9, pages, () => true));
    });
    lab.run();
    expect([seen, dom0.mappings.size]).toEqual([[false, false, false], 0]);
  });
});

describe('a port of the guest for datagrams', () => {
  it('sends at its time, or in the turn of a program, and hands what arrives to the class', () => {
    const lab = new SplitLab();
    const sent: number[] = [];
    let held: (() => void) | null = null;
    let isHeld = false;
    const port = new GuestMadPort(
      1,
      new Timers(lab.loop, 0),
      () => sent.push(lab.loop.nowPs),
      (action) => {
        if (isHeld) held = action;
        return isHeld;
      },
    );
    const to = { dlid: 3, sl: 0, srcPathBits: 0 };
    port.send(new Uint8Array(256), to, 500);
    isHeld = true;
    port.send(new Uint8Array(256), to, 700);
    lab.run(10_000);
    expect(sent).toEqual([500]);
    (held as (() => void) | null)?.();
    expect(sent).toHaveLength(2);
    const heard: unknown[] = [];
    port.onMad(7, (bytes, from, atPs) => heard.push([bytes[1], from, atPs]));
    const bytes = new Uint8Array(256);
    port.arrived({ kind: 3, type: 9, number: 0, a: 2 | (3 << 8) | (4 << 16), b: 1 }, bytes, 5);
    bytes[1] = 7;
    port.arrived({ kind: 3, type: 9, number: 0, a: 2 | (3 << 8) | (4 << 16), b: 1 }, bytes, 6);
    expect(heard).toEqual([[7, { portNum: 1, slid: 9, sl: 2, dlidPathBits: 3, pkeyIndex: 4 }, 6]]);
  });
});
