/**
 * Xen's schedulers against published measurements: shares by weight and cap, waits beside busy domains, streams beside a hog, the rate limit, credit2 beside credit.
 *
 * Guests are abstract here: a hog computes, an I/O guest has so much to do for each packet. The same experiments through the whole network path are those of the guests' programs.
 */
import { mixedLoad, type Params, pingThroughDom0, streamBesideHog } from './xen-guests.ts';
import { BASE_COSTS, MS, mean, type Pinged, POLICIES, Rig, SECOND, US } from '../bench/xen-machine.ts';
import type { DomainParams } from '../src/hypervisor/sched/params.ts';
import { compare, type ValidationRow, type ValidationTable } from './types.ts';

/** All tables of this module. */
export async function rows(): Promise<readonly ValidationTable[]> {
  return [weights(), caps(), busyAndIdle(), pingBesideGuests(), stream(), ratelimit(), credit2()];
}

type Name = (typeof POLICIES)[number];

function weightOf(policy: Name, weight: number): Partial<DomainParams> {
  if (policy === 'bvt') return { mcuAdvance: 840 / weight };
  if (policy === 'sedf') return { sedfWeight: weight, extraTime: false };
  return { weight: 128 * weight };
}

/** Eight CPU-bound domains with weights 1 to 8 on one pCPU. */
function weights(): ValidationTable {
  const rows = POLICIES.flatMap((policy) => {
    const rig = new Rig({ policy, costs: BASE_COSTS });
    const hogs = [1, 2, 3, 4, 5, 6, 7, 8].map((weight) => rig.hog(weight, weightOf(policy, weight)));
    rig.run(300 * SECOND);
    const total = hogs.reduce((sum, hog) => sum + rig.share(hog), 0);
    return hogs.map((hog, i) => compare(`${policy}, weight ${i + 1}`, (100 * (i + 1)) / 36, (100 * rig.share(hog)) / total, 4));
  });
  return {
    title: 'Xen: shares of eight CPU-bound domains with weights 1 to 8',
    source:
      'shares in proportion to weights; Barham et al., Xen and the Art of Virtualization, SOSP 2003, §4.3: within 4 % (BVT). 300 s',
    unit: '% of the CPU time used',
    rows,
  };
}

function caps(): ValidationTable {
  const rows = (['credit', 'credit2'] as const).flatMap((policy) =>
    [10, 25, 50, 75].map((cap): ValidationRow => {
      const rig = new Rig({ policy, costs: BASE_COSTS });
      const capped = rig.hog(1, { cap });
      rig.run(60 * SECOND);
      return compare(`${policy}, cap ${cap}`, cap, 100 * rig.share(capped), 4);
    }),
  );
  return { title: 'Xen: caps of a CPU-bound domain alone', source: 'the cap itself', unit: '% of a pCPU', rows };
}

/**
 * 128 CPU-bound domains on two CPUs and a UDP request about twice a second to one of them, or to a 129th that is idle but for its kernel's 100 Hz ticks.
 * In the Xen of 2003 a wake waited until who ran had had its 5 ms.
 */
function busyAndIdle(): ValidationTable {
  const request = (isBusy: boolean): number => {
    const rig = new Rig({ policy: 'bvt', pcpus: 2, params: { wakeWaits: true }, costs: BASE_COSTS });
    for (let domid = 1; domid < 128; domid++) rig.hog(domid);
    const ticking = rig.pinged(200, 500 * MS, 50 * US);
    if (isBusy) ticking.vcpu.hog(true);
    else
      rig.again(
        () => 10 * MS,
        () => ticking.vcpu.exec(20 * US, 'tick', () => undefined),
      );
    rig.run(300 * SECOND);
    return mean(ticking.waitsMs);
  };
  const [busyMs, idleMs] = [request(true), request(false)];
  return {
    title: 'Xen: UDP latency with 128 busy domains (BVT, slice 5 ms, two CPUs)',
    source: 'Barham et al., SOSP 2003, §4.5: 147 ms (sd 97) into a busy domain, 5.4 ms (sd 16) into an idle one',
    unit: 'ms',
    rows: [
      compare('one of 128 busy domains', 147, busyMs, 100, 50),
      compare('an idle domain', 5.4, idleMs, 100, 50),
      compare('busy by idle', 147 / 5.4, busyMs / idleMs, 100, 50),
    ],
  };
}

/** Four busy guests on two CPUs; the ping goes through domain 0 both ways. */
function pingBesideGuests(): ValidationTable {
  const ping = (params: Params): Pinged => pingThroughDom0(params);
  const long = ping({ boost: false, ratelimitPs: 0 });
  const short = ping({ boost: false, ratelimitPs: 0, tslicePs: MS / 2 });
  return {
    title: 'Xen: ping into one of four busy guests on two CPUs',
    source: 'Hu et al., I/O scheduling model of virtual machine based on multi-core dynamic partitioning (Xen 4.1), Table I',
    unit: 'ms',
    rows: [
      compare('credit, slice 30 ms', 48.9, mean(long.waitsMs), 100, 50),
      compare('slice 0.5 ms', 1.79, mean(short.waitsMs), 100, 50),
    ],
  };
}

function stream(): ValidationTable {
  const alone = streamBesideHog(false, {});
  const before = streamBesideHog(true, { kickAway: true });
  const after = streamBesideHog(true, {});
  return {
    title: 'Xen: a TCP stream into a guest, and a CPU hog pinned to the same pCPU',
    source: 'xen.git f02a5760c7 (2015): netperf before and after the kick away was fixed',
    unit: 'Mb/s',
    rows: [
      compare('alone', 806.64, alone, 5),
      compare('beside a hog, before the fix', 166.5, before, 100, 50),
      compare('beside a hog, after it', 731.66, after, 10),
    ],
  };
}

/** Guests that serve packets and compute: the rate limit spares switches. */
function ratelimit(): ValidationTable {
  const [off, on] = [0, MS].map((ratelimitPs) => mixedLoad({ params: { ratelimitPs } }));
  return {
    title: 'Xen: the rate limit of 1 ms, servers on four pCPUs',
    source: 'xen.git 64908a0466 (2012): 30 % fewer switches at the peak of SPECvirt',
    unit: 'with it by without',
    rows: [compare('context switches', 0.7, on!.switches / off!.switches, 50)],
  };
}

/** The same machine under credit2 and credit. */
function credit2(): ValidationTable {
  const [one, two] = (['credit', 'credit2'] as const).map((policy) => mixedLoad({ policy }));
  return {
    title: 'Xen: credit2 beside credit, servers on four pCPUs',
    source: 'xen.git dafd936ddd: within 5 %',
    unit: 'credit2 by credit',
    rows: [compare('useful CPU time', 1, two!.useful / one!.useful, 5)],
  };
}
