import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeRoot, ownMaps } from './root.ts';

export const knotProgram = join(process.cwd(), 'build/knot/knot');
const deadlineMs = 5_000; // a busy two-core machine

/** A knot's status file, as far as tests look into it. */
export interface Reported {
  readonly phase: string;
  readonly knotPid: number;
  readonly pid: number;
  readonly startTime: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly restarts: number;
}

/** Knots that run one busybox root, each in a state folder of its own. */
export function knotRun() {
  const root = makeRoot();
  const started: ChildProcess[] = [];
  const folders: string[] = [];
  let state = '';

  const run = {
    root: root.path,
    /** The state folder that plans are written for. */
    state: () => state,
    freshState() {
      state = mkdtempSync(join(tmpdir(), 'stellwerk-knot-'));
      folders.push(state);
    },
    writePlan(argv: readonly string[], more: readonly string[] = []): string {
      const { uidMap, gidMap } = ownMaps();
      const map = (key: string, rows: typeof uidMap) =>
        rows.flatMap(({ inside, outside, count }) => [key, `${inside}`, `${outside}`, `${count}`]);
      const words = [
        ...['name', 'web/worker.0', 'state-dir', state, 'root', root.path, 'cwd', '/', 'uid', '0', 'gid', '0'],
        ...['user', 'mount', 'pid', 'ipc', 'uts', 'net'].flatMap((name) => ['unshare', name]),
        ...map('uid-map', uidMap),
        ...map('gid-map', gidMap),
        ...['proc', '/proc', 'dev', '/dev', 'tmpfs', '/tmp', '65536', '1777'],
        ...['no-new-privileges', 'seccomp', 'default', 'env', 'PATH=/bin', 'output-file', join(state, 'out')],
        ...more,
        ...argv.flatMap((word) => ['argv', word]),
      ];
      const file = join(state, 'plan');
      writeFileSync(file, words.join('\0'));
      return file;
    },
    /** `fds`: what the knot gets from 3 on. */
    start(argv: readonly string[], more: readonly string[] = [], fds: readonly number[] = []) {
      const child = spawn(knotProgram, ['--plan', run.writePlan(argv, more)], {
        stdio: ['ignore', 'pipe', 'pipe', ...fds],
      });
      started.push(child);
      let messages = '';
      let own = '';
      child.stderr?.on('data', (chunk) => (messages += chunk));
      child.stdout?.on('data', (chunk) => (own += chunk));
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      return { pid: child.pid ?? -1, ended, messages: () => messages, ownOutput: () => own };
    },
    status: (): Reported | null =>
      existsSync(join(state, 'status')) ? (JSON.parse(readFileSync(join(state, 'status'), 'utf8')) as Reported) : null,
    /** What the program wrote, without the knot's own marks. */
    output(file = join(state, 'out')): string {
      if (!existsSync(file)) return '';
      return readFileSync(file, 'utf8').replace(/^\S+Z: ----- .* -----\n/gm, '');
    },
    async until<T>(what: string, look: () => T | false | null | undefined): Promise<T> {
      for (const end = Date.now() + deadlineMs; Date.now() < end; await sleep(5)) {
        const found = look();
        if (found) return found;
      }
      throw new Error(`never: ${what}, status ${JSON.stringify(run.status())}, output ${JSON.stringify(run.output())}`);
    },
    running(): Promise<Reported> {
      return run.until('running', () => {
        const now = run.status();
        return now?.phase === 'running' ? now : null;
      });
    },
    gone: (pid: number) =>
      run.until(`the end of ${pid}`, () => {
        try {
          return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
        } catch {
          return true; // it ended, perhaps while it was being read
        }
      }),
    endAll() {
      for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
      for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
    },
    remove: () => root.remove(),
  };
  return run;
}
