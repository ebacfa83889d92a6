/**
 * Virtual-lane settings: their defaults, and what a file's `qos` block makes of them.
 * Default tables treat every operational VL alike; those of a subnet manager can be written out in the file.
 */
import { type IssueList, type Place, show } from './issue.ts';
import { MAX_VL_ARBITRATION_ENTRIES } from './limits.ts';
import type { TopologyQos, VlWeight } from './types.ts';

/** The `qos` block of a file; every field may be left out. */
export interface QosText {
  readonly operationalVls?: number | undefined;
  readonly slToVl?: readonly number[] | undefined;
  readonly vlArbitration?:
    | { readonly high?: string | undefined; readonly low?: string | undefined; readonly highLimit?: number | undefined }
    | undefined;
  readonly headOfQueueLife?: number | undefined;
  readonly vlStallCount?: number | undefined;
}

export const OPERATIONAL_VLS = [1, 2, 4, 8, 15] as const;
const DEFAULT_OPERATIONAL_VLS = 4;
/** 64 units of 64 bytes: one packet of the largest MTU. */
const EQUAL_WEIGHT = 64;
/** 4.096 us * 2^18 = 1.07 s, OpenSM's default for HOQLife and packet life. */
export const DEFAULT_LIFE = 18;
const DEFAULT_STALL_COUNT = 7;

/** Settings for `vls` data VLs where nothing else is said: SL n to VL n, folded onto the VLs there are; equal weights. */
export function defaultQos(vls: number = DEFAULT_OPERATIONAL_VLS): TopologyQos {
  return {
    operationalVls: vls,
    slToVl: Array.from({ length: 16 }, (_, sl) => sl % vls),
    vlArbitration: { high: [], low: Array.from({ length: vls }, (_, vl) => ({ vl, weight: EQUAL_WEIGHT })), highLimit: 0 },
    headOfQueueLife: DEFAULT_LIFE,
    vlStallCount: DEFAULT_STALL_COUNT,
  };
}

/** Lays `text` over `base`. What `text` leaves out is `base`'s, unless the number of VLs changes: then tables start from its default. */
export function resolveQos(text: QosText, base: TopologyQos, issues: IssueList, place: Place): TopologyQos {
  const vls = text.operationalVls ?? base.operationalVls;
  const start =
    vls === base.operationalVls
      ? base
      : { ...defaultQos(vls), headOfQueueLife: base.headOfQueueLife, vlStallCount: base.vlStallCount };
  const slToVl = text.slToVl ?? start.slToVl;
  slToVl.forEach((vl, sl) => {
    if (vl < vls || vl === 15) return;
    issues.add(
      [...place, 'slToVl', sl],
      `SL ${sl} goes to VL ${vl}, which is not in use; accepted are 0 to ${vls - 1}, or 15 to drop`,
    );
  });
  const arbitration = [...place, 'vlArbitration'];
  const table = text.vlArbitration ?? {};
  const high =
    table.high === undefined ? start.vlArbitration.high : parseWeights(table.high, vls, issues, [...arbitration, 'high']);
  const low = table.low === undefined ? start.vlArbitration.low : parseWeights(table.low, vls, issues, [...arbitration, 'low']);
  const highLimit = table.highLimit ?? start.vlArbitration.highLimit;
  if (table.highLimit !== undefined && high.length === 0)
    issues.add([...arbitration, 'highLimit'], 'changes nothing, because the high table is empty; give high too');
  const served = new Set([...high, ...low].filter((entry) => entry.weight > 0).map((entry) => entry.vl));
  const starved = slToVl.findIndex((vl) => vl !== 15 && vl < vls && !served.has(vl));
  if (starved >= 0 && (text.vlArbitration !== undefined || text.slToVl !== undefined))
    issues.add(
      text.vlArbitration ? arbitration : [...place, 'slToVl'],
      `SL ${starved} uses VL ${slToVl[starved]}, which no arbitration table serves: its packets would never leave`,
    );
  return {
    operationalVls: vls,
    slToVl,
    vlArbitration: { high, low, highLimit },
    headOfQueueLife: text.headOfQueueLife ?? start.headOfQueueLife,
    vlStallCount: text.vlStallCount ?? start.vlStallCount,
  };
}

/** `0:64,1:32` as OpenSM writes it. */
function parseWeights(text: string, vls: number, issues: IssueList, place: Place): VlWeight[] {
  if (text.trim() === '') return [];
  const parts = text.split(',');
  if (parts.length > MAX_VL_ARBITRATION_ENTRIES) {
    issues.add(place, `has ${parts.length} entries; a table holds at most ${MAX_VL_ARBITRATION_ENTRIES}`);
    return [];
  }
  return parts.flatMap((part) => {
    const match = /^\s*([0-9]{1,2}):([0-9]{1,3})\s*$/.exec(part);
    const [vl, weight] = [Number(match?.[1]), Number(match?.[2])];
    if (match !== null && vl < vls && weight <= 255) return [{ vl, weight }];
    issues.add(place, `has the entry ${show(part.trim())}; accepted is VL:weight with VL 0 to ${vls - 1} and weight 0 to 255`);
    return [];
  });
}
