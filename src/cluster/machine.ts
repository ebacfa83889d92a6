/**
 * The machine that a node is, as the programs on it see it: systems (the node's own, or the domains of its hypervisor) that lend devices, a network stack and CPU time.
 */
import type { Hca } from '../hca/index.ts';
import type { NetStack } from '../net/index.ts';
import type { EventLoop, Ps, SimThread } from '../sim/index.ts';
import type { Context } from '../verbs/index.ts';
import { BareMachine } from './bare-machine.ts';
import type { GroupMessage } from './messages.ts';
import type { GroupConfig, NodeConfig } from './node-group.ts';
import type { TraceLog } from './trace-log.ts';
import type { DomainReport } from './types.ts';
import { XenHost } from './xen-host.ts';

/** One operating system of a machine. */
export interface System {
  /** Names of its InfiniBand devices, as `ibv_get_device_list` gives them. */
  readonly devices: readonly string[];
  /** `ibv_open_device`, for a program on `thread`. Throws `VerbsError` ENODEV. */
  openDevice(name: string, thread: SimThread): Context;
  /** Null where the system has no network, and before it is up. */
  readonly stack: NetStack | null;
  /** Gives `thread` its CPU, before it starts. */
  adopt(thread: SimThread): void;
  /** Calls `ready` when the system is up, with the time from which on programs may run; before `Machine.start`. */
  whenUp(ready: (atPs: Ps) => void): void;
}

export interface Machine {
  /** The node's own system, or a guest's. */
  systemOf(guest: string | null): System;
  /** Switches it on, at time 0. */
  start(): void;
  /** The accounts of its domains; none without a hypervisor. */
  domains(): DomainReport[];
}

export interface MachineParts {
  readonly loop: EventLoop;
  readonly node: NodeConfig;
  readonly hcas: readonly Hca[];
  readonly config: GroupConfig;
  readonly trace: TraceLog | null;
  readonly emit: (message: GroupMessage) => void;
}

/** The machine of a node. */
export function createMachine(parts: MachineParts): Machine {
  const { host } = parts.node;
  return host === null || host.xen === null ? new BareMachine(parts) : new XenHost(parts, host.xen);
}
