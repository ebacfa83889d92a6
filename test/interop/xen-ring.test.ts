/**
 * Our rings against Xen's own macros: a backend and a frontend compiled from io/ring.h and io/netif.h work on the pages of ours. What each side reads, and
 * whether it would notify, must be the same in every step, the wrap of the 32-bit counters included.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BackRing,
  FrontRing,
  initSharedRing,
  readRxRequest,
  readRxResponse,
  readTxRequest,
  RX_SLOT_BYTES,
  rxResponse,
  TX_SLOT_BYTES,
  txRequest,
  txResponseId,
  txResponseStatus,
  writeRxRequest,
  writeRxResponse,
  writeTxRequest,
  writeTxResponse,
} from '../../src/hypervisor/index.ts';
import { BytesView } from '../kit/bytes-view.ts';

const ORIGINS = [0, 250, 0xffff_ff80, 0xffff_ffff];
const BATCHES = [1, 7, 256, 0, 100, 3, 255];
let folder: string;
let oracle: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-ring-'));
  oracle = join(folder, 'xen-ring-oracle');
  const source = new URL('./xen-ring-oracle.c', import.meta.url).pathname;
  execFileSync('gcc', ['-D__XEN_INTERFACE_VERSION__=0x00040e00', '-Wall', '-Werror', '-O1', '-o', oracle, source]);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Lets the C side work on the page; its lines as numbers, the last being its state at the end. */
function ask(page: BytesView, ...args: readonly (string | number)[]): { lines: number[][]; end: number[] } {
  const file = join(folder, 'page');
  writeFileSync(file, page.bytes);
  const [side, ring, ...numbers] = args.map(String);
  const text = execFileSync(oracle, [side, ring, file, ...numbers]).toString();
  page.bytes.set(readFileSync(file));
  const lines = text.trim().split('\n');
  const end = lines.pop() ?? '';
  expect(end).toMatch(/^end /);
  return { lines: lines.map((line) => line.split(' ').map(Number)), end: end.slice(4).split(' ').map(Number) };
}

const u32 = (value: number): number => value >>> 0;

