/** What a domain asked of the hypervisor: hypercalls by number, events, grant operations by kind, pages. Counts, never times. */

/** Kinds of grant operations that are counted, each by operations, not by hypercalls. */
export const GRANT_KINDS = ['map', 'unmap', 'copy', 'transfer'] as const;
export type GrantKind = (typeof GRANT_KINDS)[number];

export class DomainAccount {
  /** Hypercalls by number. Calls within a multicall count as such, and the multicall too. */
  readonly hypercalls = new Float64Array(64);
  /** EVTCHNOP_send by this domain; upcalls delivered to it; event bits that its upcalls found. */
  eventsSent = 0;
  upcalls = 0;
  eventsReceived = 0;
  /** Grant operations asked for, by kind, and those that failed. */
  readonly grants: Record<GrantKind, number> = { map: 0, unmap: 0, copy: 0, transfer: 0 };
  grantFailures = 0;
  /** Bytes moved by grant copies that this domain asked for. */
  bytesCopied = 0;

  /** All hypercalls. */
  get hypercallCount(): number {
    return this.hypercalls.reduce((sum, count) => sum + count, 0);
  }
}
