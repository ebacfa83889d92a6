/**
 * Unmodified xl and xentop against a running simulation: a machine with guests, its xenstore and its hypercalls on sockets, in this process, which steps the
 * simulation whenever Node lets it. Guest `a` has the real network drivers on both ends. What the tools print is compared with what xl-output.ts prints of the same host at the same moment.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HypercallSocket, openHypercallSocket } from '../../src/cluster/hypercall-socket.ts';
import { XenstoreSocket } from '../../src/cluster/xenstore-socket.ts';
import {
  CONTROL_LAYOUTS,
  CONTROL_NUMBERS,
  type Guest,
  type HostView,
  type NetworkRow,
  machineHost,
  obeyShutdown,
  readNetworkRows,
  topSample,
  xentopRound,
  xlCreateJson,
  xlInfo,
  xlList,
  xlNetworkList,
  xlSchedCredit,
  xlVcpuList,
} from '../../src/hypervisor/index.ts';
import { registerNetback } from '../../src/xen-netback/index.ts';
import { registerNetfront } from '../../src/xen-netfront/index.ts';
import { MS, XenLab } from '../kit/xen-machine.ts';
import { compile, XenToolBench } from './xen-tools.ts';

/** Virtual time that passes for each turn of Node's loop while a tool waits for something. */
const TURN = MS;

const VIF = { devid: 0, rxBytes: 5_000_000, rxPackets: 4000, txBytes: 3_000_000, txPackets: 3000 };
const NET_DEV = [
  'Inter-|   Receive                                                |  Transmit',
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
];
const VIF_LINE = `vif1.0: ${VIF.rxBytes} ${VIF.rxPackets} 0 0 0 0 0 0 ${VIF.txBytes} ${VIF.txPackets} 0 0 0 0 0 0`;

let bench: XenToolBench;
let lab: XenLab;
let host: HostView;
let hypercalls: HypercallSocket;
let store: XenstoreSocket;
const guests: Record<string, Guest> = {};
/** Interfaces that the two drivers have. */
const vifs: string[] = [];
const fronts: string[] = [];

/** What xl keeps of a domain in a file, and wants to find when it changes its devices. */
function keepConfig(guest: Guest): void {
  const json = xlCreateJson({ ...guest.config, uuid: guest.uuid }, { pcpus: host.pcpus }) as { c_info: Record<string, unknown> };
  json.c_info.domid = guest.domid;
  bench.put(`/var/lib/xen/userdata-d.${guest.domid}.${guest.uuid}.libxl-json`, JSON.stringify(json));
}

beforeAll(async () => {
  bench = new XenToolBench();
  lab = new XenLab({ scheduler: 'credit', pcpus: 4 });
  registerNetback(lab.dom0.kernel, {
    onVif: (vif) => void vifs.push(vif.name),
    onVifGone: (vif) => void vifs.splice(vifs.indexOf(vif.name), 1),
  });
  const boot = ({ domain }: Guest) => {
    obeyShutdown(domain!.kernel);
    registerNetfront(domain!.kernel, {
      onDevice: (device) => void fronts.push(device.name),
      onGone: (device) => void fronts.splice(fronts.indexOf(device.name), 1),
    });
  };
  guests.a = lab.create(
    {
      name: 'a',
      memoryMb: 64,
      maxMemoryMb: 128,
      vcpus: 1,
      schedule: { weight: 512, cap: 50 },
      vifs: [{ mac: '00:16:3e:00:00:01' }],
    },
    boot,
  );
  guests.b = lab.create({ name: 'b', memoryMb: 32, vcpus: 2, maxVcpus: 3, cpus: '1-2', cpusSoft: '2' });
  lab.run(100 * MS);
  guests.a.domain!.vcpus[0]!.hog(true);
  lab.run(1234 * MS);
  host = machineHost(lab.toolstack, { vifsOf: (domid) => (domid === 1 ? [VIF] : []) });
  // xentop looks for a bridge first, and takes any interface for one where there is none.
  bench.put('/sys/class/net/xenbr0/bridge', '');
  // It has interfaces' counters from the kernel of dom0.
  bench.put('/proc/net/dev', [...NET_DEV, VIF_LINE, ''].join('\n'));
  hypercalls = await openHypercallSocket(bench.hypercallPath, host);
  store = await XenstoreSocket.listen({ path: bench.storePath, connect: (sink) => lab.daemon.connectStream(sink) });
  for (const guest of Object.values(guests)) keepConfig(guest);
});
afterAll(async () => {
  await hypercalls.close();
  await store.close();
  bench.close();
});

/** Runs a tool while the simulation goes on by `TURN` for each turn of Node's loop, or only as far as xenstored's work needs it. */
async function run(tool: string, args: readonly string[], turn = TURN) {
  let isOver = false;
  const result = bench.run(tool, args).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    lab.run(turn);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return result;
}

