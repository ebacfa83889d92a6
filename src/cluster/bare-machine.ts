/** A host without a hypervisor: programs have a CPU of their own and the adapters themselves; its kernel, if anybody uses IP, another CPU. */
import type { Hca } from '../hca/index.ts';
import type { NetStack } from '../net/index.ts';
import { BareKernelCpu, type Ps } from '../sim/index.ts';
import { openContext, VerbsError } from '../verbs/index.ts';
import { slToLid } from './directory.ts';
import { hostNetwork } from './host-network.ts';
import type { GroupConfig } from './node-group.ts';
import type { Machine, MachineParts, System } from './machine.ts';

/** Assumed, as the costs of the protocol stack: a server of 2005 to 2012. */
const KERNEL_COSTS = { interruptPs: 1_500_000, timerPs: 500_000 };

export class BareMachine implements Machine {
  readonly #parts: MachineParts;
  readonly #system: System;
  #stack: NetStack | null = null;
  readonly #waiting: ((atPs: Ps) => void)[] = [];

  constructor(parts: MachineParts) {
    this.#parts = parts;
    const stack = () => this.#stack;
    this.#system = {
      ...nativeDevices(parts.hcas, parts.config),
      get stack() {
        return stack();
      },
      adopt: () => undefined,
      whenUp: (ready) => void this.#waiting.push(ready),
    };
  }

  systemOf(): System {
    return this.#system;
  }

  start(): void {
    const { loop, node, hcas, config, trace } = this.#parts;
    const ipoib = node.host?.ipoib ?? null;
    if (ipoib === null) {
      this.#up(0);
      return;
    }
    const cpu = new BareKernelCpu(loop, node.entity, KERNEL_COSTS, trace?.marksOfPath(node.name) ?? null);
    this.#stack = hostNetwork({ cpu, hcas, config, ipoib, name: node.name }, () => this.#up(cpu.nowPs));
  }

  domains(): [] {
    return [];
  }

  #up(atPs: Ps): void {
    for (const ready of this.#waiting.splice(0)) ready(atPs);
  }
}

/** The adapters themselves, for programs. */
export function nativeDevices(hcas: readonly Hca[], { directory }: GroupConfig): Pick<System, 'devices' | 'openDevice'> {
  return {
    devices: hcas.map((hca) => hca.config.deviceName),
    openDevice(name, thread) {
      const hca = hcas.find((candidate) => candidate.config.deviceName === name);
      if (hca === undefined) throw new VerbsError('ibv_open_device', 'ENODEV');
      return openContext(hca, thread, (portGuid, dlid) => slToLid(directory, portGuid, dlid));
    },
  };
}
