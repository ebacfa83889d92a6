/** On whole Xen hosts: a guest is destroyed at any time of handshake and traffic, and dom0 and the machine have everything again. */
import { describe, expect, it } from 'vitest';
import type { EraName } from '../../src/hypervisor/index.ts';
import { registerNetback, type Vif } from '../../src/xen-netback/index.ts';
import { type NetfrontDevice, registerNetfront } from '../../src/xen-netfront/index.ts';
import { packet } from '../kit/net-pair.ts';
import { MS, S, XenLab } from '../kit/xen-machine.ts';

const STRIKES = 40;

describe.each<EraName>(['xen-3.0', 'xen-3.0.4', 'xen-4.17'])('%s', (era) => {
  it('a guest is destroyed at any event', () => {
    const lab = new XenLab({ era });
    const { machine, dom0, loop } = lab;
    const vifs = new Set<Vif>();
    registerNetback(dom0.kernel, { onVif: (vif) => vifs.add(vif), onVifGone: (vif) => vifs.delete(vif) });
    const held = (): object => ({
      machine: machine.freePages,
      dom0: dom0.kernel.freePageCount,
      domains: machine.domains.size,
      vifs: vifs.size,
    });
    let before: object | null = null;
    let sent = 0;
    for (let strike = 0; strike < STRIKES; strike++) {
      const fronts: NetfrontDevice[] = [];
      const guest = lab.create({ name: 'a', vcpus: 1, memoryMb: 16, vifs: [{}] }, ({ domain }) => {
        registerNetfront(domain!.kernel, { onDevice: (device) => fronts.push(device) });
      });
      const domain = guest.domain!;
      // The first half is killed while it connects, the second while it talks.
      if (strike >= STRIKES / 2) {
        lab.run(50 * MS);
        const [vif] = vifs;
        for (let i = 0; i < 20; i++) {
          domain.kernel.cpu.exec(0, 'test', () => void fronts[0]!.transmit(packet(new Uint8Array(1000))));
          dom0.kernel.cpu.exec(0, 'test', () => void vif!.transmit(packet(new Uint8Array(1000))));
        }
        sent++;
      }
      loop.limitPs = loop.nowPs + S;
      for (let events = 0; events < 7 * (strike % (STRIKES / 2)); events++) loop.step();
      machine.destroyDomain(domain.domid);
      lab.wait<string | null>((done) => lab.toolstack.destroy('a', done));
      lab.run(S);
      before ??= held();
      expect(held(), `strike ${strike}`).toEqual(before);
    }
    expect(sent).toBe(STRIKES / 2);
  });
});
