/** `--pcap` and `--capture` of a whole run: which ports are captured, and the capture file from its beginning to its end. */
import type { Fabric, FabricOptions, PayloadPool, PortRef } from '../fabric/index.ts';
import { ConfigError, type Ps } from '../sim/index.ts';
import type { Topology } from '../topology/index.ts';
import { CaptureTap } from './capture-tap.ts';
import type { PlannedPort } from './subnet-plan.ts';
import type { CaptureTarget, RunOptions } from './types.ts';

/** Names that an error lists at most. */
const SHOWN = 8;

/** One port to capture: as the user names it, and as the fabric does. */
export interface CapturedPort {
  readonly name: string;
  readonly ref: PortRef;
}

/**
 * The ports that a run captures: those of `--capture`, else every connected port of the nodes that run the program.
 * `ports` are the adapter ports by the fabric's handle. Throws `ConfigError` with every target that is wrong.
 */
export function chooseCapturedPorts(
  topology: Topology,
  ports: readonly PlannedPort[],
  ranks: readonly number[],
  targets: readonly CaptureTarget[] | undefined,
): CapturedPort[] {
  const named = ports.map((planned, handle) => ({ name: portName(topology, planned), handle, planned }));
  if (targets === undefined) {
    const running = new Set(ranks);
    return named
      .filter(({ planned }) => running.has(planned.node) && planned.port.link >= 0)
      .map(({ name, handle }) => ({ name, ref: { kind: 'host', index: handle } }));
  }
  const problems: string[] = [];
  const found = targets.flatMap((target): CapturedPort[] => {
    const port = findTarget(topology, ports, target);
    if (typeof port !== 'string') return [port];
    problems.push(port);
    return [];
  });
  const twice = found.find(({ name }, i) => found.findIndex((other) => other.name === name) < i);
  if (twice !== undefined) problems.push(`${twice.name} is named twice`);
  if (problems.length > 0) throw new ConfigError(problems.map((message) => ({ file: '--capture', path: '', message })));
  return found;
}

/** `cpu1:1`, with the adapter's name where the node has several: `gpu1/mlx5_0:1`. */
function portName(topology: Topology, { node, adapter, port }: PlannedPort): string {
  const owner = topology.nodes[node];
  return `${owner?.name}${(owner?.hcas.length ?? 1) > 1 ? `/${adapter.name}` : ''}:${port.number}`;
}

/** The port that a target means, or what is wrong with it. */
function findTarget(topology: Topology, ports: readonly PlannedPort[], target: CaptureTarget): CapturedPort | string {
  const found = `found ${target.name}:${target.port}`;
  const device = topology.switches.find(({ name }) => name === target.name);
  if (device !== undefined) {
    if (target.port < 1 || target.port > device.portCount)
      return `${found}; switch ${device.name} has ports 1 to ${device.portCount}`;
    if ((device.links[target.port] ?? -1) < 0) return `${found}; nothing is connected to that port`;
    return { name: `${device.name}:${target.port}`, ref: { kind: 'switch', index: device.index, port: target.port } };
  }
  const [nodeName, hcaName] = target.name.split('/');
  const node = topology.nodes.find(({ name }) => name === nodeName);
  if (node === undefined) return `${found}; ${someNames(topology)}`;
  const own = ports.flatMap((planned, index) => (planned.node === node.index ? [{ planned, index }] : []));
  const fitting = own.filter(
    ({ planned }) => planned.port.number === target.port && (hcaName === undefined || planned.adapter.name === hcaName),
  );
  const [one] = fitting;
  if (one === undefined || fitting.length > 1)
    return `${found}; ports of ${node.name} are ${own.map(({ planned }) => portName(topology, planned)).join(', ')}`;
  if (one.planned.port.link < 0) return `${found}; nothing is connected to that port`;
  return { name: portName(topology, one.planned), ref: { kind: 'host', index: one.index } };
}

function someNames(topology: Topology): string {
  const list = (kind: string, names: readonly string[]) =>
    names.length === 0
      ? []
      : [`${kind} are ${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? ` … (${names.length} in all)` : ''}`];
  return [
    ...list(
      'nodes',
      topology.nodes.map(({ name }) => name),
    ),
    ...list(
      'switches',
      topology.switches.map(({ name }) => name),
    ),
  ].join(', ');
}

/** The capture of a run. Made before the fabric, whose options it gives; bound to it by `open`. */
export class RunCapture {
  readonly #path: string;
  readonly #ports: readonly CapturedPort[];
  readonly #pool: PayloadPool;
  /** How long before an event of the fabric a packet that it reports may have passed its port. */
  readonly #lagPs: Ps;
  #tap: CaptureTap | null = null;

  /** Null where the run has no `captureFile`. Throws `ConfigError` for targets that are wrong. */
  static of(options: RunOptions, ports: readonly PlannedPort[], ranks: readonly number[], pool: PayloadPool): RunCapture | null {
    if (options.captureFile === undefined) return null;
    const chosen = chooseCapturedPorts(options.topology, ports, ranks, options.captures);
    const lagPs = Math.max(0, ...options.topology.switches.map(({ latencyPs }) => latencyPs));
    return new RunCapture(options.captureFile, chosen, pool, lagPs);
  }

  private constructor(path: string, ports: readonly CapturedPort[], pool: PayloadPool, lagPs: Ps) {
    this.#path = path;
    this.#ports = ports;
    this.#pool = pool;
    this.#lagPs = lagPs;
  }

  /** What the fabric must be made with. */
  get fabricOptions(): Pick<FabricOptions, 'capture'> {
    const packet: NonNullable<FabricOptions['capture']>['packet'] = (...passed) => this.#tap?.packet(...passed);
    return { capture: { ports: this.#ports.map(({ ref }) => ref), packet } };
  }

  /** Creates the file. Throws `ConfigError` when that cannot be done, or when the format cannot tell so many ports apart. */
  open(fabric: Pick<Fabric, 'port'>): void {
    const points = this.#ports.map(({ name, ref }) => ({ name, portHandle: fabric.port(ref) }));
    this.#tap = new CaptureTap(this.#path, points, this.#pool);
  }

  /** Hands everything that is certain to the file, when the fabric has run up to `nowPs`. */
  flush(nowPs: Ps): void {
    this.#tap?.flushUntil(nowPs - this.#lagPs);
    this.#tap?.flush();
  }

  /** Writes the rest and closes the file. A second call does nothing. */
  close(): void {
    this.#tap?.close();
  }
}
