/** Guests made, changed and ended by the toolstack on a whole machine: what xenstore holds, who runs, what the guest's drivers see. */
import { describe, expect, it } from 'vitest';
import { END_ACTIONS, type EndAction, endingOf, type Guest, SHUTDOWN_REASONS } from '../../src/hypervisor/index.ts';
import { MS, S, XenLab } from '../kit/xen-machine.ts';

function withBackend(options = {}): XenLab {
  const lab = new XenLab(options);
  lab.drive(lab.dom0.kernel, 'back');
  return lab;
}
const vifs = [{ mac: '00:16:3e:01:02:03', rate: { bytesPerInterval: 62_500, intervalUs: 50_000 } }];

describe('a guest is made', () => {
  it('with the entries that libxl writes', () => {
    const lab = withBackend();
    const guest = lab.create({
      name: 'a',
      memoryMb: 64,
      maxMemoryMb: 128,
      vcpus: 1,
      maxVcpus: 2,
      uuid: '00112233-4455-6677-8899-aabbccddeeff',
      cmdline: 'quiet',
    });
    expect(guest.domid).toBe(1);
    const home = (node: string) => lab.read(`/local/domain/1/${node}`);
    const vm = '/vm/00112233-4455-6677-8899-aabbccddeeff';
    const { start } = guest.domain!;
    const expected = {
      name: 'a',
      domid: '1',
      vm,
      'memory/static-max': '131072',
      'memory/target': '65536',
      'store/port': String(start.storePort),
      'store/ring-ref': String(start.storePfn),
      'cpu/0/availability': 'online',
      'cpu/1/availability': 'offline',
      'control/shutdown': '',
      'control/platform-feature-multiprocessor-suspend': '1',
      'console/type': 'xenconsoled',
      'console/port': String(start.consolePort),
    };
    for (const [node, value] of Object.entries(expected)) expect(home(node), node).toBe(value);
    expect(lab.read(`${vm}/image/cmdline`)).toBe('quiet');
    expect(lab.read('/libxl/1/type')).toBe('pv');
    expect(lab.read('/local/pool/0/name')).toBe('Pool-0');
    expect(lab.perms('/local/domain/1')).toBe('n0,r1');
    expect(lab.perms('/local/domain/1/control/shutdown')).toBe('n1');
    expect(lab.perms('/local/domain/1/data')).toBe('n1');
    expect(lab.perms('/libxl/1')).toBe('n0');
    expect(lab.perms(vm)).toBe('n0,r1');
  });

  it('with a network interface whose two ends find each other', () => {
    const lab = withBackend();
    lab.create({ name: 'a', vifs });
    lab.run(50 * MS);
    const back = '/local/domain/0/backend/vif/1/0';
    const front = '/local/domain/1/device/vif/0';
    const values = Object.fromEntries(lab.list(back).map((key) => [key, lab.read(`${back}/${key}`)]));
    expect(values).toEqual({
      frontend: front,
      'frontend-id': '1',
      online: '1',
      state: '4',
      script: '/etc/xen/scripts/vif-bridge',
      mac: '00:16:3e:01:02:03',
      rate: '62500,50000',
      bridge: 'xenbr0',
      handle: '0',
      type: 'vif',
      'hotplug-status': 'connected',
      'feature-sg': '1',
    });
    expect(lab.read(`${front}/backend`)).toBe(back);
    expect(lab.read(`${front}/state`)).toBe('4');
    expect(lab.read(`${front}/mtu`)).toBe('1500');
    expect(lab.perms(front)).toBe('n1,r0');
    expect(lab.perms(`${front}/mtu`)).toBe('n0,r1');
    expect(lab.perms(back)).toBe('n0,r1');
    expect(lab.read('/libxl/1/device/vif/0/backend')).toBe(back);
    expect(lab.log).toEqual(['0 back vif 0: found', '1 front vif 0: found', '1 front vif 0: connects']);
  });

  it('with addresses that differ on a host and between hosts, and are the same in every run', () => {
    const macs = (hostIndex: number) => {
      const lab = withBackend({ hostIndex });
      for (const name of ['a', 'b']) lab.create({ name, vifs: [{}, {}] });
      return lab.toolstack.guests.flatMap((guest) =>
        [...guest.devices.values()].map((device) => (device.config as { mac: string }).mac),
      );
    };
    expect(macs(0)).toEqual(['00:16:3e:00:00:00', '00:16:3e:00:00:01', '00:16:3e:00:00:02', '00:16:3e:00:00:03']);
    expect(macs(3)[0]).toBe('00:16:3e:00:30:00');
  });

  it('with a device of another class, and a driver domain behind it', () => {
    const lab = withBackend();
    lab.create({ name: 'driver', driverDomain: true }, (guest) => lab.drive(guest.domain!.kernel, 'back', 'vib'));
    lab.create({ name: 'a', ib: [{ mode: 'bypass', hca: 1, port: 2, pkey: 0x8001, backend: 'driver' }] }, (guest) =>
      lab.drive(guest.domain!.kernel, 'front', 'vib'),
    );
    lab.run(50 * MS);
    const back = '/local/domain/1/backend/vib/2/0';
    expect(['hca', 'port', 'pkey', 'state'].map((key) => lab.read(`${back}/${key}`))).toEqual(['1', '2', '0x8001', '4']);
    expect(lab.perms(back)).toBe('n1,r2');
    expect(lab.perms('/local/domain/2/device/vib/0')).toBe('n2,r1');
    expect(lab.log).toEqual(['1 back vib 0: found', '2 front vib 0: found', '2 front vib 0: connects']);
  });

  it('pinned, and with its share', () => {
    const lab = withBackend({ scheduler: 'credit' });
    const guest = lab.create({ name: 'a', vcpus: 2, cpus: ['1', 'all,^1'], schedule: { weight: 512, cap: 40 } });
    expect(guest.domain!.vcpus.map(({ unit }) => [...unit.hard])).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(lab.toolstack.scheduleOf(1)).toMatchObject({ weight: 512, cap: 40 });
  });

  it.each([
    [{ name: 'a', memoryMb: 100_000 }, /free/],
    [{ name: 'a', cpus: '7' }, /vCPU 0 may run on 7, and the machine has 2 CPUs/],
    [{ name: 'a', vifs: [{ backend: 'nobody' }] }, /there is no domain "nobody"/],
    [{ name: 'a', vifs: [{}] }, /did not answer within 10 s/],
  ])('or not, and then nothing of it is left: %j', (input, message) => {
    const lab = new XenLab();
    const { freePages } = lab.machine.memory;
    expect(() => lab.create(input)).toThrow(message);
    lab.run(S);
    expect(lab.toolstack.guests).toEqual([]);
    expect([...lab.machine.domains.keys()]).toEqual([0]);
    expect(lab.machine.memory.freePages).toBe(freePages);
    expect([lab.list('/local/domain'), lab.list('/libxl'), lab.list('/local/domain/0/backend/vif')]).toEqual([['0'], ['0'], []]);
  });

  it('once under a name', () => {
    const lab = withBackend();
    lab.create({ name: 'a' });
    expect(() => lab.create({ name: 'a' })).toThrow('there is a domain "a" already, number 1');
  });

  it('paused, if so wanted; paused and let go later', () => {
    const lab = withBackend();
    const guest = lab.create({ name: 'a' });
    expect(lab.wait((done) => lab.toolstack.pause('a', done))).toBeNull();
    expect(guest.domain!.state).toBe('paused');
    expect(lab.wait((done) => lab.toolstack.unpause(1, done))).toBeNull();
    expect(guest.domain!.state).toBe('running');
    expect(lab.wait((done) => lab.toolstack.pause('b', done))).toBe('there is no domain "b"');
  });
});

