/** A frontend that writes its ring pages by hand, to say what no driver would. */
import {
  type EraName,
  FrontRing,
  initSharedRing,
  readRxResponse,
  RX_SLOT_BYTES,
  rxResponse,
  TX_SLOT_BYTES,
  txResponseId,
  txResponseStatus,
  writeExtra,
  writeRxRequest,
  writeTxRequest,
} from '../../src/hypervisor/index.ts';
import type { LinkPacket } from '../../src/net/index.ts';
import { registerNetback, type Vif } from '../../src/xen-netback/index.ts';
import { BytesView } from './bytes-view.ts';
import type { LabDevice } from './lab-device.ts';
import { type LabDomain, SplitLab } from './split-lab.ts';

export interface RawSlot {
  readonly gref?: number;
  readonly offset?: number;
  readonly flags?: number;
  readonly id?: number;
  readonly size?: number;
}

export class RawFront {
  readonly lab: SplitLab;
  readonly dom0: LabDomain;
  readonly guest: LabDomain;
  readonly ends: readonly [LabDevice, LabDevice];
  readonly vif: Vif;
  readonly arrived: LinkPacket[] = [];
  /** Of other guests. */
  readonly arrivedOthers: LinkPacket[] = [];
  readonly tx: FrontRing;
  readonly rx: FrontRing;
  /** A page of data that the back may read, and one that it may write. */
  readonly dataRef: number;
  readonly writableRef: number;
  readonly data = new Uint8Array(4096);
  readonly writable = new Uint8Array(4096);
  readonly port: number;

  constructor(
    era: EraName = 'xen-4.17',
    config: Readonly<Record<string, string>> = {},
    keys: Readonly<Record<string, string>> = {},
  ) {
    this.lab = new SplitLab();
    this.dom0 = this.lab.addDomain(0, era);
    this.guest = this.lab.addDomain(1, era);
    let found: Vif | null = null;
    registerNetback(this.dom0.kernel, {
      onVif: (vif) => {
        found ??= vif;
        vif.onReceive = (packet) => {
          (vif.domid === 1 ? this.arrived : this.arrivedOthers).push(packet);
        };
      },
    });
    this.ends = this.lab.plug(this.guest, this.dom0, '0', config);
    const pages = [new BytesView(new Uint8Array(4096)), new BytesView(new Uint8Array(4096))] as const;
    for (const page of pages) initSharedRing(page);
    this.tx = new FrontRing(pages[0], TX_SLOT_BYTES);
    this.rx = new FrontRing(pages[1], RX_SLOT_BYTES);
    this.data.set([0x88, 0xb5], 12);
    this.dataRef = this.guest.grant(0, this.data, true);
    this.writableRef = this.guest.grant(0, this.writable);
    this.port = this.guest.kernel.xen.allocUnbound(this.guest.cpus[0], 0);
    Object.assign(this.ends[0].keys, {
      'tx-ring-ref': String(this.guest.grant(0, pages[0].bytes)),
      'rx-ring-ref': String(this.guest.grant(0, pages[1].bytes)),
      'event-channel': String(this.port),
      'request-rx-copy': '1',
      'feature-rx-notify': '1',
      'feature-sg': '1',
      'feature-gso-tcpv4': '1',
      ...keys,
    });
    this.lab.run();
    this.ends[0].setState(4);
    this.lab.run();
    this.vif = found as unknown as Vif;
  }

  /** Writes a transmit request: by default one frame of 60 bytes. */
  slot({ gref = this.dataRef, offset = 0, flags = 0, id = 0, size = 60 }: RawSlot): void {
    writeTxRequest(this.tx.view, this.tx.nextRequest(), gref, offset, flags, id, size);
  }

  extra(type: number, flags: number, ...data: number[]): void {
    writeExtra(
      this.tx.view,
      this.tx.nextRequest(),
      type,
      flags,
      Uint8Array.from({ length: 6 }, (_, i) => data[i] ?? 0),
    );
  }

  /** Posts a receive buffer. */
  buffer(id: number, gref = this.writableRef): void {
    writeRxRequest(this.rx.view, this.rx.nextRequest(), id, gref);
  }

  /** Shows what was written and lets the back work. */
  push(): void {
    this.tx.pushRequests();
    this.rx.pushRequests();
    this.kick();
    this.lab.run();
  }

  kick(): void {
    this.guest.cpus[0].exec(0, 'test', () => void this.guest.kernel.xen.notify(this.guest.cpus[0], this.port));
  }

  /** Transmit responses that came, `[id, status]`. */
  responses(): [number, number][] {
    const found: [number, number][] = [];
    for (; this.tx.unconsumedResponses > 0; this.tx.rspCons = (this.tx.rspCons + 1) >>> 0) {
      const at = this.tx.slot(this.tx.rspCons);
      found.push([txResponseId(this.tx.view, at), txResponseStatus(this.tx.view, at)]);
    }
    return found;
  }

  received(): { id: number; offset: number; flags: number; status: number }[] {
    const found = [];
    for (; this.rx.unconsumedResponses > 0; this.rx.rspCons = (this.rx.rspCons + 1) >>> 0) {
      found.push(readRxResponse(this.rx.view, this.rx.slot(this.rx.rspCons), rxResponse()));
    }
    return found;
  }
}
