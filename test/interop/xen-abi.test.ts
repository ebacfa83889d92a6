/** The ABI tables against the C compiler's reading of Xen's own headers: a program made from the tables prints what each size, offset and number really is. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as abi from '../../src/hypervisor/abi/index.ts';

const HEADERS = `#define __XEN_TOOLS__ 1
#define XEN_HAVE_PV_UPCALL_MASK 1
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#define xen_mb() __sync_synchronize()
#define xen_rmb() __sync_synchronize()
#define xen_wmb() __sync_synchronize()
#include <xen/xen.h>
#include <xen/errno.h>
#include <xen/version.h>
#include <xen/grant_table.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/memory.h>
#include <xen/features.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/io/netif.h>
#include <xen/io/blkif.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>
#include <xen/io/libxenvchan.h>
`;

const isStruct = (value: unknown): value is abi.AbiStruct => typeof value === 'object' && value !== null && 'c' in value;
const structs = Object.values(abi).filter(isStruct);

/** Names of macros and the values that the tables give them. Names that start in lower case or that group others are not macros. */
const numbers: readonly (readonly [string, number])[] = [
  ...Object.entries(abi).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value] as const] : [])),
  ...Object.entries(abi.HYPERCALL).map(([name, value]) => [`__HYPERVISOR_${name}`, value] as const),
  ...Object.entries(abi.ERRNO).map(([name, value]) => [`XEN_${name}`, value] as const),
];

/** What the headers say, one fact a line. */
function ask(): string[] {
  const lines = [
    ...structs.flatMap(({ c, fields }) => [
      `printf("${c} %zu\\n", sizeof(${c}));`,
      ...Object.keys(fields).map(
        (field) => `printf("${c}.${field} %zu %zu\\n", offsetof(${c}, ${field}), sizeof(((${c} *)0)->${field}));`,
      ),
    ]),
    ...numbers.map(([name]) => `printf("${name} %lld\\n", (long long)(${name}));`),
  ];
  const folder = mkdtempSync(join(tmpdir(), 'heddle-xen-abi-'));
  try {
    writeFileSync(join(folder, 'dump.c'), `${HEADERS}int main(void) {\n${lines.join('\n')}\nreturn 0;\n}\n`);
    const binary = join(folder, 'dump');
    const flags = ['-D__XEN_INTERFACE_VERSION__=0x00040e00', '-O0', '-o', binary, join(folder, 'dump.c')];
    try {
      execFileSync('gcc', flags, { stdio: ['ignore', 'pipe', 'pipe'] });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new Error('gcc is not installed: Debian packages gcc and libxen-dev, see scripts/setup-interop');
    }
    return execFileSync(binary, { encoding: 'utf8' }).trim().split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the ABI tables', () => {
  it('say what the headers say, every size, offset and number', () => {
    const ours = [
      ...structs.flatMap(({ c, size, fields }) => [
        `${c} ${size}`,
        ...Object.entries(fields).map(([field, [offset, bytes]]) => `${c}.${field} ${offset} ${bytes}`),
      ]),
      ...numbers.map(([name, value]) => `${name} ${value}`),
    ];
    expect(structs.length).toBeGreaterThanOrEqual(47);
    expect(ask()).toEqual(ours);
  });
});
