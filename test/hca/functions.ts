/** Virtual functions of the adapters on the tests' wire. */
import type { HcaFunctionConfig } from '../../src/hca/index.ts';

/** `count` functions of host `host`, with GUIDs of their own. */
export function functionConfigs(host: number, ports: number, count: number): HcaFunctionConfig[] {
  return Array.from({ length: count }, (_, f) => ({
    deviceName: `mlx4_${f + 1}`,
    nodeGuid: BigInt(0x100 * (host + 1) + f),
    portGuids: Array.from({ length: ports }, (_port, p) => BigInt(0x20000 + host * 0x1000 + f * 16 + p)),
  }));
}
