/** Kinds of event of an adapter, what an attempt to send can come to, and the first number of ordinary queue pairs. */

/** A packet leaves the receive pipeline: a = its room. */
export const EV_RECEIVE = 0;
/** The transmit engine is free. */
export const EV_TRANSMIT = 1;
/** A queue pair is to be looked at: a = its name, b = its generation, as in the next three. */
export const EV_DOORBELL = 2;
/** The retry timer may have run out. */
export const EV_TIMER = 3;
/** The wait after an RNR NAK is over. */
export const EV_RNR = 4;
/** The moment in which acknowledges become one is over. */
export const EV_ACK = 5;
/** Room in a lane's buffer comes free: a = port index, b = lane. */
export const EV_FREED = 6;
/** A completion queue's moderation period is over: a = its number. */
export const EV_MODERATION = 7;

/** Nothing was sent: there was no work, or it failed. */
export const NOTHING = 0;
/** A packet, or a local operation, used the engine. */
export const SENT = 1;
/** The lane's buffer was full; the queue pair waits for room. */
export const BLOCKED = 2;

export const FIRST_QPN = 0x40;
