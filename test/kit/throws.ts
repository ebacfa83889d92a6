/** A program that throws. For the test of its stack. */
import { program } from 'heddle';

function deep(): never {
  throw new RangeError('thrown on line 5');
}

export default program(async () => deep());
