/**
 * 2-level event channels: a pending bit and a mask bit for each of 4096 ports in shared info, and for each vCPU a selector of 64 bits that says in which words to look.
 * Only a bit that changes from 0 to 1, unmasked, reaches the vCPU; an event at a masked port waits for unmasking. After xen/common/event_2l.c.
 */
import type { Ps } from '../sim/index.ts';
import { EVTCHN_2L_NR_CHANNELS } from './abi/event.ts';
import { SHARED_INFO } from './abi/guest.ts';
import type { EventAbi, EventChannels, Port } from './event-channels.ts';
import type { Frame } from './machine-memory.ts';

const PENDING = SHARED_INFO.at.evtchn_pending >>> 2;
const MASK = SHARED_INFO.at.evtchn_mask >>> 2;

export class TwoLevelEvents implements EventAbi {
  readonly portLimit = EVTCHN_2L_NR_CHANNELS;
  readonly #channels: EventChannels;
  readonly #words: Uint32Array;

  constructor(channels: EventChannels, sharedInfo: Frame) {
    this.#channels = channels;
    this.#words = sharedInfo.words;
  }

  setPending(port: number, atPs: Ps): void {
    const at = PENDING + (port >>> 5);
    const bit = 1 << (port & 31);
    const old = this.#words[at] as number;
    if ((old & bit) !== 0) return;
    this.#words[at] = old | bit;
    const { ports, infos, onPending } = this.#channels;
    const { vcpu } = ports[port] as Port;
    if (((this.#words[MASK + (port >>> 5)] as number) & bit) === 0 && infos.select(vcpu, port >>> 6))
      infos.markPending(vcpu, atPs);
    onPending?.(port, atPs);
  }

  clearPending(port: number): void {
    const at = PENDING + (port >>> 5);
    this.#words[at] = (this.#words[at] as number) & ~(1 << (port & 31));
  }

  isPending(port: number): boolean {
    return ((this.#words[PENDING + (port >>> 5)] as number) & (1 << (port & 31))) !== 0;
  }

  isMasked(port: number): boolean {
    return ((this.#words[MASK + (port >>> 5)] as number) & (1 << (port & 31))) !== 0;
  }

  unmask(port: number, atPs: Ps): void {
    if (!this.isMasked(port)) return;
    const at = MASK + (port >>> 5);
    this.#words[at] = (this.#words[at] as number) & ~(1 << (port & 31));
    const { ports, infos } = this.#channels;
    const { vcpu } = ports[port] as Port;
    if (this.isPending(port) && infos.select(vcpu, port >>> 6)) infos.markPending(vcpu, atPs);
  }

  isBusy(): boolean {
    return false;
  }
}
