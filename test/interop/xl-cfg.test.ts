/**
 * Our reading of xl.cfg against that of the real xl: `xl create -n` prints what it read as JSON, and `xlCreateJson` must give the same, field by field.
 * Where xl refuses a file, so must we.
 */
import { writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HypercallSocket, openHypercallSocket } from '../../src/cluster/hypercall-socket.ts';
import { formatXlIssues, parseXlConfig, xlCreateJson } from '../../src/hypervisor/index.ts';
import { FixedHost } from '../kit/fixed-host.ts';
import { openSilentSocket, type ToolResult, XenToolBench } from './xen-tools.ts';

const host = new FixedHost();
let bench: XenToolBench;
let hypercalls: HypercallSocket;
let store: Server;

beforeAll(async () => {
  bench = new XenToolBench();
  hypercalls = await openHypercallSocket(bench.hypercallPath, host);
  store = await openSilentSocket(bench.storePath);
});
afterAll(async () => {
  await hypercalls.close();
  store.close();
  bench.close();
});

let files = 0;
function createDry(source: string): Promise<ToolResult> {
  const file = join(bench.folder, `${files++}.cfg`);
  writeFileSync(file, source);
  return bench.run('xl', ['create', '-n', file]);
}

/** What xl printed, without what it makes up: a UUID where the file has none. */
function printed(result: ToolResult, source: string): unknown {
  expect(result.code, result.stderr).toBe(0);
  const json = JSON.parse(result.stdout) as { c_info: { uuid?: string } };
  if (!/\buuid=/.test(source)) delete json.c_info.uuid;
  return json;
}

/** What every file here has: xl wants a kernel for a PV guest. */
const KERNEL = 'kernel="/boot/k"\n';

async function compareBoth(settings: string): Promise<void> {
  const source = `${KERNEL}${settings}`;
  const real = printed(await createDry(source), source);
  const { input, issues } = parseXlConfig(source, 'g.cfg');
  expect(formatXlIssues(issues), source).toBe('');
  expect(xlCreateJson(input, { pcpus: host.pcpus }), source).toEqual(real);
}

const FILES: Readonly<Record<string, string>> = {
  'the least': 'name="g"',
  'every scalar': `name='g h'; type="pv"; uuid="00112233-4455-6677-8899-aabbccddeeff"
memory=0x80; maxmem=256
vcpus=2; maxvcpus=03
cpu_weight=512; cap=50; period=3; slice=4; latency=5; extratime=0
pool="P"; kernel="/k"; ramdisk="/r"; root="/dev/x"; extra="ro quiet"
nomigrate=1; driver_domain=1; localtime=0
max_grant_frames=64; max_maptrack_frames=0; max_grant_version=1; max_event_channels=99
on_poweroff="preserve"; on_reboot="coredump-restart"; on_crash="rename-restart"; on_watchdog="restart"; on_soft_reset="destroy"
`,
  'cpus for all': 'name="g"\nvcpus=3\ncpus="all,^1"\ncpus_soft="0-1"',
  'cpus for each': 'name="g"\nvcpus=2\nmaxvcpus=4\ncpus=["0","1,^1,0","all"]\ncpus_soft=["nodes:0-0","node:0,^1"]',
  cmdline: 'name="g"\ncmdline="a\\tb \\"c\\" \\\\ \'d\'"\nextra="no"',
  'added texts and lists': 'name="g"\nextra="a"\nextra+="b"\nvif=["bridge=a"]\nvif+=["bridge=b",]\nkernel+="/k"\n',
  'lists over lines, comments': 'name="g" # one\n# two\n\nvif = [\n\n"bridge=a" # three\n,\n"bridge=b"\n]\n;;memory=1;\n',
  'pvh and hvm': 'name="g"\ntype="pvh"\n',
  builder: 'name="g"\nbuilder="generic"\n',
  vifs: `name="g"
vif=["", "mac=00:16:3E:1:2:3,type=ioemu,ip=10.0.0.1/24,vifname=v0,backend=dd,model=e1000,script=/x/y,gatewaydev=eth0,mtu=9000,trusted",
 "untrusted,rate=1GB/s@20us", " rate=10Mb/s, bridge=b", "type=vif,rate=100b/s,devid=17", "rate=250Kb/s@1s", "rate=010MB/s@30ms", "rate=1Gb/s@2"]
`,
  disks: `name="g"
disk=["/dev/x,raw,xvda,w","format=qcow2,vdev=xvdb,access=ro,target=/a,b=c.img","vdev=hdc,cdrom","file:/x/y.img,hda,r","phy:/dev/z,sdb,w","/x,,hdd:cdrom,r",
"/y,qcow,xvdc,rw,backendtype=qdisk,backend=dd,discard,direct-io-safe,specification=xen,script=/s", " /z, vhd, xvde, ro", "tap:qcow2:/q,xvdf,w",
"iscsi:thing,xvdg,w", "/w,qed,xvdh", ",,hdb:cdrom,r", "devtype=cdrom,vdev=hdz,target=/iso,format=raw", "/p,raw,xvdk,,no-discard"]
`,
  channels: 'name="g"\nchannel=["name=a, connection=pty","connection=socket,path=/x/y,name=b,backend=dd"]',
  pci: 'name="g"\npci=["01:00.0","0000:02:1f.7@3,permissive=1,msitranslate=0","name=foo,seize=1","bdf=03:00.*,power_mgmt=1,rdm_policy=relaxed,vslot=1f"]',
};

