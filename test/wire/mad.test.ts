/** Envelopes and messages against bytes laid out by hand; the field-by-field check against Wireshark is in `test/interop`. */
import { describe, expect, it } from 'vitest';
import {
  CM_APR,
  CM_IP_HEADER,
  CM_LAP,
  CM_LAYOUTS,
  CM_MRA,
  CM_REJ,
  CM_REJ_CONSUMER,
  CM_REJ_LAYOUT,
  CM_REQ,
  CM_REQ_LAYOUT,
  CM_SIDR_REP,
  CM_SIDR_REP_LAYOUT,
  CM_SIDR_REQ,
  type CmMessage,
  emitCmMad,
  emitMad,
  formatCm,
  formatMadHeader,
  formatMcMemberRecord,
  formatPathRecord,
  formatPortCounters,
  ipServiceId,
  ipv4InHeader,
  MAD_CLASS_SA,
  MC_MEMBER_RECORD,
  PATH_RECORD,
  PORT_COUNTERS,
  parseCmMad,
  parseIpServiceId,
  parseIpv4,
  parseMadHeader,
  RDMA_PS_TCP,
  SA_MAD,
  SMP_DIRECTED,
  SMP_LID,
  saturate,
  zeroRepr,
} from '../../src/wire/index.ts';

/** Names of the private-data sizes: infiniband's ib_cm.h. */
const PRIVATE_BYTES: [CmMessage['attribute'], number][] = [
  [0x10, 92],
  [0x11, 222],
  [0x12, 148],
  [0x13, 196],
  [0x14, 224],
  [0x15, 220],
  [0x16, 224],
  [0x17, 216],
  [0x18, 136],
  [0x19, 168],
  [0x1a, 148],
];