/** The tool's text; its failure fails the test with what it said. */
async function output(tool: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(tool, args);
  expect(code, `${tool} ${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
}

/** CPU times go on while the tools run: they are compared by shape. */
const withoutTimes = (text: string) => text.replace(/ +\d+\.\d(?=\s)/g, ' T').replace(/(?<=\s)[r-][b-](?=[p-])/g, '..');

it('structures and numbers of the control calls are those of the headers', () => {
  const lines = [
    '#define __XEN_TOOLS__ 1',
    '#include <stddef.h>',
    '#include <stdint.h>',
    ...['xen', 'domctl', 'sysctl', 'sched', 'version', 'memory'].map((name) => `#include <xen/${name}.h>`),
    ...CONTROL_LAYOUTS.filter(({ c }) => c !== 'struct multicall_entry').flatMap(({ c, size, fields }) => [
      `_Static_assert(sizeof(${c}) == ${size}, "${c}");`,
      ...Object.entries<readonly [number, number]>(fields).flatMap(([field, [at, bytes]]) => [
        `_Static_assert(offsetof(${c}, ${field}) == ${at}, "${c}.${field}");`,
        `_Static_assert(sizeof(((${c} *)0)->${field}) == ${bytes}, "${c}.${field}");`,
      ]),
    ]),
    ...Object.entries(CONTROL_NUMBERS).map(([name, value]) => `_Static_assert(${name} == ${value}, "${name}");`),
  ];
  const source = join(bench.folder, 'control.c');
  writeFileSync(source, `${lines.join('\n')}\n`);
  compile(['-fsyntax-only', '-D__XEN_INTERFACE_VERSION__=0x00041100', source]);
});

describe('what the tools show', () => {
  it('xl list', async () => {
    const text = await output('xl', 'list');
    expect(withoutTimes(text)).toBe(withoutTimes(xlList(host)));
    expect(text.split('\n').map((line) => line.split(/\s+/)[0])).toEqual(['Name', 'Domain-0', 'a', 'b', '']);
  });

  it('xl list, to the tenth of a second, while the simulation stands but for xenstored', async () => {
    guests.a!.domain!.vcpus[0]!.hog(false);
    lab.run(100 * MS);
    const { stdout } = await run('xl', ['list', 'a']);
    const rows = xlList(host).split('\n');
    expect(stdout).toBe(`${rows[0]}\n${rows[2]}\n`);
    guests.a!.domain!.vcpus[0]!.hog(true);
  });

  it('xl vcpu-list', async () => {
    const text = await output('xl', 'vcpu-list');
    const places = (list: string) => withoutTimes(list).replace(/^(\S+ +\d+ +\d+) +\d+/gm, '$1 C');
    expect(places(text)).toBe(places(xlVcpuList(host)));
    expect(text).toMatch(/^b +2 +2 +- +--p .* 1-2 \/ 2$/m);
  });

  it('xl info', async () => {
    const text = await output('xl', 'info');
    const known = xlInfo(host).split('\n').slice(1, -1);
    for (const line of known)
      expect(text.split('\n')).toContain(line.replace('virt_caps              : pv', 'virt_caps              : pv'));
    expect(known.length).toBeGreaterThan(20);
  });

  it('xl info -n', async () => {
    expect(await output('xl', 'info', '-n')).toMatch(
      /cpu:\s+core\s+socket\s+node\n\s+0:\s+0\s+0\s+0\n\s+1:\s+1\s+0\s+0\n[\s\S]*numa_info[\s\S]*0: +2048 +\d+ +10/,
    );
  });

  it('xentop -b', async () => {
    const text = await output('xentop', '-b', '-i', '2', '-d', '1');
    const rounds = text.split(/(?=^ +NAME)/m);
    expect(rounds).toHaveLength(2);
    const shape = (round: string) => round.replace(/^( *\S+ )\S+ +\d+ +[\d.]+/gm, '$1');
    const sample = topSample(host, lab.loop.nowPs);
    expect(shape(rounds[1]!)).toBe(shape(xentopRound(host, lab.loop.nowPs, sample)));
  });

  it('xl uptime, domid, domname', async () => {
    expect(await output('xl', 'domid', 'b')).toBe('2\n');
    expect(await output('xl', 'domname', '1')).toBe('a\n');
  });

  it('xl network-list', async () => {
    const rows = await new Promise<readonly NetworkRow[]>((done) => {
      readNetworkRows(lab.toolstack.store, guests.a!, done);
      lab.run(50 * MS);
    });
    expect(rows[0]).toMatchObject({ mac: '00:16:3e:00:00:01', state: 4 });
    expect(await output('xl', 'network-list', 'a')).toBe(xlNetworkList(rows));
  });
});

