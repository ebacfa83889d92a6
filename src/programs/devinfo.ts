/**
 * `ibv_devinfo [-v] [-d dev] [-i port] [-l]`: what libibverbs tells about a node's devices, in the format of rdma-core's tool (libibverbs/examples/devinfo.c).
 * Attributes of the extended query that no device here has (on-demand paging, time stamps, offloads) print as that tool prints them for a device without them.
 */
import {
  AtomicCap,
  type Context,
  type DeviceAttr,
  DeviceCap,
  mtuToBytes,
  type PortAttr,
  type ProgramContext,
  program,
} from '../verbs/index.ts';
import { sprintf } from './format.ts';
import { hasOption, helpText, type OptionSpec, readOptions, textOption, throwIssues, wholeOption } from './options.ts';

const OPTIONS: readonly OptionSpec[] = [
  { long: 'ib-dev', short: 'd', value: 'dev', text: 'use IB device <dev> (default all devices)' },
  { long: 'ib-port', short: 'i', value: 'port', text: 'use port <port> of IB device (default all ports)' },
  { long: 'list', short: 'l', text: 'print only the IB devices names' },
  { long: 'verbose', short: 'v', text: 'print all the attributes of the IB device(s)' },
  { long: 'help', short: 'h', text: 'show this help' },
];

/** 16 hexadecimal digits of a GUID in groups of four. */
export function formatGuid(guid: bigint): string {
  return sprintf('%016llx', guid).replace(/(.{4})(?=.)/g, '$1:');
}

function named(names: Readonly<Record<number, string>>, value: number, otherwise: string): string {
  return names[value] ?? otherwise;
}

const PORT_STATES = { 1: 'PORT_DOWN', 2: 'PORT_INIT', 3: 'PORT_ARMED', 4: 'PORT_ACTIVE' };
const PHYSICAL_STATES = {
  1: 'SLEEP',
  2: 'POLLING',
  3: 'DISABLED',
  4: 'PORT_CONFIGURATION TRAINNING',
  5: 'LINK_UP',
  6: 'LINK_ERROR_RECOVERY',
  7: 'PHY TEST',
};
const WIDTHS = { 1: '1', 2: '4', 4: '8', 8: '12', 16: '2' };
const SPEEDS = {
  1: '2.5 Gbps',
  2: '5.0 Gbps',
  4: '10.0 Gbps',
  8: '10.0 Gbps',
  16: '14.0 Gbps',
  32: '25.0 Gbps',
  64: '50.0 Gbps',
  128: '100.0 Gbps',
  256: '200.0 Gbps',
};
const VLS = { 1: '1', 2: '2', 3: '4', 4: '8', 5: '15' };
const ATOMIC_CAPS = { [AtomicCap.NONE]: 'ATOMIC_NONE', [AtomicCap.HCA]: 'ATOMIC_HCA', [AtomicCap.GLOB]: 'ATOMIC_GLOB' };
const LINK_LAYERS = { 0: 'Unspecified', 1: 'InfiniBand', 2: 'Ethernet' };

/** The lines about one device. `port` 0 means all ports. */
export function deviceLines(ctx: Context, verbose: boolean, port: number): string[] {
  const attr = ctx.queryDevice();
  const lines = [
    `hca_id:\t${ctx.deviceName}`,
    '\ttransport:\t\t\tInfiniBand (0)',
    ...(attr.fwVer === '' ? [] : [`\tfw_ver:\t\t\t\t${attr.fwVer}`]),
    `\tnode_guid:\t\t\t${formatGuid(attr.nodeGuid)}`,
    `\tsys_image_guid:\t\t\t${formatGuid(attr.sysImageGuid)}`,
    sprintf('\tvendor_id:\t\t\t0x%04x', attr.vendorId),
    `\tvendor_part_id:\t\t\t${attr.vendorPartId}`,
    sprintf('\thw_ver:\t\t\t\t0x%X', attr.hwVer),
    `\tphys_port_cnt:\t\t\t${attr.physPortCnt}`,
  ];
  if (verbose) lines.push(...limitLines(attr), ...extendedLines());
  for (let n = 1; n <= attr.physPortCnt; n++) {
    if (port !== 0 && n !== port) continue;
    const portAttr = ctx.queryPort(n);
    lines.push(...portLines(n, portAttr));
    if (verbose) lines.push(...portDetailLines(portAttr), ...gidLines(ctx, n, portAttr.gidTblLen));
    lines.push('');
  }
  return lines;
}