describe('management datagrams', () => {
  it('header as hardware sends it: SubnGet(SMInfo)', () => {
    const bytes = new Uint8Array(256);
    bytes.set(Buffer.from('01810101000001020001509c000125c80020000000000000', 'hex'));
    const header = parseMadHeader(bytes);
    expect(header).toEqual({
      baseVersion: 1,
      mgmtClass: 0x81,
      classVersion: 1,
      method: 1,
      status: 0,
      classSpecific: 0x0102,
      transactionId: 0x0001509c000125c8n,
      attributeId: 0x20,
      attributeModifier: 0,
    });
    expect(SMP_DIRECTED.parse(bytes)).toMatchObject({ returning: false, hopPointer: 1, hopCount: 2, attributeId: 0x20 });
    if (typeof header !== 'string')
      expect(formatMadHeader(header)).toBe('SubnDRGet attribute 0x0020 modifier 0x0 tid 0x1509c000125c8');
  });

  it('refuses what is no MAD', () => {
    expect(parseMadHeader(new Uint8Array(255))).toMatch(/255 bytes/);
    expect(parseMadHeader(new Uint8Array(256))).toMatch(/base version 0/);
  });

  it('data of SMP, SA and directed route lie where they should', () => {
    const data = Uint8Array.of(0xda, 0x7a);
    expect(emitMad(SMP_LID, { ...zeroRepr(SMP_LID), data }).indexOf(0xda)).toBe(64);
    expect(emitMad(SMP_DIRECTED, { ...zeroRepr(SMP_DIRECTED), data }).indexOf(0xda)).toBe(64);
    expect(emitMad(SA_MAD, { ...zeroRepr(SA_MAD), data, mgmtClass: MAD_CLASS_SA }).indexOf(0xda)).toBe(56);
  });

  it('private data fills each CM message to its end', () => {
    for (const [attribute, size] of PRIVATE_BYTES) {
      const of = CM_LAYOUTS[attribute];
      const fields = { ...zeroRepr(of), privateData: new Uint8Array(size).fill(0xee) };
      const bytes = emitCmMad(1n, { attribute, fields } as unknown as CmMessage);
      expect(bytes.indexOf(0xee), of.name).toBe(256 - size);
      expect(bytes[255]).toBe(0xee);
    }
  });

  it('CM messages survive emit and parse', () => {
    for (const [attribute] of PRIVATE_BYTES) {
      const message = { attribute, fields: CM_LAYOUTS[attribute].parse(new Uint8Array(232).fill(0xff)) } as CmMessage;
      const parsed = parseCmMad(emitCmMad(0xabcn, message));
      expect(parsed).toEqual({ transactionId: 0xabcn, message });
      expect(formatCm(message)).not.toMatch(/undefined/);
    }
  });

  it('fields that Wireshark does not show, at the offsets of the specification', () => {
    const gid = (byte: number) => new Uint8Array(16).fill(byte);
    const path = {
      localLid: 1,
      remoteLid: 2,
      localGid: gid(3),
      remoteGid: gid(4),
      flowLabel: 0xabcde,
      packetRate: 0x3f,
      trafficClass: 5,
      hopLimit: 6,
      sl: 7,
      subnetLocal: true,
      ackTimeout: 18,
    };
    const bytesOf = (message: CmMessage) => Buffer.from(emitCmMad(1n, message).subarray(24));
    const empty = new Uint8Array(0);
    const request = bytesOf({
      attribute: CM_REQ,
      fields: { ...zeroRepr(CM_REQ_LAYOUT), primary: path, alternate: { ...path, flowLabel: 1 } },
    });
    expect(request.toString('hex', 88, 96)).toBe('abcde03f05067890');
    expect(request.toString('hex', 132, 140)).toBe('0000103f05067890');
    const pair = { localCommId: 0x01020304, remoteCommId: 0x05060708, privateData: Uint8Array.of(0xee) };
    const delay = bytesOf({ attribute: CM_MRA, fields: { ...pair, answers: 2, serviceTimeout: 31 } });
    expect(delay.toString('hex', 0, 11)).toBe('010203040506070880f8ee');
    const load = bytesOf({ attribute: CM_LAP, fields: { ...pair, ...path, remoteQpn: 0x123456, remoteResponseTimeout: 20 } });
    expect(load.toString('hex', 0, 26)).toBe('010203040506070800000000123456a000000000000100020303');
    expect(load.toString('hex', 54, 65)).toBe('0404abcde005063f7890ee');
    const loaded = bytesOf({ attribute: CM_APR, fields: { ...pair, infoBytes: 2, status: 9, info: Uint8Array.of(0xaa, 0xbb) } });
    expect(loaded.toString('hex', 8, 14)).toBe('02090000aabb');
    expect(loaded[84]).toBe(0xee);
    const ask = { requestId: 0x0a0b0c0d, pKey: 0x8001, serviceId: 0x1112131415161718n, privateData: Uint8Array.of(0xee) };
    expect(bytesOf({ attribute: CM_SIDR_REQ, fields: ask }).toString('hex', 0, 17)).toBe('0a0b0c0d800100001112131415161718ee');
    const { pKey: _pKey, ...question } = ask;
    const answer = { ...question, status: 1, infoBytes: 2, qpn: 0x123456, qKey: 0x01234567, info: empty };
    expect(bytesOf({ attribute: CM_SIDR_REP, fields: answer }).toString('hex', 0, 24)).toBe(
      '0a0b0c0d010200001234560011121314151617180123456700'.slice(0, 48),
    );
  });

  it('refuses what is no CM message', () => {
    const bytes = emitCmMad(1n, { attribute: CM_REQ, fields: zeroRepr(CM_REQ_LAYOUT) });
    const with_ = (at: number, value: number) => {
      const changed = Uint8Array.from(bytes);
      changed[at] = value;
      return parseCmMad(changed);
    };
    expect(with_(1, 3)).toMatch(/class 0x3/);
    expect(with_(2, 1)).toMatch(/version 1/);
    expect(with_(17, 0x1b)).toMatch(/no CM message/);
    expect(with_(3, 0x81)).toMatch(/no CM message/);
  });

  it('prints', () => {
    const reject = { ...zeroRepr(CM_REJ_LAYOUT), localCommId: 1, remoteCommId: 2, reason: CM_REJ_CONSUMER };
    expect(formatCm({ attribute: CM_REJ, fields: reject })).toBe('CM REJ comm 0x1 remote 0x2 consumer reject');
    const sidr = { ...zeroRepr(CM_SIDR_REP_LAYOUT), requestId: 9, qpn: 72 };
    expect(formatCm({ attribute: CM_SIDR_REP, fields: sidr })).toBe('CM SIDR_REP request 0x9 status 0 qp 72');
    expect(formatPathRecord({ ...zeroRepr(PATH_RECORD), slid: 1, dlid: 2, mtu: 4 })).toBe(
      'path :: 0x0001 > :: 0x0002 sl 0 mtu 4 rate 0 life 0',
    );
    expect(formatMcMemberRecord({ ...zeroRepr(MC_MEMBER_RECORD), mlid: 0xc000 })).toBe('group :: 0xc000 port :: join 0');
    expect(formatPortCounters({ ...zeroRepr(PORT_COUNTERS), portSelect: 3, transmitWait: 7 })).toMatch(/^port 3 .* waited 7$/);
  });

  it('rdma_cm service IDs and address header', () => {
    expect(ipServiceId(RDMA_PS_TCP, 18515)).toBe(0x0000000001064853n);
    expect(parseIpServiceId(0x0000000001064853n)).toEqual({ portSpace: RDMA_PS_TCP, port: 18515 });
    expect(parseIpServiceId(0x1000000000000404n)).toBeUndefined();
    const bytes = new Uint8Array(36);
    const address = ipv4InHeader(parseIpv4('10.0.0.1') as Uint8Array);
    CM_IP_HEADER.emit({ ...zeroRepr(CM_IP_HEADER), ipVersion: 4, sourcePort: 0x1234, sourceAddress: address }, bytes);
    expect(Buffer.from(bytes.subarray(0, 20)).toString('hex')).toBe('004012340000000000000000000000000a000001');
  });

  it('counters saturate', () => {
    expect([saturate(65534, 16), saturate(65536, 16), saturate(2 ** 40, 32)]).toEqual([65534, 65535, 2 ** 32 - 1]);
  });
});
