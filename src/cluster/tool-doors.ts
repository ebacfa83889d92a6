/** The doors of a simulated Xen host for real tools: xenstore and hypercalls on unix sockets, for the time of a run. */
import { ConfigError } from '../sim/index.ts';
import { openHypercallSocket } from './hypercall-socket.ts';
import type { NodeGroup } from './node-group.ts';
import type { RunOptions, ServeOptions } from './types.ts';
import { XenHost } from './xen-host.ts';
import { isListening, XenstoreSocket } from './xenstore-socket.ts';

export interface ToolDoors {
  close(): Promise<void>;
}

/** Options of a run with doors: it is in the calling thread, where the sockets are. Throws `ConfigError` if another placement is asked for, or no node runs Xen. */
export function servedInline(options: RunOptions): RunOptions {
  const { serve, placement } = options;
  if (serve === undefined) return options;
  if (placement !== undefined && placement !== 'inline')
    throw problem('--placement', `found ${placement}; with sockets for tools the run is inline`);
  servedNode(options, serve);
  return { ...options, placement: 'inline' };
}

/** Opens what is asked for; null if nothing is. Throws `ConfigError` for a path that will not do. */
export async function openDoors(options: RunOptions, group: NodeGroup | null): Promise<ToolDoors | null> {
  const { serve } = options;
  if (serve === undefined || group === null) return null;
  const host = group.machineOf(servedNode(options, serve));
  if (!(host instanceof XenHost)) return null;
  const open: { close(): Promise<void> }[] = [];
  if (serve.xenstore !== undefined)
    open.push(await XenstoreSocket.listen({ path: serve.xenstore, connect: (sink) => host.connectStore(sink) }));
  if (serve.hypercalls !== undefined) {
    try {
      if (await isListening(serve.hypercalls)) throw new Error('something listens there already');
      open.push(await openHypercallSocket(serve.hypercalls, host.view()));
    } catch (error) {
      for (const door of open) await door.close();
      throw problem('--hypercall-socket', `cannot listen on ${serve.hypercalls}: ${(error as Error).message}`);
    }
  }
  return {
    close: async () => {
      for (const door of open) await door.close();
    },
  };
}

function servedNode({ topology, topologyFile }: RunOptions, { node }: ServeOptions): number {
  const hosts = topology.nodes.filter(({ xen }) => xen !== undefined);
  const names = hosts.map(({ name }) => name).join(', ');
  const found = node === undefined ? hosts[0] : hosts.find(({ name }) => name === node);
  if (found !== undefined) return found.index;
  if (node === undefined) throw problem(topologyFile, 'no node runs Xen: there is nothing to serve');
  throw problem('--socket-node', `found ${node}; nodes that run Xen: ${names === '' ? 'none' : names}`);
}

function problem(file: string, message: string): ConfigError {
  return new ConfigError([{ file, path: '', message }]);
}
