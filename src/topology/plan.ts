/**
 * What a generator makes: names, ports and cables, with nothing said yet of products and speeds.
 */
import type { GeneratedShape } from './types.ts';

export interface PlannedSwitch {
  readonly name: string;
  /** The ports that the shape asks for; a switch type may have more. */
  readonly ports: number;
  readonly level?: number;
  readonly coordinates?: readonly number[];
  readonly group?: string;
}

export interface PlannedEnd {
  /** Index of a switch, or of a host where `host` is set. */
  readonly index: number;
  readonly port: number;
  readonly host: boolean;
}

export interface FabricPlan {
  readonly shape: GeneratedShape;
  readonly switches: readonly PlannedSwitch[];
  readonly hosts: readonly string[];
  readonly links: readonly (readonly [PlannedEnd, PlannedEnd])[];
}

/** Collects a plan; hosts get their names in the order in which they are attached. */
export class PlanBuilder {
  readonly switches: PlannedSwitch[] = [];
  readonly hosts: string[] = [];
  readonly links: [PlannedEnd, PlannedEnd][] = [];

  addSwitch(planned: PlannedSwitch): number {
    return this.switches.push(planned) - 1;
  }

  addHost(): number {
    return this.hosts.push(`node${this.hosts.length + 1}`) - 1;
  }

  /** Attaches a new host by its port 1. */
  attachHost(switchIndex: number, port: number): void {
    this.links.push([
      { index: this.addHost(), port: 1, host: true },
      { index: switchIndex, port, host: false },
    ]);
  }

  /** Joins two switches. */
  join(a: number, aPort: number, b: number, bPort: number): void {
    this.links.push([
      { index: a, port: aPort, host: false },
      { index: b, port: bPort, host: false },
    ]);
  }

  finish(shape: Omit<GeneratedShape, 'links'>): FabricPlan {
    return { shape: { ...shape, links: this.links.length }, switches: this.switches, hosts: this.hosts, links: this.links };
  }
}
