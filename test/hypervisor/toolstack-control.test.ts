/** Hypercalls of tools over bytes: what a small client reads out of its own memory afterwards. The tools themselves are in test/interop/xl.test.ts. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type ClientMemory, controlHypercall } from '../../src/hypervisor/index.ts';
import { FixedHost, fixedDomain, fixedVcpu } from '../kit/fixed-host.ts';

/** A client with 64 KiB at address 0x1000; an access outside of them ends it, as a fault would. */
class Client implements ClientMemory {
  readonly bytes = Buffer.alloc(1 << 16);
  #at(address: bigint, length: number): number {
    const at = Number(address) - 0x1000;
    if (at < 0 || at + length > this.bytes.length) throw new RangeError('fault');
    return at;
  }
  async read(address: bigint, length: number) {
    const at = this.#at(address, length);
    return new Uint8Array(this.bytes.subarray(at, at + length));
  }
  async write(address: bigint, bytes: Uint8Array) {
    this.bytes.set(bytes, this.#at(address, bytes.length));
  }
}

const [SYSCTL, DOMCTL, XEN_VERSION, SCHED_OP, MULTICALL, MEMORY_OP] = [35, 36, 17, 29, 13, 12];
let host: FixedHost;
let client: Client;

beforeEach(() => {
  host = new FixedHost([
    fixedDomain(0, 'Domain-0', { vcpus: [fixedVcpu(0, { isBlocked: false, isRunning: true, runPs: 5e12 })] }),
    fixedDomain(3, 'a', {
      isPaused: true,
      weight: 512,
      cap: 50,
      pages: 100,
      maxPages: 200,
      vcpus: [fixedVcpu(0, { hard: [1] }), fixedVcpu(1, { isOnline: false })],
    }),
    fixedDomain(7, 'b', { shutdownReason: 3 }),
  ]);
  client = new Client();
});

/** Writes a domctl at 0x1000 and makes the call. */
function domctl(cmd: number, domid: number, fill: (union: Buffer) => void = () => {}, version = 0x15): Promise<number> {
  client.bytes.fill(0, 0, 144);
  client.bytes.writeUInt32LE(cmd, 0);
  client.bytes.writeUInt32LE(version, 4);
  client.bytes.writeUInt16LE(domid, 8);
  fill(client.bytes.subarray(16, 144));
  return controlHypercall(host, DOMCTL, [0x1000n], client);
}
function sysctl(cmd: number, fill: (union: Buffer) => void = () => {}): Promise<number> {
  client.bytes.fill(0xee, 0, 136);
  client.bytes.writeUInt32LE(cmd, 0);
  client.bytes.writeUInt32LE(0x15, 4);
  fill(client.bytes.subarray(8, 136));
  return controlHypercall(host, SYSCTL, [0x1000n], client);
}

