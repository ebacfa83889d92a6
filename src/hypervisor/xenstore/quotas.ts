/**
 * What a guest may use of the store. dom0 may use anything. Defaults of xenstored 4.17; `xenstore-control quota set` changes them.
 */
import { RELATIVE_PATH_MAX } from './abi.ts';

export interface StoreQuotas {
  /** Nodes that it owns. */
  nodes: number;
  /** Watches; xenstored lets one more pass. */
  watches: number;
  /** Open transactions; xenstored lets one more pass. */
  transactions: number;
  /** Replies that wait, and requests whose events wait: no more of its requests are read meanwhile. */
  outstanding: number;
  /** Nodes that a transaction reads or writes. */
  transactionNodes: number;
  /** Bytes of a node's record: less than this. */
  nodeBytes: number;
  /** Bytes of a path, without a `/local/domain/N/` in front. Holds for dom0 too. */
  pathBytes: number;
  /** Entries of a node's permissions. */
  permissions: number;
  /** Bytes of its nodes, watches, transactions and waiting messages. */
  memoryBytes: number;
  /** Above this xenstored would warn. */
  softMemoryBytes: number;
}

export const DEFAULT_QUOTAS: Readonly<StoreQuotas> = {
  nodes: 1000,
  watches: 128,
  transactions: 10,
  outstanding: 20,
  transactionNodes: 1024,
  nodeBytes: 2048,
  pathBytes: RELATIVE_PATH_MAX,
  permissions: 5,
  memoryBytes: 2.5 * 1024 * 1024,
  softMemoryBytes: 2 * 1024 * 1024,
};
