/**
 * Management datagrams read by tshark: headers, subnet management and administration, counters, connection messages.
 * Each record is filled with noise, so every bit of every field is seen; the table says under which filter name tshark shows it.
 * tshark 4.0 does not take apart MRA, LAP, APR and SIDR messages, and reads flow label and packet rate of a REQ's paths one byte short
 * (its dissector takes three bytes, then one, at the same place); those are compared with hand-made bytes in `test/wire/mad.test.ts`.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CM_DREP,
  CM_DREQ,
  CM_IP_HEADER,
  CM_LAYOUTS,
  CM_REJ,
  CM_REP,
  CM_REQ,
  CM_RTU,
  type CmMessage,
  emitCmMad,
  emitMad,
  formatGid,
  ipServiceId,
  ipv4InHeader,
  type Layout,
  MAD_CLASS_PERF,
  MAD_CLASS_SA,
  MAD_CLASS_SMP_DIRECTED,
  MAD_CLASS_SMP_LID,
  MAD_METHOD_GET_RESPONSE,
  MC_MEMBER_RECORD,
  NODE_INFO,
  type Packet,
  PATH_RECORD,
  PERF_MAD,
  PORT_COUNTERS,
  PORT_COUNTERS_EXTENDED,
  PORT_INFO,
  Q_KEY_GSI,
  RDMA_PS_TCP,
  SA_MAD,
  SM_INFO,
  SMP_DIRECTED,
  SMP_LID,
  SWITCH_INFO,
  UD_SEND_ONLY,
  zeroRepr,
} from '../../src/wire/index.ts';
import { asBytes, asNumber, normal, readFields } from './tshark-tools.ts';

type Loose = Record<string, unknown>;
/** Filter name (after `infiniband.`) to the path of the field in our record. */
type Names = Readonly<Record<string, string>>;

const noise = (bytes: number, count: number) =>
  fc
    .sample(fc.uint8Array({ minLength: bytes, maxLength: bytes }), { numRuns: count, seed: bytes })
    .map((sample) => sample.map((byte, i) => byte ^ (i * 37)));

/** Records of this layout with any bits set. */
const noisy = (of: Layout<never>, count = 8): Loose[] => noise(of.bytes, count).map((bytes) => of.parse(bytes) as Loose);

function mad(payload: Uint8Array, smi: boolean): Packet {
  const qp = smi ? 0 : 1;
  return {
    lrh: { vl: smi ? 15 : 0, sl: 0, dlid: 2, slid: 1 },
    bth: {
      opcode: UD_SEND_ONLY,
      solicited: false,
      migrated: false,
      pKey: 0xffff,
      fecn: false,
      becn: false,
      destQp: qp,
      ackRequest: false,
      psn: 1,
    },
    extensions: { DETH: { qKey: smi ? 0 : Q_KEY_GSI, sourceQp: qp } },
    payload,
  };
}

const at = (record: Loose, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (value as Loose)[key], record);

/** Compares each record's fields with what tshark shows of the packet it went out in. */
function compare(records: readonly Loose[], packets: readonly Packet[], names: Names): void {
  const fields = Object.keys(names);
  const rows = readFields(
    packets.map((packet, i) => ({ timePs: i * 1000, interface: 0, damaged: false, packet })),
    fields.map((name) => `infiniband.${name}`),
  );
  for (const [i, row] of rows.entries()) {
    for (const name of fields) {
      const ours = at(records[i], names[name]);
      const text = row[`infiniband.${name}`];
      if (ours instanceof Uint8Array)
        expect(text.includes(':') ? text : asBytes(text), name).toBe(text.includes(':') ? formatGid(ours) : normal(ours));
      else expect(asNumber(text), `${name} of packet ${i}`).toBe(normal(ours as number | bigint | boolean));
    }
  }
}

const camel = (prefix: string, table: string): Names =>
  Object.fromEntries(
    table
      .trim()
      .split(/\s+/)
      .map((pair) => pair.split('='))
      .map(([ours, theirs]) => [`${prefix}.${theirs ?? ours.toLowerCase()}`, ours]),
  );

const HEADER = `baseVersion mgmtClass classVersion method transactionId attributeId attributeModifier`;

