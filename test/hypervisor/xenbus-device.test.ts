import { beforeEach, describe, expect, it } from 'vitest';
import { createXenbus, XENBUS_STATE, type Xenbus, type XenbusDevice, type XenbusState } from '../../src/hypervisor/index.ts';
import { FakeHost } from '../kit/xenstore-host.ts';

const { initialising, initWait, connected, closing, closed } = XENBUS_STATE;

/** A driver that does no more than the handshake of a network device, and writes down what it sees. */
function attachDrivers(log: string[], bus: Xenbus, name: string, side: 'front' | 'back'): XenbusDevice[] {
  const devices: XenbusDevice[] = [];
  const probe = (device: XenbusDevice) => {
    devices.push(device);
    log.push(`${name}: probe ${device.path} of ${device.otherEndDomid}`);
    if (side === 'back') device.publish({ 'feature-sg': 1 }, initWait);
    return {
      otherEndChanged: (state: XenbusState) => {
        log.push(`${name}: other ${state}`);
        if (side === 'front' && state === initWait) device.publish({ 'ring-ref': 8, 'event-channel': 3 }, connected);
        if (side === 'back' && state === connected) {
          device.readOther(['ring-ref', 'event-channel', 'nothing'], (values) => {
            log.push(`${name}: ring ${values['ring-ref']} port ${values['event-channel']} ${values.nothing}`);
            device.setState(connected);
          });
        }
        if (state === closing) device.setState(side === 'front' ? closed : closing);
        if (state === closed && side === 'back') device.setState(closed);
      },
      removed: () => {
        log.push(`${name}: removed`);
      },
    };
  };
  if (side === 'front') bus.registerFrontend('vif', probe);
  else bus.registerBackend('vif', probe);
  return devices;
}

