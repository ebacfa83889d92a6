/** Captures of runs in which hosts talk over IPoIB, read by tshark: encapsulation, ARP of hardware type 32, IPv4, ICMP, UDP, and the messages of connected mode. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeDirectory } from '../../src/cluster/directory.ts';
import { loadTopologyFile, type RunResult, run } from '../../src/cluster/index.ts';
import { planSubnet } from '../../src/cluster/subnet-plan.ts';
import { writeDirectory } from '../kit/directory-argument.ts';
import type { Talked } from '../kit/ipoib-hosts.ts';
import { readFileFields } from './tshark-tools.ts';

type Row = Record<string, string>;

const FIELDS = [
  'frame.protocols',
  '_ws.malformed',
  '_ws.expert.message',
  'infiniband.deth.q_key',
  'infiniband.deth.srcqp',
  'infiniband.bth.destqp',
  'infiniband.lrh.dlid',
  'infiniband.grh.dgid',
  'infiniband.grh.sgid',
  'infiniband.bth.opcode',
  'infiniband.rwh.etype',
  'arp.hw.type',
  'arp.proto.type',
  'arp.hw.size',
  'arp.opcode',
  'arp.src.hw',
  'arp.src.proto_ipv4',
  'arp.dst.proto_ipv4',
  'ip.src',
  'ip.dst',
  'ip.len',
  'ip.checksum.status',
  'icmp.type',
  'icmp.seq',
  'icmp.checksum.status',
  'udp.dstport',
  'udp.length',
  'infiniband.cm.req',
  'infiniband.cm.req.serviceid',
  'infiniband.cm.req.srq',
  'infiniband.cm.req.retrcount',
  'infiniband.cm.req.rnrretrcount',
];

/** Runs hosts that talk, with a capture at the first one's port. */
async function captured(mode: string, bytes: number): Promise<{ result: RunResult; rows: Row[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-ipoib-'));
  try {
    const topologyFile = join(folder, 'fabric.yaml');
    const node = 'defaults:\n  node: { hca: { profile: connectx2-qdr } }\n  link: { speed: QDR, mtu: 2048 }';
    writeFileSync(topologyFile, `heddle: 1\n${node}\ngenerate: { kind: star, hosts: 3 }\n`);
    const topology = loadTopologyFile(topologyFile);
    const captureFile = join(folder, 'capture.pcapng');
    const result = await run({
      topology,
      topologyFile,
      program: { kind: 'file', path: 'test/kit/ipoib-hosts.ts' },
      programArgs: [writeDirectory(makeDirectory(topology, planSubnet(topology, false))), mode, '3', String(bytes)],
      placement: 'inline',
      captureFile,
      captures: [{ name: 'node1', port: 1 }],
    });
    return { result, rows: readFileFields(captureFile, FIELDS) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const UD = 'erf:infiniband:ethertype:';
const pick = (row: Row, names: readonly string[]) => names.map((name) => row[name]);
const qpn = ({ address }: Talked) => `0x${address.slice(2, 8)}`;
/** No packet is taken for damaged, and tshark has nothing to say against any. */
const complaints = (rows: readonly Row[]) => rows.map((row) => `${row['_ws.malformed']}${row['_ws.expert.message']}`);

describe('tshark reads IPoIB', () => {
  it('datagrams: the ARP of the link, echoes, a group', async () => {
    const { result, rows } = await captured('datagram', 1000);
    const [a, b] = ['node1', 'node2'].map((name) => result.perNode[name] as Talked) as [Talked, Talked];
    expect(rows.map((row) => row['frame.protocols'])).toEqual([
      `${UD}arp`,
      `${UD}arp`,
      ...Array.from({ length: 6 }, () => `${UD}ip:icmp:data`),
      `${UD}ip:udp:data`,
    ]);
    expect(complaints(rows)).toEqual(rows.map(() => ''));
    expect(rows.map((row) => BigInt(row['infiniband.deth.q_key'] as string))).toEqual(rows.map(() => 0xb1bn));
    const [ask, answer] = rows as [Row, Row];
    const arp = [
      'arp.hw.type',
      'arp.proto.type',
      'arp.hw.size',
      'arp.opcode',
      'arp.src.hw',
      'arp.src.proto_ipv4',
      'arp.dst.proto_ipv4',
    ];
    expect(pick(ask, arp)).toEqual(['32', '0x0800', '20', '1', a.address, '10.0.0.1', '10.0.0.2']);
    expect(pick(answer, arp)).toEqual(['32', '0x0800', '20', '2', b.address, '10.0.0.2', '10.0.0.1']);
    const route = ['infiniband.bth.destqp', 'infiniband.lrh.dlid', 'infiniband.grh.dgid'];
    expect(pick(ask, route)).toEqual(['0xffffff', String(0xc000), 'ff12:401b:ffff::ffff:ffff']);
    expect(pick(answer, route)).toEqual([qpn(a), '1', '']);
    for (const [i, row] of rows.slice(2, 8).entries()) {
      const isRequest = i % 2 === 0;
      expect(pick(row, ['ip.src', 'ip.dst', 'ip.len', 'icmp.type', 'icmp.seq', 'icmp.checksum.status'])).toEqual([
        ...(isRequest ? ['10.0.0.1', '10.0.0.2', '1028', '8'] : ['10.0.0.2', '10.0.0.1', '1028', '0']),
        String(Math.floor(i / 2)),
        '1',
      ]);
      expect(pick(row, route)).toEqual([qpn(isRequest ? b : a), isRequest ? '2' : '1', '']);
    }
    const group = rows.at(-1) as Row;
    expect(pick(group, ['ip.dst', 'udp.dstport', 'udp.length', 'infiniband.grh.dgid', 'infiniband.bth.destqp'])).toEqual([
      '239.1.2.3',
      '5001',
      '108',
      'ff12:401b:ffff::f01:203',
      '0xffffff',
    ]);
  });

  it('connected mode: the connection of each way, and packets longer than the link by several of its packets', async () => {
    const { result, rows } = await captured('connected', 6000);
    const [a, b] = ['node1', 'node2'].map((name) => result.perNode[name] as Talked) as [Talked, Talked];
    expect(a.heard.filter((what) => what.startsWith('echo'))).toEqual(['echo reply 6028', 'echo reply 6028', 'echo reply 6028']);
    expect(rows.map((row) => row['_ws.malformed'])).toEqual(rows.map(() => ''));
    const requests = rows.filter((row) => row['infiniband.cm.req.serviceid'] !== '');
    const service = ({ address }: Talked) => BigInt(`0x1000000000${address.slice(2, 8)}`);
    expect(requests.map((row) => BigInt(row['infiniband.cm.req.serviceid'] as string)).sort()).toEqual(
      [service(a), service(b)].sort(),
    );
    expect(
      pick(requests[0] as Row, ['infiniband.cm.req.srq', 'infiniband.cm.req.retrcount', 'infiniband.cm.req.rnrretrcount']),
    ).toEqual(['0x01', '0x00', '0x00']);
    // SEND first of a packet: its header and the beginning of the IP packet are in it.
    const firsts = rows.filter((row) => row['infiniband.bth.opcode'] === '0');
    expect(firsts.length).toBe(6);
    expect(firsts.map((row) => pick(row, ['infiniband.rwh.etype', 'ip.len']))).toEqual(firsts.map(() => ['0x0800', '6028']));
    const arps = rows.filter((row) => row['arp.opcode'] !== '');
    expect(arps.map((row) => pick(row, ['arp.src.hw', 'infiniband.bth.opcode']))).toEqual([
      [a.address, '100'],
      [b.address, '100'],
    ]);
  });
});
