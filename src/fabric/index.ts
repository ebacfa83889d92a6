/**
 * fabric: everything between two host ports: links, ports, virtual lanes, credits, arbitration, switches.
 *
 * - `packet-record.ts`  the 64-byte record in which a packet crosses between an HCA and the fabric
 * - `record-batch.ts`   a batch of such records
 * - `payload-pool.ts`   where the bytes of packets in flight lie
 */
export * from './packet-record.ts';
export * from './payload-pool.ts';
export * from './record-batch.ts';
