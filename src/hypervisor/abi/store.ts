/** Pages that a domain shares with daemons: xenstore's ring and message header, the console ring, vchan (io/xs_wire.h, console.h, libxenvchan.h). All checked against the headers by test/interop/xen-abi.test.ts. */
import { layout } from './layout.ts';

export const XSD_SOCKMSG = layout('struct xsd_sockmsg', 16, { type: [0, 4], req_id: [4, 4], tx_id: [8, 4], len: [12, 4] });
export const XENSTORE_DOMAIN_INTERFACE = layout('struct xenstore_domain_interface', 2076, {
  req: [0, 1024],
  rsp: [1024, 1024],
  req_cons: [2048, 4],
  req_prod: [2052, 4],
  rsp_cons: [2056, 4],
  rsp_prod: [2060, 4],
  server_features: [2064, 4],
  connection: [2068, 4],
  error: [2072, 4],
});
export const XENCONS_INTERFACE = layout('struct xencons_interface', 3088, {
  in: [0, 1024],
  out: [1024, 2048],
  in_cons: [3072, 4],
  in_prod: [3076, 4],
  out_cons: [3080, 4],
  out_prod: [3084, 4],
});
export const VCHAN_INTERFACE = layout('struct vchan_interface', 24, {
  left: [0, 8],
  right: [8, 8],
  left_order: [16, 2],
  right_order: [18, 2],
  cli_live: [20, 1],
  srv_live: [21, 1],
  cli_notify: [22, 1],
  srv_notify: [23, 1],
});
