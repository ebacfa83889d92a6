/**
 * The machine without domains on which schedulers are tested, and measured too.
 */
export * from '../../bench/xen-machine.ts';
