/** Packets that wait for each other in a circle, in words. */
import type { Fabric } from '../fabric/index.ts';
import type { Ps } from '../sim/index.ts';

type WaitCycle = NonNullable<ReturnType<Fabric['waitCycle']>>;

/** When the last packet of the circle came to a halt. (When that is noticed depends on where the nodes live.) */
export function haltedPs(cycle: WaitCycle): Ps {
  return Math.max(...cycle.map(({ packets }) => packets[0]?.sincePs ?? 0));
}

/** The circle in which packets wait for each other's buffers, a line a step; empty if there is none. */
export function describeWaitCycle(fabric: Fabric, cycle: WaitCycle | null): string[] {
  if (cycle === null) return [];
  const steps = cycle.map(({ portName, vl, creditBlocks, packets }) => {
    const first = packets[0];
    const head =
      first === undefined
        ? ''
        : `; the first is packet ${first.number} of ${fabric.portName(fabric.port({ kind: 'host', index: first.source }))}, ${first.wireBytes} bytes, since ${first.sincePs} ps`;
    return `  ${portName} VL${vl}: ${creditBlocks} credits of 64 bytes, ${packets.length} packet(s) wait${head}`;
  });
  return ['packets wait for each other in a cycle, each port for buffers that the next one must empty:', ...steps];
}
