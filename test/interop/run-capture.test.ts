/**
 * Captures of real runs, read by tshark and compared, field by field, with what the programs in the simulation know of their queue pairs and memory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadTopologyFile, type ProgramReference, type RunOptions, type RunResult, run } from '../../src/cluster/index.ts';
import { formatGid } from '../../src/wire/index.ts';
import { type Expected, expectedPackets } from '../kit/operations-packets.ts';
import type { Side } from '../kit/operations.ts';
import { asBytes, asNumber, readFileFields } from './tshark-tools.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-interop-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

type Row = Record<string, string>;

/** Runs the program with a capture at these ports and gives the fields, named without `infiniband.`; numbers are decimal. */
async function captured(
  topologyFile: string,
  program: ProgramReference,
  ports: readonly string[],
  fields: readonly string[],
  more: Partial<RunOptions> = {},
): Promise<{ result: RunResult; rows: Row[] }> {
  const captureFile = join(folder, `${files++}.pcapng`);
  const captures = ports.map((port) => ({ name: port.split(':')[0] as string, port: Number(port.split(':')[1]) }));
  const topology = loadTopologyFile(topologyFile);
  const result = await run({ topology, topologyFile, program, programArgs: [], captureFile, captures, ...more });
  const names = fields.map((field) => (/^(frame|erf|data|_ws)/.test(field) ? field : `infiniband.${field}`));
  const rows = readFileFields(captureFile, names).map((row) =>
    Object.fromEntries(fields.map((field, i) => [field, decimal(field, row[names[i] as string] as string)])),
  );
  return { result, rows };
}

const TEXTS = /gid$|^frame|data\.data|malformed/;
const BYTES = ['immdt', 'ieth'];

function decimal(field: string, text: string): string {
  if (TEXTS.test(field)) return text;
  return BYTES.includes(field) ? asNumber(text === '' ? '' : `0x${asBytes(text)}`) : asNumber(text);
}

const builtin = (name: string): ProgramReference => ({ kind: 'builtin', name });
const file = (path: string): ProgramReference => ({ kind: 'file', path });
const BASE = ['lrh.slid', 'lrh.dlid', 'lrh.vl', 'bth.opcode', 'bth.destqp', 'bth.psn'];

/** tshark's name for each field of an expectation. */
const NAMES: Readonly<Partial<Record<keyof Expected, string>>> = {
  opcode: 'bth.opcode',
  destQp: 'bth.destqp',
  psn: 'bth.psn',
  msn: 'aeth.msn',
  immediate: 'immdt',
  virtualAddress: 'reth.va',
  rKey: 'reth.r_key',
  dmaLength: 'reth.dmalen',
  swapOrAdd: 'atomiceth.swapdt',
  compare: 'atomiceth.cmpdt',
  original: 'atomicacketh.origremdt',
  qKey: 'deth.q_key',
  sourceQp: 'deth.srcqp',
};

const gidText = (hex: string) => formatGid(Uint8Array.from(Buffer.from(hex, 'hex')));

