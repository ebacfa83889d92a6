/**
 * The sizes that a topology may have. The first three are InfiniBand's own; the others keep a slip of the keyboard
 * (`h[1-999999999]`) or a hostile file from taking the machine: it ends in an error that names the limit.
 */

/** Unicast LIDs 0x0001 … 0xBFFF (IBA 4.1.3): each HCA port takes 2^LMC of them, each switch one. */
export const MAX_UNICAST_LIDS = 0xbfff;
/** Port numbers are 8 bits; 0 is the management port, 255 stands for none. */
export const MAX_PORTS = 254;
/** Entries of a VL arbitration table (IBA 7.6.9). */
export const MAX_VL_ARBITRATION_ENTRIES = 64;

export const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** Names that one range may expand to. */
export const MAX_RANGE = MAX_UNICAST_LIDS;
export const MAX_LINKS = 500_000;
/** Nesting of a YAML or JSON file; a topology needs eight levels. */
export const MAX_DEPTH = 32;
/** Copies that the aliases (`*name`) of a file may make, counted in values. */
export const MAX_ALIASED_VALUES = 100_000;
export const MAX_NAME_LENGTH = 64;
export const MAX_HCAS_PER_NODE = 16;
