import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as verbs from '../../src/verbs/index.ts';

const DOC = readFileSync(new URL('../../docs/verbs.md', import.meta.url), 'utf8');

interface Row {
  readonly name: string;
  readonly here: string;
}

const rows: Row[] = [...DOC.matchAll(/^\| `([a-z_0-9]+)` \| (.+?) \| .* \|$/gm)].map(([, name, here]) => ({ name, here }));
const ofVerbs = rows.filter((row) => row.name.startsWith('ibv_'));
const ofRdma = rows.filter((row) => !row.name.startsWith('ibv_'));
const calls = { ...verbs.ibv, ...verbs.rdma } as Record<string, (...args: unknown[]) => unknown>;

/** Exported symbols of rdma-core's libibverbs.map.in and librdmacm.map, and the inline functions of verbs.h and rdma_verbs.h: what there is to list. */
const LIBIBVERBS =
  `ack_async_event ack_cq_events advise_mr alloc_buf alloc_dm alloc_dmah alloc_mw alloc_null_mr alloc_parent_domain alloc_pd alloc_td
attach_counters_point_flow attach_mcast bind_mw close_device close_xrcd cq_ex_to_cq create_ah create_ah_from_wc create_comp_channel create_comp_cntr create_counters
create_cq create_cq_ex create_flow create_flow_action_esp create_qp create_qp_ex create_rwq_ind_table create_srq create_srq_ex create_wq dealloc_dmah dealloc_mw
dealloc_pd dealloc_td dereg_mr destroy_ah destroy_comp_channel destroy_comp_cntr destroy_counters destroy_cq destroy_flow destroy_flow_action destroy_qp
destroy_rwq_ind_table destroy_srq destroy_wq detach_mcast dm_export_dmabuf_fd end_poll event_type_str export_buf_dmabuf_fd flow_label_to_udp_sport fork_init
free_buf free_device_list free_dm get_async_event get_cq_event get_device_guid get_device_index get_device_list get_device_name get_pkey_index get_srq_num
import_device import_dm import_mr import_pd inc_comp_cntr inc_err_comp_cntr inc_rkey init_ah_from_wc is_fork_initialized is_qpt_supported memcpy_from_dm memcpy_to_dm
modify_cq modify_flow_action_esp modify_qp modify_qp_rate_limit modify_srq modify_wq next_poll node_type_str open_device open_qp open_xrcd poll_cq port_state_str
post_recv post_send post_srq_ops post_srq_recv post_wq_recv qp_attach_comp_cntr qp_to_qp_ex query_comp_cntr_caps query_device query_device_ex query_ece query_gid
query_gid_ex query_gid_table query_pkey query_port query_port_speed query_qp query_qp_data_in_order query_rt_values_ex query_srq rate_to_mbps rate_to_mult
read_comp_cntr read_counters read_err_comp_cntr reg_buf_mr reg_dm_mr reg_dmabuf_mr reg_mr reg_mr_ex reg_mr_iova reg_mr_iova2 req_notify_cq rereg_mr resize_cq
resolve_eth_l2_from_gid set_comp_cntr set_ece set_err_comp_cntr start_poll static_providers unimport_dm unimport_mr unimport_pd wc_read_byte_len
wc_read_completion_ts wc_read_completion_wallclock_ns wc_read_cvlan wc_read_dlid_path_bits wc_read_flow_tag wc_read_imm_data wc_read_invalidated_rkey wc_read_opcode
wc_read_qp_num wc_read_sl wc_read_slid wc_read_src_qp wc_read_tm_info wc_read_vendor_err wc_read_wc_flags wc_status_str wr_abort wr_atomic_cmp_swp
wr_atomic_fetch_add wr_atomic_write wr_bind_mw wr_complete wr_flush wr_local_inv wr_opcode_str wr_rdma_read wr_rdma_write wr_rdma_write_imm wr_send wr_send_imm
wr_send_inv wr_send_tso wr_set_inline_data wr_set_inline_data_list wr_set_sge wr_set_sge_list wr_set_ud_addr wr_set_xrc_srqn wr_start`.split(
    /\s+/,
  );
