/** Time of privileged verbs, one at a time on an idle machine: the mean of ten of each, in ps. */
import { Access, program } from 'heddle';

const TIMES = 10;

export default program(async ({ ctx, sim, rank }) => {
  if (rank > 0) return null;
  const pd = ctx.allocPd();
  const bytes = ctx.alloc(256 * 4096);
  const verbs: Readonly<Record<string, () => { close(): void } | undefined>> = {
    query_port: () => void ctx.queryPort(1),
    alloc_pd: () => ctx.allocPd(),
    create_cq: () => ctx.createCq({ cqe: 64 }),
    'reg_mr 4 KiB': () => pd.regMr(bytes.subarray(0, 4096), Access.LOCAL_WRITE),
    'reg_mr 1 MiB': () => pd.regMr(bytes, Access.LOCAL_WRITE),
  };
  const means: Record<string, number> = {};
  for (const [name, verb] of Object.entries(verbs)) {
    let sum = 0;
    for (let i = 0; i < TIMES; i++) {
      await sim.sleep(1e6);
      const begin = sim.now();
      const made = verb();
      await sim.sleepPs(0);
      sum += sim.now() - begin;
      made?.close();
    }
    means[name] = sum / TIMES;
  }
  return means;
});
