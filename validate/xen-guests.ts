/**
 * Abstract guests of a Xen machine for `xen-sched.ts`: each packet needs some CPU time in domain 0 and some in the guest, and that is all there is to it.
 * What they need is assumed, and said here.
 */
import { BASE_COSTS, MS, type Pinged, Rig, type RigOptions, SECOND, US } from '../bench/xen-machine.ts';
import type { MachineParams } from '../src/hypervisor/sched/params.ts';
import type { Ps } from '../src/sim/index.ts';

export type Params = Partial<MachineParams>;

/** Assumed: what domain 0 does for a packet, and what a guest does for an echo request. */
const DOM0_PACKET_PS = 10 * US;
const ECHO_PS = 20 * US;

/**
 * Pings the first of four guests that compute; two pCPUs. Domain 0 has a vCPU for each, as is the default: interrupts come to one, the guests' events to the other.
 * The waits are round trips.
 */
export function pingThroughDom0(params: Params): Pinged {
  const rig = new Rig({ pcpus: 2, params, costs: BASE_COSTS });
  const irqs = rig.vcpu(0);
  const netback = rig.vcpu(0, {}, 1);
  const vcpu = [1, 2, 3, 4].map((domid) => rig.hog(domid))[0]!;
  const waitsMs: number[] = [];
  let sentPs: Ps = -1;
  vcpu.onUpcall = () => vcpu.exec(ECHO_PS, 'echo', () => netback.kick(vcpu.nowPs));
  netback.onUpcall = () =>
    netback.exec(DOM0_PACKET_PS, 'netback', () => {
      waitsMs.push((netback.nowPs - sentPs) / MS);
      sentPs = -1;
    });
  rig.again(
    () => Math.round(300 * MS + rig.random.exponential() * 100 * MS),
    () => {
      if (sentPs >= 0) return;
      sentPs = rig.loop.nowPs;
      irqs.interrupt('nic', () => irqs.exec(DOM0_PACKET_PS, 'netback', () => vcpu.kick(irqs.nowPs)));
    },
  );
  rig.run(200 * SECOND);
  return { vcpu, waitsMs };
}

const PACKET_BYTES = 1500;
/** What the guest of the publication gets alone: line and host together. */
const LINE_MBPS = 806.64;
const PACKET_PS = Math.round((PACKET_BYTES * 8e6) / LINE_MBPS);
/** Assumed: the sender's window, as Linux tunes it for a fast peer; CPU time of a packet in domain 0, in the guest, and of an acknowledgement; way of that. */
const WINDOW_BYTES = 512 * 1024;
const NETBACK_PS = 4 * US;
const GUEST_PACKET_PS = 8 * US;
const ACK_PS = US;
const WAY_PS = 20 * US;

/** Mb/s of a TCP stream into a guest on pCPU 0, beside a hog there or not; domain 0 and an idle pCPU besides. */
export function streamBesideHog(hasHog: boolean, params: Params): number {
  const rig = new Rig({ pcpus: 3, params, costs: BASE_COSTS });
  const dom0 = rig.vcpu(0);
  const guest = rig.vcpu(1);
  rig.host.setAffinity(0, 0, [1]);
  rig.host.setAffinity(1, 0, [0]);
  if (hasHog) {
    rig.hog(2);
    rig.host.setAffinity(2, 0, [0]);
  }
  let inFlight = 0;
  let forGuest = 0;
  let acks = 0;
  let received = 0;
  let linePs: Ps = 0;
  // The sender sends what its window lets it, a packet after the other on the line.
  const send = (): void => {
    while ((inFlight + 1) * PACKET_BYTES <= WINDOW_BYTES) {
      inFlight++;
      linePs = Math.max(linePs, rig.loop.nowPs) + PACKET_PS;
      rig.at(linePs, arrive);
    }
  };
  const arrive = (): void =>
    dom0.interrupt('nic', () =>
      dom0.exec(NETBACK_PS, 'netback', () => {
        forGuest++;
        guest.kick(dom0.nowPs);
      }),
    );
  guest.onUpcall = () => {
    const packets = forGuest;
    forGuest = 0;
    for (let i = 0; i < packets; i++) {
      guest.exec(GUEST_PACKET_PS, 'tcp', () => {
        received++;
        acks++;
        dom0.kick(guest.nowPs);
      });
    }
  };
  dom0.onUpcall = () => {
    const count = acks;
    acks = 0;
    dom0.exec(ACK_PS * count, 'netback', () =>
      rig.at(rig.loop.nowPs + WAY_PS, () => {
        inFlight -= count;
        send();
      }),
    );
  };
  send();
  rig.run(4 * SECOND);
  return (received * PACKET_BYTES * 8) / 4e6;
}

export interface Mixed {
  /** Switches a second on all pCPUs. */
  readonly switches: number;
  /** CPU time for programs and packets, as part of all there is. */
  readonly useful: number;
}

/** Eight guests on four pCPUs, each a server: packets come about every 0.5 ms, and it computes with what is left. */
export function mixedLoad(options: RigOptions): Mixed {
  const seconds = 20;
  const rig = new Rig({ pcpus: 4, costs: BASE_COSTS, ...options });
  for (let domid = 1; domid <= 8; domid++) {
    const { vcpu } = rig.pinged(domid, 0.5 * MS, 100 * US);
    // It computes for 2 ms about every 5 ms.
    rig.again(
      () => Math.round(rig.random.exponential() * 5 * MS),
      () => vcpu.exec(2 * MS, 'compute', () => undefined),
    );
  }
  rig.run(seconds * SECOND);
  let usefulPs = 0;
  for (const vcpu of rig.vcpus) for (const cause of ['work', 'compute']) usefulPs += vcpu.usedPs.get(cause) ?? 0;
  return {
    switches: rig.host.switches.reduce((sum, count) => sum + count, 0) / seconds,
    useful: usefulPs / (seconds * SECOND * rig.host.pcpus),
  };
}
