/** `ib_read_lat` and `ib_read_bw`: RDMA READ over RC; and the flow of all tests in which one side, or each on its own, does the work. */
import { runSending, warmUp } from './bandwidth.ts';
import { reportLatency, runRoundTrips } from './latency.ts';
import { awaitReport, perftest, reportBandwidth, sendReport, sizes, type TestResult } from './run.ts';
import { printTitles, type Session } from './session.ts';
import type { BandwidthResult } from './statistics.ts';

export const readLat = perftest('ib_read_lat', 'latency of RDMA READ (perftest)', 'READ', 'LAT', roundTripLatency);
export const readBw = perftest('ib_read_bw', 'bandwidth of RDMA READ (perftest)', 'READ', 'BW', activeBandwidth);

/** Latency of a verb in which the server's program has no part. */
export async function roundTripLatency(session: Session): Promise<readonly TestResult[]> {
  await session.sync();
  if (session.p.machine === 'SERVER') {
    await session.sync();
    return [];
  }
  printTitles(session);
  const results: TestResult[] = [];
  for (const size of sizes(session)) results.push(reportLatency(session, await runRoundTrips(session, size)));
  await session.sync();
  return results;
}

/** Bandwidth of a verb in which the receiver's program has no part: WRITE, READ, atomics. */
export async function activeBandwidth(session: Session): Promise<readonly BandwidthResult[]> {
  const { p } = session;
  await session.sync();
  printTitles(session);
  if (p.machine === 'SERVER' && !p.duplex) return awaitReport(session);
  const results: BandwidthResult[] = [];
  for (const size of sizes(session)) {
    if (p.warmUp) await warmUp(session, size);
    if (p.duplex) await session.sync();
    const result = await runSending(session, size);
    if (p.duplex) await session.sync();
    results.push(await reportBandwidth(session, result));
  }
  if (!p.duplex) await sendReport(session, results.at(-1) as BandwidthResult);
  return results;
}
