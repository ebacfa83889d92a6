/** Event channels: the arguments of `EVTCHNOP_*` and the FIFO control block (event_channel.h). All checked against the headers by test/interop/xen-abi.test.ts. */
import { layout } from './layout.ts';

// Operations.
export const EVTCHNOP_bind_interdomain = 0;
export const EVTCHNOP_bind_virq = 1;
export const EVTCHNOP_bind_pirq = 2;
export const EVTCHNOP_close = 3;
export const EVTCHNOP_send = 4;
export const EVTCHNOP_status = 5;
export const EVTCHNOP_alloc_unbound = 6;
export const EVTCHNOP_bind_ipi = 7;
export const EVTCHNOP_bind_vcpu = 8;
export const EVTCHNOP_unmask = 9;
export const EVTCHNOP_reset = 10;
export const EVTCHNOP_init_control = 11;
export const EVTCHNOP_expand_array = 12;
export const EVTCHNOP_set_priority = 13;

// States that EVTCHNOP_status reports.
export const EVTCHNSTAT_closed = 0;
export const EVTCHNSTAT_unbound = 1;
export const EVTCHNSTAT_interdomain = 2;
export const EVTCHNSTAT_pirq = 3;
export const EVTCHNSTAT_virq = 4;
export const EVTCHNSTAT_ipi = 5;

// FIFO channels.
export const EVTCHN_FIFO_PRIORITY_MAX = 0;
export const EVTCHN_FIFO_PRIORITY_DEFAULT = 7;
export const EVTCHN_FIFO_PRIORITY_MIN = 15;
export const EVTCHN_FIFO_MAX_QUEUES = 16;
export const EVTCHN_FIFO_PENDING = 31;
export const EVTCHN_FIFO_MASKED = 30;
export const EVTCHN_FIFO_LINKED = 29;
export const EVTCHN_FIFO_BUSY = 28;
export const EVTCHN_FIFO_LINK_BITS = 17;
export const EVTCHN_FIFO_NR_CHANNELS = 131072;
export const EVTCHN_2L_NR_CHANNELS = 4096;

// Virtual interrupts.
export const VIRQ_TIMER = 0;
export const VIRQ_DEBUG = 1;
export const VIRQ_CONSOLE = 2;
export const VIRQ_DOM_EXC = 3;
export const VIRQ_TBUF = 4;
export const VIRQ_DEBUGGER = 6;
export const VIRQ_XENOPROF = 7;
export const VIRQ_CON_RING = 8;
export const VIRQ_PCPU_STATE = 9;
export const VIRQ_MEM_EVENT = 10;
export const VIRQ_ARGO = 11;
export const VIRQ_ENOMEM = 12;
export const VIRQ_XENPMU = 13;
export const VIRQ_ARCH_0 = 16;
export const NR_VIRQS = 24;

export const EVTCHN_BIND_VIRQ = layout('struct evtchn_bind_virq', 12, { virq: [0, 4], vcpu: [4, 4], port: [8, 4] });
export const EVTCHN_BIND_PIRQ = layout('struct evtchn_bind_pirq', 12, { pirq: [0, 4], flags: [4, 4], port: [8, 4] });
export const EVTCHN_BIND_IPI = layout('struct evtchn_bind_ipi', 8, { vcpu: [0, 4], port: [4, 4] });
export const EVTCHN_CLOSE = layout('struct evtchn_close', 4, { port: [0, 4] });
export const EVTCHN_SEND = layout('struct evtchn_send', 4, { port: [0, 4] });
export const EVTCHN_BIND_VCPU = layout('struct evtchn_bind_vcpu', 8, { port: [0, 4], vcpu: [4, 4] });
export const EVTCHN_UNMASK = layout('struct evtchn_unmask', 4, { port: [0, 4] });
export const EVTCHN_RESET = layout('struct evtchn_reset', 2, { dom: [0, 2] });
export const EVTCHN_INIT_CONTROL = layout('struct evtchn_init_control', 24, {
  control_gfn: [0, 8],
  offset: [8, 4],
  vcpu: [12, 4],
  link_bits: [16, 1],
});
export const EVTCHN_EXPAND_ARRAY = layout('struct evtchn_expand_array', 8, { array_gfn: [0, 8] });
export const EVTCHN_SET_PRIORITY = layout('struct evtchn_set_priority', 8, { port: [0, 4], priority: [4, 4] });
export const EVTCHN_ALLOC_UNBOUND = layout('struct evtchn_alloc_unbound', 8, { dom: [0, 2], remote_dom: [2, 2], port: [4, 4] });
export const EVTCHN_BIND_INTERDOMAIN = layout('struct evtchn_bind_interdomain', 12, {
  remote_dom: [0, 2],
  remote_port: [4, 4],
  local_port: [8, 4],
});
export const EVTCHN_STATUS = layout('struct evtchn_status', 24, {
  dom: [0, 2],
  port: [4, 4],
  status: [8, 4],
  vcpu: [12, 4],
  u: [16, 8],
});
export const EVTCHN_FIFO_CONTROL_BLOCK = layout('struct evtchn_fifo_control_block', 72, { ready: [0, 4], head: [8, 64] });
