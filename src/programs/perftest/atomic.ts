/** `ib_atomic_lat` and `ib_atomic_bw`: compare-and-swap or fetch-and-add over RC. */
import { activeBandwidth, roundTripLatency } from './read.ts';
import { perftest } from './run.ts';

export const atomicLat = perftest('ib_atomic_lat', 'latency of atomic operations (perftest)', 'ATOMIC', 'LAT', roundTripLatency);
export const atomicBw = perftest('ib_atomic_bw', 'bandwidth of atomic operations (perftest)', 'ATOMIC', 'BW', activeBandwidth);
