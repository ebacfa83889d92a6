/**
 * The address book of a cluster: node names and IPv4 addresses of ports, and what a subnet administrator would answer about paths.
 * It is plain data made at load time (static configuration), so that every thread has the same one.
 */
export {};