const LIBRDMACM =
  `create_event_channel destroy_event_channel create_id destroy_id bind_addr resolve_addr resolve_route create_qp destroy_qp connect listen accept reject
notify disconnect get_cm_event ack_cm_event get_src_port get_dst_port join_multicast leave_multicast get_devices free_devices event_str set_option migrate_id
getaddrinfo freeaddrinfo get_request create_ep destroy_ep create_srq destroy_srq create_srq_ex create_qp_ex join_multicast_ex establish init_qp_attr get_remote_ece
reject_ece set_local_ece query_addrinfo resolve_addrinfo write_cm_event get_local_addr get_peer_addr reg_msgs reg_read reg_write dereg_mr post_recvv post_sendv
post_readv post_writev post_recv post_send post_read post_write post_ud_send get_send_comp get_recv_comp`.split(/\s+/);

/** True if `Class.member`, or an exported function, is there. */
function exists(path: string): boolean {
  const [owner, member] = path.split('.');
  const found = (verbs as Record<string, unknown>)[owner];
  if (member === undefined) return typeof found === 'function';
  if (owner === 'ProgramContext') return ['devices', 'open'].includes(member);
  if (owner === 'ibv' || owner === 'rdma') return typeof (found as Record<string, unknown>)[member] === 'function';
  if (typeof found !== 'function') return false;
  if (member in (found as { prototype: object }).prototype) return true;
  // Fields exist only in objects: these are the two that the table names.
  return owner === 'Context' && ['deviceName', 'deviceGuid'].includes(member);
}

describe('table of entry points in docs/verbs.md', () => {
  it('names every function of libibverbs and librdmacm once', () => {
    const names = ofVerbs.map((row) => row.name.replace(/^ibv_/, ''));
    for (const name of ['mult_to_rate', 'mbps_to_rate']) expect(names).toContain(name);
    expect(names.filter((name) => !['mult_to_rate', 'mbps_to_rate'].includes(name)).sort()).toEqual([...LIBIBVERBS].sort());
    const cm = ofRdma.filter((row) => row.name.startsWith('rdma_')).map((row) => row.name.replace(/^rdma_/, ''));
    expect(cm.sort()).toEqual([...LIBRDMACM].sort());
  });

  it.each(rows.filter((row) => row.here !== 'ENOSYS'))('$name is here', ({ here }) => {
    for (const [, path] of here.matchAll(/`([\w.]+)`/g)) expect([path, exists(path)]).toEqual([path, true]);
  });

  it('throws ENOSYS with a reason for each that is not', () => {
    const missing = rows.filter((row) => row.here === 'ENOSYS');
    expect(missing.length).toBe(verbs.UNSUPPORTED_VERBS.size + verbs.UNSUPPORTED_RDMA.size);
    for (const { name } of missing) {
      const table = name.startsWith('ibv_') ? verbs.ibv : verbs.rdma;
      const call = (table as unknown as Record<string, () => void>)[name.replace(/^(ibv|rdma)_/, '')];
      expect(call, name).toThrow(expect.objectContaining({ name: 'VerbsError', verb: name, code: 'ENOSYS', errno: 38 }));
      expect(DOC).toContain(
        (name.startsWith('ibv_') ? verbs.UNSUPPORTED_VERBS : verbs.UNSUPPORTED_RDMA).get(
          name.replace(/^(ibv|rdma)_/, ''),
        ) as string,
      );
    }
  });

  it('gives every supported call under its C name', () => {
    const elsewhere = [
      'get_device_list',
      'free_device_list',
      'get_device_index',
      'open_device',
      'post_recvv',
      'post_sendv',
      'post_readv',
      'post_writev',
    ];
    for (const { name, here } of rows) {
      const short = name.replace(/^(ibv|rdma)_/, '');
      if (here !== 'ENOSYS' && !elsewhere.includes(short)) expect([name, typeof calls[short]]).toEqual([name, 'function']);
    }
  });
});
