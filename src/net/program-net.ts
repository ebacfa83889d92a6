/** Gives programs the network: `net` of `ProgramContext`. */
import type { Net } from './socket-types.ts';

declare module '../verbs/program.ts' {
  interface ProgramContext {
    /** Sockets on the protocol stack of the program's node or guest. */
    readonly net: Net;
  }
}
