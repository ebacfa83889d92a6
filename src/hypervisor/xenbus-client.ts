/**
 * xenstore for a domain's kernel code: requests with callbacks over a transport, watches, and transactions that are repeated until they end well.
 *
 * Texts are sent as UTF-8. Requests leave in the order in which they are made, and replies come back in that order.
 */
import type { StoreClient, StoreReply } from './xenbus.ts';
import { PAYLOAD_MAX, XS } from './xenstore/abi.ts';
import type { StoreTransport } from './xenstore/transport.ts';
import { bytesToText, type StoreMessage, textToBytes } from './xenstore/wire.ts';

type Done<T> = (reply: StoreReply<T>) => void;

export class BusStoreClient implements StoreClient {
  readonly #transport: StoreTransport;
  readonly #pending = new Map<number, Done<string>>();
  readonly #watches = new Map<string, (path: string) => void>();
  #nextRequest = 1;
  #nextToken = 1;

  constructor(transport: StoreTransport) {
    this.#transport = transport;
    transport.setReceiver((message) => this.#receive(message));
  }

  read(path: string, done: Done<string>, tx = 0): void {
    this.#ask(XS.read, tx, [path, ''], done);
  }

  write(path: string, value: string, done?: Done<null>, tx = 0): void {
    this.#ask(XS.write, tx, [path, value], withoutValue(done));
  }

  mkdir(path: string, done?: Done<null>, tx = 0): void {
    this.#ask(XS.mkdir, tx, [path, ''], withoutValue(done));
  }

  rm(path: string, done?: Done<null>, tx = 0): void {
    this.#ask(XS.rm, tx, [path, ''], withoutValue(done));
  }

  directory(path: string, done: Done<readonly string[]>, tx = 0): void {
    this.#ask(XS.directory, tx, [path, ''], (reply) => {
      if (!reply.ok && reply.error === 'E2BIG') this.#directoryParts(path, '', null, done, tx);
      else done(reply.ok ? { ok: true, value: splitList(reply.value) } : reply);
    });
  }

  getPerms(path: string, done: Done<readonly string[]>, tx = 0): void {
    this.#ask(XS.getPerms, tx, [path, ''], (reply) => done(reply.ok ? { ok: true, value: splitList(reply.value) } : reply));
  }

  setPerms(path: string, perms: readonly string[], done?: Done<null>, tx = 0): void {
    this.#ask(XS.setPerms, tx, [path, ...perms, ''], withoutValue(done));
  }

  watch(path: string, fired: (path: string) => void): () => void {
    const token = String(this.#nextToken++);
    this.#watches.set(token, fired);
    this.#ask(XS.watch, 0, [path, token, ''], () => {});
    return () => {
      if (this.#watches.delete(token)) this.#ask(XS.unwatch, 0, [path, token, ''], () => {});
    };
  }

  /** `done` gets `ECANCELED` after an abort. */
  transaction(body: (tx: number, commit: () => void, abort: () => void) => void, done: Done<null> = () => {}): void {
    this.#ask(XS.transactionStart, 0, ['', ''], (started) => {
      if (!started.ok) {
        done(started);
        return;
      }
      const tx = Number.parseInt(started.value, 10);
      const end = (how: 'T' | 'F', ended: Done<string>) => this.#ask(XS.transactionEnd, tx, [how, ''], ended);
      const commit = () =>
        end('T', (reply) => {
          if (!reply.ok && reply.error === 'EAGAIN') this.transaction(body, done);
          else withoutValue(done)(reply);
        });
      body(tx, commit, () => end('F', () => done({ ok: false, error: 'ECANCELED' })));
    });
  }

  /** A list too long for one reply, part after part; from the start again when it changed in between. */
  #directoryParts(path: string, known: string, generation: string | null, done: Done<readonly string[]>, tx: number): void {
    this.#ask(XS.directoryPart, tx, [path, String(known.length), ''], (reply) => {
      if (!reply.ok) {
        done(reply);
        return;
      }
      const end = reply.value.indexOf('\0');
      const current = reply.value.slice(0, end);
      const names = reply.value.slice(end + 1);
      if (generation !== null && current !== generation) this.#directoryParts(path, '', null, done, tx);
      else if (names === '\0') done({ ok: true, value: splitList(known) });
      else if (names.endsWith('\0\0')) done({ ok: true, value: splitList(known + names.slice(0, -1)) });
      else this.#directoryParts(path, known + names, current, done, tx);
    });
  }

  /** `parts` are joined by NULs. What the protocol has no words for is refused here. */
  #ask(type: number, txId: number, parts: readonly string[], done: Done<string>): void {
    const payload = textToBytes(parts.join('\0'));
    const hasStrayNul = parts.some((part, i) => part.includes('\0') && !(type === XS.write && i === 1));
    if (payload.length > PAYLOAD_MAX || hasStrayNul) {
      done({ ok: false, error: hasStrayNul ? 'EINVAL' : 'E2BIG' });
      return;
    }
    const requestId = this.#nextRequest;
    this.#nextRequest = requestId === 0xffffffff ? 1 : requestId + 1;
    this.#pending.set(requestId, done);
    this.#transport.send({ type, requestId, txId, payload });
  }

  #receive({ type, requestId, payload }: StoreMessage): void {
    if (type === XS.watchEvent) {
      const [path, token] = payload.split('\0');
      this.#watches.get(token)?.(bytesToText(path));
      return;
    }
    const done = this.#pending.get(requestId);
    this.#pending.delete(requestId);
    done?.(type === XS.error ? { ok: false, error: payload.replace(/\0$/, '') } : { ok: true, value: bytesToText(payload) });
  }
}

function withoutValue(done: Done<null> | undefined): Done<string> {
  return (reply) => done?.(reply.ok ? { ok: true, value: null } : reply);
}

function splitList(list: string): string[] {
  return list.split('\0').slice(0, -1);
}
