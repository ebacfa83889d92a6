/**
 * Switch products, by the name that a file gives in `type`. Latencies are port to port, first bit in to first bit out, as the makers
 * state them; buffers are per port and data VL and are not published per VL, so one modest value stands for all
 * (16 KiB holds three 4 KiB packets with headers, more than the round trip of a machine-room cable needs at any speed here).
 */
import type { SwitchModel } from './types.ts';

export interface SwitchType {
  readonly summary: string;
  readonly ports: number;
  readonly latencyPs: number;
  readonly bufferBlocks: number;
  readonly model: SwitchModel;
  /** Where `latencyPs` and `ports` come from. */
  readonly source: string;
}

const BUFFER_BLOCKS = 256;

/** Insertion order is the order of `heddle list`. */
export const SWITCH_TYPES: Readonly<Record<string, SwitchType>> = {
  generic: {
    summary: 'no product: 36 ports, 100 ns',
    ports: 36,
    latencyPs: 100_000,
    bufferBlocks: BUFFER_BLOCKS,
    model: 'voq',
    source: 'round numbers for studies that do not depend on a product',
  },
  'infiniscale-iii-sdr': {
    summary: 'InfiniScale III, 24 ports SDR, 200 ns',
    ports: 24,
    latencyPs: 200_000,
    bufferBlocks: BUFFER_BLOCKS,
    model: 'voq',
    source: "maker's product brief: 24 ports 4x; 200 ns at SDR",
  },
  'infiniscale-iii-ddr': {
    summary: 'InfiniScale III, 24 ports DDR, 140 ns',
    ports: 24,
    latencyPs: 140_000,
    bufferBlocks: BUFFER_BLOCKS,
    model: 'voq',
    source: "maker's product brief: 24 ports 4x; 140 ns at DDR",
  },
  'infiniscale-iv': {
    summary: 'InfiniScale IV, 36 ports QDR, 100 ns',
    ports: 36,
    latencyPs: 100_000,
    bufferBlocks: BUFFER_BLOCKS,
    model: 'voq',
    source: "maker's product brief: 36 ports 4x QDR, 100 ns port to port",
  },
  'switchx-2': {
    summary: 'SwitchX-2, 36 ports FDR, 170 ns',
    ports: 36,
    latencyPs: 170_000,
    bufferBlocks: BUFFER_BLOCKS,
    model: 'voq',
    source: 'SX6036: 36 ports FDR; 170 ns is the commonly stated figure, not checked against the data sheet',
  },
  'switch-ib': {
    summary: 'Switch-IB 2, 36 ports EDR, 90 ns',
    ports: 36,
    latencyPs: 90_000,
    bufferBlocks: BUFFER_BLOCKS,
    model: 'voq',
    source: "maker's data sheet of the SB7800: 36 ports EDR, 90 ns",
  },
  quantum: {
    summary: 'Quantum, 40 ports HDR, 130 ns',
    ports: 40,
    latencyPs: 130_000,
    bufferBlocks: BUFFER_BLOCKS,
    model: 'voq',
    source: "maker's brief of the QM8700: 40 ports HDR, below 130 ns",
  },
  'quantum-2': {
    summary: 'Quantum-2, 64 ports NDR, 100 ns',
    ports: 64,
    latencyPs: 100_000,
    bufferBlocks: BUFFER_BLOCKS,
    model: 'voq',
    source: "maker's brief of the QM9700: 64 ports NDR, below 100 ns",
  },
};
