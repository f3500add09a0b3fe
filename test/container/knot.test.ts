import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { busyboxMissing, hasBusybox, makeRoot, ownMaps } from './root.ts';

const knot = join(process.cwd(), 'build/knot/knot');
const deadlineMs = 5_000; // a busy two-core machine
const privateAimKiB = 300;

let root: ReturnType<typeof makeRoot>;
let state: string;
const started: ChildProcess[] = [];

beforeAll(() => {
  root = makeRoot();
});
afterAll(() => root.remove());
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'stellwerk-knot-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(state, { recursive: true, force: true });
});

function writePlan(argv: readonly string[], more: readonly string[] = []): string {
  const { uidMap, gidMap } = ownMaps();
  const map = (key: string, rows: typeof uidMap) =>
    rows.flatMap(({ inside, outside, count }) => [key, `${inside}`, `${outside}`, `${count}`]);
  const words = [
    'name',
    'web/worker.0',
    'state-dir',
    state,
    'root',
    root.path,
    'cwd',
    '/',
    'uid',
    '0',
    'gid',
    '0',
    ...['user', 'mount', 'pid', 'ipc', 'uts', 'net'].flatMap((name) => ['unshare', name]),
    ...map('uid-map', uidMap),
    ...map('gid-map', gidMap),
    'proc',
    '/proc',
    'dev',
    '/dev',
    'tmpfs',
    '/tmp',
    '65536',
    '1777',
    'no-new-privileges',
    'seccomp',
    'default',
    'env',
    'PATH=/bin',
    'stdout-file',
    join(state, 'out'),
    'stderr-file',
    join(state, 'out'),
    ...more,
    ...argv.flatMap((word) => ['argv', word]),
  ];
  const file = join(state, 'plan');
  writeFileSync(file, words.join('\0'));
  return file;
}

function startKnot(argv: readonly string[], more: readonly string[] = []) {
  const child = spawn(knot, ['--plan', writePlan(argv, more)], { stdio: ['ignore', 'ignore', 'pipe'] });
  started.push(child);
  let messages = '';
  child.stderr.on('data', (chunk) => (messages += chunk));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { pid: child.pid ?? -1, ended, messages: () => messages };
}

const status = () =>
  existsSync(join(state, 'status')) ? JSON.parse(readFileSync(join(state, 'status'), 'utf8')) : null;

async function until<T>(what: string, look: () => T | false | null | undefined): Promise<T> {
  for (const end = Date.now() + deadlineMs; Date.now() < end; await sleep(5)) {
    const found = look();
    if (found) return found;
  }
  throw new Error(`never: ${what}, status ${JSON.stringify(status())}`);
}

const running = () => until('running', () => status()?.phase === 'running' && status());
const gone = (pid: number) =>
  until(
    `the end of ${pid}`,
    () => !existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')),
  );

// Says when its trap is set, so that no signal comes too early.
const trap = (action: string) => ['/bin/sh', '-c', `trap '${action}' TERM; echo ready; while :; do sleep 0.05; done`];
const ready = () =>
  until('ready', () => existsSync(join(state, 'out')) && readFileSync(join(state, 'out'), 'utf8').includes('ready'));

