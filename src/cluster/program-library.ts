/** What `import … from 'heddle'` means inside a simulated program: the verbs API, `program`, and the helpers for virtual time. The package's own entry has all of it, too. */
export { ConfigError, formatPs } from '../sim/index.ts';
export * from '../verbs/index.ts';
