/** A program that one rank breaks, in the way and by the rank that the options name, after a while of ordinary life. */
import { readFile } from 'node:fs/promises';
import { program } from 'heddle';

export default program(async ({ peers, rank, args, sim }) => {
  const [how, who] = [args[0], Number(args[1] ?? 0)];
  await peers.barrier();
  await sim.sleep(1000 * (rank + 1));
  if (rank === who) {
    if (how === 'throw') throw new TypeError('the cat is on the keyboard');
    if (how === 'throw a string') throw 'just a string';
    if (how === 'await') await readFile('package.json');
    if (how === 'reject') void Promise.reject(new TypeError('nobody catches this'));
    if (how === 'loop') for (;;);
    if (how === 'loop in microtasks') for (;;) await null;
    if (how === 'exit') process.exit(3);
    if (how === 'wait') await peers.recv(rank === 0 ? 1 : 0);
  }
  await peers.barrier();
});
