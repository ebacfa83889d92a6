/**
 * What follows from the combination of options: depths cut to the number of iterations, moderation switched off for large messages, and the combinations that
 * perftest 6.29 refuses (its `force_dependencies`). Where perftest changes a value it says nothing about, so does this; where it warns, the line is printed.
 */
import { DEFAULT_RX_SEND, hasReceiveCompletion, MAX_SIZE, type Parameters } from './parameters.ts';

type Refuse = (option: string, message: string) => void;
type Warn = (line: string) => void;

const PEAK_WARNING = " WARNING: BW peak won't be measured in this run.";
/** Above this message size a completion for every message costs nothing that matters. */
const CQ_MOD_SIZE_LIMIT = 8192;
const MIN_SRQ_UD_RX_DEPTH = 100;
const UC_MAX_RX = 16_000;

/** Applies the rules to `p`, in perftest's order. */
export function applyRules(p: Parameters, refuse: Refuse, warn: Warn): void {
  limitDepths(p);
  setModeration(p, warn);
  if (p.verb === 'READ' || p.verb === 'ATOMIC') p.inlineSize = 0;
  if (p.all) p.size = MAX_SIZE;
  refuseCombinations(p, refuse);
  if (p.rdmaCm) refuseWithCm(p, refuse);
  applyPostList(p, refuse, warn);
  applyDuration(p, refuse, warn);
  applyPeak(p, warn);
  applyRateLimit(p, refuse);
  applyOutput(p, refuse);
  // perftest keeps receive depths even, against a bug of old hardware.
  if (hasReceiveCompletion(p.verb) && p.rxDepth % 2 === 1 && !p.all) p.rxDepth++;
  if (p.durationSeconds === null) p.fillCount = p.iters % (p.cqMod >= p.txDepth ? p.txDepth : p.cqMod) !== 0;
  applyPolling(p);
}

function limitDepths(p: Parameters): void {
  if (p.verb === 'WRITE') p.rxDepth = 1;
  if (p.durationSeconds !== null) return;
  p.txDepth = Math.min(p.txDepth, p.iters);
  if (hasReceiveCompletion(p.verb)) p.rxDepth = Math.min(p.rxDepth, p.iters);
  if (p.connection === 'RC') return;
  if (p.useSrq && p.iters <= MIN_SRQ_UD_RX_DEPTH) p.rxDepth = MIN_SRQ_UD_RX_DEPTH;
  if (p.rxDepth === DEFAULT_RX_SEND) p.rxDepth = Math.min(p.iters, UC_MAX_RX);
}

function setModeration(p: Parameters, warn: Warn): void {
  if (p.size > CQ_MOD_SIZE_LIMIT && p.connection !== 'UD' && !p.all && !p.useEvent) {
    if (!p.cqModGiven) p.cqMod = 1;
    else if (p.cqMod > 1) {
      warn('Warning: Large message requested and CQ moderation enabled');
      warn('Warning: It can lead to inaccurate results');
    }
  }
  p.cqMod = Math.min(p.cqMod, p.txDepth);
}

function refuseCombinations(p: Parameters, refuse: Refuse): void {
  const isSend = p.verb === 'SEND' || p.verb === 'SEND_IMM';
  if (p.verb === 'ATOMIC' && p.size !== 8)
    refuse(p.all ? 'all' : 'size', 'Message size cannot be changed for Atomic tests; accepted: 8');
  if (p.useSrq && !isSend) refuse('use-srq', 'Using SRQ only available in SEND / SEND_IMM tests');
  if (p.useSrq && isSend && p.qps > p.rxDepth)
    refuse('use-srq', `Using SRQ depth should be greater than number of QPs; found depth ${p.rxDepth}, QPs ${p.qps}`);
  if (p.useSrq && p.connection === 'UC') refuse('use-srq', 'UC takes no shared receive queue; accepted: RC, UD');
  if (p.useEvent && p.verb === 'WRITE') refuse('events', 'Events feature not available on WRITE verb');
  if (!p.useEvent && p.completionVector !== null) refuse('vector', 'Events must be enabled (-e) to select a completion vector');
  if (p.latencyGapUs > 0 && p.test !== 'LAT') refuse('latency_gap', 'Latency gap feature is only for latency tests');
  if (p.gidIndex < 0 && p.trafficClass !== 0) refuse('tclass', 'a traffic class needs a GRH: give -x too');
  if (p.gidIndex < 0 && p.flowLabels.length > 0) refuse('flow_label', 'flow labels need a GRH: give -x too');
  if (p.reportBoth && !p.duplex) refuse('report-both', 'reports both directions of a bidirectional test: give -b too');
  if (p.warmUp && (p.test !== 'BW' || hasReceiveCompletion(p.verb)))
    refuse('perform_warm_up', 'valid in Atomic, Read and Write BW tests');
}