describe('subnet management', () => {
  const attribute = (of: Layout<never>, attributeId: number, names: Names) => {
    const records = noisy(of);
    const packets = records.map((record, i) => {
      const data = new Uint8Array(64);
      (of as unknown as Layout<object>).emit(record, data);
      const smp = {
        ...zeroRepr(SMP_LID),
        baseVersion: 1,
        mgmtClass: MAD_CLASS_SMP_LID,
        classVersion: 1,
        method: MAD_METHOD_GET_RESPONSE,
      };
      return mad(emitMad(SMP_LID, { ...smp, transactionId: BigInt(i), attributeId, data }), true);
    });
    compare(records, packets, names);
  };

  it('directed-route header', () => {
    const records = noisy(SMP_DIRECTED as never).map(
      (record): Loose => ({
        ...record,
        baseVersion: 1,
        mgmtClass: MAD_CLASS_SMP_DIRECTED,
        classVersion: 1,
        method: 1,
        attributeId: 0x11,
      }),
    );
    const packets = records.map((record) => mad(emitMad(SMP_DIRECTED as unknown as Layout<Loose>, record), true));
    // tshark shows the direction bit as the top bit of the status.
    for (const record of records) record.statusWord = (record.returning ? 0x8000 : 0) | (record.status as number);
    compare(records, packets, {
      ...camel('mad', HEADER),
      ...camel('smpdirected', 'statusWord=smpstatus hopPointer hopCount drSlid drDlid initialPath returnPath'),
      'smplid.mkey': 'mKey',
    });
  });

  it('LID-routed header', () => {
    const records = noisy(SMP_LID as never).map(
      (record): Loose => ({
        ...record,
        baseVersion: 1,
        mgmtClass: MAD_CLASS_SMP_LID,
        classVersion: 1,
        method: 2,
        attributeId: 0x11,
      }),
    );
    const packets = records.map((record) => mad(emitMad(SMP_LID as unknown as Layout<Loose>, record), true));
    compare(records, packets, { ...camel('mad', `${HEADER} status classSpecific`), 'smplid.mkey': 'mKey' });
  });

  it('NodeInfo', () => {
    const names =
      'baseVersion classVersion nodeType numPorts systemImageGuid nodeGuid portGuid partitionCap deviceId revision localPort=localportnum vendorId';
    attribute(NODE_INFO as never, 0x11, camel('nodeinfo', names));
  });

  it('SwitchInfo', () => {
    const names = `linearCap=linearfdbcap randomCap=randomfdbcap multicastCap=multicastfdbcap linearTop=linearfdbtop defaultPort
      defaultMulticastPrimaryPort defaultMulticastNotPrimaryPort lifeTime=lifetimevalue portStateChange
      optimizedSlToVl=optimizedsltovlmappingprogramming lidsPerPort partitionEnforcementCap inboundEnforcement=inboundenforcementcap
      outboundEnforcement=outboundenforcementcap filterRawInbound=filterrawinboundcap filterRawOutbound=filterrawoutboundcap
      enhancedPort0=enhancedportzero`;
    attribute(SWITCH_INFO as never, 0x12, camel('switchinfo', names));
  });

  it('PortInfo', () => {
    const names = `mKey=m_key gidPrefix=guid lid masterSmLid capabilityMask diagCode mKeyLease=m_keyleaseperiod localPort=localportnum
      widthEnabled=linkwidthenabled widthSupported=linkwidthsupported widthActive=linkwidthactive speedSupported=linkspeedsupported portState
      physicalState=portphysicalstate linkDownDefault=linkdowndefaultstate mKeyProtect=m_keyprotectbits lmc speedActive=linkspeedactive
      speedEnabled=linkspeedenabled neighborMtu masterSmSl vlCap initType vlHighLimit vlArbHighCap=vlarbitrationhighcap
      vlArbLowCap=vlarbitrationlowcap initTypeReply mtuCap vlStallCount hoqLife operationalVls partitionEnforcementInbound
      partitionEnforcementOutbound filterRawInbound filterRawOutbound mKeyViolations=m_keyviolations pKeyViolations=p_keyviolations
      qKeyViolations=q_keyviolations guidCap clientReregister subnetTimeout responseTime=resptimevalue
      localPhysicalErrors=localphyerrors overrunErrors maxCreditHint linkRoundTrip=linkroundtriplatency`;
    attribute(PORT_INFO as never, 0x15, camel('portinfo', names));
  });

  it('SMInfo', () => {
    attribute(SM_INFO as never, 0x20, camel('sminfo', 'guid smKey=sm_key actCount priority state=smstate'));
  });
});

