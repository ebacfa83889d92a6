import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventLoop } from '../../src/sim/index.ts';
import type { CmAgent } from '../../src/verbs/cm-agent.ts';
import { CmConnection } from '../../src/verbs/cm-connection.ts';
import { noPath } from '../../src/verbs/cm-route.ts';
import { cmTimeoutPs } from '../../src/verbs/cm-states.ts';
import { Timers } from '../../src/verbs/timers.ts';
import {
  CM_DREP,
  CM_DREQ,
  CM_MRA,
  CM_REJ,
  CM_REP,
  CM_REQ,
  CM_RTU,
  type CmMessage,
  type CmReqRepr,
} from '../../src/wire/index.ts';

const PEER = { portNum: 1, dlid: 1, sl: 0, srcPathBits: 0, pkeyIndex: 0 };
const EMPTY = new Uint8Array(0);
const MS = 1_000_000_000;

/** What happens to the n-th message on the wire: lost, twice, or late by so many ms. */
type Fate = 'ok' | 'lost' | 'twice' | number;

interface Side {
  connection: CmConnection | null;
  readonly story: string[];
  readonly agent: CmAgent;
}

/** Two ends of one connection over a wire that does with messages what `fates` say; both programs accept, and those in `enders` disconnect. */
function runConnection(
  fates: readonly Fate[],
  enders: readonly ('asking' | 'asked')[],
): { asking: Side; asked: Side; messages: number } {
  const loop = new EventLoop();
  const timers = new Timers(loop, 0);
  let messages = 0;
  const make = (name: 'asking' | 'asked'): Side => {
    const agent = {
      caGuid: name === 'asking' ? 1n : 2n,
      timers,
      counters: { received: 0, sent: 0, malformed: 0, unmatched: 0, retransmissions: 0 },
      get nowPs() {
        return loop.nowPs;
      },
      newTransaction: () => BigInt(messages),
      claimRemoteQp: () => true,
      forget: () => undefined,
      transmit: (_peer: unknown, transactionId: bigint, message: CmMessage, atPs: number) => {
        const fate = fates[messages++] ?? 'ok';
        const other = name === 'asking' ? asked : asking;
        const arrive = (delay: number) => timers.at(atPs + delay, () => receive(other, message, transactionId));
        if (fate === 'lost') return;
        arrive(MS + (typeof fate === 'number' ? fate * MS : 0));
        if (fate === 'twice') arrive(3 * MS);
      },
      answerDreq: (_peer: unknown, dreq: { localCommId: number; remoteCommId: number }, transactionId: bigint, atPs: number) => {
        const fields = { localCommId: dreq.remoteCommId, remoteCommId: dreq.localCommId, privateData: EMPTY };
        agent.transmit(null, transactionId, { attribute: CM_DREP, fields }, atPs);
      },
    };
    return { connection: null, story: [], agent: agent as unknown as CmAgent };
  };
  const asking = make('asking');
  const asked = make('asked');

  const end = (side: Side, name: 'asking' | 'asked') => {
    if (enders.includes(name)) timers.at(loop.nowPs + 20_000 * MS, () => void side.connection?.sendDreq(loop.nowPs));
  };
  const own = (side: Side, name: 'asking' | 'asked') => ({
    onRep: () => {
      side.story.push('rep');
      side.connection?.sendRtu(EMPTY, loop.nowPs);
      end(side, name);
    },
    onEstablished: () => {
      side.story.push('established');
      end(side, name);
    },
    onRejected: () => side.story.push('rejected'),
    onUnreachable: () => side.story.push('unreachable'),
    onDisconnected: (timedOut: boolean) => {
      side.story.push(timedOut ? 'timed out' : 'disconnected');
      side.connection?.sendDrep(loop.nowPs);
    },
    onTimewaitExit: () => side.story.push('timewait'),
  });
  const receive = (side: Side, message: CmMessage, transactionId: bigint) => {
    const at = loop.nowPs;
    if (message.attribute === CM_REQ) {
      if (side.connection !== null) return side.connection.onDuplicateReq(at);
      const connection = new CmConnection(side.agent, 20, PEER, null);
      side.connection = connection;
      connection.owner = own(side, 'asked');
      connection.acceptReq(message.fields, transactionId);
      side.story.push('request');
      const rep = {
        localCommId: 20,
        remoteCommId: 10,
        localQKey: 0,
        localQpn: 7,
        localEecn: 0,
        startingPsn: 0,
        responderResources: 0,
        initiatorDepth: 0,
        targetAckDelay: 0,
        failoverAccepted: 0,
        endToEndFlowControl: false,
        rnrRetryCount: 0,
        srq: false,
        localCaGuid: 2n,
        privateData: EMPTY,
      };
      connection.sendRep(rep, at);
      return;
    }
    const { connection } = side;
    if (connection === null) return;
    if (message.attribute === CM_REP) connection.onRep(message.fields, at);
    if (message.attribute === CM_RTU) connection.onRtu(message.fields);
    if (message.attribute === CM_MRA) connection.onMra(message.fields);
    if (message.attribute === CM_REJ) connection.onRej(message.fields, at);
    if (message.attribute === CM_DREQ) connection.onDreq(message.fields, transactionId, at);
    if (message.attribute === CM_DREP) connection.onDrep(at);
  };

  const connection = new CmConnection(asking.agent, 10, PEER, own(asking, 'asking'));
  asking.connection = connection;
  connection.timewaitTimeout = 10;
  const req: CmReqRepr = {
    localCommId: 10,
    serviceId: 1n,
    localCaGuid: 1n,
    localQKey: 0,
    localQpn: 5,
    responderResources: 0,
    localEecn: 0,
    initiatorDepth: 0,
    remoteEecn: 0,
    remoteResponseTimeout: 16,
    transport: 0,
    endToEndFlowControl: false,
    startingPsn: 0,
    localResponseTimeout: 16,
    retryCount: 0,
    pKey: 0xffff,
    pathMtu: 4,
    rdcExists: false,
    rnrRetryCount: 0,
    maxCmRetries: 3,
    srq: false,
    extendedTransport: 0,
    primary: { ...noPath(), ackTimeout: 10 },
    alternate: noPath(),
    privateData: EMPTY,
  };
  connection.sendReq(req, 1, 0);
  loop.runUntil(10 ** 15);
  expect(loop.pending).toBe(0);
  return { asking, asked, messages };
}

