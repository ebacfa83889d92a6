import { describe, expect, it } from 'vitest';
import {
  PROFILES,
  SEND_INLINE,
  SEND_SIGNALED,
  type UnloadedOperation,
  unloadedLatencyPs,
  unloadedStages,
  WR_FETCH_ADD,
  WR_READ,
  WR_SEND,
  WR_WRITE,
} from '../../src/hca/index.ts';
import { bytesPs } from '../../src/hca/profile.ts';
import { buffer, connect, drain, send, TestWire } from './wire.ts';

const INLINE = 128;
const WR = { write: WR_WRITE, send: WR_SEND, read: WR_READ, atomic: WR_FETCH_ADD };

/** The same by running it: post at time 0, the CPU's share added as verbs would. */
function measured(profile: string, operation: UnloadedOperation, bytes: number, mtu: number): number {
  const wire = new TestWire({ profile, mtuBytes: 4096, latencyPs: 130_000, psPerByte: 250 });
  const p = wire.profile;
  const [a, b] = connect(wire, { mtu, inline: INLINE });
  const local = buffer(a.host, Math.max(bytes, 8));
  const remote = buffer(b.host, Math.max(bytes, 8));
  b.host.hca.postRecv(b.qp, { sge: [remote.sge()] }, 0);
  let written = 0;
  b.host.memory.watch({
    addr: remote.addr,
    length: Math.max(bytes, 8),
    onWrite: (visiblePs) => {
      written = visiblePs;
    },
  });
  const inline = (operation === 'write' || operation === 'send') && bytes <= INLINE;
  const postPs = p.postPs + (inline ? bytesPs(bytes, p.postInlinePsPerByte) : 0);
  const wr = { opcode: WR[operation], sendFlags: SEND_SIGNALED | (inline ? SEND_INLINE : 0), sge: [local.sge(0, bytes)] };
  send(a, { ...wr, remoteAddr: remote.addr, rkey: remote.mr.rkey, compareAdd: 1 }, postPs);
  wire.run();
  if (operation === 'write') return written + p.memoryPollPs;
  const [wc] = drain(operation === 'send' ? b.cq : a.cq);
  expect(wc.status).toBe(0);
  return wc.completionTs + p.pollPs;
}

describe('unloaded latency', () => {
  const sizes = [1, 2, 64, 128, 129, 1024, 2048, 2049, 4096, 4097, 65_536, 100_001];
  for (const { name } of PROFILES) {
    it(`${name}: the adapter takes exactly the sum of the parts`, () => {
      for (const mtu of [4, 5]) {
        const path = { psPerByte: { num: 250, den: 1 }, fixedPs: 130_000, mtuBytes: 128 << mtu, inlineBytes: INLINE };
        const profile = PROFILES.find((p) => p.name === name) as (typeof PROFILES)[number];
        for (const operation of ['write', 'send', 'read'] as const) {
          for (const bytes of sizes)
            expect([operation, bytes, measured(name, operation, bytes, mtu)]).toEqual([
              operation,
              bytes,
              unloadedLatencyPs(profile, path, operation, bytes),
            ]);
        }
        expect(measured(name, 'atomic', 8, mtu)).toBe(unloadedLatencyPs(profile, path, 'atomic', 8));
      }
    });
  }

  it('is the model of two slopes: host read, wire and host write add up below one MTU, the slowest counts above', () => {
    const profile = PROFILES.find((p) => p.name === 'connectx2-qdr') as (typeof PROFILES)[number];
    const path = { psPerByte: { num: 250, den: 1 }, fixedPs: 120_000, mtuBytes: 4096, inlineBytes: 0 };
    const at = (bytes: number) => unloadedLatencyPs(profile, path, 'write', bytes);
    expect((at(4096) - at(2048)) / 2048).toBeCloseTo(profile.hostReadPsPerByte + 250 + profile.hostWritePsPerByte, 0);
    expect((at(4_194_304) - at(2_097_152)) / 2_097_152).toBeCloseTo(
      Math.max(profile.hostReadPsPerByte + profile.hostReadGapPs / 4096, 250),
      0,
    );
    expect(unloadedStages(profile, path, 'write', 65_536).every((stage) => stage.ps >= 0)).toBe(true);
  });
});