describe('subnet administration', () => {
  const record = (of: Layout<never>, attributeId: number, names: Names) => {
    const records = noisy(of).map(
      (fields, i): Loose => ({
        ...fields,
        sa: {
          ...zeroRepr(SA_MAD),
          baseVersion: 1,
          mgmtClass: MAD_CLASS_SA,
          classVersion: 2,
          method: 1,
          smKey: 0x1122334455667788n * BigInt(i),
          attributeOffset: 8,
          componentMask: 3n << BigInt(i),
          attributeId,
        },
      }),
    );
    const packets = records.map((fields) => {
      const data = new Uint8Array(200);
      (of as unknown as Layout<object>).emit(fields, data);
      return mad(emitMad(SA_MAD, { ...(fields.sa as typeof SA_MAD extends Layout<infer R> ? R : never), data }), false);
    });
    compare(records, packets, {
      ...names,
      'sa.smkey': 'sa.smKey',
      'sa.attributeoffset': 'sa.attributeOffset',
      'sa.componentmask': 'sa.componentMask',
    });
  };

  it('PathRecord', () => {
    const names = `dgid sgid dlid slid rawTraffic flowLabel hopLimit trafficClass=tclass reversible numbPath pKey=p_key sl mtuSelector mtu
      rateSelector rate lifeTimeSelector=packetlifetimeselector lifeTime=packetlifetime preference`;
    record(PATH_RECORD as never, 0x35, camel('pathrecord', names));
  });

  it('MCMemberRecord', () => {
    const names = `mgid portGid qKey=q_key mlid mtuSelector mtu trafficClass=tclass pKey=p_key rateSelector rate
      lifeTimeSelector=packetlifetimeselector lifeTime=packetlifetime sl flowLabel hopLimit scope joinState proxyJoin`;
    record(MC_MEMBER_RECORD as never, 0x38, camel('mcmemberrecord', names));
  });
});

describe('performance management', () => {
  const counters = (of: Layout<never>, attributeId: number, names: Names) => {
    const records = noisy(of);
    const packets = records.map((record) => {
      const data = new Uint8Array(192);
      (of as unknown as Layout<object>).emit(record, data);
      const header = {
        ...zeroRepr(PERF_MAD),
        baseVersion: 1,
        mgmtClass: MAD_CLASS_PERF,
        classVersion: 1,
        method: MAD_METHOD_GET_RESPONSE,
      };
      return mad(emitMad(PERF_MAD, { ...header, attributeId, data }), false);
    });
    compare(records, packets, names);
  };

  it('PortCounters', () => {
    const names = `portSelect counterSelect symbolErrors=symbolerrorcounter linkErrorRecovery=linkerrorrecoverycounter
      linkDowned=linkdownedcounter receiveErrors=portrcverrors receiveRemotePhysicalErrors=portrcvremotephysicalerrors
      receiveSwitchRelayErrors=portrcvswitchrelayerrors transmitDiscards=portxmitdiscards transmitConstraintErrors=portxmitconstrainterrors
      receiveConstraintErrors=portrcvconstrainterrors localLinkIntegrityErrors excessiveBufferOverruns=excessivebufferoverrunerrors
      vl15Dropped transmitData=portxmitdata receiveData=portrcvdata transmitPackets=portxmitpkts receivePackets=portrcvpkts`;
    counters(PORT_COUNTERS as never, 0x12, camel('portcounters', names));
  });

  it('PortCountersExtended', () => {
    const names = `portSelect counterSelect transmitData=portxmitdata receiveData=portrcvdata transmitPackets=portxmitpkts
      receivePackets=portrcvpkts unicastTransmitPackets=portunicastxmitpkts unicastReceivePackets=portunicastrcvpkts
      multicastTransmitPackets=portmulticastxmitpkts multicastReceivePackets=portmulticastrcvpkts`;
    counters(PORT_COUNTERS_EXTENDED as never, 0x1d, camel('portcounters_ext', names));
  });
});

