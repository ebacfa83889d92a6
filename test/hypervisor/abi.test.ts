/** The ABI tables in themselves: every field lies within its structure, aligned as C aligns it. (That they are Xen's, a C compiler says in test/interop.) */
import { expect, it } from 'vitest';
import * as abi from '../../src/hypervisor/abi/index.ts';
import {
  type AbiStruct,
  layout,
  NETIF_TX_REQUEST,
  XEN_SYSCTL,
  XENSTORE_DOMAIN_INTERFACE,
} from '../../src/hypervisor/abi/index.ts';

const structs = Object.values(abi).filter((value): value is AbiStruct => typeof value === 'object' && 'c' in value);

it.each(structs.map((struct) => [struct.c, struct] as const))('%s', (_name, { size, fields, at }) => {
  for (const [name, [offset, bytes]] of Object.entries(fields)) {
    expect(offset + bytes, name).toBeLessThanOrEqual(size);
    if ([2, 4, 8].includes(bytes) && !/addr$|blk|mcast/.test(name)) expect(offset % Math.min(bytes, 4), name).toBe(0);
    expect(at[name]).toBe(offset);
  }
});

it('rows give offsets by name', () => {
  expect(layout('struct x', 8, { a: [0, 4], b: [4, 4] }).at).toEqual({ a: 0, b: 4 });
  expect([NETIF_TX_REQUEST.size, XEN_SYSCTL.at.u, XENSTORE_DOMAIN_INTERFACE.at.rsp_prod]).toEqual([12, 8, 2060]);
});
