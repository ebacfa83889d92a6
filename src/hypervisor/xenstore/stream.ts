/**
 * A store served over a byte stream, at once and for nothing: for tools outside of a simulation. `XenstoreDaemon.connectStream` is the same at dom0's expense.
 */
import type { StreamEnd, StreamSink } from './daemon.ts';
import type { XenStore } from './store.ts';
import { encodeMessage, MessageParser } from './wire.ts';

/** A new client with dom0's rights. */
export function openStream(store: XenStore, sink: StreamSink): StreamEnd {
  const connection = store.connect();
  const parser = new MessageParser();
  connection.onOutput = () => {
    for (let next = connection.next; next !== null; next = connection.next) {
      connection.sent();
      sink.send(encodeMessage(next));
    }
  };
  return {
    end: () => store.disconnect(connection),
    receive: (bytes) => {
      for (const message of parser.push(bytes)) store.handle(connection, message);
      if (!parser.isBroken || connection.isIgnored) return;
      store.disconnect(connection);
      sink.close();
    },
  };
}