describe('devices come and go while it runs', () => {
  it('a network interface is plugged in, and out by its address', () => {
    const lab = withBackend();
    const plugged: string[] = [];
    const hot = new XenLab({
      onHotplug: (device: { kind: string; id: number }, on: boolean) => plugged.push(`${device.kind} ${device.id} ${on}`),
    });
    hot.drive(hot.dom0.kernel, 'back');
    hot.create({ name: 'a' });
    expect(hot.wait((done) => hot.toolstack.attach('a', 'vif', { mac: '00:16:3e:00:00:77' }, done))).toBeNull();
    hot.run(50 * MS);
    expect(hot.read('/local/domain/1/device/vif/0/state')).toBe('4');
    expect(hot.wait((done) => hot.toolstack.attach('a', 'vif', { devid: 0 }, done))).toBe(
      'device vif 0 of domain 1 is there already',
    );
    expect(hot.wait((done) => hot.toolstack.detach('a', 'vif', '00:16:3e:00:00:77', done))).toBeNull();
    hot.run(50 * MS);
    expect(hot.log.slice(3)).toEqual(expect.arrayContaining(['1 front vif 0: gone', '0 back vif 0: gone']));
    expect(plugged).toEqual(['vif 0 true', 'vif 0 false']);
    expect([
      hot.list('/local/domain/0/backend/vif/1'),
      hot.list('/local/domain/1/device/vif'),
      hot.list('/libxl/1/device/vif'),
    ]).toEqual([[], [], []]);
    expect(hot.wait((done) => hot.toolstack.detach('a', 'vif', 0, done))).toBe('domain 1 has no device vif 0');
    expect(lab.log).toEqual([]);
  });

  it('a backend that does not close is waited for 10 s, and the device stays', () => {
    const lab = new XenLab();
    lab.dom0.kernel.xenbus.registerBackend('vif', (device) => {
      device.publish({}, 2);
      return { otherEndChanged: () => {}, removed: () => {} };
    });
    lab.create({ name: 'a', vifs: [{}] }, () => {});
    const before = lab.loop.nowPs;
    expect(lab.wait((done) => lab.toolstack.detach('a', 'vif', 0, done))).toMatch(/did not answer within 10 s/);
    expect(lab.loop.nowPs - before).toBeGreaterThan(10 * S);
    expect(lab.read('/local/domain/0/backend/vif/1/0/online')).toBe('0');
    expect(lab.read('/local/domain/0/backend/vif/1/0/state')).toBe('5');
  });
});

