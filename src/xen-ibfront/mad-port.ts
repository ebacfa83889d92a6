/** Queue pair 1 as a guest has it: datagrams go to the driver domain as commands, and come as events. */
import type { VibEvent } from '../hypervisor/index.ts';
import type { Ps } from '../sim/index.ts';
import type { MadHandler, MadPort, MadTarget, Timers } from '../verbs/index.ts';

/** Byte of a datagram that names its management class. */
const CLASS_BYTE = 1;

/** Sends a datagram at a time: the command's way. */
export type SendMad = (portNum: number, bytes: Uint8Array, to: MadTarget) => void;

export class GuestMadPort implements MadPort {
  readonly portNum: number;
  readonly #timers: Timers;
  readonly #send: SendMad;
  readonly #inTurn: (action: () => void) => boolean;
  readonly #handlers = new Map<number, MadHandler>();

  /** `inTurn` takes a datagram that a held program sends, and says whether it did. */
  constructor(portNum: number, timers: Timers, send: SendMad, inTurn: (action: () => void) => boolean) {
    this.portNum = portNum;
    this.#timers = timers;
    this.#send = send;
    this.#inTurn = inTurn;
  }

  onMad(mgmtClass: number, handler: MadHandler): void {
    this.#handlers.set(mgmtClass, handler);
  }

  send(bytes: Uint8Array, to: MadTarget, atPs: Ps): void {
    const later = () => this.#send(this.portNum, bytes, to);
    if (!this.#inTurn(later)) this.#timers.at(atPs, later);
  }

  arrived(event: VibEvent, bytes: Uint8Array, atPs: Ps): void {
    const { a, type } = event;
    const from = { portNum: this.portNum, slid: type, sl: a & 0xff, dlidPathBits: (a >>> 8) & 0xff, pkeyIndex: a >>> 16 };
    this.#handlers.get(bytes[CLASS_BYTE] as number)?.(bytes, from, atPs);
  }
}
