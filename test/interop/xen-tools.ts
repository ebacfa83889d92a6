/**
 * Runs Xen's own tools (xl, xentop) against a simulated host: compiles the preloaded library that carries their hypercalls here, and serves the sockets.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a tool printed and how it ended. */
export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a compiler. A missing one fails the test and says what to install. */
export function compile(args: readonly string[]): void {
  try {
    execFileSync('gcc', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Error('gcc is not installed, see scripts/setup-interop');
    throw new Error(`gcc ${args.join(' ')}: ${(error as { stderr?: Buffer }).stderr}`);
  }
}

/** The folder of the tools of an installed Xen: those in PATH are wrappers that want a hypervisor. */
export function xenTool(name: string): string {
  const folders = existsSync('/usr/lib') ? readdirSync('/usr/lib').filter((entry) => /^xen-\d/.test(entry)) : [];
  const path = folders.map((folder) => `/usr/lib/${folder}/bin/${name}`).find((file) => existsSync(file));
  if (path === undefined) throw new Error(`${name} is not installed: Debian package xen-utils-4.17, see scripts/setup-interop`);
  return path;
}

/** A folder for sockets, the compiled library, and the files that tools take for the system's. */
export class XenToolBench {
  readonly folder = mkdtempSync(join(tmpdir(), 'heddle-xl-'));
  readonly hypercallPath = join(this.folder, 'hypercalls');
  readonly storePath = join(this.folder, 'xenstored');
  readonly root = join(this.folder, 'root');
  readonly #shim = join(this.folder, 'shim.so');

  constructor() {
    const source = fileURLToPath(new URL('xen/hypercall-shim.c', import.meta.url));
    compile(['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-o', this.#shim, source, '-ldl']);
    for (const folder of ['/var/lib/xen', '/run/xen', '/var/run/xen', '/sys/bus/xen-backend/devices', '/proc/net'])
      mkdirSync(join(this.root, folder), { recursive: true });
    this.put('/etc/xen/xl.conf', '');
  }

  /** Writes a file that tools find at `path`. */
  put(path: string, text: string): string {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Runs a tool to its end, while this thread goes on serving it. */
  run(tool: string, args: readonly string[]): Promise<ToolResult> {
    const env = {
      ...process.env,
      LC_ALL: 'C',
      LD_PRELOAD: this.#shim,
      HEDDLE_HYPERCALLS: this.hypercallPath,
      HEDDLE_ROOT: this.root,
      XENSTORED_PATH: this.storePath,
    };
    return new Promise((resolve) => {
      execFile(xenTool(tool), args, { env, timeout: 30_000, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      });
    });
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** A socket that takes connections and says nothing: enough for tools that open the store and ask nothing of it. */
export function openSilentSocket(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(() => undefined);
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}
