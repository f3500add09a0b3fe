import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { knotProgram, knotRun } from './knot-run.ts';
import { busyboxMissing, hasBusybox } from './root.ts';

const privateAimKiB = 300;

let run: ReturnType<typeof knotRun>;
beforeAll(() => {
  run = knotRun();
});
afterAll(() => run.remove());
beforeEach(() => run.freshState());
afterEach(() => run.endAll());

// Says when its trap is set, so that no signal comes too early.
const trap = (action: string) => ['/bin/sh', '-c', `trap '${action}' TERM; echo ready; while :; do sleep 0.05; done`];
const ready = () => run.until('ready', () => run.output().includes('ready'));

describe.skipIf(skipped(hasBusybox, 'knot', busyboxMissing))('knot', () => {
  it('writes who runs, passes SIGTERM and writes how it ended', async () => {
    const { pid, ended } = run.start(['/bin/sleep', '1000']);
    const now = await run.running();
    expect(now.knotPid).toBe(pid);
    expect(readFileSync(`/proc/${now.pid}/cmdline`, 'utf8')).toBe('/bin/sleep\x001000\0');
    expect(readFileSync(`/proc/${now.pid}/stat`, 'utf8').split(' ')[21]).toBe(String(now.startTime));
    process.kill(pid, 'SIGTERM');
    expect(await ended).toBe(0);
    expect(run.status()).toMatchObject({ version: 1, phase: 'ended', exitCode: null, signal: 15, failure: null });
    expect(run.status()?.endedAtMs).toBeGreaterThanOrEqual(run.status()?.startedAtMs ?? 0);
  });

  it('passes SIGTERM once', async () => {
    const { pid, ended } = run.start(
      [
        '/bin/sh',
        '-c',
        'n=0; trap "n=$((n+1)); echo term" TERM; echo ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.05; done',
      ],
      ['normal-exit-code', '0'],
    );
    await run.running();
    await ready();
    process.kill(pid, 'SIGTERM');
    await run.until('stopping', () => run.status()?.phase === 'stopping');
    process.kill(pid, 'SIGTERM');
    expect(await ended).toBe(0);
    expect(run.output()).toBe('ready\nterm\n');
  });

  it('kills the container after the kill timeout', async () => {
    const { pid, ended } = run.start(trap(''), ['kill-timeout-ms', '200']);
    const now = await run.running();
    await ready();
    process.kill(pid, 'SIGTERM');
    expect(await ended).toBe(3);
    await run.gone(now.pid);
    expect(run.status()).toMatchObject({ phase: 'ended', exitCode: null, signal: 9 });
  });

  it('calls an exit code normal only when it is listed', async () => {
    expect(await run.start(['/bin/sh', '-c', 'exit 0']).ended).toBe(2);
    expect(run.status()).toMatchObject({ phase: 'ended', exitCode: 0 });
    expect(await run.start(['/bin/sh', '-c', 'exit 5'], ['normal-exit-code', '0', 'normal-exit-code', '5']).ended).toBe(
      0,
    );
    expect(run.status()).toMatchObject({ phase: 'ended', exitCode: 5 });
  });

  it('leaves a folder to the knot that has it', async () => {
    run.start(['/bin/sleep', '1000']);
    const before = await run.running();
    const second = spawnSync(knotProgram, ['--plan', join(run.state(), 'plan')], { encoding: 'utf8' });
    expect(second.status).toBe(75);
    expect(second.stderr).toContain('[ERROR] web/worker.0: lock: flock:');
    expect(run.status()).toEqual(before);
  });

  it('takes its container along when it is killed', async () => {
    const { pid, ended } = run.start(['/bin/sh', '-c', 'sleep 1000 & sleep 1000']);
    const now = await run.running();
    process.kill(pid, 'SIGKILL');
    await ended;
    await run.gone(now.pid);
  });

  it('runs on when the one who started it is killed', async () => {
    const plan = run.writePlan(['/bin/sleep', '1000']);
    const starter = spawn('/bin/sh', ['-c', `"${knotProgram}" --plan "${plan}" & wait`], { stdio: 'ignore' });
    const now = await run.running();
    starter.kill('SIGKILL');
    await new Promise((resolve) => starter.on('close', resolve));
    await sleep(100);
    expect(existsSync(`/proc/${now.pid}`)).toBe(true);
    process.kill(now.knotPid, 'SIGTERM');
    await run.until('ended', () => run.status()?.phase === 'ended');
  });

  it('records the failure of a set-up', async () => {
    const { ended, messages } = run.start(['/bin/nothing']);
    expect(await ended).toBe(1);
    expect(messages()).toContain('[ERROR] web/worker.0: execute: execve: /bin/nothing: No such file or directory\n');
    expect(run.status()).toMatchObject({
      phase: 'ended',
      failure: { step: 'execute', call: 'execve', subject: '/bin/nothing', errno: 2 },
    });
  });

  it('refuses a plan with a word that it does not know', async () => {
    const { ended, messages } = run.start(['/bin/true'], ['volume', '/x']);
    expect(await ended).toBe(1);
    expect(messages()).toBe('knot: plan: unknown word volume\n');
    expect(run.status()).toBeNull();
  });

  it(`keeps at most ${privateAimKiB} KiB of private memory, init included`, async () => {
    // The text is one file for all knots of a host: a neighbour, so that its pages do not count as this one's alone.
    run.start(['/bin/sleep', '1000']);
    await run.running();
    run.freshState();
    const { pid } = run.start(['/bin/sleep', '1000']);
    const now = await run.running();
    const init = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${now.pid}/status`, 'utf8'))?.[1]);
    const privateKiB = (process: number) =>
      [...readFileSync(`/proc/${process}/smaps_rollup`, 'utf8').matchAll(/^Private_\w+:\s+(\d+) kB/gm)]
        .filter(([line]) => !line.startsWith('Private_Hugetlb'))
        .reduce((sum, [, kib]) => sum + Number(kib), 0);
    const sizes = { knot: privateKiB(pid), init: privateKiB(init) };
    process.stdout.write(`knot private KiB: ${JSON.stringify(sizes)}\n`);
    expect(sizes.knot + sizes.init).toBeLessThanOrEqual(privateAimKiB);
  });
});