const fate = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Fate>('ok') },
  { weight: 2, arbitrary: fc.constantFrom<Fate>('lost', 'twice') },
  fc.integer({ min: 1, max: 900 }),
);

describe('state machine of a connection', () => {
  it('waits 4.096 us times two to the code', () => {
    expect(cmTimeoutPs(0)).toBe(4_096_000);
    expect(cmTimeoutPs(20)).toBe(4_294_967_296_000);
  });

  it('tells both sides one legal story each and ends, whatever the wire loses, doubles or delays', () => {
    const enders = fc.constantFrom<('asking' | 'asked')[]>(['asking'], ['asked'], ['asking', 'asked']);
    fc.assert(
      fc.property(fc.array(fate, { maxLength: 24 }), enders, (fates, who) => {
        const { asking, asked, messages } = runConnection(fates, who);
        expect(asking.story.join(' ')).toMatch(/^(unreachable|rep( (disconnected|timed out) timewait)?|rep rejected timewait)$/);
        expect(asked.story.join(' ')).toMatch(
          /^(|request( unreachable| established)?|request( established)? (disconnected|timed out) timewait)$/,
        );
        // A REQ, REP or DREQ is sent at most four times; each is answered at most as often, each answer repeated at most as often.
        expect(messages).toBeLessThan(60);
      }),
      { numRuns: 300 },
    );
  });

  it('tells the plain story when nothing goes wrong', () => {
    const { asking, asked, messages } = runConnection([], ['asking']);
    expect([asking.story, asked.story, messages]).toEqual([
      ['rep', 'disconnected', 'timewait'],
      ['request', 'established', 'disconnected', 'timewait'],
      5,
    ]);
    expect([asking.connection?.state, asked.connection?.state]).toEqual(['IDLE', 'IDLE']);
  });

  it('gives up a disconnect that is never answered, and still ends', () => {
    const { asking } = runConnection(['ok', 'ok', 'ok', ...Array<Fate>(4).fill('lost')], ['asking']);
    expect(asking.story).toEqual(['rep', 'timed out', 'timewait']);
  });
});