describe('domctl', () => {
  it('getdomaininfo finds the next domain at or above a number', async () => {
    expect(await domctl(5, 1)).toBe(0);
    const info = client.bytes.subarray(16);
    expect(client.bytes.readUInt16LE(8)).toBe(3);
    expect(info.readUInt16LE(0)).toBe(3);
    expect(info.readUInt32LE(4)).toBe(8 | 16);
    expect([info.readBigUInt64LE(8), info.readBigUInt64LE(16)]).toEqual([100n, 200n]);
    expect([info.readUInt32LE(64), info.readUInt32LE(68)]).toEqual([1, 1]);
    expect(info[91]).toBe(3);
    expect(await domctl(5, 8)).toBe(-3);
    await domctl(5, 0);
    expect(client.bytes.readUInt32LE(20) & 32).toBe(32);
    expect(client.bytes.readBigUInt64LE(16 + 56)).toBe(5_000_000_000n);
    await domctl(5, 7);
    expect(client.bytes.readUInt32LE(20)).toBe(4 | 16 | (3 << 16));
  });

  it('another version of the interface is refused, and a domain that there is none of', async () => {
    expect(await domctl(5, 0, undefined, 0x14)).toBe(-13);
    expect(await domctl(3, 9)).toBe(-3);
  });

  it('pause, unpause, destroy; not of Domain-0', async () => {
    expect(await domctl(4, 3)).toBe(0);
    expect(host.list[1]!.isPaused).toBe(false);
    expect(await domctl(3, 3)).toBe(0);
    expect(host.list[1]!.isPaused).toBe(true);
    expect(await domctl(2, 3)).toBe(0);
    expect(host.list[1]!.isDying).toBe(true);
    expect([await domctl(3, 0), await domctl(2, 0)]).toEqual([-22, -22]);
  });

  it('a vCPU: what it does, and where it may', async () => {
    expect(await domctl(14, 3, (union) => union.writeUInt32LE(1, 0))).toBe(0);
    expect([...client.bytes.subarray(20, 23)]).toEqual([0, 1, 0]);
    expect(await domctl(14, 3, (union) => union.writeUInt32LE(2, 0))).toBe(-3);
    const masks = (union: Buffer) => {
      union.writeUInt32LE(3, 4);
      for (const [at, address] of [
        [8, 0x3000n],
        [24, 0x3100n],
      ] as const) {
        union.writeBigUInt64LE(address, at);
        union.writeUInt32LE(12, at + 8);
      }
    };
    expect(await domctl(25, 3, masks)).toBe(0);
    expect([client.bytes.readUInt16LE(0x2000), client.bytes.readUInt16LE(0x2100)]).toEqual([2, 3]);
    client.bytes.writeUInt16LE(0b1101, 0x2000);
    client.bytes.writeUInt16LE(0b11, 0x2100);
    expect(await domctl(9, 3, masks)).toBe(0);
    expect(host.list[1]!.vcpus[0]).toMatchObject({ hard: [0], soft: [0, 1] });
    // What took effect comes back: no CPU that the machine lacks, soft within hard.
    expect([client.bytes.readUInt16LE(0x2000), client.bytes.readUInt16LE(0x2100)]).toEqual([1, 1]);
    client.bytes.writeUInt16LE(0b1000, 0x2000);
    expect(await domctl(9, 3, masks)).toBe(-22);
    expect(await domctl(9, 3)).toBe(-22);
  });

  it('shares: read, set, and left as they are by 0 and all ones', async () => {
    const put = (weight: number, cap: number) =>
      domctl(16, 3, (union) => {
        union.writeUInt32LE(0, 4);
        union.writeUInt16LE(weight, 8);
        union.writeUInt16LE(cap, 10);
      });
    expect(await put(100, 0xffff)).toBe(0);
    expect(await put(0, 20)).toBe(0);
    expect(host.list[1]).toMatchObject({ weight: 100, cap: 20 });
    expect(await domctl(16, 3, (union) => union.writeUInt32LE(1, 4))).toBe(0);
    expect([client.bytes.readUInt16LE(24), client.bytes.readUInt16LE(26)]).toEqual([100, 20]);
    host.scheduler = { ...host.scheduler, name: 'sedf' };
    expect(await put(1, 1)).toBe(-38);
  });

  it('the limit of memory, in KiB', async () => {
    expect(await domctl(11, 3, (union) => union.writeBigUInt64LE(4096n, 0))).toBe(0);
    expect(host.list[1]!.maxPages).toBe(1024);
  });
});