describe('a guest ends', () => {
  const gone = (lab: XenLab) => {
    expect([...lab.machine.domains.keys()]).toEqual([0]);
    expect([lab.list('/local/domain'), lab.list('/libxl'), lab.list('/vm').length]).toEqual([['0'], ['0'], 1]);
    expect(lab.list('/local/domain/0/backend/vif')).toEqual([]);
  };

  it('by shutdown: asked, acknowledged, stopped, removed', () => {
    const ends: string[] = [];
    const lab = withBackend({
      onEnd: (guest: Guest, reason: number, action: string) => ends.push(`${guest.name} ${reason} ${action}`),
    });
    const { freePages } = lab.machine.memory;
    lab.create({ name: 'a', vifs });
    lab.run(50 * MS);
    expect(lab.wait((done) => lab.toolstack.shutdown('a', done))).toBeNull();
    lab.run(S);
    expect(ends).toEqual(['a 0 destroy']);
    expect(lab.log).toContain('0 back vif 0: gone');
    gone(lab);
    expect(lab.machine.memory.freePages).toBe(freePages);
  });

  it('by destroy, in the middle of whatever it does', () => {
    const lab = withBackend();
    lab.create({ name: 'a', vifs });
    expect(lab.wait((done) => lab.toolstack.destroy('a', done))).toBeNull();
    lab.run(S);
    gone(lab);
  });

  it('a guest that does not listen does not acknowledge within 60 s', () => {
    const lab = withBackend();
    lab.create({ name: 'a' }, () => {});
    expect(lab.wait((done) => lab.toolstack.shutdown('a', done))).toBe('the guest does not acknowledge the poweroff request');
    expect(lab.toolstack.find('a')?.domain?.state).toBe('running');
  });

  it('by reboot: a new domain with the same name, UUID and address, in which the same is started', () => {
    const lab = withBackend();
    const booted: number[] = [];
    const first = lab.create({ name: 'a', vifs: [{}] }, (guest) => {
      booted.push(guest.domid);
      lab.boot(guest);
    });
    lab.run(50 * MS);
    const mac = lab.read('/local/domain/1/device/vif/0/mac');
    lab.wait((done) => lab.toolstack.reboot('a', done));
    lab.run(S);
    const second = lab.toolstack.find('a')!;
    expect(booted).toEqual([1, 2]);
    expect(second).toMatchObject({ domid: 2, restarts: 1, uuid: first.uuid, state: 'live' });
    expect(lab.read('/local/domain/2/device/vif/0/mac')).toBe(mac);
    expect(lab.read('/local/domain/2/device/vif/0/state')).toBe('4');
    expect(first.state).toBe('gone');
  });

  it.each(END_ACTIONS)('by a crash, with on_crash=%s', (onCrash: EndAction) => {
    const lab = withBackend();
    const first = lab.create({ name: 'a', onCrash, vifs });
    lab.run(50 * MS);
    lab.wait((done) => lab.toolstack.crash('a', done));
    lab.run(5 * S);
    const isRestarted = /restart|soft-reset/.test(onCrash);
    const isKept = /^(preserve|rename-restart)$/.test(onCrash);
    expect(lab.toolstack.find('a')?.domid).toBe(isRestarted ? 2 : isKept ? 1 : undefined);
    expect(first.state).toBe(isKept ? 'preserved' : 'gone');
    expect([...lab.machine.domains.keys()]).toEqual([0, ...(isKept ? [1] : []), ...(isRestarted ? [2] : [])]);
    if (onCrash !== 'rename-restart') return;
    expect(first.name).toBe('a-1');
    expect(lab.read('/local/domain/1/name')).toBe('a-1');
    expect(lab.read(`/vm/${first.uuid}/name`)).toBe('a-1');
    expect(lab.read('/local/domain/2/vm')).not.toBe(lab.read('/local/domain/1/vm'));
    expect(first.domain?.shutdownReason).toBe(SHUTDOWN_REASONS.crash);
  });

  it('each reason has its action', () => {
    const actions = {
      onPoweroff: 'preserve',
      onReboot: 'destroy',
      onCrash: 'restart',
      onWatchdog: 'rename-restart',
      onSoftReset: 'soft-reset',
    } as const;
    const lab = withBackend();
    const { config } = lab.create({ name: 'a', ...actions });
    expect([0, 1, 2, 3, 4, 5, 99].map((reason) => endingOf(config, reason).action)).toEqual([
      'preserve',
      'destroy',
      'preserve',
      'restart',
      'rename-restart',
      'soft-reset',
      'destroy',
    ]);
  });

  it('at any moment of its making, and nothing is left', () => {
    for (let cut = 0; cut < 30; cut++) {
      const lab = withBackend();
      const { freePages } = lab.machine.memory;
      const before = lab.loop.handled;
      const guest = lab.toolstack.create(
        { ...lab.create({ name: 'model' }).config, name: 'a', vifs },
        { boot: (made) => lab.boot(made) },
      );
      lab.wait((done) => lab.toolstack.destroy('model', done));
      for (let event = 0; event < cut * 11 && lab.loop.step(); event++);
      if (guest.domain !== null && lab.machine.domains.has(guest.domid)) lab.machine.destroyDomain(guest.domid);
      lab.run(30 * S);
      lab.wait((done) => lab.toolstack.destroy('a', done));
      expect([...lab.machine.domains.keys()], `cut ${cut}`).toEqual([0]);
      expect(lab.machine.memory.freePages).toBe(freePages);
      expect(lab.loop.handled).toBeGreaterThan(before);
    }
  });
});

