/**
 * Every option of perftest's send, write, read and atomic tests (release 6.29), with what it means in a simulator.
 *
 * Three kinds: used as in perftest; accepted with a printed warning, because the thing does not exist here but a script may well pass the option;
 * refused, because a result would not mean what the user asked for. `docs/programs.md` shows this table, and a test keeps it current.
 */
import type { OptionSpec } from '../options.ts';

const NO_GPU = 'memory of accelerators is not modelled';
const NO_ETHERNET = 'only InfiniBand is modelled, no Ethernet, no IP';
const NO_HOST = 'the host has one simulated CPU per program, without NUMA nodes or cores to choose';
const DC_ONLY = 'belongs to DC transport, which is not modelled';
const CRYPTO = 'encryption and signatures are not modelled';

const used: OptionSpec[] = [
  { long: 'all', short: 'a', text: 'Run sizes from 2 till 2^23' },
  { long: 'atomic_type', short: 'A', value: 'type', text: 'CMP_AND_SWAP or FETCH_AND_ADD (default FETCH_AND_ADD)' },
  { long: 'bidirectional', short: 'b', text: 'Measure bidirectional bandwidth (default unidirectional)' },
  { long: 'connection', short: 'c', value: 'RC/UC/UD', text: 'Connection type (default RC)' },
  {
    long: 'report-cycles',
    short: 'C',
    text: 'Report times in cycles of a nominal 1 GHz clock (1 cycle = 1 ns) instead of microseconds',
  },
  { long: 'ib-dev', short: 'd', value: 'dev', text: 'Use IB device <dev> (default first device found)' },
  { long: 'duration', short: 'D', value: 'seconds', text: 'Run for so many seconds of simulated time; fractions are allowed' },
  { long: 'events', short: 'e', text: 'Sleep on CQ events (default poll)' },
  { long: 'vector', short: 'X', value: 'completion vector', text: 'Completion vector used for events' },
  {
    long: 'margin',
    short: 'f',
    value: 'seconds',
    text: 'Measure within margins (default a quarter of the duration); fractions are allowed',
  },
  { long: 'help', short: 'h', text: 'Show this help screen' },
  { long: 'report-histogram', short: 'H', text: 'Print out all results, sorted (default print summary only)' },
  { long: 'ib-port', short: 'i', value: 'port', text: 'Use port <port> of IB device (default 1)' },
  { long: 'inline_size', short: 'I', value: 'size', text: 'Max size of message to be sent in inline' },
  { long: 'post_list', short: 'l', value: 'list size', text: 'Post lists of send WQEs of <list size> size' },
  { long: 'recv_post_list', value: 'list size', text: 'Post lists of receive WQEs of <list size> size' },
  { long: 'mtu', short: 'm', value: 'mtu', text: 'MTU size: 256 - 4096 (default port mtu)' },
  { long: 'iters', short: 'n', value: 'iters', text: 'Number of exchanges (at least 5, default 1000; write bandwidth 5000)' },
  { long: 'noPeak', short: 'N', text: 'Cancel peak-bw calculation (default with peak up to iters=20000)' },
  { long: 'outs', short: 'o', value: 'num', text: 'Number of outstanding reads or atomics (default max of device)' },
  { long: 'qp', short: 'q', value: "num of qp's", text: 'Number of QPs (default 1), bandwidth tests only' },
  { long: 'cq-mod', short: 'Q', value: 'count', text: 'Generate a CQE only after <count> completions (default 100)' },
  { long: 'rx-depth', short: 'r', value: 'dep', text: 'Receive queue size (default 512); with --use-srq the size of the SRQ' },
  { long: 'rdma_cm', short: 'R', text: 'Connect QPs with rdma_cm and run the test on those QPs' },
  {
    long: 'size',
    short: 's',
    value: 'size',
    text: 'Size of message to exchange (default 2, bandwidth 65536); K and M are allowed',
  },
  {
    long: 'sl',
    short: 'S',
    value: 'sl',
    text: 'Service level (default that of the path record: 0 unless the routing needs others)',
  },
  { long: 'tx-depth', short: 't', value: 'dep', text: 'Size of tx queue (default 1, bandwidth 128)' },
  { long: 'qp-timeout', short: 'u', value: 'timeout', text: 'QP timeout, 4.096 usec * 2^timeout (default 14)' },
  { long: 'report-unsorted', short: 'U', text: 'Print out all results, unsorted' },
  { long: 'version', short: 'V', text: 'Display version number' },
  { long: 'limit_bw', short: 'w', value: 'value', text: 'Fail if the average bandwidth is below <value>' },
  { long: 'gid-index', short: 'x', value: 'index', text: 'Use the GID with this index: packets carry a GRH' },
  { long: 'limit_msgrate', short: 'y', value: 'value', text: 'Fail if the message rate is below <value>' },
  { long: 'out_json', text: 'Save the report in a json file' },
  { long: 'out_json_file', value: 'file', text: 'Name of the report json file (default perftest_out.json)' },
  { long: 'cqe_poll', value: 'count', text: 'Number of CQEs polled at once (default 16)' },
  { long: 'disable_dynamic_polling', text: 'Disable dynamic CQE polling adaptation' },
  { long: 'dlid', value: 'lid', text: 'Set a destination LID instead of getting it from the other side' },
  { long: 'use-srq', text: 'Use a shared receive queue' },
  { long: 'latency_gap', value: 'usec', text: 'Delay time between each post send' },
  { long: 'mr_per_qp', text: 'Create a memory region for each QP' },
  { long: 'output', value: 'units', text: 'Print one number: bandwidth, message_rate, or latency (the average)' },
  { long: 'perform_warm_up', text: 'Perform some iterations before measuring' },
  { long: 'pkey_index', value: 'pkey index', text: 'PKey index to use for QP (default 0)' },
  { long: 'report-both', text: 'Report RX & TX results separately on bidirectional bandwidth tests' },
  { long: 'report_gbits', text: 'Report bandwidth in Gbit/sec (instead of MiB/sec)' },
  { long: 'reversed', text: 'Reverse traffic direction: the server sends to the client' },
  { long: 'retry_count', value: 'value', text: 'Retry count of the QPs (default 7)' },
  { long: 'tclass', value: 'value', text: 'Traffic class in the GRH (with -x)' },
  { long: 'flow_label', value: 'fl0,fl1,…', text: 'Flow labels in the GRH, one per QP in turn (with -x)' },
  { long: 'burst_size', value: 'size', text: 'Messages sent in a burst under rate limit (default tx depth)' },
  { long: 'rate_limit', value: 'rate', text: 'Maximum rate of sending, see --rate_units' },
  { long: 'rate_limit_type', value: 'SW', text: 'Who limits the rate: SW' },
  { long: 'rate_units', value: 'M/g/p', text: 'Units of the rate limit: MiB/s (M), Gb/s (g, default), messages per second (p)' },
  { long: 'write_with_imm', text: 'RDMA write with immediate' },
  { long: 'send_with_imm', text: 'Send with immediate' },
  {
    long: 'compat',
    value: 'exact/perftest',
    text: "Statistics: exact (default), or perftest's, its tail and integer rounding included",
  },
];