describe('communication management', () => {
  const message = (attribute: CmMessage['attribute'], names: Names, change: Loose = {}) => {
    const records = noisy(CM_LAYOUTS[attribute] as never).map((record): Loose => ({ ...record, ...change }));
    const packets = records.map((fields, i) =>
      mad(emitCmMad(BigInt(100 + i), { attribute, fields } as unknown as CmMessage), false),
    );
    compare(records, packets, names);
  };

  const path = (side: string, theirs: string) =>
    Object.fromEntries(
      Object.entries(
        camel(
          'cm.req',
          `localLid=${theirs}_locallid remoteLid=${theirs}_remotelid localGid=${theirs}_localgid remoteGid=${theirs}_remotegid
        trafficClass=${theirs}_tfcclass hopLimit=${theirs}_hoplim sl=${theirs}_sl subnetLocal=${theirs}_subnetlocal
        ackTimeout=${theirs}_localacktout`,
        ),
      ).map(([name, ours]) => [name, `${side}.${ours}`]),
    );

  it('REQ', () => {
    const names = `serviceId localCaGuid localQKey localQpn responderResources=responderres localEecn initiatorDepth=initdepth remoteEecn
      remoteResponseTimeout=remoteresptout transport=transpsvctype endToEndFlowControl=e2eflowctrl startingPsn=startpsn
      localResponseTimeout=localresptout retryCount=retrcount pKey pathMtu=pppmtu rdcExists=rdcexist rnrRetryCount=rnrretrcount
      maxCmRetries=maxcmretr srq extendedTransport=ext_transport privateData=private`;
    message(CM_REQ, {
      'cm.req': 'localCommId',
      ...camel('cm.req', names),
      ...path('primary', 'prim'),
      ...path('alternate', 'alt'),
    });
  });

  it('REQ of rdma_cm: port and addresses', () => {
    const header = { ...zeroRepr(CM_IP_HEADER), ipVersion: 4, sourcePort: 40000 };
    const address = (last: number) => Uint8Array.of(10, 0, 0, last);
    const privateData = new Uint8Array(92);
    CM_IP_HEADER.emit(
      { ...header, sourceAddress: ipv4InHeader(address(1)), destinationAddress: ipv4InHeader(address(2)) },
      privateData,
    );
    const fields = { ...CM_LAYOUTS[CM_REQ].parse(noise(232, 1)[0]), serviceId: ipServiceId(RDMA_PS_TCP, 18515), privateData };
    const packet = mad(emitCmMad(7n, { attribute: CM_REQ, fields } as unknown as CmMessage), false);
    const names = [
      'serviceid.protocol',
      'serviceid.dport',
      'ip_cm.majv',
      'ip_cm.minv',
      'ip_cm.ipv',
      'ip_cm.sport',
      'ip_cm.sip4',
      'ip_cm.dip4',
    ];
    const [row] = readFields(
      [{ timePs: 0, interface: 0, damaged: false, packet }],
      names.map((name) => `infiniband.cm.req.${name}`),
    );
    const [protocol, port, major, minor, version, sourcePort, source, destination] = Object.values(row);
    expect([protocol, port, major, minor, version, sourcePort].map(asNumber)).toEqual(['6', '18515', '0', '0', '4', '40000']);
    expect([source, destination]).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('REP', () => {
    const names = `remoteCommId localQKey localQpn localEecn startingPsn=startpsn responderResources=respres initiatorDepth=initdepth
      targetAckDelay=tgtackdelay failoverAccepted=failoveracc endToEndFlowControl=e2eflowctrl rnrRetryCount=rnrretrcount srq localCaGuid
      privateData=private`;
    message(CM_REP, { 'cm.rep': 'localCommId', ...camel('cm.rep', names) });
  });

  it('RTU, DREQ, DREP, REJ', () => {
    message(CM_RTU, camel('cm.rtu', 'localCommId remoteCommId privateData=private'));
    message(CM_DREQ, {
      ...camel('cm.dreq', 'localCommId remoteCommId privateData=private'),
      'cm.req.remoteqpneecn': 'remoteQpn',
    });
    message(CM_DREP, camel('cm.drsp', 'localCommId remoteCommId privateData=private'));
    message(
      CM_REJ,
      camel('cm.rej', 'localCommId remoteCommId answers=msgrej ariBytes=rejinfolen reason ari privateData=private'),
    );
  });

  it('attribute IDs of all eleven messages', () => {
    const packets = Object.keys(CM_LAYOUTS).map((id) => {
      const attribute = Number(id) as CmMessage['attribute'];
      return mad(emitCmMad(9n, { attribute, fields: zeroRepr(CM_LAYOUTS[attribute]) } as unknown as CmMessage), false);
    });
    const rows = readFields(
      packets.map((packet) => ({ timePs: 0, interface: 0, damaged: false, packet })),
      ['_ws.col.Info'],
    );
    expect(rows.map((row) => row['_ws.col.Info'])).toEqual(
      'ConnectRequest MsgRcptAck ConnectReject ConnectReply ReadyToUse DisconnectRequest DisconnectReply ServiceIDResReq ServiceIDResReqResp LoadAlternatePath AlternatePathResponse'
        .split(' ')
        .map((name) => `CM: ${name}`),
    );
  });
});