/** With rdma_cm the path decides what else these options would. */
function refuseWithCm(p: Parameters, refuse: Refuse): void {
  const why = 'rdma_cm takes it from the path record; leave -R or this option out';
  if (p.connection === 'UC') refuse('rdma_cm', 'UC is not supported in librdmacm');
  if (p.connection === 'UD') refuse('rdma_cm', 'only RC tests run over rdma_cm; found UD');
  if (p.sl !== null) refuse('sl', why);
  if (p.gidIndex >= 0) refuse('gid-index', why);
  if (p.dlid !== 0) refuse('dlid', why);
  if (p.mtuBytes !== 0) refuse('mtu', why);
  if (p.pkeyIndex !== 0) refuse('pkey_index', why);
}

function applyPostList(p: Parameters, refuse: Refuse, warn: Warn): void {
  if (p.postList > 1) {
    if (p.test !== 'BW') refuse('post_list', 'Post list is supported in BW tests only');
    else if (p.durationSeconds === null && p.iters % p.postList !== 0)
      refuse('post_list', `Number of iterations must be a multiple of post list size; found ${p.iters} and ${p.postList}`);
    else if (p.postList > p.txDepth)
      refuse('post_list', `Post list can not be longer than the tx depth, ${p.txDepth}; found ${p.postList}`);
    else if (!p.cqModGiven) {
      p.cqMod = p.postList;
      warn('Post List requested - CQ moderation will be the size of the post list');
    } else if (p.postList % p.cqMod !== 0)
      refuse('post_list', `Post list size must be a multiple of CQ moderation; found ${p.postList} and ${p.cqMod}`);
  }
  if (p.recvPostList > 1) {
    if (p.test !== 'BW') refuse('recv_post_list', 'Receive post list is supported in BW tests only');
    else if (p.durationSeconds === null && p.iters % p.recvPostList !== 0)
      refuse(
        'recv_post_list',
        `Number of iterations must be a multiple of receive post list size; found ${p.iters} and ${p.recvPostList}`,
      );
    else if (p.recvPostList > p.rxDepth)
      refuse('recv_post_list', `Receive post list can not be longer than the rx depth, ${p.rxDepth}; found ${p.recvPostList}`);
  }
}

function applyDuration(p: Parameters, refuse: Refuse, warn: Warn): void {
  if (p.durationSeconds === null) {
    if (p.marginSeconds !== null) refuse('margin', 'margins belong to a duration: give -D too');
    return;
  }
  p.iters = 0;
  if (!p.noPeak && p.test === 'BW') warn(PEAK_WARNING);
  p.noPeak = true;
  if (p.useEvent) refuse('events', "Duration mode doesn't work with events");
  if (p.all) refuse('all', "Duration mode currently doesn't support running on all sizes");
  if (p.histogram || p.unsorted)
    refuse(p.histogram ? 'report-histogram' : 'report-unsorted', 'duration mode keeps no single results');
  p.marginSeconds ??= p.durationSeconds / 4;
  if (!(p.durationSeconds > 2 * p.marginSeconds))
    refuse('duration', `please check that DURATION > 2*MARGIN; found ${p.durationSeconds} and ${p.marginSeconds}`);
}

function applyPeak(p: Parameters, warn: Warn): void {
  if (p.test !== 'BW' || p.noPeak) return;
  const receiverOnly = hasReceiveCompletion(p.verb) && p.machine === 'SERVER' && !p.duplex;
  if (!receiverOnly && p.iters <= 20_000) return;
  warn(PEAK_WARNING);
  p.noPeak = true;
}

function applyRateLimit(p: Parameters, refuse: Refuse): void {
  if (p.rateLimit === 0) {
    if (p.burstSize > 0) refuse('burst_size', "Can't enable burst mode when rate limiter is off");
    return;
  }
  if (p.burstSize === 0) p.burstSize = p.txDepth;
  const isSend = p.verb === 'SEND' || p.verb === 'SEND_IMM';
  if (p.test !== 'BW' || p.verb === 'ATOMIC' || (isSend && p.duplex))
    refuse('rate_limit', "SW Rate limiter can't be executed on non-BW, ATOMIC or bidirectional SEND tests");
}

function applyOutput(p: Parameters, refuse: Refuse): void {
  if (p.output === 'full') return;
  if (p.test === 'BW' && p.output === 'latency')
    refuse('output', 'Output verbosity level for BW can be: bandwidth, message_rate');
  if (p.test === 'LAT' && p.output !== 'latency') refuse('output', 'Output verbosity level for LAT can be: latency');
}

/** Adapting the polling batch pays only in long one-way runs. */
function applyPolling(p: Parameters): void {
  const fewIterations = p.durationSeconds === null && p.iters < 3000;
  const twoWayReceiving = p.test === 'BW' && p.duplex && hasReceiveCompletion(p.verb);
  if (fewIterations || twoWayReceiving || p.test === 'LAT') p.dynamicPoll = false;
  if (!p.dynamicPoll && p.cqePoll === 16 && p.qps > 2048 && p.size > CQ_MOD_SIZE_LIMIT) p.cqePoll = 64;
}
