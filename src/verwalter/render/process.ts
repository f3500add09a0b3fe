import { spawn } from 'node:child_process';

export interface CommandResult {
  readonly ok: boolean;
  /** "exit code 1", "killed after 30000 ms", "cannot start: …"; empty where all went well. */
  readonly problem: string;
  /** stdout and stderr as they came, at most the last 64 KiB. */
  readonly output: string;
}

/** Output is for a person who looks why a command failed. */
const maxOutputBytes = 64 * 1024;
/** A killed group closes its pipes at once; one that daemonised with our pipe open is not waited for. */
const pipeGraceMs = 500;

/** Where commands are looked for, whatever our own environment says. */
export const cleanPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly cwd: string;
  readonly signal?: AbortSignal;
  /** Beside PATH and LANG. */
  readonly env?: Readonly<Record<string, string>>;
  /** Who runs it; default: who we are. */
  readonly account?: { readonly uid: number; readonly gid: number };
}

/**
 * Runs one program without a shell: clean environment, stdin from /dev/null, a process group of its own that is killed
 * as a whole when time is up or `abort` says so.
 */
export const runCommand = (argv: readonly [string, ...string[]], options: CommandOptions): Promise<CommandResult> =>
  new Promise((resolve) => {
    const [program, ...args] = argv;
    const chunks: Buffer[] = [];
    let size = 0;
    let ended = '';
    let settled = false;
    const child = spawn(program, args, {
      cwd: options.cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: cleanPath, LANG: 'C.UTF-8', ...options.env },
      ...options.account,
    });
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      size += chunk.length;
      while (size > maxOutputBytes && chunks.length > 1) size -= chunks.shift()?.length ?? 0;
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const kill = (why: string): void => {
      ended ||= why;
      if (child.pid !== undefined) {
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          // The group has ended by itself.
        }
      }
    };
    const timer = setTimeout(() => kill(`killed after ${options.timeoutMs} ms`), options.timeoutMs);
    const onAbort = (): void => kill('killed: verwalter stops');
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const settle = (problem: string): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      child.stdout.destroy();
      child.stderr.destroy();
      const output = Buffer.concat(chunks).subarray(-maxOutputBytes).toString();
      resolve({ ok: problem === '', problem, output });
    };
    const verdict = (code: number | null, signal: string | null): string => {
      if (ended !== '') return ended;
      if (signal !== null) return `killed by ${signal}`;
      return code === 0 ? '' : `exit code ${code}`;
    };
    child.once('error', (error) => settle(`cannot start: ${error.message}`));
    child.once('close', (code, signal) => settle(verdict(code, signal)));
    child.once('exit', (code, signal) => {
      setTimeout(() => settle(verdict(code, signal)), pipeGraceMs).unref();
    });
    if (options.signal?.aborted === true) onAbort();
  });