describe('tshark reads captures of runs', () => {
  it('every operation, NAK and RNR NAK: addresses, sequence numbers, keys, lengths, syndromes', async () => {
    const fields = [
      ...BASE,
      ...Object.values(NAMES),
      ...['aeth.syndrome', 'aeth.syndrome.opcode', 'lrh.pktlen', 'bth.padcnt', 'grh.sgid', 'grh.dgid', '_ws.malformed'],
    ];
    const { result, rows } = await captured(
      'topologies/connectx2-switch.yaml',
      file('test/kit/operations.ts'),
      ['node1:1'],
      fields,
    );
    const [server, client] = [result.perNode.node2, result.perNode.node1] as [Side, Side];
    const wanted = expectedPackets(client, server);
    expect(rows.length).toBe(wanted.length);
    rows.forEach((row, i) => {
      const packet = wanted[i] as Expected;
      const [from, to] = packet.fromClient ? [client.lid, server.lid] : [server.lid, client.lid];
      expect([row['lrh.slid'], row['lrh.dlid'], row['lrh.vl'], row['_ws.malformed']]).toEqual([`${from}`, `${to}`, '0', '']);
      for (const [key, name] of Object.entries(NAMES)) {
        const value = packet[key as keyof Expected];
        if (value !== undefined) expect(`packet ${i} ${name} ${row[name]}`).toBe(`packet ${i} ${name} ${value}`);
      }
      if (packet.syndrome === 'credits') expect(row['aeth.syndrome.opcode']).toBe('0');
      else if (packet.syndrome !== undefined) expect(row['aeth.syndrome']).toBe(`${packet.syndrome}`);
      expect(row['bth.padcnt']).toBe(`${-packet.bytes & 3}`);
      expect([row['grh.sgid'], row['grh.dgid']]).toEqual(packet.gids === undefined ? ['', ''] : packet.gids.map(gidText));
    });
  });

  it('a multicast datagram at the sender, and a copy at each receiver', async () => {
    const ports = [1, 2, 3, 4].map((n) => `node${n}:1`);
    const fields = [...BASE, 'grh.dgid', 'deth.q_key', 'frame.interface_name', 'data.data'];
    const { rows } = await captured('topologies/connectx2-switch.yaml', file('examples/06-ud-multicast.ts'), ports, fields);
    expect(rows.length).toBe(5 * 4);
    // QP 0xffffff is every member's; 239.1.2.3 as an IPv4 group of the default partition (RFC 4391), Q_Key of rdma_cm
    for (const row of rows) {
      expect([row['bth.opcode'], row['bth.destqp'], row['lrh.slid']]).toEqual(['100', `${0xffffff}`, '1']);
      expect(Number(row['lrh.dlid'])).toBeGreaterThanOrEqual(0xc000);
      expect(row['grh.dgid']).toBe('ff12:401b:ffff::f01:203');
      expect(row['deth.q_key']).toBe(`${0x01234567}`);
    }
    for (const port of ports) {
      const own = rows.filter((row) => row['frame.interface_name']?.includes(port));
      const texts = own.map((row) => Buffer.from(asBytes(row['data.data'] as string), 'hex').toString('latin1'));
      expect(texts.map((text) => text.replace(/\0+$/, ''))).toEqual([0, 1, 2, 3, 4].map((n) => `message ${n}`));
    }
  });

  it('rping: a connection made over QP1, whose numbers the data then carry', async () => {
    const cm = [
      ...['mad.attributeid', 'mad.mgmtclass', 'cm.req.localqpn', 'cm.req.startpsn', 'cm.req.retrcount', 'cm.req.serviceid.dport'],
      ...['cm.rep.localqpn', 'cm.rep.startpsn', 'cm.req.prim_locallid', 'cm.req.prim_remotelid', 'deth.q_key', 'reth.dmalen'],
    ];
    const { rows } = await captured('topologies/connectx2-switch.yaml', builtin('rping'), ['node1:1'], [...BASE, ...cm], {
      programArgs: ['-C', '3', '-S', '100'],
    });
    const mads = rows.filter((row) => row['bth.destqp'] === '1');
    // ConnectRequest, ConnectReply, ReadyToUse … DisconnectRequest, DisconnectReply (IBA 12.6), class 7, GSI's Q_Key
    expect(mads.map((row) => Number(row['mad.attributeid']))).toEqual([0x10, 0x13, 0x14, 0x15, 0x16]);
    for (const row of mads)
      expect([row['mad.mgmtclass'], row['bth.opcode'], row['deth.q_key'], row['lrh.vl']]).toEqual([
        '7',
        '100',
        `${0x80010000}`,
        '0',
      ]);
    const [request, reply] = mads as [Row, Row];
    expect([request['cm.req.prim_locallid'], request['cm.req.prim_remotelid']]).toEqual(['1', '2']);
    expect(request['cm.req.serviceid.dport']).toBe('7174');
    const data = rows.filter((row) => row['bth.destqp'] !== '1');
    const [up, down] = ['1', '2'].map((lid) => data.filter((row) => row['lrh.slid'] === lid)) as [Row[], Row[]];
    expect(new Set(up.map((row) => row['bth.destqp']))).toEqual(new Set([reply['cm.rep.localqpn']]));
    expect(new Set(down.map((row) => row['bth.destqp']))).toEqual(new Set([request['cm.req.localqpn']]));
    const requests = (of: Row[]) => of.filter((row) => ![0x0d, 0x0e, 0x0f, 0x10, 0x11].includes(Number(row['bth.opcode'])));
    expect(requests(up)[0]?.['bth.psn']).toBe(request['cm.req.startpsn']);
    expect(requests(down)[0]?.['bth.psn']).toBe(reply['cm.rep.startpsn']);
    // each ping: the client tells, the server reads 100 bytes, says go on, the client tells, the server writes, says go on
    expect(requests(down).map((row) => [Number(row['bth.opcode']), row['reth.dmalen']])).toEqual(
      Array.from({ length: 3 }, () => [
        [0x0c, '100'],
        [0x04, ''],
        [0x0a, '100'],
        [0x04, ''],
      ]).flat(),
    );
  });

  it('bit errors: packets with the receive-error mark, then the same sequence numbers once more', async () => {
    const fields = [...BASE, 'erf.flags.rxe', 'frame.comment', 'aeth.syndrome', 'frame.interface_name'];
    const { rows } = await captured(
      'topologies/connectx2-switch.yaml',
      builtin('ib_write_bw'),
      ['node1:1', 'node2:1', 'switch1:1'],
      fields,
      { programArgs: ['-s', '65536', '-n', '20'], faults: ['link node1 ber 1e-6 at 10us'] },
    );
    const damaged = rows.filter((row) => row['erf.flags.rxe'] === '1');
    expect(damaged.length).toBeGreaterThan(2);
    const at = (port: string) => rows.filter((row) => row['frame.interface_name']?.includes(port));
    const lost = at('switch1:1').filter((row) => row['erf.flags.rxe'] === '1');
    expect(lost.length).toBeGreaterThan(0);
    for (const row of lost) {
      expect(row['frame.comment']).toBe('damaged by bit errors on the link');
      const sent = at('node1:1').filter((other) => other['lrh.slid'] === '1' && other['bth.psn'] === row['bth.psn']);
      expect(sent.length).toBeGreaterThan(1);
    }
    // go-back-N: a NAK for a sequence error names the PSN that was lost
    const naks = at('node1:1').filter((row) => row['lrh.slid'] === '2' && row['aeth.syndrome'] === `${0x60}`);
    const lostPsns = new Set(lost.map((row) => row['bth.psn']));
    expect(naks.length).toBeGreaterThan(0);
    for (const row of naks) expect(lostPsns).toContain(row['bth.psn']);
    // in the end everything has come: each PSN from the first to the last reached the server's port whole
    const whole = at('node2:1').filter((row) => row['lrh.slid'] === '1' && row['erf.flags.rxe'] !== '1');
    expect(new Set(whole.map((row) => row['bth.psn'])).size).toBe(20 * 16);
  });
});