describe('xl reads the same', () => {
  it.each(Object.keys(FILES))('%s', async (name) => compareBoth(FILES[name]!));

  it('files of random settings', async () => {
    const word = fc.stringMatching(/^[a-z/][a-z0-9/._-]{0,8}$/);
    const quoted = (text: fc.Arbitrary<string>) =>
      fc.tuple(text, fc.boolean()).map(([inner, single]) => (single ? `'${inner}'` : `"${inner}"`));
    const text = quoted(word);
    const number = (least: number, most: number) =>
      fc
        .tuple(fc.integer({ min: least, max: most }), fc.constantFrom(10, 16, 8))
        .map(([value, base]) => `${base === 16 ? '0x' : base === 8 && value > 0 ? '0' : ''}${value.toString(base)}`);
    const cpuTerm = fc.oneof(
      fc.constantFrom('all', 'node:0', '^node:0', 'nodes:0', '^1'),
      fc.nat(1).map(String),
      fc.constant('0-1'),
    );
    const cpuSet = fc.array(cpuTerm, { minLength: 1, maxLength: 4 }).map((terms) => `${terms.join(',')},1`);
    const rate = fc
      .tuple(
        fc.integer({ min: 1, max: 10_000 }),
        fc.constantFrom('', 'K', 'M', 'G'),
        fc.constantFrom('b', 'B'),
        fc.constantFrom('', '@20ms', '@7us', '@1s'),
      )
      .map(([value, scale, unit, interval]) => `${value}${scale}${unit}/s${interval}`);
    const byte = fc.nat(255).map((value) => value.toString(16));
    const vifPart = fc.oneof(
      fc
        .tuple(fc.constantFrom('bridge', 'ip', 'script', 'backend', 'vifname', 'model', 'gatewaydev'), word)
        .map(([key, value]) => `${key}=${value}`),
      rate.map((value) => `rate=${value}`),
      fc.constantFrom('type=vif', 'type=ioemu', 'trusted', 'untrusted', 'mtu=1500', ''),
    );
    const vif = fc
      .tuple(fc.array(vifPart, { maxLength: 4 }), fc.option(fc.array(byte, { minLength: 5, maxLength: 5 })))
      .map(([parts, mac]) => [...parts, ...(mac === null ? [] : [`mac=2:${mac.join(':')}`])].join(','));
    const diskPart = fc.constantFrom(
      'discard',
      'no-discard',
      'backendtype=phy',
      'backendtype=qdisk',
      'backend=dd',
      'direct-io-safe',
      'script=/s',
    );
    const disk = fc.tuple(
      word,
      fc.constantFrom('raw', 'qcow', 'qcow2', 'vhd', 'qed', ''),
      fc.constantFrom('r', 'ro', 'w', 'rw', ''),
      fc.uniqueArray(diskPart, { maxLength: 3, selector: (part) => part.replace(/^no-|=.*/g, '') }),
    );
    const disks = fc
      .array(disk, { maxLength: 3 })
      .map((list) =>
        list.map(
          ([target, format, access, more], index) =>
            `${target},${format},xvd${'abc'[index]},${access}${more.map((part) => `,${part}`).join('')}`,
        ),
      );
    const list = (items: fc.Arbitrary<string[]>) =>
      fc
        .tuple(items, fc.boolean())
        .map(
          ([all, wide]) => `[${all.map((item) => `"${item}"`).join(wide ? ' ,\n ' : ',')}${wide && all.length > 0 ? ',' : ''}]`,
        );
    const setting = fc.oneof(
      fc.tuple(fc.constantFrom('kernel', 'ramdisk', 'root', 'extra', 'cmdline', 'pool'), text),
      fc.tuple(fc.constant('maxmem'), number(129, 1000)),
      fc.tuple(fc.constant('memory'), number(1, 128)),
      fc.tuple(fc.constant('vcpus'), number(1, 4)),
      fc.tuple(fc.constant('maxvcpus'), number(4, 8)),
      fc.tuple(
        fc.constantFrom('cpu_weight', 'cap', 'period', 'slice', 'latency', 'max_grant_frames', 'max_event_channels'),
        number(1, 1000),
      ),
      fc.tuple(fc.constantFrom('nomigrate', 'driver_domain', 'localtime', 'extratime'), number(0, 1)),
      fc.tuple(
        fc.constantFrom('on_poweroff', 'on_reboot', 'on_crash', 'on_watchdog', 'on_soft_reset'),
        quoted(
          fc.constantFrom(
            'destroy',
            'restart',
            'rename-restart',
            'preserve',
            'coredump-destroy',
            'coredump-restart',
            'soft-reset',
          ),
        ),
      ),
      fc.tuple(
        fc.constantFrom('cpus', 'cpus_soft'),
        fc.oneof(quoted(cpuSet), list(fc.array(cpuSet, { minLength: 1, maxLength: 3 }))),
      ),
      fc.tuple(fc.constant('vif'), list(fc.array(vif, { maxLength: 3 }))),
      fc.tuple(fc.constant('disk'), list(disks)),
    );
    const end = fc.constantFrom('\n', ';', ' # note\n', '\n\n');
    const file = fc.array(fc.tuple(setting, end), { maxLength: 12 }).map((settings) => {
      const body = settings.map(([[key, value], after]) => `${key} = ${value}${after}`).join('');
      // Entries for vCPUs that xl has no room for, or leaves unset, are not compared: it prints whatever memory holds there.
      return `name="g"\nvcpus=3\n${body}`;
    });
    await fc.assert(fc.asyncProperty(file, compareBoth), { numRuns: 60 });
  });
});

