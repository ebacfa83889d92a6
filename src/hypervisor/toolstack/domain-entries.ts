/**
 * What libxl writes into xenstore for a domain as such: its home, /vm/UUID and /libxl/N when it is made (`libxl__domain_make`), what its kernel needs when it is built
 * (`libxl__build_post`), the console, and Domain-0's own entries (xen-init-dom0). Devices are in device-classes.ts.
 */
import type { StartPages } from '../domain.ts';
import type { GuestConfig } from './guest-config.ts';
import { emptyNode, entries, pruning, removal, type StoreChange } from './store-plan.ts';

export const homeOf = (domid: number): string => `/local/domain/${domid}`;
export const vmOf = (uuid: string): string => `/vm/${uuid}`;
export const libxlOf = (domid: number): string => `/libxl/${domid}`;

const KIB_PER_MIB = 1024;
/** Bytes of its console that xenconsoled keeps of a guest. */
const CONSOLE_LIMIT = 1_048_576;
/** Nodes that a guest itself may write to. */
const GUEST_NODES = [
  'device/suspend/event-channel',
  'control/shutdown',
  'control/feature-poweroff',
  'control/feature-reboot',
  'control/feature-suspend',
  'control/sysrq',
  'data',
  'drivers',
  'feature',
  'attr',
  'error',
];

/** A domain that exists in the hypervisor and knows nothing yet. */
export function domainMadeEntries(domid: number, uuid: string, config: GuestConfig): StoreChange[] {
  const [home, vm, libxl] = [homeOf(domid), vmOf(uuid), libxlOf(domid)];
  const none = ['n0'];
  const readable = ['n0', `r${domid}`];
  const own = [`n${domid}`];
  const driverDomain = config.driverDomain ? ['libxl', 'device-model'] : [];
  return [
    removal(home),
    emptyNode(home, readable),
    removal(vm),
    emptyNode(vm, readable),
    removal(libxl),
    emptyNode(libxl, none),
    emptyNode(`${libxl}/device`, none),
    ...entries(home, { vm, name: config.name }),
    ...['cpu', 'memory', 'device', 'control'].map((node) => emptyNode(`${home}/${node}`, readable)),
    ...[...GUEST_NODES, ...driverDomain].map((node) => emptyNode(`${home}/${node}`, own)),
    ...entries(vm, { uuid, name: config.name }),
    ...entries(`${home}/control`, { 'platform-feature-multiprocessor-suspend': 1, 'platform-feature-xs_reset_watches': 1 }),
    ...entries(libxl, { type: config.type }),
  ];
}

/** A domain whose memory is filled: what its kernel finds before its first instruction. */
export function domainBuiltEntries(domid: number, uuid: string, config: GuestConfig, start: StartPages): StoreChange[] {
  const home = homeOf(domid);
  const cpus = Array.from({ length: config.maxVcpus }, (_, cpu) => [
    `cpu/${cpu}/availability`,
    cpu < config.vcpus ? 'online' : 'offline',
  ]);
  return [
    ...entries(home, {
      'memory/static-max': config.maxMemoryMb * KIB_PER_MIB,
      'memory/target': config.memoryMb * KIB_PER_MIB,
      'memory/videoram': 0,
      domid,
      'store/port': start.storePort,
      'store/ring-ref': start.storePfn,
    }),
    ...entries(home, Object.fromEntries(cpus) as Record<string, string>),
    ...entries(vmOf(uuid), {
      'image/ostype': 'linux',
      'image/kernel': config.kernel,
      'image/ramdisk': config.ramdisk,
      'image/cmdline': config.cmdline === '' ? undefined : config.cmdline,
    }),
  ];
}

/** The first console: not a device of the usual kind, since it is there before the domain has drivers. */
export function consoleEntries(domid: number, start: StartPages): StoreChange[] {
  const front = `${homeOf(domid)}/console`;
  const back = `${homeOf(0)}/backend/console/${domid}/0`;
  const libxl = `${libxlOf(domid)}/device/console/0`;
  const readable = ['n0', `r${domid}`];
  const backValues = { 'frontend-id': domid, online: 1, state: 1, protocol: 'vt100' };
  return [
    removal(libxl),
    ...entries(libxl, { frontend: front, backend: back }),
    removal(front),
    { kind: 'mkdir', path: front, perms: readable },
    ...entries(front, { backend: back }),
    ...entries(front, { 'backend-id': 0 }, readable),
    ...entries(
      front,
      {
        limit: CONSOLE_LIMIT,
        type: 'xenconsoled',
        output: 'pty',
        tty: '',
        port: start.consolePort,
        'ring-ref': start.consolePfn,
      },
      readable,
    ),
    removal(back),
    { kind: 'mkdir', path: back, perms: readable },
    ...entries(back, { frontend: front, ...backValues }),
    ...entries(libxl, backValues),
  ];
}

/** Everything of a domain that is gone, save its devices' backends. */
export function domainGoneEntries(domid: number, uuid: string): StoreChange[] {
  return [
    removal(homeOf(domid)),
    removal(vmOf(uuid)),
    removal(libxlOf(domid)),
    pruning(`${homeOf(0)}/backend/console/${domid}/0`),
  ];
}

/** A new name, and with `uuid` (the old one and the new) another identity too, as for a domain that is kept while another takes its place. */
export function renameEntries(domid: number, name: string, uuid: string, newUuid: string = uuid): StoreChange[] {
  const home = homeOf(domid);
  if (newUuid === uuid) return [...entries(home, { name }), ...entries(vmOf(uuid), { name })];
  const vm = vmOf(newUuid);
  return [
    removal(vmOf(uuid)),
    emptyNode(vm, ['n0', `r${domid}`]),
    ...entries(vm, { uuid: newUuid, name }),
    ...entries(home, { vm, name }),
  ];
}

/** Domain-0's own entries, and the CPU pool that tools look for. */
export function domain0Entries(uuid: string, memoryKib: number, vcpus: number): StoreChange[] {
  const home = homeOf(0);
  return [
    ...entries(home, { name: 'Domain-0', domid: 0, vm: vmOf(uuid), 'memory/target': memoryKib, 'memory/static-max': memoryKib }),
    ...entries(home, Object.fromEntries(Array.from({ length: vcpus }, (_, cpu) => [`cpu/${cpu}/availability`, 'online']))),
    ...entries(vmOf(uuid), { uuid, name: 'Domain-0' }),
    ...entries('/local/pool/0', { name: 'Pool-0' }),
    ...entries(libxlOf(0), { type: 'pv' }),
    ...entries('/tool/xenstored', { domid: 0 }),
  ];
}