describe.skipIf(skipped(hasBusybox, 'knot', busyboxMissing))('knot', () => {
  it('writes who runs, passes SIGTERM and writes how it ended', async () => {
    const { pid, ended } = startKnot(['/bin/sleep', '1000']);
    const now = await running();
    expect(now.knotPid).toBe(pid);
    expect(readFileSync(`/proc/${now.pid}/cmdline`, 'utf8')).toBe('/bin/sleep\x001000\0');
    expect(readFileSync(`/proc/${now.pid}/stat`, 'utf8').split(' ')[21]).toBe(String(now.startTime));
    process.kill(pid, 'SIGTERM');
    expect(await ended).toBe(0);
    expect(status()).toMatchObject({ version: 1, phase: 'ended', exitCode: null, signal: 15, failure: null });
    expect(status().endedAtMs).toBeGreaterThanOrEqual(status().startedAtMs);
  });

  it('passes SIGTERM once', async () => {
    const { pid, ended } = startKnot(
      [
        '/bin/sh',
        '-c',
        'n=0; trap "n=$((n+1)); echo term" TERM; echo ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.05; done',
      ],
      ['normal-exit-code', '0'],
    );
    await running();
    await ready();
    process.kill(pid, 'SIGTERM');
    await until('stopping', () => status()?.phase === 'stopping');
    process.kill(pid, 'SIGTERM');
    expect(await ended).toBe(0);
    expect(readFileSync(join(state, 'out'), 'utf8')).toBe('ready\nterm\n');
  });

  it('kills the container after the kill timeout', async () => {
    const { pid, ended } = startKnot(trap(''), ['kill-timeout-ms', '200']);
    const now = await running();
    await ready();
    process.kill(pid, 'SIGTERM');
    expect(await ended).toBe(3);
    await gone(now.pid);
    expect(status()).toMatchObject({ phase: 'ended', exitCode: null, signal: 9 });
  });

  it('calls an exit code normal only when it is listed', async () => {
    expect(await startKnot(['/bin/sh', '-c', 'exit 0']).ended).toBe(2);
    expect(status()).toMatchObject({ phase: 'ended', exitCode: 0 });
    expect(await startKnot(['/bin/sh', '-c', 'exit 5'], ['normal-exit-code', '0', 'normal-exit-code', '5']).ended).toBe(
      0,
    );
    expect(status()).toMatchObject({ phase: 'ended', exitCode: 5 });
  });

  it('leaves a folder to the knot that has it', async () => {
    startKnot(['/bin/sleep', '1000']);
    const before = await running();
    const second = spawnSync(knot, ['--plan', join(state, 'plan')], { encoding: 'utf8' });
    expect(second.status).toBe(75);
    expect(second.stderr).toContain('knot: web/worker.0: lock: flock:');
    expect(status()).toEqual(before);
  });

  it('takes its container along when it is killed', async () => {
    const { pid, ended } = startKnot(['/bin/sh', '-c', 'sleep 1000 & sleep 1000']);
    const now = await running();
    process.kill(pid, 'SIGKILL');
    await ended;
    await gone(now.pid);
  });

  it('runs on when the one who started it is killed', async () => {
    const plan = writePlan(['/bin/sleep', '1000']);
    const starter = spawn('/bin/sh', ['-c', `"${knot}" --plan "${plan}" & wait`], { stdio: 'ignore' });
    const now = await running();
    starter.kill('SIGKILL');
    await new Promise((resolve) => starter.on('close', resolve));
    await sleep(100);
    expect(existsSync(`/proc/${now.pid}`)).toBe(true);
    process.kill(now.knotPid, 'SIGTERM');
    await until('ended', () => status()?.phase === 'ended');
  });

  it('records the failure of a set-up', async () => {
    const { ended, messages } = startKnot(['/bin/nothing']);
    expect(await ended).toBe(1);
    expect(messages()).toBe('knot: web/worker.0: execute: execve: /bin/nothing: No such file or directory\n');
    expect(status()).toMatchObject({
      phase: 'ended',
      failure: { step: 'execute', call: 'execve', subject: '/bin/nothing', errno: 2 },
    });
  });

  it('refuses a plan with a word that it does not know', async () => {
    const { ended, messages } = startKnot(['/bin/true'], ['volume', '/x']);
    expect(await ended).toBe(1);
    expect(messages()).toBe('knot: plan: unknown word volume\n');
    expect(status()).toBeNull();
  });

  it(`keeps at most ${privateAimKiB} KiB of private memory, init included`, async () => {
    // The text is one file for all knots of a host: a neighbour, so that its pages do not count as this one's alone.
    startKnot(['/bin/sleep', '1000']);
    await running();
    const neighbour = state;
    state = mkdtempSync(join(tmpdir(), 'stellwerk-knot-'));
    const { pid } = startKnot(['/bin/sleep', '1000']);
    const now = await running();
    const init = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${now.pid}/status`, 'utf8'))?.[1]);
    const privateKiB = (process: number) =>
      [...readFileSync(`/proc/${process}/smaps_rollup`, 'utf8').matchAll(/^Private_\w+:\s+(\d+) kB/gm)]
        .filter(([line]) => !line.startsWith('Private_Hugetlb'))
        .reduce((sum, [, kib]) => sum + Number(kib), 0);
    const sizes = { knot: privateKiB(pid), init: privateKiB(init) };
    process.stdout.write(`knot private KiB: ${JSON.stringify(sizes)}\n`);
    rmSync(neighbour, { recursive: true });
    expect(sizes.knot + sizes.init).toBeLessThanOrEqual(privateAimKiB);
  });
});
