/** A host without a hypervisor: programs have a CPU of their own and the adapters themselves; its kernel, if anybody uses IP, another CPU. */
import type { Hca } from '../hca/index.ts';
import type { Ps } from '../sim/index.ts';
import { openContext, VerbsError } from '../verbs/index.ts';
import { slToLid } from './directory.ts';
import type { GroupConfig } from './node-group.ts';
import type { Machine, MachineParts, System } from './machine.ts';

export class BareMachine implements Machine {
  readonly #system: System;
  readonly #up: ((atPs: Ps) => void)[] = [];

  constructor({ hcas, config }: MachineParts) {
    this.#system = { ...nativeDevices(hcas, config), adopt: () => undefined, whenUp: (ready) => void this.#up.push(ready) };
  }

  systemOf(): System {
    return this.#system;
  }

  start(): void {
    for (const ready of this.#up.splice(0)) ready(0);
  }

  hash(): readonly number[] {
    return [];
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
