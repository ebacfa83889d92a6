/** Queue pairs attached to the multicast groups of a port. */
import { EINVAL, ENOMEM, QPT_UD } from './constants.ts';
import type { PortState } from './port.ts';
import type { HcaProfile } from './profile.ts';
import type { QpContext } from './queue-pair.ts';

/** Attaches a UD queue pair by the group's GID and LID: 0 (also if it was attached), EINVAL, or ENOMEM beyond the limits. */
export function attach(port: PortState, profile: HcaProfile, qp: QpContext, gid: Uint8Array, lid: number): number {
  if (qp.type !== QPT_UD || gid.length !== 16 || gid[0] !== 0xff || !(lid >= 0xc000 && lid <= 0xfffe)) return EINVAL;
  const members = port.multicast.get(lid) ?? [];
  if (members.some((member) => member.qp === qp && sameGid(member.gid, gid))) return 0;
  if (members.length >= profile.maxMcastQpAttach) return ENOMEM;
  if (!port.multicast.has(lid) && port.multicast.size >= profile.maxMcastGroups) return ENOMEM;
  port.multicast.set(lid, [...members, { gid: gid.slice(), qp }]);
  return 0;
}

/** EINVAL if it is not attached so. */
export function detach(port: PortState, qp: QpContext, gid: Uint8Array, lid: number): number {
  const members = port.multicast.get(lid) ?? [];
  const left = members.filter((member) => member.qp !== qp || !sameGid(member.gid, gid));
  if (left.length === members.length) return EINVAL;
  if (left.length === 0) port.multicast.delete(lid);
  else port.multicast.set(lid, left);
  return 0;
}

/** Groups to which a queue pair is attached. */
export function groups(port: PortState, qp: QpContext): { readonly gid: Uint8Array; readonly lid: number }[] {
  const found: { readonly gid: Uint8Array; readonly lid: number }[] = [];
  for (const [lid, members] of port.multicast)
    for (const { gid, qp: member } of members) if (member === qp) found.push({ gid, lid });
  return found;
}

function sameGid(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
