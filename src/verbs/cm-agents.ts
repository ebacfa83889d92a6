/**
 * The connection manager of each adapter, and the proxy by which it serves other domains: one for all programs and drivers of a node, brought up when it is first asked for.
 * A virtual function's has queue pair 1 through the physical function's proxy.
 */
import { HcaFunction } from '../hca/index.ts';
import type { Adapter } from './adapter.ts';
import { CmAgent } from './cm-agent.ts';
import { CmProxy, FunctionMads } from './cm-proxy.ts';
import { Timers } from './timers.ts';

const agents = new WeakMap<Adapter, CmAgent>();
const proxies = new WeakMap<CmAgent, CmProxy>();

/** The connection manager of a device. */
export function cmAgentOf(hca: Adapter): CmAgent {
  let agent = agents.get(hca);
  if (agent === undefined) {
    const mads = hca instanceof HcaFunction ? new FunctionMads(hca, cmProxyOf(hca.physical)) : null;
    agent = new CmAgent(hca, new Timers(hca.loop, hca.entity), mads);
    agents.set(hca, agent);
  }
  return agent;
}

/** The proxy of an adapter, for domains that have none of its queue pairs 1. */
export function cmProxyOf(hca: Adapter): CmProxy {
  const agent = cmAgentOf(hca);
  let proxy = proxies.get(agent);
  if (proxy === undefined) {
    proxy = new CmProxy(agent);
    proxies.set(agent, proxy);
  }
  return proxy;
}
