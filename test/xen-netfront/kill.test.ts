/** Either side dies before any of its or the other's steps: nothing is left behind, nothing throws, and what survives works again. */
import { describe, expect, it } from 'vitest';
import type { EraName } from '../../src/hypervisor/index.ts';
import { packet, type Pair, plug, tcp } from '../kit/net-pair.ts';

const GUEST_PAGES = 3000;
const BACK_PAGES = 1200;
const NOTHING = { grants: 0, ports: 0, mappings: 0 };

/** Traffic of every kind, both ways. */
function talk({ guest, dom0, front, vif }: Pair): void {
  for (let i = 0; i < 6; i++) {
    guest.cpus[0].exec(0, 'test', () => void front.transmit(packet(new Uint8Array(50 + 700 * i))));
    dom0.cpus[0].exec(0, 'test', () => void vif.transmit(packet(tcp(400 + 200 * i), { protocol: 0x800, checksumBlank: true })));
  }
  guest.cpus[0].exec(0, 'test', () => {
    const gso = { type: 'tcpv4' as const, size: 1448 };
    if (front.features.gso) front.transmit(packet(tcp(20_000), { protocol: 0x800, checksumBlank: true, gso }));
  });
}

/** Runs the traffic with a strike before the `n`-th item; how many items there were. */
function strike(era: EraName, n: number, side: 'guest' | 'dom0'): number {
  const pair = plug(era);
  const stop = pair.lab.strikeAt(n, () => pair[side].kill());
  pair.lab.run();
  // While there are both, they are connected by now.
  if (!pair.guest.isDead && !pair.dom0.isDead) talk(pair);
  pair.lab.run();
  const items = stop();
  if (!pair[side].isDead) return items;
  if (side === 'guest') {
    expect(pair.dom0.held, `guest killed at item ${n}`).toEqual({ ...NOTHING, freePages: BACK_PAGES, frames: BACK_PAGES });
    expect(pair.vif?.isUp ?? false).toBe(false);
  } else {
    expect(pair.guest.held, `backend killed at item ${n}`).toEqual({ ...NOTHING, freePages: GUEST_PAGES, frames: GUEST_PAGES });
    expect(pair.front?.isUp ?? false).toBe(false);
  }
  return items;
}

describe.each<EraName>(['xen-3.0', 'xen-3.0.4', 'xen-4.17'])('%s', (era) => {
  it.each(['guest', 'dom0'] as const)('the %s dies at any step', (side) => {
    const items = strike(era, Number.MAX_SAFE_INTEGER, side);
    expect(items).toBeGreaterThanOrEqual(50);
    for (let n = 0; n < items; n++) strike(era, n, side);
  });
});