describe.each(ORIGINS)('from counter %i on', (origin) => {
  it('our transmit frontend is served by a C backend', () => {
    const page = new BytesView(new Uint8Array(4096));
    initSharedRing(page, origin);
    const ring = new FrontRing(page, TX_SLOT_BYTES, origin);
    let id = 0;
    for (const batch of BATCHES) {
      const start = ring.reqProdPvt;
      const sent: number[][] = [];
      for (let i = 0; i < batch; i++, id++) {
        const slot = [u32(0x8000_0000 + id), (id * 52) & 4095, id & 15, id & 0xffff, 60 + (id % 1400)] as const;
        sent.push([ring.reqProdPvt, ...slot]);
        writeTxRequest(page, ring.nextRequest(), ...slot);
      }
      // The backend sleeps: the first request wakes it.
      expect(ring.pushRequests()).toBe(batch > 0);
      const { lines, end } = ask(page, 'back', 'tx', start, start);
      expect(lines).toEqual(sent);
      expect(end).toEqual([ring.reqProdPvt, ring.reqProdPvt, batch > 0 ? 1 : 0, ring.size]);
      expect(ring.isOverrun).toBe(false);
      const got: number[][] = [];
      for (; ring.unconsumedResponses > 0; ring.rspCons = u32(ring.rspCons + 1)) {
        got.push([txResponseId(page, ring.slot(ring.rspCons)), txResponseStatus(page, ring.slot(ring.rspCons))]);
      }
      expect(got).toEqual(sent.map(([, , , , sentId, size]) => [sentId, size % 3 === 0 ? -1 : 0]));
      expect(ring.finalCheckForResponses()).toBe(false);
    }
  });

  it('our receive frontend is served by a C backend', () => {
    const page = new BytesView(new Uint8Array(4096));
    initSharedRing(page, origin);
    const ring = new FrontRing(page, RX_SLOT_BYTES, origin);
    const response = rxResponse();
    let id = 0;
    for (const batch of BATCHES) {
      const start = ring.reqProdPvt;
      const sent: number[][] = [];
      for (let i = 0; i < batch; i++, id++) {
        sent.push([ring.reqProdPvt, id & 0xffff, u32(id * 77_777)]);
        writeRxRequest(page, ring.nextRequest(), id & 0xffff, u32(id * 77_777));
      }
      expect(ring.pushRequests()).toBe(batch > 0);
      const { lines, end } = ask(page, 'back', 'rx', start, start);
      expect(lines).toEqual(sent);
      expect(end[2]).toBe(batch > 0 ? 1 : 0);
      for (const [, sentId, gref] of sent) {
        readRxResponse(page, ring.slot(ring.rspCons), response);
        ring.rspCons = u32(ring.rspCons + 1);
        const status = gref % 2 === 1 ? -1 : 1000 + (gref % 1000);
        expect(response).toEqual({ id: sentId, offset: gref % 100, flags: 1 | 4, status });
      }
      expect(ring.finalCheckForResponses()).toBe(false);
    }
  });

  it.each(['tx', 'rx'] as const)('a C %s frontend drives our backend', (kind) => {
    const page = new BytesView(new Uint8Array(4096));
    initSharedRing(page, origin);
    const ring = new BackRing(page, kind === 'tx' ? TX_SLOT_BYTES : RX_SLOT_BYTES, origin);
    const request = txRequest();
    let id = 0;
    let front = origin;
    let answered: number[][] = [];
    let consumed = origin;
    for (const batch of BATCHES) {
      const { lines, end } = ask(page, 'front', kind, front, consumed, batch, id);
      expect(lines).toEqual(answered);
      consumed = u32(consumed + answered.length);
      front = u32(front + batch);
      // It notifies when its producer passes the event that our side asked for.
      expect(end).toEqual([front, consumed, batch > 0 ? 1 : 0, 256 - batch]);
      expect(ring.isOverrun).toBe(false);
      expect(ring.unconsumedRequests).toBe(batch);
      answered = [];
      for (let i = 0; i < batch; i++, id++) {
        const at = ring.slot(ring.reqCons);
        const counter = ring.reqCons;
        ring.reqCons = u32(ring.reqCons + 1);
        if (kind === 'tx') {
          readTxRequest(page, at, request);
          expect(request).toEqual({ gref: u32(id * 77_777), offset: id % 4096, flags: id % 16, id, size: 60 + (id % 1400) });
          writeTxResponse(page, ring.nextResponse(), id, (id % 4) - 2);
          answered.push([counter, id, (id % 4) - 2]);
        } else {
          expect(readRxRequest(page, at, { id: 0, gref: 0 })).toEqual({ id, gref: u32(id * 77_777) });
          writeRxResponse(page, ring.nextResponse(), id, id % 4000, id % 32, (id % 1500) - 2);
          answered.push([counter, id, id % 4000, id % 32, (id % 1500) - 2]);
        }
      }
      expect(ring.pushResponses()).toBe(batch > 0);
      expect(ring.finalCheckForRequests()).toBe(false);
    }
  });
});

describe('hold-off', () => {
  it('a C backend that asks to be left alone is notified when it said', () => {
    const page = new BytesView(new Uint8Array(4096));
    initSharedRing(page, 0xffff_fff0);
    const ring = new FrontRing(page, TX_SLOT_BYTES, 0xffff_fff0);
    page.setU32(4, u32(0xffff_fff0 + 20));
    const notified: number[] = [];
    for (let i = 1; i <= 40; i++) {
      writeTxRequest(page, ring.nextRequest(), 8, 0, 0, i, 60);
      if (ring.pushRequests()) notified.push(i);
    }
    expect(notified).toEqual([20]);
    const { lines, end } = ask(page, 'back', 'tx', 0xffff_fff0, 0xffff_fff0);
    expect(lines).toHaveLength(40);
    expect(end[2]).toBe(1);
    expect(page.u32(4)).toBe(u32(0xffff_fff0 + 41));
  });
});
