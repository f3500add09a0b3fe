import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../src/native/load.ts';

/** Private memory of a process, proc_pid_smaps(5). */
function privateKiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)].reduce((sum, [, kib]) => sum + Number(kib), 0);
}

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

/**
 * Private KiB of what stays beside a program that sleeps: our knot with its init, tini, conmon. Two of each run, so that
 * the text of neither counts as one's own. Null where a supervisor is not there.
 */
export async function supervisorMemory(
  dir: string,
  root: string,
): Promise<{ readonly knot: number; readonly tini: number | null; readonly conmon: number | null }> {
  const started: ChildProcess[] = [];
  const start = (program: string, args: readonly string[]): number => {
    const child = spawn(program, args, { stdio: 'ignore' });
    started.push(child);
    return child.pid ?? -1;
  };
  const twice = async (program: string, args: (index: number) => readonly string[]): Promise<number> => {
    start(program, args(0));
    const pid = start(program, args(1));
    await sleep(400);
    return pid;
  };
  try {
    const knot = await twice(join(packageRoot(), 'build', 'knot', 'knot'), (index) => [
      '--plan',
      planOf(dir, root, index),
    ]);
    const init = childrenOf(knot)[0] ?? -1;
    const own = privateKiB(knot) + privateKiB(init);
    const tini = existsSync('/usr/bin/tini')
      ? privateKiB(await twice('tini', () => ['-s', '--', '/usr/bin/sleep', '100']))
      : null;
    return { knot: own, tini, conmon: await conmonMemory(dir) };
  } finally {
    for (const child of started) child.kill('SIGKILL');
  }
}

function planOf(dir: string, root: string, index: number): string {
  const state = join(dir, `knot${index}`);
  mkdirSync(state);
  const words = ['name', `bench/sleep.${index}`, 'state-dir', state, 'root', root, 'cwd', '/', 'uid', '0', 'gid', '0'];
  const spaces = ['mount', 'pid', 'ipc', 'uts'].flatMap((name) => ['unshare', name]);
  const rest = ['proc', '/proc', 'seccomp', 'default', 'no-new-privileges', 'output-file', join(state, 'out')];
  const plan = join(state, 'plan');
  writeFileSync(plan, [...words, ...spaces, ...rest, 'argv', '/bin/sleep', 'argv', '100'].join('\0'));
  return plan;
}

/** conmon with a runtime that does nothing: only its own memory is asked for. */
async function conmonMemory(dir: string): Promise<number | null> {
  if (!existsSync('/usr/bin/conmon')) return null;
  const pids: number[] = [];
  for (const name of ['one', 'two']) {
    const folder = join(dir, `conmon-${name}`);
    mkdirSync(folder);
    const pidFile = join(folder, 'pid');
    const runtime = join(folder, 'runtime');
    // As runtimes do: writes the pid of the container, which conmon then watches.
    writeFileSync(
      runtime,
      `#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = --pid-file ] && file=$2; shift; done\nsleep 100 >/dev/null 2>&1 &\necho $! > "$file"\n`,
      { mode: 0o755 },
    );
    const conmonPid = join(folder, 'conmon-pid');
    spawnSync('conmon', [
      ...['-c', `bench${name}`, '-u', `bench${name}`, '-r', runtime, '-b', folder, '-p', pidFile, '-P', conmonPid],
      ...['-l', `k8s-file:${join(folder, 'log')}`, '--socket-dir-path', folder, '--exit-dir', folder],
    ]);
    await sleep(300);
    if (!existsSync(conmonPid)) return null;
    pids.push(Number(readFileSync(conmonPid, 'utf8')));
  }
  try {
    return privateKiB(pids[1] ?? -1);
  } catch {
    return null;
  } finally {
    for (const pid of pids) {
      spawnSync('pkill', ['-P', `${pid}`]);
      spawnSync('kill', ['-9', `${pid}`]);
    }
  }
}
