/**
 * `ibstat [-l] [-s] [-p] [CA [port]]`: the state of a node's channel adapters and ports, in the format of infiniband-diags.
 */
import { type Context, gidGuid, type ProgramContext, program } from '../verbs/index.ts';
import { sprintf } from './format.ts';
import { hasOption, helpText, type OptionSpec, parseWhole, readOptions, throwIssues } from './options.ts';

const OPTIONS: readonly OptionSpec[] = [
  { long: 'list_of_cas', short: 'l', text: 'list all IB devices' },
  { long: 'short', short: 's', text: 'short output' },
  { long: 'port_list', short: 'p', text: 'show port list' },
  { long: 'help', short: 'h', text: 'show this help' },
];

const STATES = ['???', 'Down', 'Initializing', 'Armed', 'Active'];
const PHYSICAL_STATES = [
  'No state change',
  'Sleep',
  'Polling',
  'Disabled',
  'PortConfigurationTraining',
  'LinkUp',
  'LinkErrorRecovery',
  'PhyTest',
];
/** Lanes by width code, and Gb/s a lane as the kernel rounds it, by speed code. */
const LANES: Readonly<Record<number, number>> = { 1: 1, 2: 4, 4: 8, 8: 12, 16: 2 };
const LANE_RATES: Readonly<Record<number, number>> = { 1: 2.5, 2: 5, 4: 10, 8: 10, 16: 14, 32: 25, 64: 50, 128: 100, 256: 200 };
const FDR10 = 8;

/** The lines about the adapter as a whole. */
export function adapterLines(ctx: Context): string[] {
  const a = ctx.queryDevice();
  return [
    `CA '${ctx.deviceName}'`,
    `\tCA type: MT${a.vendorPartId}`,
    `\tNumber of ports: ${a.physPortCnt}`,
    `\tFirmware version: ${a.fwVer}`,
    sprintf('\tHardware version: %x', a.hwVer),
    sprintf('\tNode GUID: 0x%016llx', a.nodeGuid),
    sprintf('\tSystem image GUID: 0x%016llx', a.sysImageGuid),
  ];
}

/** The lines about a port; `alone` when it is all that is printed. */
export function portLines(ctx: Context, port: number, alone: boolean): string[] {
  const a = ctx.queryPort(port);
  const pre = alone ? '' : '\t\t';
  const speed = a.activeSpeedEx === 0 ? a.activeSpeed : a.activeSpeedEx;
  const rate = Math.trunc((LANES[a.activeWidth] ?? 0) * (LANE_RATES[speed] ?? 0));
  return [
    `${alone ? '' : '\t'}Port ${port}:`,
    `${pre}State: ${STATES[a.state] ?? '???'}`,
    `${pre}Physical state: ${PHYSICAL_STATES[a.physState] ?? '???'}`,
    `${pre}Rate: ${rate === 2 ? '2.5' : rate}${speed === FDR10 ? ' (FDR10)' : ''}`,
    `${pre}Base lid: ${a.lid}`,
    `${pre}LMC: ${a.lmc}`,
    `${pre}SM lid: ${a.smLid}`,
    sprintf(`${pre}Capability mask: 0x%08x`, a.portCapFlags),
    sprintf(`${pre}Port GUID: 0x%016llx`, gidGuid(ctx.queryGid(port, 0))),
    `${pre}Link layer: InfiniBand`,
  ];
}

function selectDevices(context: ProgramContext, name: string | undefined): Context[] {
  if (name !== undefined && !context.devices.includes(name))
    throwIssues([{ file: 'ibstat', path: name, message: `IB device can't be found; accepted ${context.devices.join(', ')}` }]);
  return context.devices.filter((device) => name === undefined || device === name).map((device) => context.open(device));
}

function selectPort(text: string | undefined, devices: readonly Context[]): number | null {
  if (text === undefined) return null;
  const port = parseWhole(text);
  const ports = devices[0]?.queryDevice().physPortCnt ?? 0;
  if (port === null || port < 1 || port > ports)
    throwIssues([{ file: 'ibstat', path: text, message: `no such port; accepted 1 to ${ports}` }]);
  return port;
}

export default program(
  (context) => {
    const found = readOptions('ibstat', OPTIONS, context.args, true);
    throwIssues(found.issues);
    const print = (lines: readonly string[]) => {
      for (const line of lines) context.log(line);
    };
    if (hasOption(found, 'help')) return print(helpText('ibstat', OPTIONS));
    const [name, portText] = found.positionals;
    const devices = selectDevices(context, name);
    const port = selectPort(portText, devices);
    const ports = (ctx: Context) => Array.from({ length: ctx.queryDevice().physPortCnt }, (_, i) => i + 1);
    for (const ctx of devices) {
      if (hasOption(found, 'list_of_cas')) print([ctx.deviceName]);
      else if (hasOption(found, 'port_list')) print(ports(ctx).map((n) => sprintf('0x%016llx', gidGuid(ctx.queryGid(n, 0)))));
      else if (port !== null && !hasOption(found, 'short')) print([`CA: '${ctx.deviceName}'`, ...portLines(ctx, port, true)]);
      else
        print([...adapterLines(ctx), ...(hasOption(found, 'short') ? [] : ports(ctx).flatMap((n) => portLines(ctx, n, false)))]);
    }
    return { devices: devices.map((ctx) => ctx.deviceName) };
  },
  { name: 'ibstat', summary: "print the state of a node's adapters and ports (infiniband-diags)", roles: 'peers' },
);
