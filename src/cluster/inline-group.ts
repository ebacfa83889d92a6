/** A group of nodes in the calling thread: for tests, debuggers and small runs. */
import type { RecordBatch } from '../fabric/index.ts';
import type { Ps } from '../sim/index.ts';
import type { GroupParty } from './coordinator.ts';
import type { GroupMessage, PeerMessage } from './messages.ts';
import type { NodeGroup } from './node-group.ts';

export class InlineGroup implements GroupParty {
  readonly #group: NodeGroup;

  constructor(group: NodeGroup) {
    this.#group = group;
  }

  get nextPs(): Ps {
    return this.#group.nextPs();
  }

  get waitsForRoom(): boolean {
    return this.#group.waitsForRoom();
  }

  get outbox(): RecordBatch {
    return this.#group.outbox;
  }

  begin(limitPs: Ps, records: RecordBatch, messages: readonly PeerMessage[]): void {
    this.#group.run(limitPs, records, messages);
  }

  finish(): boolean {
    return true;
  }

  takeMessages(): GroupMessage[] {
    return this.#group.takeMessages();
  }
}
