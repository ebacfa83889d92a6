import { describe, expect, it } from 'vitest';
import * as hca from '../../src/hca/index.ts';
import * as verbs from '../../src/verbs/index.ts';

const { Access, EventType, Opcode, QpAttrMask, QpState, QpType, Rate, SendFlags, WcFlags, WcOpcode, WcStatus } = verbs;

describe('constants', () => {
  it('have the values that the adapter uses', () => {
    const values = hca as unknown as Record<string, number>;
    for (const [name, value] of Object.entries(QpAttrMask)) expect([name, values[`ATTR_${name}`]]).toEqual([name, value]);
    for (const name of ['RESET', 'INIT', 'RTR', 'RTS', 'SQD', 'SQE', 'ERR'] as const)
      expect(values[`QPS_${name}`]).toBe(QpState[name]);
    for (const name of ['GSI', 'RC', 'UC', 'UD'] as const) expect(values[`QPT_${name}`]).toBe(QpType[name]);
    const status = Object.entries(WcStatus).filter(([name]) => `WC_${name}` in values);
    expect(status.length).toBeGreaterThan(10);
    for (const [name, value] of status) expect([name, values[`WC_${name}`]]).toEqual([name, value]);
    const events = Object.entries(EventType).filter(([name]) => `EVENT_${name}` in values);
    expect(events.length).toBeGreaterThan(6);
    for (const [name, value] of events) expect([name, values[`EVENT_${name}`]]).toEqual([name, value]);
    for (const name of ['LOCAL_WRITE', 'REMOTE_WRITE', 'REMOTE_READ', 'REMOTE_ATOMIC', 'MW_BIND', 'ZERO_BASED'] as const)
      expect(values[`ACCESS_${name}`]).toBe(Access[name]);
    for (const name of ['FENCE', 'SIGNALED', 'SOLICITED', 'INLINE'] as const)
      expect(values[`SEND_${name}`]).toBe(SendFlags[name]);
    expect([hca.WC_GRH, hca.WC_WITH_IMM, hca.WC_WITH_INV]).toEqual([WcFlags.GRH, WcFlags.WITH_IMM, WcFlags.WITH_INV]);
    expect([hca.WC_RECV, hca.WC_RECV_WRITE_IMM]).toEqual([WcOpcode.RECV, WcOpcode.RECV_RDMA_WITH_IMM]);
    expect([hca.WR_READ, hca.WR_SEND_INV, hca.WR_BIND_MW]).toEqual([Opcode.RDMA_READ, Opcode.SEND_WITH_INV, Opcode.BIND_MW]);
  });

  it('have texts, and unknown ones say so', () => {
    expect(verbs.wcStatusStr(WcStatus.RNR_RETRY_EXC_ERR)).toBe('RNR retry counter exceeded');
    expect(verbs.wcStatusStr(WcStatus.TM_RNDV_INCOMPLETE)).toBe('TM software rendezvous');
    expect(verbs.eventTypeStr(EventType.SRQ_LIMIT_REACHED)).toBe('SRQ limit reached');
    expect(verbs.eventTypeStr(EventType.DEVICE_SPEED_CHANGE)).toBe('Device link speed change');
    expect(verbs.nodeTypeStr(1)).toBe('InfiniBand channel adapter');
    expect(verbs.portStateStr(4)).toBe('active');
    expect(verbs.wrOpcodeStr(Opcode.FLUSH)).toBe('flush');
    expect(verbs.rdmaEventStr(15)).toBe('RDMA_CM_EVENT_TIMEWAIT_EXIT');
    for (const text of [
      verbs.wcStatusStr(24),
      verbs.eventTypeStr(-1),
      verbs.nodeTypeStr(0),
      verbs.portStateStr(6),
      verbs.wrOpcodeStr(12),
    ])
      expect(text).toBe('unknown');
  });

  it('turn rates into multiples and Mb/s, and back', () => {
    expect([2, 5, 3, 6, 4, 7, 8, 9, 10, 19, 20].map((rate) => verbs.rateToMult(rate as never))).toEqual([
      1, 2, 4, 8, 12, 16, 24, 32, 48, 11, 20,
    ]);
    for (const rate of Object.values(Rate).filter((code) => code !== Rate.MAX)) {
      expect(verbs.mbpsToRate(verbs.rateToMbps(rate))).toBe(rate);
      const mult = verbs.rateToMult(rate);
      if (mult > 0) expect(verbs.multToRate(mult)).toBe(rate);
    }
    expect([verbs.rateToMult(Rate.RATE_56_GBPS), verbs.rateToMult(Rate.MAX), verbs.rateToMbps(Rate.MAX)]).toEqual([-1, -1, -1]);
    expect([verbs.multToRate(-1), verbs.multToRate(7), verbs.mbpsToRate(1)]).toEqual([Rate.MAX, Rate.MAX, Rate.MAX]);
    expect(verbs.rateToMbps(Rate.RATE_100_GBPS)).toBe(103125);
  });

  it('count keys up in their low byte', () => {
    expect(verbs.incRkey(0xabcd12ff)).toBe(0xabcd1200);
    expect(verbs.incRkey(0x80000000)).toBe(0x80000001);
  });
});
