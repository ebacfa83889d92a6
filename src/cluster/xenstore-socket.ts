/**
 * A unix socket on which real tools (xenstore-ls, xl) find a simulated host's xenstore, as they find xenstored's.
 *
 * What arrives is passed on between two steps of the simulation: the caller says when.
 */
import { lstatSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { StreamEnd, StreamSink } from '../hypervisor/index.ts';
import { ConfigError } from '../sim/index.ts';

/** A unix socket's path has at most this many bytes (`sun_path` less its NUL). */
const PATH_LIMIT = 107;

export interface XenstoreSocketOptions {
  /** Where tools look: `XENSTORED_PATH`. */
  readonly path: string;
  /** What named the path, for errors: a file, or an option of the command line. */
  readonly source?: string;
  /** A new client: `XenstoreDaemon.connectStream`, or `openStream` of a store. */
  readonly connect: (sink: StreamSink) => StreamEnd;
  /** Runs `work` when the simulation stands between two steps; default at once. */
  readonly between?: (work: () => void) => void;
}

export class XenstoreSocket {
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Listens. A path that is too long, in use, or not writable is a `ConfigError`; a socket that nobody listens on any more is replaced. */
  static async listen(options: XenstoreSocketOptions): Promise<XenstoreSocket> {
    const { path, connect } = options;
    const between = options.between ?? ((work: () => void) => work());
    const refuse = (message: string) => new ConfigError([{ file: options.source ?? '--xenstore-socket', path: '', message }]);
    const length = Buffer.byteLength(path);
    if (length > PATH_LIMIT)
      throw refuse(`the path of a unix socket has at most ${PATH_LIMIT} bytes, this one has ${length}: ${path}`);
    if (await isListening(path)) throw refuse(`something listens on ${path} already`);
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      serve(socket, connect, between);
      socket.on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(refuse(`cannot listen on ${path}: ${error.message}`)));
      server.listen(path, resolve);
    });
    return new XenstoreSocket(server, sockets);
  }

  /** Ends all connections and removes the socket. */
  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

function serve(socket: Socket, connect: XenstoreSocketOptions['connect'], between: (work: () => void) => void): void {
  const client = connect({
    send: (bytes) => void (socket.destroyed || socket.write(bytes)),
    close: () => socket.destroy(),
  });
  socket.on('data', (bytes) => between(() => client.receive(bytes)));
  socket.on('close', () => between(() => client.end()));
  // A client that goes away in the middle of something is no error; 'close' follows.
  socket.on('error', () => undefined);
}

/** Whether anybody listens at `path`. A socket that nobody listens on any more is removed. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      // Connecting to a plain file is refused as well; that one is not ours to remove.
      if (error.code === 'ECONNREFUSED' && lstatSync(path).isSocket()) unlinkSync(path);
      resolve(false);
    });
  });
}
