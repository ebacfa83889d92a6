/**
 * Multicast groups of an IPoIB device: joined as a full member to receive, or as a sender only when something is sent to a group that was not joined.
 * Packets wait in a queue of their group until the subnet has answered.
 */
import { type AddressHandle, type Gid, gidKey, type MulticastGroup } from '../../verbs/index.ts';
import type { LinkPacket } from '../device.ts';
import { type Link, whenKnown } from './link.ts';

/** Packets that wait for a group (`IPOIB_MAX_MCAST_QUEUE`). */
const QUEUE_LIMIT = 64;

interface Group {
  readonly mgid: Gid;
  readonly key: string;
  /** Wanted as a receiver; else it was made by sending. */
  isMember: boolean;
  /** An answer is awaited. */
  isAsked: boolean;
  isAttached: boolean;
  record: MulticastGroup | null;
  ah: AddressHandle | null;
  readonly queue: LinkPacket[];
}

export class Groups {
  readonly #link: Link;
  readonly #send: (packet: LinkPacket, ah: AddressHandle) => void;
  readonly #groups = new Map<string, Group>();
  #isClosed = false;

  /** `send` posts a packet to a group's address handle. */
  constructor(link: Link, send: (packet: LinkPacket, ah: AddressHandle) => void) {
    this.#link = link;
    this.#send = send;
  }

  /** Groups known, joined or only sent to. */
  get size(): number {
    return this.#groups.size;
  }

  /** Joins as a full member; `onJoined` hears once how it went. */
  join(mgid: Gid, onJoined: (group: MulticastGroup | null) => void = () => undefined): void {
    const group = this.#get(mgid);
    group.isMember = true;
    this.#ask(group, onJoined);
  }

  /** Ends membership. */
  leave(mgid: Gid): void {
    const group = this.#groups.get(gidKey(mgid));
    if (group === undefined || !group.isMember) return;
    this.#forget(group);
  }

  /** Sends to a group, once it can be. */
  send(mgid: Gid, packet: LinkPacket): void {
    const group = this.#get(mgid);
    this.#link.counters.multicast++;
    if (group.ah !== null) {
      this.#send(packet, group.ah);
      return;
    }
    if (group.queue.length < QUEUE_LIMIT) group.queue.push(packet);
    else this.#link.counters.txDropped++;
    this.#ask(group, () => undefined);
  }

  close(): void {
    for (const group of [...this.#groups.values()]) this.#forget(group);
    this.#isClosed = true;
  }

  #get(mgid: Gid): Group {
    const key = gidKey(mgid);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { mgid: mgid.slice(), key, isMember: false, isAsked: false, isAttached: false, record: null, ah: null, queue: [] };
      this.#groups.set(key, group);
    }
    return group;
  }

  #ask(group: Group, onAnswer: (record: MulticastGroup | null) => void): void {
    const isSettled = group.record !== null && (group.isAttached || !group.isMember);
    if (group.isAsked || isSettled) return;
    group.isAsked = true;
    const link = this.#link;
    const sendOnly = !group.isMember;
    link.subnet.join(group.mgid, link.gid, sendOnly, link.cpu.nowPs, (record, atPs) =>
      whenKnown(link, atPs, () => {
        group.isAsked = false;
        if (this.#isClosed || this.#groups.get(group.key) !== group) return;
        if (record === null) this.#refused(group);
        else this.#joined(group, record);
        onAnswer(record);
        // It became a member while it was joined to as a sender.
        if (record !== null && sendOnly && group.isMember) this.#ask(group, () => undefined);
      }),
    );
  }

  #refused(group: Group): void {
    this.#link.counters.txDropped += group.queue.length;
    this.#groups.delete(group.key);
  }

  #joined(group: Group, record: MulticastGroup): void {
    const { pd, qp, portNum } = this.#link;
    group.record = record;
    if (group.isMember && !group.isAttached) {
      qp.attachMcast(group.mgid, record.mlid);
      group.isAttached = true;
    }
    group.ah ??= pd.createAh({
      dlid: record.mlid,
      sl: record.sl,
      staticRate: record.rate,
      portNum,
      grh: { dgid: group.mgid, hopLimit: 0 },
    });
    for (const packet of group.queue.splice(0)) this.#send(packet, group.ah);
  }

  #forget(group: Group): void {
    const { qp, subnet, gid, cpu, counters } = this.#link;
    this.#groups.delete(group.key);
    counters.txDropped += group.queue.length;
    if (group.isAttached && group.record !== null) qp.detachMcast(group.mgid, group.record.mlid);
    if (group.record !== null) subnet.leave(group.mgid, gid, cpu.nowPs);
    group.ah?.close();
  }
}
