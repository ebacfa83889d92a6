/**
 * A simulated Xen host's door for real programs: a unix socket over which unmodified `xl` and `xentop` make their hypercalls (a preloaded library,
 * test/interop/xen/hypercall-shim.c, stands in for the kernel's /dev/xen/privcmd).
 *
 *   program → here   u32 number, u32 0, u64 arguments[5]
 *   here → program   'R' u64 address u32 length          the program answers with the bytes of its memory
 *                    'W' u64 address u32 length bytes    it writes them
 *                    'D' i64 result u32 0                the call is done
 *
 * All little-endian. Calls are served between events of the simulation: whoever runs the loop must let Node's own run now and then.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { type ClientMemory, controlHypercall, type HostView } from '../hypervisor/index.ts';

const CALL_BYTES = 48;
const ARGUMENTS = 5;
/** No structure of a control call is longer. */
const MAX_READ = 1 << 20;

/** One connection's bytes: a reader asks for so many and waits. */
class Incoming {
  #bytes: Buffer = Buffer.alloc(0);
  #waiting: { length: number; resolve: (bytes: Buffer) => void; reject: (error: Error) => void } | null = null;
  #isClosed = false;

  take(length: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { length, resolve, reject };
      this.#settle();
    });
  }

  push(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    this.#settle();
  }

  close(): void {
    this.#isClosed = true;
    this.#settle();
  }

  #settle(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    if (this.#bytes.length >= waiting.length) {
      const taken = this.#bytes.subarray(0, waiting.length);
      this.#bytes = this.#bytes.subarray(waiting.length);
      this.#waiting = null;
      waiting.resolve(taken);
    } else if (this.#isClosed) {
      this.#waiting = null;
      waiting.reject(new Error('the program is gone'));
    }
  }
}

function message(kind: string, value: bigint, length: number): Buffer {
  const head = Buffer.alloc(13);
  head.write(kind, 0, 'latin1');
  head.writeBigUInt64LE(BigInt.asUintN(64, value), 1);
  head.writeUInt32LE(length, 9);
  return head;
}

function memoryOf(socket: Socket, incoming: Incoming): ClientMemory {
  return {
    read(address, length) {
      if (length > MAX_READ) return Promise.reject(new RangeError(`a read of ${length} bytes`));
      socket.write(message('R', address, length));
      return incoming.take(length);
    },
    write(address, bytes) {
      socket.write(Buffer.concat([message('W', address, bytes.length), bytes]));
      return Promise.resolve();
    },
  };
}

async function serve(socket: Socket, host: HostView, onCall: (number: number) => void): Promise<void> {
  const incoming = new Incoming();
  socket.on('data', (bytes: Buffer) => incoming.push(bytes));
  socket.on('close', () => incoming.close());
  socket.on('error', () => incoming.close());
  const memory = memoryOf(socket, incoming);
  for (;;) {
    const call = await incoming.take(CALL_BYTES);
    const number = call.readUInt32LE(0);
    const args = Array.from({ length: ARGUMENTS }, (_, index) => call.readBigUInt64LE(8 + 8 * index));
    onCall(number);
    socket.write(message('D', BigInt(await controlHypercall(host, number, args, memory)), 0));
  }
}

export interface HypercallSocket {
  /** Calls answered so far, by number. */
  readonly calls: ReadonlyMap<number, number>;
  close(): Promise<void>;
}

/** Serves `host` on a unix socket at `path`, which must not exist. Rejects if it cannot be made. */
export function openHypercallSocket(path: string, host: HostView): Promise<HypercallSocket> {
  const calls = new Map<number, number>();
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    const onCall = (number: number) => calls.set(number, (calls.get(number) ?? 0) + 1);
    // Ends when the program does, or breaks the protocol.
    serve(socket, host, onCall).catch(() => socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () =>
      resolve({
        calls,
        close: () =>
          new Promise((done) => {
            for (const socket of sockets) socket.destroy();
            server.close(() => done());
          }),
      }),
    );
  });
}
