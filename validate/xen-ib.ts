/**
 * Verbs of guests: VMM-bypass against the same programs on bare hosts, and what control verbs cost more; SR-IOV virtual functions against published latencies.
 * `npm run validate -- xen-ib`. The experiments on `topologies/xen-bypass.yaml` can be run by hand; virtual functions are made directly.
 */
import { loadTopologyFile, run } from '../src/cluster/index.ts';
import { ERAS } from '../src/hypervisor/index.ts';
import { inMacrotask, SimThread } from '../src/sim/index.ts';
import { Access, type Adapter, Opcode, openContext, SendFlags } from '../src/verbs/index.ts';
import { compare, type ValidationTable } from './types.ts';
import { joined } from './xen-wire.ts';

const TOPOLOGY = 'topologies/xen-bypass.yaml';
const BARE = ['bare1', 'bare2'];
const GUESTS = ['xen1/g1', 'xen2/g1'];

async function measure<T>(nodes: readonly string[], program: string, args: readonly string[] = []): Promise<T> {
  const { results } = await run({
    topology: loadTopologyFile(TOPOLOGY),
    topologyFile: TOPOLOGY,
    program: program.includes('/') ? { kind: 'file', path: program } : { kind: 'builtin', name: program },
    programArgs: args,
    nodes,
    placement: 'inline',
  });
  const [first] = results as (T | T[])[];
  return (Array.isArray(first) ? first[0] : first) as T;
}

const LATENCIES = ['send 8', 'send 4096', 'write 8', 'write 65536', 'read 8', 'read 4096', 'atomic 8'];
const BANDWIDTHS = ['send 65536', 'write 4096', 'write 1048576', 'read 65536'];

/** Data verbs of guests, against bare hosts: within 3 % is asked for; ours are the same. */
export async function bypassRows(latencies = LATENCIES, bandwidths = BANDWIDTHS): Promise<ValidationTable> {
  const rows = [];
  for (const what of latencies) {
    const [operation, bytes] = what.split(' ') as [string, string];
    const args = ['-n', '30', ...(operation === 'atomic' ? [] : ['-s', bytes])];
    const time = async (nodes: readonly string[]) =>
      (await measure<{ t_typical: number }>(nodes, `ib_${operation}_lat`, args)).t_typical;
    rows.push(compare(`${what} B, us`, await time(BARE), await time(GUESTS), 3));
  }
  for (const what of bandwidths) {
    const [operation, bytes] = what.split(' ') as [string, string];
    const rate = async (nodes: readonly string[]) =>
      (await measure<{ BW_average: number }>(nodes, `ib_${operation}_bw`, ['-n', '60', '-s', bytes])).BW_average;
    rows.push(compare(`${what} B, MB/s`, await rate(BARE), await rate(GUESTS), 3));
  }
  const source = 'Liu et al. 2006 (abstract): nearly the same raw performance; published is the bare host, ours the guest';
  return { title: 'VMM-bypass data verbs, ConnectX-3 FDR, one switch', source, rows };
}

/** Control verbs: the channel's cost as a closed form on top of the native verb. */
export async function controlRows(): Promise<ValidationTable> {
  const program = 'validate/programs/control-verbs.ts';
  const native = await measure<Record<string, number>>(BARE, program);
  const guest = await measure<Record<string, number>>(GUESTS, program);
  const { costs } = ERAS['xen-4.17'];
  const end = costs.ibChannelPs + costs.hypercallPs + costs.eventSendPs + costs.ipiPs + costs.upcallPs;
  const channel = costs.syscallPs + 2 * end + costs.guestSwitchPs;
  const list = 2 * costs.hypercallPs + costs.grantMapPs + costs.grantUnmapPs + costs.tlbFlushPs;
  // Pinning is paid at both ends; the native time has it once. Queues name their frames, too.
  const pages: Record<string, number> = { 'reg_mr 4 KiB': 1, 'reg_mr 1 MiB': 256 };
  const pinPs = 100_000;
  const rows = Object.entries(native).map(([name, ps]) => {
    const lists = name in pages || name === 'create_cq' ? list : 0;
    return compare(
      `${name}, us`,
      (ps + channel + lists + (pages[name] ?? 0) * pinPs) / 1e6,
      (guest[name] as number) / 1e6,
      10,
      1,
    );
  });
  const source = 'closed form: system call; at each end channel, hypercall with event, IPI and upcall; native verb; wake-up';
  return { title: 'VMM-bypass control verbs on an idle machine', source, rows };
}