describe('settings of a running guest', () => {
  it('name, vCPUs, pins, shares, age', () => {
    const lab = withBackend({ scheduler: 'credit' });
    const guest = lab.create({ name: 'a', vcpus: 1, maxVcpus: 2 });
    expect(lab.wait((done) => lab.toolstack.rename('a', 'b', done))).toBeNull();
    expect([lab.read('/local/domain/1/name'), lab.read(`/vm/${guest.uuid}/name`)]).toEqual(['b', 'b']);
    expect(lab.wait((done) => lab.toolstack.setVcpus('b', 2, done))).toBeNull();
    expect(lab.read('/local/domain/1/cpu/1/availability')).toBe('online');
    expect(lab.wait((done) => lab.toolstack.setVcpus('b', 3, done))).toBe('found 3 vCPUs, accepted are 1 to 2');
    lab.toolstack.setSchedule(1, { weight: 128, cap: 10 });
    expect(lab.toolstack.scheduleOf(1)).toMatchObject({ weight: 128, cap: 10 });
    expect(() => lab.toolstack.setSchedule(1, { weight: 0 })).toThrow(RangeError);
    expect(() => lab.toolstack.pin(1, 0, [9])).toThrow(RangeError);
    lab.wait((done) => lab.dom0.kernel.cpu.setTimer(guest.bornPs + 3 * S, () => done(null)));
    expect(lab.toolstack.uptimePs(guest)).toBeGreaterThanOrEqual(3 * S);
  });

  it('its work takes CPU time of dom0', () => {
    const lab = withBackend();
    const used = () => lab.dom0.vcpus[0]!.usedPs.get('toolstack') ?? 0;
    const before = used();
    lab.create({ name: 'a' });
    expect(used() - before).toBe(lab.toolstack.costs.commandPs + lab.machine.costs.upcallPs);
    expect(lab.dom0.vcpus[0]!.usedPs.get('domain builder')).toBe(32 * 256 * lab.toolstack.costs.pagePs);
  });
});
