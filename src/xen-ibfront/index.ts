/**
 * xen-ibfront: the guest's half of VMM-bypass verbs: programs and drivers of the guest get an adapter whose privileged calls go to the driver domain over a device channel, while
 * posts, polls and doorbells go to the hardware. Imports sim, verbs, hypervisor.
 *
 *   ibfront         registration with xenbus, and the device's life; opens contexts
 *   channel         the shared pages: commands out, answers, events and datagrams in
 *   guest-adapter   the adapter as verbs see it (`adapter-parts` what those of one device share);  caller: who waits for a command, a program or nobody
 *   fields          attributes of verbs as fields of commands
 *   guest-frames    frames behind the memory that the adapter is to use, and their lists
 *   pass-through    virtual functions, which need none of this
 *   mad-port        queue pair 1, which is the driver domain's
 */
export * from './channel.ts';
export * from './ibfront.ts';
export * from './pass-through.ts';
