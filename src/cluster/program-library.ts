/** What `import … from 'heddle'` means inside a simulated program: the verbs API, the errors of sockets, `program`, and the helpers for virtual time. The package's own entry has all of it, too. */
export { SocketError } from '../net/index.ts';
export { ConfigError, formatPs } from '../sim/index.ts';
export * from '../verbs/index.ts';