function limitLines(a: DeviceAttr): string[] {
  return [
    sprintf('\tmax_mr_size:\t\t\t0x%llx', a.maxMrSize),
    sprintf('\tpage_size_cap:\t\t\t0x%llx', a.pageSizeCap),
    `\tmax_qp:\t\t\t\t${a.maxQp}`,
    `\tmax_qp_wr:\t\t\t${a.maxQpWr}`,
    sprintf('\tdevice_cap_flags:\t\t0x%08x', a.deviceCapFlags),
    ...Object.entries(DeviceCap).flatMap(([name, bit]) => ((a.deviceCapFlags & bit) === 0 ? [] : [`\t\t\t\t\t${name}`])),
    `\tmax_sge:\t\t\t${a.maxSge}`,
    `\tmax_sge_rd:\t\t\t${a.maxSgeRd}`,
    `\tmax_cq:\t\t\t\t${a.maxCq}`,
    `\tmax_cqe:\t\t\t${a.maxCqe}`,
    `\tmax_mr:\t\t\t\t${a.maxMr}`,
    `\tmax_pd:\t\t\t\t${a.maxPd}`,
    `\tmax_qp_rd_atom:\t\t\t${a.maxQpRdAtom}`,
    `\tmax_ee_rd_atom:\t\t\t${a.maxEeRdAtom}`,
    `\tmax_res_rd_atom:\t\t${a.maxResRdAtom}`,
    `\tmax_qp_init_rd_atom:\t\t${a.maxQpInitRdAtom}`,
    `\tmax_ee_init_rd_atom:\t\t${a.maxEeInitRdAtom}`,
    `\tatomic_cap:\t\t\t${named(ATOMIC_CAPS, a.atomicCap, 'invalid atomic capability')} (${a.atomicCap})`,
    `\tmax_ee:\t\t\t\t${a.maxEe}`,
    `\tmax_rdd:\t\t\t${a.maxRdd}`,
    `\tmax_mw:\t\t\t\t${a.maxMw}`,
    `\tmax_raw_ipv6_qp:\t\t${a.maxRawIpv6Qp}`,
    `\tmax_raw_ethy_qp:\t\t${a.maxRawEthyQp}`,
    `\tmax_mcast_grp:\t\t\t${a.maxMcastGrp}`,
    `\tmax_mcast_qp_attach:\t\t${a.maxMcastQpAttach}`,
    `\tmax_total_mcast_qp_attach:\t${a.maxTotalMcastQpAttach}`,
    `\tmax_ah:\t\t\t\t${a.maxAh}`,
    `\tmax_fmr:\t\t\t${a.maxFmr}`,
    ...(a.maxFmr === 0 ? [] : [`\tmax_map_per_fmr:\t\t${a.maxMapPerFmr}`]),
    `\tmax_srq:\t\t\t${a.maxSrq}`,
    ...(a.maxSrq === 0 ? [] : [`\tmax_srq_wr:\t\t\t${a.maxSrqWr}`, `\tmax_srq_sge:\t\t\t${a.maxSrqSge}`]),
    `\tmax_pkeys:\t\t\t${a.maxPkeys}`,
    `\tlocal_ca_ack_delay:\t\t${a.localCaAckDelay}`,
  ];
}

/** What the tool prints when the extended attributes are all zero. */
function extendedLines(): string[] {
  const noSupport = '\t\t\t\t\tNO SUPPORT';
  return [
    '\tgeneral_odp_caps:',
    ...['rc', 'uc', 'ud', 'xrc'].flatMap((transport) => [`\t${transport}_odp_caps:`, noSupport]),
    '\tcompletion_timestamp_mask not supported',
    '\tcore clock not supported',
    '\tdevice_cap_flags_ex:\t\t0x0',
    '\ttso_caps:',
    '\t\tmax_tso:\t\t\t0',
    '\trss_caps:',
    '\t\tmax_rwq_indirection_tables:\t\t\t0',
    '\t\tmax_rwq_indirection_table_size:\t\t\t0',
    '\t\trx_hash_function:\t\t\t\t0x0',
    '\t\trx_hash_fields_mask:\t\t\t\t0x0',
    '\tmax_wq_type_rq:\t\t\t0',
    '\tpacket_pacing_caps:',
    '\t\tqp_rate_limit_min:\t0kbps',
    '\t\tqp_rate_limit_max:\t0kbps',
    '\ttag matching not supported',
    '\tnum_comp_vectors:\t\t1',
  ];
}

