/** Follows tables by hand, for tests: shares no code with the room's own tracer. */
import { type ForwardingTables, NO_PORT, type SubnetIndex } from '../../src/subnet/index.ts';

/** The slots a packet to `lid` leaves switches by, from switch `s` on; undefined if it is dropped, loops or ends at a wrong owner. */
export function pathSlots(
  index: SubnetIndex,
  tables: ForwardingTables,
  s: number,
  lid: number,
  owner: number,
): number[] | undefined {
  const slots: number[] = [];
  for (;;) {
    const port = tables.ports[s * tables.stride + lid]!;
    if (port === NO_PORT || slots.length > index.switchCount) return undefined;
    if (port === 0) return owner === index.adapterCount + s ? slots : undefined;
    const slot = index.portBase[s]! + port;
    slots.push(slot);
    if (index.peerSwitch[slot] === -1) return index.peerAdapter[slot] === owner ? slots : undefined;
    s = index.peerSwitch[slot]!;
  }
}

/** Slots between switches on the path from one adapter port to a LID. */
export function linkSlots(index: SubnetIndex, tables: ForwardingTables, from: number, lid: number, to: number): number[] {
  const slots = pathSlots(index, tables, index.adapterSwitch[from]!, lid, to);
  if (slots === undefined) throw new Error(`no path from ${from} to LID ${lid}`);
  return slots.slice(0, -1);
}
