/** A kernel on the IP network: a protocol stack with `ib0`, IP over InfiniBand on one of the node's adapters. Bare hosts have it, and driver domains. */
import type { Hca } from '../hca/index.ts';
import { answerTooLong, DEFAULT_NET_COSTS, IpoibDevice, NetStack } from '../net/index.ts';
import { type KernelCpu, RandomStream } from '../sim/index.ts';
import { openKernelContext } from '../verbs/index.ts';
import { slToLid } from './directory.ts';
import { type IpoibPlan, PREFIX_LENGTH } from './host-plan.ts';
import type { GroupConfig } from './node-group.ts';
import { subnetAccessOf } from './subnet-access.ts';

export interface HostNetworkOptions {
  readonly cpu: KernelCpu;
  readonly hcas: readonly Hca[];
  readonly config: GroupConfig;
  readonly ipoib: IpoibPlan;
  /** The node's name. */
  readonly name: string;
  /** Answer ARP for guests, and pass their packets on. */
  readonly routesForGuests?: boolean;
}

export interface HostNetwork {
  readonly stack: NetStack;
  readonly ib0: IpoibDevice;
}

/** A stack for the kernel that `cpu` belongs to. */
export function createStack(cpu: KernelCpu, seed: number, name: string): NetStack {
  return new NetStack({ cpu, costs: DEFAULT_NET_COSTS, random: new RandomStream(seed, `kernel ${name}`), name });
}

/** Makes `ib0` and a stack on it, and brings it up; `up` is called when packets can go. */
export function hostNetwork(options: HostNetworkOptions, up: (network: HostNetwork) => void): NetStack {
  const { cpu, hcas, config, ipoib, name, routesForGuests = false } = options;
  const stack = createStack(cpu, config.seed, name);
  stack.forwarding = routesForGuests;
  cpu.exec(0, 'boot', () => {
    const context = openKernelContext(hcas[ipoib.hca] as Hca, cpu, (portGuid, dlid) => slToLid(config.directory, portGuid, dlid));
    const ib0 = new IpoibDevice({
      name: 'ib0',
      context,
      cpu,
      subnet: subnetAccessOf(config.directory),
      portNum: ipoib.port,
      mode: ipoib.mode,
    });
    answerTooLong(ib0, stack);
    stack.addDevice(ib0, { address: ipoib.address, prefixLength: PREFIX_LENGTH, proxyArp: routesForGuests });
    ib0.onCarrier = (isUp) => {
      if (!isUp) return;
      ib0.onCarrier = null;
      up({ stack, ib0 });
    };
    ib0.open();
  });
  return stack;
}