const warned: OptionSpec[] = [
  { long: 'port', short: 'p', value: 'port', text: 'Listen on/connect to port', why: 'the out-of-band channel has no ports' },
  { long: 'CPU-freq', short: 'F', text: 'No warning about CPU frequency', why: 'the simulated CPU has a constant speed' },
  { long: 'use_hugepages', text: 'Use huge pages', why: 'address translation costs the same for all page sizes' },
  { long: 'use_old_post_send', text: 'Use ibv_post_send', why: 'it is what the tests always use' },
  { long: 'dont_xchg_versions', text: 'Do not exchange versions', why: 'both sides are of one version' },
  { long: 'disable_pcie_relaxed', text: 'Disable PCIe relaxed ordering', why: 'the host bus is modelled with strict ordering' },
  { long: 'no_lock', text: 'No lock in IO', why: 'a simulated program has one thread, and locks cost nothing' },
  { long: 'pin_cores', value: 'cpu_list', text: 'Set CPU affinity', why: NO_HOST },
  { long: 'numa_node', value: 'node', text: 'NUMA node', why: NO_HOST },
  { long: 'disable_numa', text: 'Disable NUMA binding', why: NO_HOST },
  { long: 'force-link', value: 'value', text: 'Force the link type', why: 'every link is InfiniBand' },
  {
    long: 'wait_destroy',
    value: 'seconds',
    text: 'Wait before destroying resources',
    why: 'nothing can attach to a simulated process',
  },
].map((spec) => ({ ...spec, verdict: 'warned' as const }));

function refusedBecause(why: string, ...names: string[]): OptionSpec[] {
  return names.map((name) => {
    const [long, short, value] = name.split('|') as [string, string | undefined, string | undefined];
    return { long, text: '', verdict: 'refused', why, ...(short ? { short } : {}), ...(value ? { value } : {}) };
  });
}

