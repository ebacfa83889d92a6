/** Nothing but a barrier: all nodes are there when it ends. */
import { program } from 'heddle';

export default program(async ({ peers, sim }) => {
  await peers.barrier();
  return { nowPs: sim.now() };
});