describe('what the tools change', () => {
  it('xl sched-credit: shows, and sets', async () => {
    expect(await output('xl', 'sched-credit')).toBe(xlSchedCredit(host));
    await output('xl', 'sched-credit', '-d', 'b', '-w', '128', '-c', '25');
    expect(lab.toolstack.scheduleOf(2)).toMatchObject({ weight: 128, cap: 25 });
    await output('xl', 'sched-credit', '-s', '-t', '5', '-r', '500');
    expect(host.scheduler).toMatchObject({ tsliceMs: 5, ratelimitUs: 500 });
    expect(await output('xl', 'sched-credit')).toBe(xlSchedCredit(host));
    expect((await run('xl', ['sched-credit', '-d', 'b', '-w', '70000'])).code).not.toBe(0);
  });

  it('xl pause and unpause', async () => {
    await output('xl', 'pause', 'b');
    expect(guests.b!.domain!.state).toBe('paused');
    expect(await output('xl', 'list', 'b')).toMatch(/ [r-][b-]p--- /);
    await output('xl', 'unpause', 'b');
    expect(guests.b!.domain!.state).toBe('running');
  });

  it('xl vcpu-pin', async () => {
    await output('xl', 'vcpu-pin', 'b', '0', '2-3', 'all');
    expect([...guests.b!.domain!.vcpus[0]!.unit.hard]).toEqual([0, 0, 1, 1]);
    expect(await output('xl', 'vcpu-list', 'b')).toMatch(/ 2-3 \/ all/);
  });

  it('xl mem-max, to which libxl adds a MiB of its own', async () => {
    await output('xl', 'mem-max', 'b', '48');
    expect(guests.b!.domain!.memory.maxPages).toBe(48 * 256 + 256);
  });

  it('xl network-attach and network-detach: both ends of the device come and go', async () => {
    const script = join(bench.folder, 'vif-script');
    const lines = ['#!/bin/sh', '[ "$1" = online ] && xenstore-write "$XENBUS_PATH/hotplug-status" connected', 'exit 0', ''];
    writeFileSync(script, lines.join('\n'), { mode: 0o755 });
    await output('xl', 'network-attach', 'a', 'mac=00:16:3e:00:00:77', `script=${script}`);
    lab.run(50 * MS);
    expect(await output('xl', 'network-list', 'a')).toMatch(/^1 +0 +00:16:3e:00:00:77 +1 +4 /m);
    expect(lab.read('/local/domain/0/backend/vif/1/1/state')).toBe('4');
    expect([vifs, fronts]).toEqual([
      ['vif1.0', 'vif1.1'],
      ['eth0', 'eth1'],
    ]);
    await output('xl', 'network-detach', 'a', '00:16:3e:00:00:77');
    lab.run(50 * MS);
    expect(lab.list('/local/domain/0/backend/vif/1')).toEqual(['0']);
    expect(lab.list('/local/domain/1/device/vif')).toEqual(['0']);
    expect([vifs, fronts]).toEqual([['vif1.0'], ['eth0']]);
  });

  it('xl shutdown: the guest obeys, and is gone', async () => {
    await output('xl', 'shutdown', 'a');
    lab.run(2000 * MS);
    expect([...lab.machine.domains.keys()]).toEqual([0, 2]);
    expect(await output('xl', 'list')).not.toMatch(/^a /m);
  });

  it('xl destroy', async () => {
    await output('xl', 'destroy', 'b');
    lab.run(2000 * MS);
    expect([...lab.machine.domains.keys()]).toEqual([0]);
    expect(lab.list('/local/domain')).toEqual(['0']);
    expect(lab.toolstack.guests).toEqual([]);
  });
});

describe.each(['xen-3.0', 'xen-3.0.4', 'xen-4.17'] as const)('on a machine of %s', (era) => {
  it('list, info and vcpu-list agree as well, whatever its scheduler', async () => {
    const old = new XenLab({ era, pcpus: 3 });
    old.drive(old.dom0.kernel, 'back');
    old.create({ name: 'guest', vcpus: 2, cpus: ['0', '1-2'] });
    const oldBench = new XenToolBench();
    const view = machineHost(old.toolstack);
    const calls = await openHypercallSocket(oldBench.hypercallPath, view);
    const socket = await XenstoreSocket.listen({ path: oldBench.storePath, connect: (sink) => old.daemon.connectStream(sink) });
    const ask = async (...args: string[]) => {
      let isOver = false;
      const result = oldBench.run('xl', args).finally(() => {
        isOver = true;
      });
      while (!isOver) {
        old.run(MS);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return (await result).stdout;
    };
    try {
      expect(withoutTimes(await ask('list'))).toBe(withoutTimes(xlList(view)));
      const info = (await ask('info')).split('\n');
      for (const line of xlInfo(view).split('\n').slice(1, -1)) expect(info).toContain(line);
      const { name } = view.scheduler;
      if (name !== 'sedf') {
        await ask(`sched-${name}`, '-d', 'guest', '-w', '640', '-c', '30');
        expect(old.toolstack.scheduleOf(1)).toMatchObject({ weight: 640, cap: 30 });
        expect(await ask(`sched-${name}`)).toBe(xlSchedCredit(view));
      }
      expect(await ask('vcpu-list', 'guest')).toMatch(/ 0 \/ all\n.* 1-2 \/ all\n$/);
    } finally {
      await calls.close();
      await socket.close();
      oldBench.close();
    }
  });
});
