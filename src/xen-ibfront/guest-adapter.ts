/**
 * The adapter as a guest's verbs see it. Privileged calls go through the device channel to the driver domain; posts, polls and doorbells go to the hardware, at its own price.
 *
 * A program's control verb returns at once, with the outcome that the driver domain will find (`OwnedObjects.foresee`), and holds the program's thread until the answer has come back;
 * that the answer says the same is checked. What the thread posts meanwhile rings its doorbell when it is its turn.
 */
import { encodeRequest, setSlotId, slotErrno, type VibCommand, type VibFields } from '../hypervisor/index.ts';
import { assert, type Ps } from '../sim/index.ts';
import {
  type Adapter,
  Errno,
  type KernelCalls,
  type MadTarget,
  type Outcome,
  type OwnedObjects,
  throwErrno,
  type Timers,
} from '../verbs/index.ts';
import type { AdapterParts } from './adapter-parts.ts';
import type { Caller } from './caller.ts';
import { addressFields, modifyFields, qpBytes, qpFields, SEGMENT_BYTES, shownFields } from './fields.ts';
import { type FrameList, NO_FRAMES } from './guest-frames.ts';
import { GuestMadPort } from './mad-port.ts';

type Cq = Exclude<ReturnType<Adapter['createCq']>, number>;
type Qp = Exclude<ReturnType<Adapter['createQp']>, number>;
type Srq = Exclude<ReturnType<Adapter['createSrq']>, number>;
type Key = Exclude<ReturnType<Adapter['allocMw']>, number>;

/** Bytes of a completion, as the adapter writes them to the guest's memory (mlx4). */
const CQE_BYTES = 32;

export class GuestAdapter implements Adapter {
  readonly config: Adapter['config'];
  readonly profile: Adapter['profile'];
  readonly kernel: KernelCalls;
  onAsyncEvent: Adapter['onAsyncEvent'] = null;
  readonly #parts: AdapterParts;
  readonly #caller: Caller;
  readonly #hca: Adapter;
  /** Frames of queues, by queue. */
  readonly #queues = new Map<object, readonly number[]>();
  readonly #regions = new Map<Key, { readonly addr: number; readonly length: number }>();
  readonly #qps = new Set<Qp>();
  #uar = 0;

  constructor(parts: AdapterParts, caller: Caller) {
    this.#parts = parts;
    this.#caller = caller;
    this.#hca = parts.objects.hca;
    this.config = parts.config;
    this.profile = parts.config.profile;
    this.kernel = this.#kernelCalls();
    parts.listeners.add(this);
  }

  get memory(): Adapter['memory'] {
    return this.#hca.memory;
  }
  get counters(): Adapter['counters'] {
    return this.#hca.counters;
  }
  get entity(): number {
    return this.#hca.entity;
  }
  get loop(): Adapter['loop'] {
    return this.#hca.loop;
  }
  get trace(): Adapter['trace'] {
    return this.#hca.trace;
  }

  /** `open` of the device: a doorbell page of the caller's own. Throws `VerbsError` where the driver domain gives no more. */
  open(): void {
    const { errno, answer } = this.#call('allocUar', {}, (objects) => objects.allocUar());
    throwErrno('ibv_open_device', errno);
    this.#uar = answer.uar as number;
  }

