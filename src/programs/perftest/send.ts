/** `ib_send_lat` and `ib_send_bw`: SEND, with or without immediate, over RC, UC or UD. */
import { fillReceivers, runBoth, runReceiving, runSending } from './bandwidth.ts';
import { reportLatency, runPingPong } from './latency.ts';
import { perftest, reportBandwidth, sizes, type TestResult } from './run.ts';
import { printTitles, type Session } from './session.ts';
import type { BandwidthResult } from './statistics.ts';

export const sendLat = perftest('ib_send_lat', 'latency of SEND over RC, UC or UD (perftest)', 'SEND', 'LAT', async (session) => {
  printTitles(session);
  const results: TestResult[] = [];
  for (const size of sizes(session)) results.push(reportLatency(session, await runPingPong(session, size)));
  return results;
});

export const sendBw = perftest('ib_send_bw', 'bandwidth of SEND over RC, UC or UD (perftest)', 'SEND', 'BW', receivingBandwidth);

/** Bandwidth of a verb whose receiver takes part: SEND, and WRITE with immediate. */
export async function receivingBandwidth(session: Session): Promise<readonly BandwidthResult[]> {
  const { p } = session;
  printTitles(session);
  const results: BandwidthResult[] = [];
  for (const size of sizes(session)) {
    const receivers = p.machine === 'SERVER' || p.duplex ? fillReceivers(session, size) : [];
    await session.sync();
    const result = p.duplex
      ? await runBoth(session, size, receivers)
      : p.machine === 'CLIENT'
        ? await runSending(session, size)
        : await runReceiving(session, size, receivers);
    results.push(await reportBandwidth(session, result));
    await session.sync();
  }
  return results;
}
