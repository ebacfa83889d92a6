/** Grant tables: entries and the arguments of `GNTTABOP_*` (grant_table.h). All checked against the headers by test/interop/xen-abi.test.ts. */
import { layout } from './layout.ts';

// GTF: type and flags of an entry.
export const GTF_invalid = 0;
export const GTF_permit_access = 1;
export const GTF_accept_transfer = 2;
export const GTF_transitive = 3;
export const GTF_type_mask = 3;
export const GTF_readonly = 4;
export const GTF_reading = 8;
export const GTF_writing = 16;
export const GTF_sub_page = 256;
export const GTF_transfer_committed = 4;
export const GTF_transfer_completed = 8;

// Operations.
export const GNTTABOP_map_grant_ref = 0;
export const GNTTABOP_unmap_grant_ref = 1;
export const GNTTABOP_setup_table = 2;
export const GNTTABOP_dump_table = 3;
export const GNTTABOP_transfer = 4;
export const GNTTABOP_copy = 5;
export const GNTTABOP_query_size = 6;
export const GNTTABOP_unmap_and_replace = 7;
export const GNTTABOP_set_version = 8;
export const GNTTABOP_get_status_frames = 9;
export const GNTTABOP_get_version = 10;
export const GNTTABOP_swap_grant_ref = 11;
export const GNTTABOP_cache_flush = 12;

// Flags of maps and copies.
export const GNTMAP_device_map = 1;
export const GNTMAP_host_map = 2;
export const GNTMAP_readonly = 4;
export const GNTMAP_application_map = 8;
export const GNTMAP_contains_pte = 16;
export const GNTCOPY_source_gref = 1;
export const GNTCOPY_dest_gref = 2;

// Statuses.
export const GNTST_okay = 0;
export const GNTST_general_error = -1;
export const GNTST_bad_domain = -2;
export const GNTST_bad_gntref = -3;
export const GNTST_bad_handle = -4;
export const GNTST_bad_virt_addr = -5;
export const GNTST_bad_dev_addr = -6;
export const GNTST_no_device_space = -7;
export const GNTST_permission_denied = -8;
export const GNTST_bad_page = -9;
export const GNTST_bad_copy_arg = -10;
export const GNTST_address_too_big = -11;
export const GNTST_eagain = -12;
export const GNTST_no_space = -13;

// References that the toolstack fills in.
export const GNTTAB_NR_RESERVED_ENTRIES = 8;
export const GNTTAB_RESERVED_CONSOLE = 0;
export const GNTTAB_RESERVED_XENSTORE = 1;

export const GNTTAB_QUERY_SIZE = layout('struct gnttab_query_size', 16, {
  dom: [0, 2],
  nr_frames: [4, 4],
  max_nr_frames: [8, 4],
  status: [12, 2],
});
export const GNTTAB_UNMAP_AND_REPLACE = layout('struct gnttab_unmap_and_replace', 24, {
  host_addr: [0, 8],
  new_addr: [8, 8],
  handle: [16, 4],
  status: [20, 2],
});
export const GNTTAB_SET_VERSION = layout('struct gnttab_set_version', 4, { version: [0, 4] });
export const GNTTAB_GET_VERSION = layout('struct gnttab_get_version', 8, { dom: [0, 2], version: [4, 4] });
export const GNTTAB_GET_STATUS_FRAMES = layout('struct gnttab_get_status_frames', 16, {
  nr_frames: [0, 4],
  dom: [4, 2],
  status: [6, 2],
  frame_list: [8, 8],
});
export const GNTTAB_SWAP_GRANT_REF = layout('struct gnttab_swap_grant_ref', 12, { ref_a: [0, 4], ref_b: [4, 4], status: [8, 2] });
export const GNTTAB_DUMP_TABLE = layout('struct gnttab_dump_table', 4, { dom: [0, 2], status: [2, 2] });
export const GRANT_ENTRY_V1 = layout('struct grant_entry_v1', 8, { flags: [0, 2], domid: [2, 2], frame: [4, 4] });
export const GRANT_ENTRY_V2 = layout('union grant_entry_v2', 16, {
  'hdr.flags': [0, 2],
  'hdr.domid': [2, 2],
  'full_page.frame': [8, 8],
  'sub_page.page_off': [4, 2],
  'sub_page.length': [6, 2],
  'sub_page.frame': [8, 8],
  'transitive.trans_domid': [4, 2],
  'transitive.gref': [8, 4],
});
export const GNTTAB_MAP_GRANT_REF = layout('struct gnttab_map_grant_ref', 32, {
  host_addr: [0, 8],
  flags: [8, 4],
  ref: [12, 4],
  dom: [16, 2],
  status: [18, 2],
  handle: [20, 4],
  dev_bus_addr: [24, 8],
});
export const GNTTAB_UNMAP_GRANT_REF = layout('struct gnttab_unmap_grant_ref', 24, {
  host_addr: [0, 8],
  dev_bus_addr: [8, 8],
  handle: [16, 4],
  status: [20, 2],
});
export const GNTTAB_TRANSFER = layout('struct gnttab_transfer', 24, {
  mfn: [0, 8],
  domid: [8, 2],
  ref: [12, 4],
  status: [16, 2],
});
export const GNTTAB_COPY = layout('struct gnttab_copy', 40, {
  'source.u.ref': [0, 4],
  'source.domid': [8, 2],
  'source.offset': [10, 2],
  'dest.u.ref': [16, 4],
  'dest.domid': [24, 2],
  'dest.offset': [26, 2],
  len: [32, 2],
  flags: [34, 2],
  status: [36, 2],
});
export const GNTTAB_SETUP_TABLE = layout('struct gnttab_setup_table', 24, {
  dom: [0, 2],
  nr_frames: [4, 4],
  status: [8, 2],
  frame_list: [16, 8],
});