  /** The program has returned: its own queue pairs finish by themselves, and the kernel gives its doorbell page back. */
  abandon(atPs: Ps): void {
    if (this.#uar > 0) this.#send(encodeRequest('deallocUar', { uar: this.#uar }), () => undefined);
    this.#uar = 0;
    this.#hca.abandon(atPs, this.#qps);
    this.#parts.listeners.delete(this);
  }

  owns(element: object | null): boolean {
    return element === null || this.#queues.has(element);
  }

  // ---- straight to the hardware

  findKey(key: number): ReturnType<Adapter['findKey']> {
    return this.#hca.findKey(key);
  }

  lastMessage(qp: Qp): number {
    return this.#hca.lastMessage(qp);
  }

  postSend(qp: Qp, wr: Parameters<Adapter['postSend']>[1]): number {
    return this.#hca.postSend(qp, wr);
  }

  ringDoorbell(qp: Qp, count: number, atPs: Ps): void {
    if (!this.#caller.isHeld) {
      this.#hca.ringDoorbell(qp, count, atPs);
      return;
    }
    const { head } = qp.sq;
    this.#ofLife(qp, (laterPs) => this.#hca.ringDoorbell(qp, count, laterPs, head));
  }

  postRecv(qp: Qp, wr: Parameters<Adapter['postRecv']>[1], atPs: Ps): number {
    if (!this.#caller.isHeld) return this.#hca.postRecv(qp, wr, atPs);
    const errno = this.#hca.postRecv(qp, wr, Number.POSITIVE_INFINITY);
    const slot = qp.rq.lastSlot;
    if (errno === 0) this.#ofLife(qp, (laterPs) => this.#hca.readyRecv(qp, slot, laterPs));
    return errno;
  }

  readyRecv(qp: Qp, slot: number, atPs: Ps): void {
    this.#hca.readyRecv(qp, slot, atPs);
  }

  postSrqRecv(srq: Srq, wr: Parameters<Adapter['postSrqRecv']>[1], atPs: Ps): number {
    if (!this.#caller.isHeld) return this.#hca.postSrqRecv(srq, wr, atPs);
    const errno = this.#hca.postSrqRecv(srq, wr, Number.POSITIVE_INFINITY);
    const slot = srq.queue.lastSlot;
    if (errno === 0)
      this.#caller.inTurn((laterPs) => {
        srq.queue.readyPs[slot] = laterPs;
      });
    return errno;
  }

  /** Arming is a doorbell. */
  armCq(cq: Cq, solicitedOnly: boolean, atPs: Ps): void {
    if (!this.#caller.isHeld) cq.arm(solicitedOnly, atPs);
    else this.#caller.inTurn((laterPs) => cq.arm(solicitedOnly, laterPs));
  }

  /** Runs in turn, unless the queue pair has been reset or destroyed by then. */
  #ofLife(qp: Qp, action: (atPs: Ps) => void): void {
    const { generation } = qp;
    this.#caller.inTurn((atPs) => {
      if (qp.generation === generation) action(atPs);
    });
  }

  // ---- through the channel

  allocPd(): number {
    const { errno, answer } = this.#call('allocPd', {}, (objects) => objects.allocPd());
    return errno === 0 ? (answer.pd as number) : 0;
  }

  deallocPd(pd: number): void {
    this.#call('deallocPd', { pd }, (objects) => objects.deallocPd(pd));
  }

  registerMemory(options: Parameters<Adapter['registerMemory']>[0]): Key | number {
    const { pd, addr, length, access, bytes } = options;
    const used = (access & 0x20) !== 0 ? 0 : (options.iova ?? addr);
    const request = { pd, access: access & 0x3f, addr: BigInt(addr), length: BigInt(length), iova: BigInt(used) };
    const { frames } = this.#parts;
    const pfns = frames.back(addr, length);
    const shown = pfns === null ? null : frames.show(pfns);
    if (pfns === null || shown === null) {
      if (pfns !== null) frames.unback(addr, length);
      return Errno.ENOMEM;
    }
    const outcome = this.#call(
      'regMr',
      { ...request, pages: shown.pages, list: shown.list },
      (objects) => (bytes === null ? objects.regPlace(request) : objects.regMr(request, shown.pages, bytes)),
      shown,
    );
    if (outcome.errno === 0) this.#regions.set(outcome.object as Key, { addr, length });
    else frames.unback(addr, length);
    return made<Key>(outcome);
  }

  deregisterMemory(key: Key): number {
    const { errno } = this.#call('deregMr', { lkey: key.lkey >>> 0 }, (objects) => objects.deregMr(key.lkey >>> 0));
    const region = this.#regions.get(key);
    if (errno === 0 && region !== undefined) {
      this.#regions.delete(key);
      this.#caller.inTurn(() => this.#parts.frames.unback(region.addr, region.length));
    }
    return errno;
  }

  allocMw(pd: number, type: number): Key | number {
    return made<Key>(this.#call('allocMw', { pd, type }, (objects) => objects.allocMw(pd, type)));
  }

  deallocMw(key: Key): void {
    this.#call('deallocMw', { index: key.index }, (objects) => objects.deallocMw(key.index));
  }

  createCq(cqe: number, channel = 0): Cq | number {
    return this.#makeQueue<Cq>(cqe * CQE_BYTES, (shown) =>
      this.#call('createCq', { cqe, channel, ...shownFields(shown) }, (objects) => objects.createCq(cqe, channel), shown),
    );
  }

  deliverEvents(cq: Cq, deliver: (atPs: Ps) => void): void {
    this.#parts.completions.set(cq.number, deliver);
  }

  resizeCq(cq: Cq, cqe: number): number {
    const fields = { cq: cq.number, cqe, ...shownFields(NO_FRAMES) };
    return this.#call('resizeCq', fields, (objects) => objects.resizeCq(cq.number, cqe)).errno;
  }

  modifyCq(cq: Cq, count: number, periodPs: Ps): number {
    const periodUs = Math.round(periodPs / 1_000_000);
    const fields = { cq: cq.number, count, periodUs };
    return this.#call('modifyCq', fields, (objects) => objects.modifyCq(cq.number, count, periodUs)).errno;
  }

  destroyCq(cq: Cq): number {
    const { errno } = this.#call('destroyCq', { cq: cq.number }, (objects) => objects.destroyCq(cq.number));
    if (errno === 0) {
      this.#parts.completions.delete(cq.number);
      this.#dropQueue(cq);
    }
    return errno;
  }

  createSrq(pd: number, maxWr: number, maxSge: number): Srq | number {
    return this.#makeQueue<Srq>(maxWr * maxSge * SEGMENT_BYTES, (shown) =>
      this.#call(
        'createSrq',
        { pd, maxWr, maxSge, ...shownFields(shown) },
        (objects) => objects.createSrq(pd, maxWr, maxSge),
        shown,
      ),
    );
  }

  modifySrq(srq: Srq, limit: number): number {
    return this.#call('modifySrq', { srq: srq.number, limit }, (objects) => objects.modifySrq(srq.number, limit)).errno;
  }

  destroySrq(srq: Srq): number {
    const { errno } = this.#call('destroySrq', { srq: srq.number }, (objects) => objects.destroySrq(srq.number));
    if (errno === 0) this.#dropQueue(srq);
    return errno;
  }

  createQp(options: Parameters<Adapter['createQp']>[0]): Qp | number {
    const request = qpFields(options);
    const qp = this.#makeQueue<Qp>(qpBytes(options.cap), (shown) =>
      this.#call('createQp', { ...request, ...shownFields(shown) }, (objects) => objects.createQp(request), shown),
    );
    if (typeof qp !== 'number') this.#qps.add(qp);
    return qp;
  }

  modifyQp(qp: Qp, attr: Parameters<Adapter['modifyQp']>[1], mask: number, atPs: Ps): number {
    const { qpn } = qp;
    return this.#call('modifyQp', modifyFields(qpn, attr, mask), (objects) => objects.modifyQp(qpn, attr, mask, atPs)).errno;
  }

  destroyQp(qp: Qp): number {
    const { errno } = this.#call('destroyQp', { qpn: qp.qpn }, (objects) => objects.destroyQp(qp.qpn));
    if (errno === 0) {
      this.#qps.delete(qp);
      this.#dropQueue(qp);
    }
    return errno;
  }

  attachMulticast(qp: Qp, gid: Uint8Array, lid: number): number {
    return this.#call('attachMcast', { qpn: qp.qpn, gid, lid }, (objects) => objects.attachMcast(qp.qpn, gid, lid)).errno;
  }

  detachMulticast(qp: Qp, gid: Uint8Array, lid: number): number {
    return this.#call('detachMcast', { qpn: qp.qpn, gid, lid }, (objects) => objects.detachMcast(qp.qpn, gid, lid)).errno;
  }

  openMadPort(portNum: number, timers: Timers): GuestMadPort {
    const inTurn = (action: () => void) => {
      if (!this.#caller.isHeld) return false;
      this.#caller.inTurn(action);
      return true;
    };
    const port = new GuestMadPort(portNum, timers, (...mad) => this.#sendMad(...mad), inTurn);
    this.#parts.madPorts.set(portNum, port);
    return port;
  }

  /** A command of the guest's kernel for which nobody waits. */
  serviceChanged(serviceId: bigint, isListening: boolean): void {
    const command = isListening ? 'listen' : 'unlisten';
    this.#send(encodeRequest(command, { serviceId }), () => undefined);
  }

  #sendMad(portNum: number, bytes: Uint8Array, { dlid, sl, srcPathBits }: MadTarget): void {
    const { channel } = this.#parts;
    channel.placeMad(bytes, (slot) => {
      this.#send(encodeRequest('sendMad', { portNum, slot, dlid, sl, srcPathBits }), () => channel.freeMad(slot));
    });
  }

  #kernelCalls(): KernelCalls {
    const number = (outcome: Outcome, name: string) => (outcome.errno === 0 ? (outcome.answer[name] as number) : -outcome.errno);
    return {
      queryDevice: () => this.#ask('queryDevice', {}),
      queryPort: (portNum) => this.#ask('queryPort', { portNum }),
      queryGid: (portNum, index) => this.#ask('queryGid', { portNum, index }),
      queryPkey: (portNum, index) => this.#ask('queryPkey', { portNum, index }),
      queryQp: ({ qpn }) => this.#ask('queryQp', { qpn }),
      querySrq: (srq) => this.#ask('querySrq', { srq: srq.number }),
      createAh: (pd, vector) =>
        number(
          this.#call('createAh', { pd, ...addressFields(vector) }, (objects) => objects.createAh(pd, vector)),
          'ah',
        ),
      destroyAh: (ah) => void this.#call('destroyAh', { ah }, (objects) => objects.destroyAh(ah)),
      createChannel: () =>
        number(
          this.#call('createChannel', {}, (objects) => objects.createChannel()),
          'channel',
        ),
      destroyChannel: (channel) => void this.#call('destroyChannel', { channel }, (objects) => objects.destroyChannel(channel)),
    };
  }

  /** A question whose answer the guest's own tables give; the driver domain is asked all the same, and must find no fault. */
  #ask<C extends VibCommand>(command: C, fields: VibFields<C>): void {
    const bytes = encodeRequest(command, fields);
    setSlotId(bytes, this.#parts.channel.newId());
    this.#wait(command, bytes, 0, NO_FRAMES);
  }

  #makeQueue<T extends object>(bytes: number, create: (shown: FrameList) => Outcome): T | number {
    const { frames } = this.#parts;
    const pfns = frames.allocQueue(bytes);
    const shown = pfns === null ? null : frames.show(pfns);
    if (pfns === null || shown === null) {
      if (pfns !== null) frames.freeQueue(pfns);
      return Errno.ENOMEM;
    }
    const outcome = create(shown);
    if (outcome.errno === 0) this.#queues.set(outcome.object as object, pfns);
    else this.#caller.inTurn(() => frames.freeQueue(pfns));
    return made<T & NonNullable<Outcome['object']>>(outcome);
  }

  #dropQueue(queue: object): void {
    const pfns = this.#queues.get(queue);
    this.#queues.delete(queue);
    if (pfns !== undefined) this.#caller.inTurn(() => this.#parts.frames.freeQueue(pfns));
  }

  /** A privileged call: its outcome now, its way through the channel in the caller's turn. */
  #call<C extends VibCommand>(
    command: C,
    fields: VibFields<C>,
    carryOut: (objects: OwnedObjects) => Outcome,
    shown: FrameList = NO_FRAMES,
  ): Outcome {
    const { objects, channel } = this.#parts;
    const bytes = encodeRequest(command, fields);
    const id = channel.newId();
    setSlotId(bytes, id);
    const outcome = objects.foresee(id, bytes, () => carryOut(objects));
    this.#wait(command, bytes, outcome.errno, shown);
    return outcome;
  }

  #wait(command: string, bytes: Uint8Array, errno: number, shown: FrameList): void {
    this.#caller.call(`${command} of ${this.config.deviceName}`, (done) => {
      this.#parts.channel.submit(bytes, (response, atPs) => {
        shown.done();
        if (response !== null) {
          const answered = slotErrno(response);
          assert(answered === errno, () => `${command}: the driver domain answers errno ${answered}, foreseen was ${errno}`);
        }
        done(atPs);
      });
    });
  }

  #send(bytes: Uint8Array, answered: () => void): void {
    const { channel } = this.#parts;
    setSlotId(bytes, channel.newId());
    channel.submit(bytes, answered);
  }
}

function made<T extends NonNullable<Outcome['object']>>({ errno, object }: Outcome): T | number {
  return errno === 0 ? (object as T) : errno;
}
