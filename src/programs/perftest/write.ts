/** `ib_write_lat` and `ib_write_bw`: RDMA WRITE, with or without immediate, over RC or UC. */
import { reportLatency, runPingPong, runWritePolling } from './latency.ts';
import { activeBandwidth } from './read.ts';
import { perftest, sizes, type TestResult } from './run.ts';
import { receivingBandwidth } from './send.ts';
import { printTitles } from './session.ts';

export const writeLat = perftest(
  'ib_write_lat',
  'latency of RDMA WRITE over RC or UC (perftest)',
  'WRITE',
  'LAT',
  async (session) => {
    await session.sync();
    printTitles(session);
    const results: TestResult[] = [];
    const run = session.p.verb === 'WRITE_IMM' ? runPingPong : runWritePolling;
    for (const size of sizes(session)) results.push(reportLatency(session, await run(session, size)));
    return results;
  },
);

export const writeBw = perftest('ib_write_bw', 'bandwidth of RDMA WRITE over RC or UC (perftest)', 'WRITE', 'BW', (session) =>
  session.p.verb === 'WRITE_IMM' ? receivingBandwidth(session) : activeBandwidth(session),
);