describe('sysctl', () => {
  it('physinfo leaves nothing of what was in the caller’s memory', async () => {
    expect(await sysctl(3)).toBe(0);
    const info = client.bytes.subarray(8);
    expect([info.readUInt32LE(8), info.readUInt32LE(24), info.readBigUInt64LE(40)]).toEqual([2, 3_000_000, 1n << 20n]);
    expect(info.readUInt32LE(28)).toBe(2 | 256 | 512);
    expect(info.subarray(80, 112).every((byte) => byte === 0)).toBe(true);
  });

  it('the list of domains, as many as there is room for', async () => {
    const ask = (first: number, room: number) =>
      sysctl(6, (union) => {
        union.writeUInt16LE(first, 0);
        union.writeUInt32LE(room, 4);
        union.writeBigUInt64LE(0x3000n, 8);
      });
    expect(await ask(0, 10)).toBe(0);
    expect(client.bytes.readUInt32LE(8 + 16)).toBe(3);
    expect([0, 1, 2].map((index) => client.bytes.readUInt16LE(0x2000 + 112 * index))).toEqual([0, 3, 7]);
    await ask(1, 1);
    expect([client.bytes.readUInt32LE(24), client.bytes.readUInt16LE(0x2000)]).toEqual([1, 3]);
  });

  it('scheduler, its parameters, and the one CPU pool', async () => {
    expect([await sysctl(4), client.bytes.readUInt32LE(8)]).toEqual([0, 5]);
    const at = (union: Buffer, cmd: number) => union.writeUInt32LE(cmd, 8);
    expect(await sysctl(19, (union) => at(union, 1))).toBe(0);
    expect([0, 4, 8].map((field) => client.bytes.readUInt32LE(24 + field))).toEqual([30, 1000, 0]);
    expect(
      await sysctl(19, (union) => {
        at(union, 0);
        [5, 500, 10].forEach((value, index) => void union.writeUInt32LE(value, 16 + 4 * index));
      }),
    ).toBe(0);
    expect(host.scheduler).toMatchObject({ tsliceMs: 5, ratelimitUs: 500, migrationDelayUs: 10 });
    const pool = (op: number, id: number) =>
      sysctl(18, (union) => {
        union.fill(0);
        union.writeUInt32LE(op, 0);
        union.writeUInt32LE(id, 4);
        union.writeBigUInt64LE(0x3000n, 24);
        union.writeUInt32LE(8, 32);
      });
    expect([await pool(3, 0), client.bytes[0x2000], client.bytes.readUInt32LE(8 + 20)]).toEqual([0, 3, 3]);
    expect(await pool(3, 1)).toBe(-2);
    expect([await pool(7, 0), client.bytes[0x2000]]).toEqual([0, 0]);
    expect(await pool(1, 0)).toBe(-38);
  });

  it('topology: asked how many, then for all', async () => {
    const ask = (address: bigint) =>
      sysctl(16, (union) => {
        union.writeUInt32LE(8, 0);
        union.writeBigUInt64LE(address, 8);
      });
    expect([await ask(0n), client.bytes.readUInt32LE(8)]).toEqual([0, 2]);
    await ask(0x3000n);
    expect([0, 4, 8, 12, 16, 20].map((at) => client.bytes.readUInt32LE(0x2000 + at))).toEqual([0, 0, 0, 1, 0, 0]);
  });
});

describe('the rest of the door', () => {
  it('version, texts, page size', async () => {
    expect(await controlHypercall(host, XEN_VERSION, [0n, 0n], client)).toBe((4 << 16) | 17);
    expect(await controlHypercall(host, XEN_VERSION, [7n, 0n], client)).toBe(4096);
    expect(await controlHypercall(host, XEN_VERSION, [1n, 0x1000n], client)).toBe(0);
    expect(client.bytes.toString('latin1', 0, 9)).toBe('.0-heddle');
    expect(await controlHypercall(host, XEN_VERSION, [88n, 0n], client)).toBe(-38);
  });

  it('remote shutdown', async () => {
    client.bytes.writeUInt16LE(3, 0);
    client.bytes.writeUInt32LE(1, 4);
    expect(await controlHypercall(host, SCHED_OP, [4n, 0x1000n], client)).toBe(0);
    expect(host.list[1]!.shutdownReason).toBe(1);
    expect(await controlHypercall(host, SCHED_OP, [2n, 0x1000n], client)).toBe(-1);
  });

  it('calls within a multicall leave their results in it; none within another', async () => {
    client.bytes.writeBigUInt64LE(BigInt(MEMORY_OP), 0);
    client.bytes.writeBigUInt64LE(2n, 16);
    client.bytes.writeBigUInt64LE(BigInt(MULTICALL), 64);
    expect(await controlHypercall(host, MULTICALL, [0x1000n, 2n], client)).toBe(0);
    expect(client.bytes.readBigInt64LE(8)).toBe(BigInt(host.totalPages - 1));
    expect(client.bytes.readBigInt64LE(64 + 8)).toBe(-38n);
  });

  it('whatever a tool sends is answered with a number, or ends the tool alone', async () => {
    const bytes = fc.uint8Array({ minLength: 200, maxLength: 200 });
    const call = fc.record({
      number: fc.constantFrom(12, 13, 17, 29, 35, 36, 99),
      cmd: fc.nat(90),
      bytes,
      args: fc.array(fc.bigInt(0n, 0x12000n), { minLength: 5, maxLength: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(call, async ({ number, cmd, bytes: garbage, args }) => {
        client.bytes.set(garbage);
        client.bytes.writeUInt32LE(cmd, 0);
        client.bytes.writeUInt32LE(0x15, 4);
        client.bytes.writeUInt16LE(garbage[8]! % 9, 8);
        const first = number === 35 || number === 36 ? 0x1000n : args[0]!;
        try {
          expect(Number.isInteger(await controlHypercall(host, number, [first, ...args.slice(1)], client))).toBe(true);
        } catch (error) {
          expect((error as Error).message).toBe('fault');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