const refused: OptionSpec[] = [
  ...refusedBecause('a simulation must end; use -n or -D', 'run_infinitely'),
  ...refusedBecause('perftest does not support it either', 'use_rss|G'),
  ...refusedBecause(
    'parameters are exchanged over the out-of-band channel; -R connects the QPs themselves by rdma_cm',
    'comm_rdma_cm|z',
  ),
  ...refusedBecause(
    'multicast needs a group that the subnet manager made; see examples/06-ud-multicast.ts',
    'mcg|g',
    'MGID|M|gid',
    'connectionless',
  ),
  ...refusedBecause('use two runs, or -i; tests over two ports at once are not there yet', 'dualport|O', 'report-per-port'),
  ...refusedBecause(
    `${NO_ETHERNET}; use -S for the service level`,
    'tos|T|tos',
    'hop_limit|L|limit',
    'ipv6',
    'ipv6-addr',
    'bind_source_ip||ip',
  ),
  ...refusedBecause(
    NO_ETHERNET,
    'source_mac|B|mac',
    'dest_mac|E|mac',
    'dest_ip|J|ip',
    'source_ip|j|ip',
    'dest_port|K|port',
    'source_port|k|port',
    'ethertype|Y|type',
  ),
  ...refusedBecause(
    NO_ETHERNET,
    'remote_mac||mac',
    'local_mac||mac',
    'remote_ip||ip',
    'local_ip||ip',
    'remote_port||port',
    'local_port||port',
    'raw_ipv6',
    'tcp',
  ),
  ...refusedBecause(
    NO_ETHERNET,
    'mac_fwd|v',
    'vlan_en',
    'vlan_pcp||pcp',
    'promiscuous',
    'sniffer',
    'raw_mcast',
    'flows||n',
    'flows_burst||n',
    'reply_every||n',
  ),
  ...refusedBecause('belongs to raw Ethernet tests; heddle chooses the sides with --client and --server', 'server|Z', 'client|P'),
  ...refusedBecause('packet pacing is a feature of raw Ethernet QPs', 'typical_pkt_size||size'),
  ...refusedBecause('the time of the simulated CPU is not sampled; heddle run --breakdown shows where it goes', 'cpu_util'),
  ...refusedBecause('heddle run --counters prints them', 'report-counters|W|names'),
  ...refusedBecause('on-demand paging is not modelled', 'odp', 'use-null-mr'),
  ...refusedBecause(
    'memory is what the simulated program allocates',
    'mmap||file',
    'mmap-offset||offset',
    'payload_file_path||file',
  ),
  ...refusedBecause(
    'every byte that arrives is checked by the tests of heddle itself',
    'data_validation',
    'data_validation_debug',
  ),
  ...refusedBecause(
    NO_GPU,
    'use_cuda||id',
    'use_cuda_bus_id||id',
    'use_cuda_dmabuf',
    'use_cuda_pcie_mapping',
    'use_data_direct',
    'cuda_mem_type||type',
    'gpu_touch||how',
  ),
  ...refusedBecause(
    NO_GPU,
    'use_musa||id',
    'use_musa_bus_id||id',
    'use_musa_dmabuf',
    'use_musa_pcie_mapping',
    'use_rocm||id',
    'use_rocm_dmabuf',
    'use_neuron||id',
  ),
  ...refusedBecause(
    NO_GPU,
    'use_neuron_dmabuf',
    'use_hl||id',
    'use_mlu||id',
    'use_mlu_dmabuf',
    'use_opencl||id',
    'opencl_platform_id||id',
    'use_ib_dm_dmabuf||dev',
  ),
  ...refusedBecause(
    DC_ONLY,
    'log_dci_streams||n',
    'log_active_dci_streams||n',
    'no_enhanced_reorder',
    'unsolicited_write',
    'use_ooo',
  ),
  ...refusedBecause(
    CRYPTO,
    'aes_xts',
    'encrypt_on_tx',
    'sig_before',
    'aes_block_size||size',
    'data_enc_keys_number||n',
    'kek_path||file',
    'credentials_path||file',
  ),
  ...refusedBecause(CRYPTO, 'data_enc_key_app_path||file', 'sig_offload'),
  ...refusedBecause('congestion control belongs to the topology file', 'congest_type||type'),
  ...refusedBecause('TLP processing hints are not modelled', 'tph_mem||type', 'cpu_id||id', 'ph||hints'),
];

/** All options, used ones first. */
export const PERFTEST_OPTIONS: readonly OptionSpec[] = [...used, ...warned, ...refused];
