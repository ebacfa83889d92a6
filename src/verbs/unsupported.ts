/**
 * The entry points of libibverbs and librdmacm that are not here, each with the reason. `ibv` and `rdma` offer every one of them under its C name: it throws `VerbsError` ENOSYS.
 * `docs/verbs.md` lists them beside the supported ones; a test holds the two together.
 */
import { VerbsError } from './errors.ts';

const ON_DEMAND = 'on-demand paging is not modelled';
const SHARED = 'a simulated program has no other process to share objects with';
const DEVICE_MEMORY = 'adapters here have no memory of their own';
const DMABUF = 'there are no dma-buf exporters';
const DMA_HINTS = 'DMA handles (TPH steering) are not modelled';
const COUNTERS = 'completion counters are not modelled; poll the queue';
const EXTENDED_CQ = 'completions are objects: fields of WorkCompletion are read directly';
const EXTENDED_QP = 'work requests are objects: use QueuePair.postSend';
const XRC = 'the XRC transport is not modelled';
const RAW = 'raw Ethernet queue pairs and receive side scaling are not modelled: the fabric is InfiniBand';
const ECE = 'enhanced connection establishment is a vendor option that no profile has';
const THREAD_DOMAIN = 'a program has one thread, so there is no lock to leave out';
const TAG = 'tag matching is not modelled';
const AF_IB = 'addresses are IPv4 and node names; AF_IB and its address queries are not modelled';
const RSOCKET = 'sockets over RDMA (rsocket) are not modelled';

const rows = (reason: string, names: string): readonly (readonly [string, string])[] =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => [name, reason]);

/** libibverbs: C name without `ibv_` → why not. */
export const UNSUPPORTED_VERBS: ReadonlyMap<string, string> = new Map([
  ...rows(SHARED, 'import_device import_pd unimport_pd import_mr unimport_mr import_dm unimport_dm'),
  ...rows('extended attributes (paging, offloads, time stamps) are of features that are not modelled', 'query_device_ex'),
  ...rows('link speed is in PortAttr.activeSpeed and activeWidth', 'query_port_speed'),
  ...rows('there is no raw hardware clock; sim.now() is exact', 'query_rt_values_ex'),
  ...rows('programs do not fork', 'fork_init is_fork_initialized'),
  ...rows('there are no provider libraries', 'static_providers'),
  ...rows(THREAD_DOMAIN, 'alloc_parent_domain alloc_td dealloc_td'),
  ...rows(DMABUF, 'reg_dmabuf_mr dm_export_dmabuf_fd export_buf_dmabuf_fd'),
  ...rows(ON_DEMAND, 'advise_mr'),
  ...rows('regions are registered from buffers; iova is an option of ProtectionDomain.regMr', 'reg_mr_ex'),
  ...rows('a region keeps its buffer, domain and rights; register another one', 'rereg_mr'),
  ...rows('null regions serve on-demand paging, which is not modelled', 'alloc_null_mr'),
  ...rows(DEVICE_MEMORY, 'alloc_dm free_dm memcpy_to_dm memcpy_from_dm reg_dm_mr'),
  ...rows(DMA_HINTS, 'alloc_dmah dealloc_dmah'),
  ...rows('buffers of confidential virtual machines are not modelled', 'alloc_buf free_buf reg_buf_mr'),
  ...rows(
    EXTENDED_CQ,
    `create_cq_ex cq_ex_to_cq start_poll next_poll end_poll wc_read_opcode wc_read_vendor_err wc_read_byte_len wc_read_imm_data
    wc_read_invalidated_rkey wc_read_qp_num wc_read_src_qp wc_read_wc_flags wc_read_slid wc_read_sl wc_read_dlid_path_bits
    wc_read_completion_ts wc_read_completion_wallclock_ns wc_read_cvlan wc_read_flow_tag wc_read_tm_info`,
  ),
  ...rows(
    COUNTERS,
    `create_comp_cntr destroy_comp_cntr read_comp_cntr read_err_comp_cntr set_comp_cntr set_err_comp_cntr inc_comp_cntr inc_err_comp_cntr
    qp_attach_comp_cntr query_comp_cntr_caps`,
  ),
  ...rows(XRC, 'create_srq_ex open_xrcd close_xrcd open_qp wr_set_xrc_srqn'),
  ...rows(TAG, 'post_srq_ops'),
  ...rows('extended creation attributes (XRC, RSS, send operations) are of features that are not modelled', 'create_qp_ex'),
  ...rows('rate limits of raw packet queue pairs; static rates are in address handles', 'modify_qp_rate_limit'),
  ...rows('payload is visible per packet, in order; there is no capability to query', 'query_qp_data_in_order'),
  ...rows(ECE, 'set_ece query_ece'),
  ...rows(
    EXTENDED_QP,
    `qp_to_qp_ex wr_start wr_complete wr_abort wr_send wr_send_imm wr_send_inv wr_send_tso wr_rdma_write wr_rdma_write_imm wr_rdma_read
    wr_atomic_cmp_swp wr_atomic_fetch_add wr_atomic_write wr_flush wr_bind_mw wr_local_inv wr_set_sge wr_set_sge_list wr_set_inline_data
    wr_set_inline_data_list wr_set_ud_addr`,
  ),
  ...rows(
    RAW,
    `create_wq modify_wq destroy_wq post_wq_recv create_rwq_ind_table destroy_rwq_ind_table create_flow destroy_flow create_flow_action_esp
    modify_flow_action_esp destroy_flow_action create_counters destroy_counters read_counters attach_counters_point_flow
    resolve_eth_l2_from_gid flow_label_to_udp_sport`,
  ),
]);

/** librdmacm: C name without `rdma_` (rsockets: the whole name) → why not. */
export const UNSUPPORTED_RDMA: ReadonlyMap<string, string> = new Map([
  ...rows(AF_IB, 'resolve_addrinfo query_addrinfo'),
  ...rows(ECE, 'reject_ece set_local_ece get_remote_ece'),
  ...rows(XRC, 'create_srq_ex'),
  ...rows('extended creation attributes are of features that are not modelled', 'create_qp_ex'),
  ...rows('only full membership is modelled: use RdmaId.joinMulticast', 'join_multicast_ex'),
  ...rows('make the SRQ with ProtectionDomain.createSrq and set RdmaId.srq', 'create_srq destroy_srq'),
  ...rows(
    RSOCKET,
    `rsocket rbind rlisten raccept rconnect rshutdown rclose rrecv rrecvfrom rrecvmsg rsend rsendto rsendmsg rread rreadv rwrite rwritev
    rpoll rselect rgetpeername rgetsockname rsetsockopt rgetsockopt rfcntl riomap riounmap riowrite repoll_create repoll_ctl repoll_wait`,
  ),
]);

/** Functions that throw, by name. */
export function unsupportedCalls(
  prefix: string,
  names: ReadonlyMap<string, string>,
): Record<string, (...args: unknown[]) => never> {
  const calls: Record<string, (...args: unknown[]) => never> = {};
  for (const [name, reason] of names)
    calls[name] = () => {
      throw new VerbsError(RSOCKETS.test(name) ? name : `${prefix}${name}`, 'ENOSYS', reason);
    };
  return calls;
}

const RSOCKETS =
  /^(r(socket|bind|listen|accept|connect|shutdown|close|recv|send|read|write|poll|select|get|set|fcntl|io)|repoll)/;
