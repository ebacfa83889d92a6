/** Rings of the split drivers: slots and shared ring pages of network and block devices (xen/include/public/io/netif.h, blkif.h, ring.h). All checked against the headers by test/interop/xen-abi.test.ts. */
import { layout } from './layout.ts';

export const NETIF_TX_REQUEST = layout('struct netif_tx_request', 12, {
  gref: [0, 4],
  offset: [4, 2],
  flags: [6, 2],
  id: [8, 2],
  size: [10, 2],
});
export const NETIF_TX_RESPONSE = layout('struct netif_tx_response', 4, { id: [0, 2], status: [2, 2] });
export const NETIF_RX_REQUEST = layout('struct netif_rx_request', 8, { id: [0, 2], pad: [2, 2], gref: [4, 4] });
export const NETIF_RX_RESPONSE = layout('struct netif_rx_response', 8, {
  id: [0, 2],
  offset: [2, 2],
  flags: [4, 2],
  status: [6, 2],
});
export const NETIF_EXTRA_INFO = layout('struct netif_extra_info', 8, {
  type: [0, 1],
  flags: [1, 1],
  'u.gso.size': [2, 2],
  'u.gso.type': [4, 1],
  'u.gso.pad': [5, 1],
  'u.gso.features': [6, 2],
  'u.mcast.addr': [2, 6],
  'u.hash.type': [2, 1],
  'u.hash.algorithm': [3, 1],
  'u.hash.value': [4, 4],
});
export const XEN_NETIF_CTRL_REQUEST = layout('struct xen_netif_ctrl_request', 16, { id: [0, 2], type: [2, 2], data: [4, 12] });
export const XEN_NETIF_CTRL_RESPONSE = layout('struct xen_netif_ctrl_response', 12, {
  id: [0, 2],
  type: [2, 2],
  status: [4, 4],
  data: [8, 4],
});
export const NETIF_TX_SRING = layout('struct netif_tx_sring', 76, {
  req_prod: [0, 4],
  req_event: [4, 4],
  rsp_prod: [8, 4],
  rsp_event: [12, 4],
  pvt: [16, 4],
  ring: [64, 12],
});
export const NETIF_RX_SRING = layout('struct netif_rx_sring', 72, {
  req_prod: [0, 4],
  req_event: [4, 4],
  rsp_prod: [8, 4],
  rsp_event: [12, 4],
  pvt: [16, 4],
  ring: [64, 8],
});
export const BLKIF_SRING = layout('struct blkif_sring', 176, {
  req_prod: [0, 4],
  req_event: [4, 4],
  rsp_prod: [8, 4],
  rsp_event: [12, 4],
  pvt: [16, 4],
  ring: [64, 112],
});
export const BLKIF_REQUEST_SEGMENT = layout('struct blkif_request_segment', 8, {
  gref: [0, 4],
  first_sect: [4, 1],
  last_sect: [5, 1],
});
export const BLKIF_REQUEST = layout('struct blkif_request', 112, {
  operation: [0, 1],
  nr_segments: [1, 1],
  handle: [2, 2],
  id: [8, 8],
  sector_number: [16, 8],
  seg: [24, 88],
});
export const BLKIF_REQUEST_DISCARD = layout('struct blkif_request_discard', 32, {
  operation: [0, 1],
  flag: [1, 1],
  handle: [2, 2],
  id: [8, 8],
  sector_number: [16, 8],
  nr_sectors: [24, 8],
});
export const BLKIF_REQUEST_INDIRECT = layout('struct blkif_request_indirect', 64, {
  operation: [0, 1],
  indirect_op: [1, 1],
  nr_segments: [2, 2],
  id: [8, 8],
  sector_number: [16, 8],
  handle: [24, 2],
  indirect_grefs: [28, 32],
});
export const BLKIF_RESPONSE = layout('struct blkif_response', 16, { id: [0, 8], operation: [8, 1], status: [10, 2] });
export const BLKIF_SRING_ENTRY = layout('union blkif_sring_entry', 112, {});