describe('a pair of devices', () => {
  let host: FakeHost;
  let dom0: Xenbus;
  let guest: Xenbus;
  let log: string[];

  beforeEach(() => {
    host = new FakeHost();
    dom0 = createXenbus(host.dom0.kernel, host.daemon.connectLocal());
    guest = createXenbus({ domid: 3 }, host.boot(3));
    log = [];
    // A guest's home as libxl makes it: the guest reads all of it, and writes where it is told to.
    for (const [path, owner] of [
      ['/local/domain/3', 'n0'],
      ['/local/domain/3/error', 'n3'],
    ] as const) {
      dom0.store.mkdir(path);
      dom0.store.setPerms(path, [owner, 'r3']);
    }
  });

  /** Both directories in one transaction, as libxl writes them. */
  function plug(backDomid: number, frontDomid = 3, done = () => {}): void {
    const front = `/local/domain/${frontDomid}/device/vif/0`;
    const back = `/local/domain/${backDomid}/backend/vif/${frontDomid}/0`;
    dom0.store.transaction(
      (tx, commit) => {
        const make = (path: string, owner: number, reader: number, values: Record<string, string | number>) => {
          dom0.store.rm(path, undefined, tx);
          dom0.store.mkdir(path, undefined, tx);
          dom0.store.setPerms(path, [`n${owner}`, `r${reader}`], undefined, tx);
          for (const [key, value] of Object.entries(values)) dom0.store.write(`${path}/${key}`, String(value), undefined, tx);
        };
        make(back, backDomid, frontDomid, { frontend: front, 'frontend-id': frontDomid, online: 1, state: 1 });
        make(front, frontDomid, backDomid, { backend: back, 'backend-id': backDomid, handle: 0, state: 1 });
        commit();
      },
      (reply) => {
        expect(reply.ok).toBe(true);
        done();
      },
    );
  }

  function stateOf(path: string): string | null {
    let found: string | null = null;
    dom0.store.read(`${path}/state`, (reply) => {
      found = reply.ok ? reply.value : null;
    });
    host.run();
    return found;
  }

  const HANDSHAKE = [
    'back: probe /local/domain/0/backend/vif/3/0 of 3',
    'front: probe /local/domain/3/device/vif/0 of 0',
    'front: other 2',
    'back: other 4',
    'back: ring 8 port 3 undefined',
    'front: other 4',
  ];

  it('finds each other and connects, whichever comes first: drivers or directories', () => {
    attachDrivers(log, dom0, 'back', 'back');
    attachDrivers(log, guest, 'front', 'front');
    host.run();
    plug(0);
    host.run();
    for (const line of HANDSHAKE) expect(log).toContain(line);
    expect(log.filter((line) => line.includes('probe'))).toHaveLength(2);
    expect(stateOf('/local/domain/3/device/vif/0')).toBe('4');
    expect(stateOf('/local/domain/0/backend/vif/3/0')).toBe('4');
  });

  it('finds directories that were there before the drivers', () => {
    plug(0);
    host.run();
    attachDrivers(log, guest, 'front', 'front');
    host.run();
    expect(log).toEqual(['front: probe /local/domain/3/device/vif/0 of 0', 'front: other 1']);
    attachDrivers(log, dom0, 'back', 'back');
    host.run();
    expect(log.slice(2)).toEqual([
      'back: probe /local/domain/0/backend/vif/3/0 of 3',
      'back: other 1',
      'front: other 2',
      'back: other 4',
      'back: ring 8 port 3 undefined',
      'front: other 4',
    ]);
  });

  it('takes virtual time: each request of the guest has its price in dom0', () => {
    plug(0);
    attachDrivers(log, dom0, 'back', 'back');
    attachDrivers(log, guest, 'front', 'front');
    host.run();
    const busyPs = host.dom0.kernel.cpu as unknown as { usedPs: Map<string, number> };
    const requests = (busyPs.usedPs.get('xenstored') ?? 0) / 30_000_000;
    expect(Math.floor(requests)).toBeGreaterThan(40);
    expect(host.loop.nowPs).toBeGreaterThan(40 * 30_000_000);
  });

  it('is unplugged: online 0 and Closing at the back, both ends close, the backend lets go, the directories go', () => {
    attachDrivers(log, dom0, 'back', 'back');
    attachDrivers(log, guest, 'front', 'front');
    plug(0);
    host.run();
    log.length = 0;
    const back = '/local/domain/0/backend/vif/3/0';
    dom0.store.transaction((tx, commit) => {
      dom0.store.write(`${back}/online`, '0', undefined, tx);
      dom0.store.write(`${back}/state`, '5', undefined, tx);
      commit();
    });
    host.run();
    expect(log).toEqual(['front: other 5', 'back: other 6', 'back: removed', 'front: other 6']);
    expect(stateOf(back)).toBe('6');
    dom0.store.rm('/local/domain/3/device/vif/0');
    dom0.store.rm(back);
    host.run();
    expect(log.slice(4)).toEqual(['front: removed']);
    plug(0);
    host.run();
    expect(log.filter((line) => line.includes('probe'))).toHaveLength(2);
    expect(stateOf(back)).toBe('4');
  });

  it('a backend whose online is still 1 stays for the frontend to come back', () => {
    attachDrivers(log, dom0, 'back', 'back');
    const devices = attachDrivers(log, guest, 'front', 'front');
    plug(0);
    host.run();
    log.length = 0;
    const [front] = devices;
    front.setState(closed);
    host.run();
    front.setState(initialising);
    host.run();
    expect(log).toEqual(['back: other 6', 'front: other 6', 'back: other 1']);
  });

  it('a guest that dies: its backend is told once, its directories are gone, dom0 hears of it', () => {
    const released: string[] = [];
    attachDrivers(log, dom0, 'back', 'back');
    attachDrivers(log, guest, 'front', 'front');
    dom0.store.watch('@releaseDomain', (path) => released.push(path));
    plug(0);
    host.run();
    log.length = 0;
    released.length = 0;
    host.kill(3);
    host.run();
    expect(log).toEqual(['back: removed']);
    expect(released).toEqual(['@releaseDomain']);
    expect(stateOf('/local/domain/3/device/vif/0')).toBeNull();
    dom0.store.rm('/local/domain/0/backend/vif/3');
    host.run();
    expect(log).toEqual(['back: removed']);
  });

  it('a driver domain that crashes and comes back: the frontend gives up, then connects to the new one', () => {
    attachDrivers(log, createXenbus({ domid: 5 }, host.boot(5)), 'driver domain 5', 'back');
    attachDrivers(log, guest, 'front', 'front');
    host.run();
    plug(5);
    host.run();
    expect(log.at(-1)).toBe('front: other 4');
    log.length = 0;
    host.kill(5);
    host.run();
    expect(log).toEqual(['front: removed']);
    log.length = 0;
    attachDrivers(log, createXenbus({ domid: 6 }, host.boot(6)), 'driver domain 6', 'back');
    host.run();
    plug(6);
    host.run();
    expect(log).toContain('front: probe /local/domain/3/device/vif/0 of 6');
    expect(log).toContain('driver domain 6: ring 8 port 3 undefined');
    expect(stateOf('/local/domain/3/device/vif/0')).toBe('4');
    expect(stateOf('/local/domain/6/backend/vif/3/0')).toBe('4');
  });

  it('a driver domain that comes back under the same directory: the frontend starts again by itself', () => {
    attachDrivers(log, createXenbus({ domid: 5 }, host.boot(5)), 'back', 'back');
    attachDrivers(log, guest, 'front', 'front');
    host.run();
    plug(5);
    host.run();
    host.kill(5);
    host.run();
    log.length = 0;
    attachDrivers(log, createXenbus({ domid: 5 }, host.boot(5)), 'back again', 'back');
    const back = '/local/domain/5/backend/vif/3/0';
    dom0.store.transaction((tx, commit) => {
      dom0.store.mkdir(back, undefined, tx);
      dom0.store.setPerms(back, ['n5', 'r3'], undefined, tx);
      dom0.store.setPerms('/local/domain/3/device/vif/0', ['n3', 'r5'], undefined, tx);
      const values = { frontend: '/local/domain/3/device/vif/0', 'frontend-id': 3, online: 1, state: 1 };
      for (const [key, value] of Object.entries(values)) dom0.store.write(`${back}/${key}`, String(value), undefined, tx);
      for (const key of ['state', 'ring-ref', 'event-channel', 'backend', 'backend-id'])
        dom0.store.setPerms(`/local/domain/3/device/vif/0/${key}`, ['n3', 'r5'], undefined, tx);
      commit();
    });
    host.run();
    expect(log[0]).toContain('probe');
    expect(stateOf('/local/domain/3/device/vif/0')).toBe('4');
    expect(stateOf(back)).toBe('4');
  });

  it('a fatal error is written beside the device, and it closes', () => {
    attachDrivers(log, dom0, 'back', 'back');
    const devices = attachDrivers(log, guest, 'front', 'front');
    plug(0);
    host.run();
    let text: string | null = null;
    devices[0].fatal('2 no ring');
    host.run();
    dom0.store.read('/local/domain/3/error/device/vif/0/error', (reply) => {
      text = reply.ok ? reply.value : reply.error;
    });
    host.run();
    expect(text).toBe('2 no ring');
    expect(log.slice(-4)).toEqual(['back: other 5', 'front: other 5', 'back: other 6', 'front: other 6']);
    expect(stateOf('/local/domain/3/device/vif/0')).toBe('6');
  });

  it('nothing that is published brings back a directory that the toolstack removed', () => {
    const devices = attachDrivers(log, guest, 'front', 'front');
    plug(0);
    host.run();
    dom0.store.rm('/local/domain/3/device/vif/0');
    devices[0].publish({ late: 1 }, initialising);
    host.run();
    devices[0].setState(closed);
    host.run();
    expect(stateOf('/local/domain/3/device/vif/0')).toBeNull();
    expect(log.at(-1)).toBe('front: removed');
  });

  it('keys of the other end can be watched', () => {
    const devices = attachDrivers(log, guest, 'front', 'front');
    plug(0);
    host.run();
    const rates: (string | undefined)[] = [];
    devices[0].watchOther('rate', (value) => rates.push(value));
    host.run();
    dom0.store.write('/local/domain/0/backend/vif/3/0/rate', '100,5');
    host.run();
    dom0.store.rm('/local/domain/0/backend/vif/3/0/rate');
    host.run();
    expect(rates).toEqual([undefined, '100,5', undefined]);
  });
});
