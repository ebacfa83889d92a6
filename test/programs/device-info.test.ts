import { describe, expect, it } from 'vitest';
import { deviceLines, formatGuid } from '../../src/programs/devinfo.ts';
import { adapterLines, portLines } from '../../src/programs/ibstat.ts';
import { pingText } from '../../src/programs/rping.ts';
import type { Context } from '../../src/verbs/index.ts';

const device = {
  fwVer: '2.9.1200',
  nodeGuid: 0x0002c903000a1076n,
  sysImageGuid: 0x0002c903000a1079n,
  vendorId: 0x02c9,
  vendorPartId: 26428,
  hwVer: 0xb0,
  physPortCnt: 2,
  maxMrSize: 2 ** 40,
  pageSizeCap: 0xfffffe00,
  maxQp: 65464,
  maxQpWr: 16384,
  deviceCapFlags: 0x00002c81,
  maxSge: 32,
  maxSrq: 65472,
  maxSrqWr: 16383,
  maxSrqSge: 31,
  maxFmr: 0,
  atomicCap: 1,
};
const port = {
  state: 4,
  maxMtu: 5,
  activeMtu: 4,
  smLid: 1,
  lid: 12,
  lmc: 0,
  linkLayer: 1,
  maxMsgSz: 0x40000000,
  portCapFlags: 0x02510868,
  portCapFlags2: 0,
  maxVlNum: 4,
  badPkeyCntr: 0,
  qkeyViolCntr: 0,
  smSl: 0,
  pkeyTblLen: 128,
  gidTblLen: 1,
  subnetTimeout: 18,
  initTypeReply: 0,
  activeWidth: 2,
  activeSpeed: 4,
  activeSpeedEx: 0,
  physState: 5,
};

/** A device as the kernel would show a ConnectX-2. */
const fake = {
  deviceName: 'mlx4_0',
  queryDevice: () => device,
  queryPort: () => port,
  queryGid: () => Uint8Array.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 2, 0xc9, 3, 0, 0xa, 0x10, 0x77]),
} as unknown as Context;

describe('ibv_devinfo', () => {
  it('prints the lines of the real tool', () => {
    // Written out from the printf formats of rdma-core's libibverbs/examples/devinfo.c.
    expect(deviceLines(fake, false, 1)).toEqual([
      'hca_id:\tmlx4_0',
      '\ttransport:\t\t\tInfiniBand (0)',
      '\tfw_ver:\t\t\t\t2.9.1200',
      '\tnode_guid:\t\t\t0002:c903:000a:1076',
      '\tsys_image_guid:\t\t\t0002:c903:000a:1079',
      '\tvendor_id:\t\t\t0x02c9',
      '\tvendor_part_id:\t\t\t26428',
      '\thw_ver:\t\t\t\t0xB0',
      '\tphys_port_cnt:\t\t\t2',
      '\t\tport:\t1',
      '\t\t\tstate:\t\t\tPORT_ACTIVE (4)',
      '\t\t\tmax_mtu:\t\t4096 (5)',
      '\t\t\tactive_mtu:\t\t2048 (4)',
      '\t\t\tsm_lid:\t\t\t1',
      '\t\t\tport_lid:\t\t12',
      '\t\t\tport_lmc:\t\t0x00',
      '\t\t\tlink_layer:\t\tInfiniBand',
      '',
    ]);
  });

  it('prints more when asked', () => {
    const lines = deviceLines(fake, true, 0);
    for (const line of [
      '\tmax_mr_size:\t\t\t0x10000000000',
      '\tpage_size_cap:\t\t\t0xfffffe00',
      '\tdevice_cap_flags:\t\t0x00002c81',
      '\t\t\t\t\tCURR_QP_STATE_MOD',
      '\tatomic_cap:\t\t\tATOMIC_HCA (1)',
      '\tmax_srq_wr:\t\t\t16383',
      '\t\t\tmax_msg_sz:\t\t0x40000000',
      '\t\t\tport_cap_flags:\t\t0x02510868',
      '\t\t\tmax_vl_num:\t\t8 (4)',
      '\t\t\tactive_width:\t\t4X (2)',
      '\t\t\tactive_speed:\t\t10.0 Gbps (4)',
      '\t\t\tphys_state:\t\tLINK_UP (5)',
      '\t\t\tGID[  0]:\t\tfe80:0000:0000:0000:0002:c903:000a:1077',
    ])
      expect(lines).toContain(line);
    expect(lines.filter((line) => line.startsWith('\t\tport:'))).toHaveLength(2);
    expect(lines.some((line) => line.includes('undefined') && !/max_|local_ca/.test(line))).toBe(false);
  });

  it('groups the digits of a GUID', () => expect(formatGuid(0x1n)).toBe('0000:0000:0000:0001'));
});

describe('ibstat', () => {
  it('prints the lines of the real tool', () => {
    expect([...adapterLines(fake), ...portLines(fake, 1, false)].join('\n')).toBe(
      `CA 'mlx4_0'
	CA type: MT26428
	Number of ports: 2
	Firmware version: 2.9.1200
	Hardware version: b0
	Node GUID: 0x0002c903000a1076
	System image GUID: 0x0002c903000a1079
	Port 1:
		State: Active
		Physical state: LinkUp
		Rate: 40
		Base lid: 12
		LMC: 0
		SM lid: 1
		Capability mask: 0x02510868
		Port GUID: 0x0002c903000a1077
		Link layer: InfiniBand`,
    );
    expect(portLines(fake, 2, true)[1]).toBe('State: Active');
  });
});

describe('rping', () => {
  it('pings with the text of the original', () => {
    const text = (ping: number, size: number) => String.fromCharCode(...pingText(ping, size));
    expect(text(0, 64)).toBe('rdma-ping-0: ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqr\0');
    expect(text(3, 32)).toBe('rdma-ping-3: DEFGHIJKLMNOPQRSTU\0');
    expect(text(58, 26)).toBe('rdma-ping-58: ABCDEFGHIJK\0');
  });
});