/** A latency in us between the physical or the first virtual functions. */
export async function functionLatency(isVirtual: boolean, operation: 'send' | 'read'): Promise<number> {
  const wire = joined('connectx3-fdr', 1, 440 / 3, 220_000);
  const [client, server] = wire.adapters.map((hca): Adapter => (isVirtual ? (hca.functions[0] as Adapter) : hca)) as [
    Adapter,
    Adapter,
  ];
  const met: Record<string, { readonly endpoint: unknown; readonly addr: number; readonly rkey: number }> = {};
  const body = async (adapter: Adapter, thread: SimThread, me: string, peer: string): Promise<number> => {
    const ctx = openContext(adapter, thread);
    const pd = ctx.allocPd();
    const mr = pd.regMr(64, Access.LOCAL_WRITE | Access.REMOTE_READ);
    const cq = ctx.createCq({ cqe: 64 });
    const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxInlineData: 16 } });
    met[me] = { endpoint: qp.endpoint(), addr: mr.addr, rkey: mr.rkey };
    await thread.sleep(1e9);
    const other = met[peer] as (typeof met)[string];
    qp.connect(other.endpoint as ReturnType<typeof qp.endpoint>);
    qp.postRecv([1, 2].map((wrId) => ({ wrId, sge: [mr.sge(0, 8)] })));
    await thread.sleep(1e9);
    const begin = thread.nowPs;
    const flags = SendFlags.SIGNALED | (operation === 'send' ? SendFlags.INLINE : 0);
    const sge = [mr.sge(0, 8)];
    const target = { remoteAddr: other.addr, rkey: other.rkey };
    const post = () =>
      qp.postSend(
        operation === 'send'
          ? { wrId: 9, opcode: Opcode.SEND, sendFlags: flags, sge }
          : { wrId: 1, opcode: Opcode.RDMA_READ, sendFlags: flags, sge, ...target },
      );
    if (operation === 'read' && me === 'server') return 0;
    if (me === 'client') post();
    for (;;) {
      const [wc] = await cq.wait(1);
      if (wc?.wrId !== 9) break;
    }
    if (me === 'server') post();
    return (thread.nowPs - begin) / (operation === 'send' ? 2 : 1) / 1e6;
  };
  const threads = [client, server].map((adapter, i) => {
    const [me, peer] = i === 0 ? ['client', 'server'] : ['server', 'client'];
    const thread = new SimThread(wire.loop, 10 + i, me as string);
    thread.start(0, () => body(adapter, thread, me as string, peer as string));
    return thread;
  });
  await inMacrotask(() => wire.run());
  const outcome = threads[0]?.outcome;
  if (outcome?.error !== undefined) throw outcome.error;
  return outcome?.value as number;
}

/** Virtual functions. The READ is a ratio, since only that was published. */
export async function functionRows(): Promise<ValidationTable> {
  const [pf, vf] = [await functionLatency(false, 'send'), await functionLatency(true, 'send')];
  const ratio = (await functionLatency(true, 'read')) / (await functionLatency(false, 'read'));
  return {
    title: 'SR-IOV on ConnectX-3 FDR, 8 B',
    source: 'Zhang, Lu, Panda 2016, section IV: ib_send 0.91 us passed through, 1.20 us a virtual function; read about 14 % more',
    rows: [
      compare('send, physical function, us', 0.91, pf, 3),
      compare('send, virtual function, us', 1.2, vf, 3),
      compare('read, virtual / physical', 1.14, ratio, 5),
    ],
  };
}

export async function rows(): Promise<readonly ValidationTable[]> {
  return [await bypassRows(), await controlRows(), await functionRows()];
}