describe('xl refuses the same', () => {
  it.each([
    'memory=1',
    'name="g"\nmemory=5+3',
    'name="g" vcpus=1',
    'name="g"\nvif=["a"\n"b"]',
    'name="g"\nextra="open',
    'name="g"\nvcpus',
    'name="g"\nextra="a"\nextra+=["b"]',
    'name="g"\nextra="\\q"',
    'name="g"\nextra="\\x41"',
    'name="g"\nvcpus=4\nmaxvcpus=2',
    'name="g"\non_crash="explode"',
    'name="g"\nuuid="zz"',
    'name="g"\ntype="xx"',
    'name="g"\nvif=["rate=fast"]',
    'name="g"\nvif=["rate=0b/s"]',
    'name="g"\nvif=["rate=1Mb/s "]',
    'name="g"\nvif=["rate=18447GB/s@1s"]',
    'name="g"\nvif=["rate=1b/s@0"]',
    'name="g"\ndisk=["/x"]',
    'name="g"\ndisk=["/x,foo,xvda,w"]',
    'name="g"\ndisk=["/x,raw,xvda,q"]',
    'name="g"\ndisk=["/x,raw,xvda,w,more"]',
    'name="g"\ndisk=["bar:/x,xvda,w"]',
    'name="g"\ndisk=["vdev=xvda"]',
    'name="g"\nchannel=["name=a"]',
    'name="g"\nchannel=["connection=socket"]',
    'name="g"\npci=["99:99:99:99"]',
    'name="g"\npci=["01:00.0,colour=red"]',
    'name="g"\nvcpus=1\ncpus="3-1"',
    'name="g"\nvcpus=1\ncpus="^all"',
    'name="g"\nvcpus=1\ncpus="x"',
  ])('%j', async (source) => {
    expect((await createDry(`${KERNEL}${source}\n`)).code).not.toBe(0);
    const { issues } = parseXlConfig(`${KERNEL}${source}\n`, 'g.cfg');
    expect(issues.length).toBeGreaterThan(0);
  });

  it('on the same line', async () => {
    for (const source of ['name="g"\n\nmemory=5+3\n', 'name="g"\nvif=["a"\n"b"]\n', 'name="g"\nx y\n']) {
      const line = /:(\d+): config parsing error/.exec((await createDry(source)).stderr)?.[1];
      expect(parseXlConfig(source, 'g.cfg').issues[0]?.line).toBe(Number(line));
    }
  });
});
