/** Skeleton: a domain's event channels. */
export interface EventChannels {
  readonly isFifo: boolean;
}
