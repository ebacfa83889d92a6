/** What a guest published of its interface, checked: it may be anything. */
import type { Era } from '../hypervisor/index.ts';
import type { QueueKeys } from './queue.ts';

type Keys = Readonly<Record<string, string | undefined>>;

export interface FrontendKeys {
  readonly queues: readonly QueueKeys[];
  readonly requestsCopy: boolean;
  readonly isNotifying: boolean;
  readonly takesChecksumBlank: boolean;
  readonly takesFragments: boolean;
  readonly takesGso: boolean;
  readonly filtersMulticast: boolean;
  readonly control: { readonly ref: number; readonly port: number } | null;
}

const COMMON = [
  'multi-queue-num-queues',
  'request-rx-copy',
  'feature-rx-notify',
  'feature-no-csum-offload',
  'feature-sg',
  'feature-gso-tcpv4',
  'request-multicast-control',
  'ctrl-ring-ref',
  'event-channel-ctrl',
];
const OF_QUEUE = ['tx-ring-ref', 'rx-ring-ref', 'event-channel', 'event-channel-tx', 'event-channel-rx'];

/** All keys to read, for a backend of at most `maxQueues`. */
export function keyNames(maxQueues: number): string[] {
  const names = [...COMMON, ...OF_QUEUE];
  for (let i = 0; i < maxQueues && maxQueues > 1; i++) names.push(...OF_QUEUE.map((key) => `queue-${i}/${key}`));
  return names;
}

/** The keys, or what is wrong with them. */
export function parseFrontendKeys(keys: Keys, era: Era): FrontendKeys | string {
  const count = keys['multi-queue-num-queues'] === undefined ? 1 : unsigned(keys, 'multi-queue-num-queues');
  if (count === null || count < 1 || count > era.netback.maxQueues) {
    return `guest requested ${keys['multi-queue-num-queues']} queues, exceeding the maximum of ${era.netback.maxQueues}`;
  }
  const queues: QueueKeys[] = [];
  for (let i = 0; i < count; i++) {
    const prefix = count === 1 ? '' : `queue-${i}/`;
    const queue = parseQueue(keys, prefix);
    if (typeof queue === 'string') return queue;
    queues.push(queue);
  }
  const controlRef = unsigned(keys, 'ctrl-ring-ref');
  const controlPort = unsigned(keys, 'event-channel-ctrl');
  const hasControl = era.netback.ctrlRing && controlRef !== null && controlPort !== null;
  return {
    queues,
    requestsCopy: keys['request-rx-copy'] === '1',
    isNotifying: keys['feature-rx-notify'] === '1',
    takesChecksumBlank: keys['feature-no-csum-offload'] !== '1',
    takesFragments: keys['feature-sg'] === '1',
    takesGso: era.netback.gso && keys['feature-gso-tcpv4'] === '1',
    filtersMulticast: keys['request-multicast-control'] === '1',
    control: hasControl ? { ref: controlRef, port: controlPort } : null,
  };
}

function parseQueue(keys: Keys, prefix: string): QueueKeys | string {
  const txRef = unsigned(keys, `${prefix}tx-ring-ref`);
  const rxRef = unsigned(keys, `${prefix}rx-ring-ref`);
  if (txRef === null || rxRef === null) return `reading ${prefix}ring-ref`;
  const splitTx = unsigned(keys, `${prefix}event-channel-tx`);
  const splitRx = unsigned(keys, `${prefix}event-channel-rx`);
  if (splitTx !== null && splitRx !== null) return { txRef, rxRef, txPort: splitTx, rxPort: splitRx };
  const port = unsigned(keys, `${prefix}event-channel`);
  return port === null ? `reading ${prefix}event-channel(-tx/rx)` : { txRef, rxRef, txPort: port, rxPort: port };
}

function unsigned(keys: Keys, name: string): number | null {
  const text = keys[name];
  if (text === undefined || !/^\d{1,10}$/.test(text)) return null;
  const value = Number(text);
  return value <= 0xffff_ffff ? value : null;
}
