/** Our netfront, and our ring code alone, against the network backend of a real QEMU. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  FrontRing,
  initSharedRing,
  RX_SLOT_BYTES,
  TX_MORE_DATA,
  TX_SLOT_BYTES,
  txResponseId,
  txResponseStatus,
  writeTxRequest,
} from '../../src/hypervisor/index.ts';
import { type NetfrontDevice, registerNetfront } from '../../src/xen-netfront/index.ts';
import { packet } from '../kit/net-pair.ts';
import { type FileView, QemuLab } from './xen-qemu.ts';

const backend = (id: number): string => `/local/domain/0/backend/qnic/1/${id}`;
const frontend = (id: number, type = 'vif'): string => `/local/domain/1/device/${type}/${id}`;

function plug(lab: QemuLab, id: number, type: string): void {
  const mac = `00:16:3e:00:00:0${id + 1}`;
  lab.write({ backend: backend(id), 'backend-id': 0, handle: id, mac, state: 1 }, `${frontend(id, type)}/`);
  lab.write({ frontend: frontend(id, type), 'frontend-id': 1, online: 1, handle: id, mac, state: 1 }, `${backend(id)}/`);
}

describe('QEMU as netback', () => {
  let lab: QemuLab;
  let device: NetfrontDevice;
  /** The frontend's ring pages, the transmit ring first. */
  const ringPages: FileView[] = [];

  beforeAll(async () => {
    lab = new QemuLab('xen-3.0.4');
    lab.write({ '/local/domain/0/domid': 0, '/local/domain/1/domid': 1 });
    plug(lab, 0, 'vif');
    // A type of its own, so that the driver leaves it to the test.
    plug(lab, 1, 'raw');
    await lab.start();
    await lab.until('the backends to be ready', () => [0, 1].every((id) => lab.read(`${backend(id)}/state`) === '2'));
    const { pages } = lab.kernel;
    Object.assign(lab.kernel, {
      pages: (pfn: number, count: number) => {
        const view = pages(pfn, count) as FileView;
        if (ringPages.length < 4) ringPages.push(view);
        return view;
      },
    });
    registerNetfront(lab.kernel, {
      onDevice: (found) => {
        device = found;
      },
    });
    await lab.until('the handshake', () => device?.isUp === true);
  });

  afterAll(() => lab.stop());

  it('takes 400 frames of ours and answers each in order, with fewer events than frames', async () => {
    expect(lab.read(`${backend(0)}/state`)).toBe('4');
    const tx = ringPages.find((view) => view.u32(8) === 0 && view.u32(0) === 0) as FileView;
    const kicks = lab.kicks;
    const answers: [number, number][] = [];
    const refused: boolean[] = [];
    for (let i = 0; i < 400; i += 8) {
      for (let j = 0; j < 8; j++) {
        lab.cpu.exec(0, 'test', () => void refused.push(!device.transmit(packet(new Uint8Array(46 + i + j).fill(i)))));
      }
      lab.pump();
      // The driver has seen them when it asks for more than what is there.
      await lab.until('answers', () => tx.u32(8) === i + 8 && tx.u32(12) > i + 8);
      for (let j = 0; j < 8; j++) {
        const at = 64 + ((i + j) & 255) * TX_SLOT_BYTES;
        answers.push([txResponseId(tx, at), txResponseStatus(tx, at)]);
      }
    }
    expect(answers.map(([, status]) => status)).toEqual(Array.from({ length: 400 }, () => 0));
    // Ids are the frontend's; the first eight were handed out in order.
    expect(answers.slice(0, 8).map(([id]) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(refused).not.toContain(true);
    expect(device.counters).toMatchObject({ packetsSent: 400, slotsSent: 400, dropped: 0 });
    expect(device.broken).toBeNull();
    // One notification for each push of eight at most.
    expect(lab.kicks - kicks).toBeLessThanOrEqual(50);
    expect(lab.kicks - kicks).toBeGreaterThan(0);
  });

  it('answers a runt and a packet that goes on with an error', async () => {
    const { xen } = lab.kernel;
    const [txPage, rxPage, dataPage] = [0, 0, 0].map(() => lab.kernel.allocPages(1)) as [number, number, number];
    for (const page of [txPage, rxPage]) initSharedRing(lab.pages(page));
    const tx = new FrontRing(lab.pages(txPage), TX_SLOT_BYTES);
    const rx = new FrontRing(lab.pages(rxPage), RX_SLOT_BYTES);
    const port = xen.allocUnbound(lab.cpu, 0);
    const refs = [txPage, rxPage, dataPage].map((page) => xen.grantAccess(0, page, page === dataPage)) as [
      number,
      number,
      number,
    ];
    const keys = {
      'tx-ring-ref': refs[0],
      'rx-ring-ref': refs[1],
      'event-channel': port,
      'request-rx-copy': 1,
      'feature-rx-notify': 1,
    };
    lab.write({ ...keys, state: 4 }, `${frontend(1, 'raw')}/`);
    await lab.until('the handshake', () => lab.read(`${backend(1)}/state`) === '4');
    const send = async (id: number, flags: number, size: number): Promise<number> => {
      writeTxRequest(tx.view, tx.nextRequest(), refs[2], 0, flags, id, size);
      if (tx.pushRequests()) xen.notify(lab.cpu, port);
      await lab.until(`the answer to ${id}`, () => tx.unconsumedResponses > 0);
      const at = tx.slot(tx.rspCons);
      tx.rspCons++;
      expect(tx.finalCheckForResponses()).toBe(false);
      expect(txResponseId(tx.view, at)).toBe(id);
      return txResponseStatus(tx.view, at);
    };
    expect(await send(7, 0, 60)).toBe(0);
    expect(await send(8, 0, 5)).toBe(-1);
    expect(await send(9, TX_MORE_DATA, 100)).toBe(-1);
    expect(await send(10, 0, 1514)).toBe(0);
    expect(rx.unconsumedResponses).toBe(0);
  });

  it('closes with us, and we hold nothing any more', async () => {
    const raw = { grants: 3, channels: 1, pages: 3 };
    lab.write({ [`${frontend(0)}/state`]: 5 });
    await lab.until(
      'both ends to close',
      () => lab.read(`${backend(0)}/state`) === '6' && lab.read(`${frontend(0)}/state`) === '6',
    );
    expect(device.isUp).toBe(false);
    await lab.until('everything to be given back', () => lab.grants.size === raw.grants);
    expect(lab.channels.size).toBe(raw.channels);
    expect(lab.freePages).toHaveLength(599 - raw.pages);
  });
});