function portLines(number: number, a: PortAttr): string[] {
  return [
    `\t\tport:\t${number}`,
    `\t\t\tstate:\t\t\t${named(PORT_STATES, a.state, 'invalid state')} (${a.state})`,
    `\t\t\tmax_mtu:\t\t${mtuToBytes(a.maxMtu)} (${a.maxMtu})`,
    `\t\t\tactive_mtu:\t\t${mtuToBytes(a.activeMtu)} (${a.activeMtu})`,
    `\t\t\tsm_lid:\t\t\t${a.smLid}`,
    `\t\t\tport_lid:\t\t${a.lid}`,
    sprintf('\t\t\tport_lmc:\t\t0x%02x', a.lmc),
    `\t\t\tlink_layer:\t\t${named(LINK_LAYERS, a.linkLayer, 'Unknown')}`,
  ];
}

function portDetailLines(a: PortAttr): string[] {
  const speed = a.activeSpeedEx === 0 ? a.activeSpeed : a.activeSpeedEx;
  return [
    sprintf('\t\t\tmax_msg_sz:\t\t0x%x', a.maxMsgSz),
    sprintf('\t\t\tport_cap_flags:\t\t0x%08x', a.portCapFlags),
    sprintf('\t\t\tport_cap_flags2:\t0x%04x', a.portCapFlags2),
    `\t\t\tmax_vl_num:\t\t${named(VLS, a.maxVlNum, 'invalid value')} (${a.maxVlNum})`,
    sprintf('\t\t\tbad_pkey_cntr:\t\t0x%x', a.badPkeyCntr),
    sprintf('\t\t\tqkey_viol_cntr:\t\t0x%x', a.qkeyViolCntr),
    `\t\t\tsm_sl:\t\t\t${a.smSl}`,
    `\t\t\tpkey_tbl_len:\t\t${a.pkeyTblLen}`,
    `\t\t\tgid_tbl_len:\t\t${a.gidTblLen}`,
    `\t\t\tsubnet_timeout:\t\t${a.subnetTimeout}`,
    `\t\t\tinit_type_reply:\t${a.initTypeReply}`,
    `\t\t\tactive_width:\t\t${named(WIDTHS, a.activeWidth, 'invalid width')}X (${a.activeWidth})`,
    `\t\t\tactive_speed:\t\t${named(SPEEDS, speed, 'invalid speed')} (${speed})`,
    `\t\t\tphys_state:\t\t${named(PHYSICAL_STATES, a.physState, 'invalid physical state')} (${a.physState})`,
  ];
}

function gidLines(ctx: Context, port: number, length: number): string[] {
  const lines: string[] = [];
  for (let i = 0; i < length; i++) {
    const gid = ctx.queryGid(port, i);
    if (gid.subarray(8).every((byte) => byte === 0)) continue;
    const text = Array.from(gid, (byte) => sprintf('%02x', byte))
      .join('')
      .replace(/(.{4})(?=.)/g, '$1:');
    lines.push(sprintf('\t\t\tGID[%3d]:\t\t%s', i, text));
  }
  return lines;
}

/** The devices that `-d` selects, opened; an issue for a name that does not exist. */
function selectDevices(context: ProgramContext, name: string | null): Context[] {
  if (name !== null && !context.devices.includes(name))
    throwIssues([{ file: 'ibv_devinfo', path: '-d', message: `found ${name}, accepted ${context.devices.join(', ')}` }]);
  return context.devices.filter((device) => name === null || device === name).map((device) => context.open(device));
}

export default program(
  (context) => {
    const found = readOptions('ibv_devinfo', OPTIONS, context.args);
    const port = wholeOption(found, 'ibv_devinfo', 'ib-port', 0, 1, 255);
    throwIssues(found.issues);
    const print = (lines: readonly string[]) => {
      for (const line of lines) context.log(line);
    };
    if (hasOption(found, 'help')) return print(helpText('ibv_devinfo', OPTIONS));
    if (hasOption(found, 'list')) {
      print([
        `${context.devices.length} HCA${context.devices.length === 1 ? '' : 's'} found:`,
        ...context.devices.map((name) => `\t${name}`),
        '',
      ]);
      return { devices: context.devices };
    }
    const devices = selectDevices(context, textOption(found, 'ib-dev'));
    for (const ctx of devices) print(deviceLines(ctx, hasOption(found, 'verbose'), port));
    return {
      devices: devices.map((ctx) => ({ name: ctx.deviceName, device: plain(ctx.queryDevice()), ports: portAttributes(ctx) })),
    };
  },
  { name: 'ibv_devinfo', summary: "print a node's devices and ports (rdma-core)", roles: 'peers' },
);

function portAttributes(ctx: Context): unknown[] {
  return Array.from({ length: ctx.queryDevice().physPortCnt }, (_, i) => plain(ctx.queryPort(i + 1)));
}

/** The same object with GUIDs as text, so that JSON can hold it. */
function plain(attributes: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [key, typeof value === 'bigint' ? formatGuid(value) : value]),
  );
}
