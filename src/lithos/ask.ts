import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type ConfigProblem, formatProblem } from '../config/problem.ts';
import { treeClient } from './client.ts';
import { checkAll } from './config/check.ts';
import { loadMaster, type MasterConfig } from './config/master.ts';
import { loadSandbox } from './config/sandbox.ts';

const tell = (problems: readonly ConfigProblem[]): void => {
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
};

const socketOf = (master: MasterConfig): string => join(master.runtimeDir, 'tree.sock');

function fatal(error: unknown): 1 {
  process.stderr.write(`Fatal error: ${(error as Error).message}\n`);
  return 1;
}

/** Exit code: 1 where there is any problem. */
export function printCheck(config: string): number {
  const { problems, warnings, summary } = checkAll(config);
  tell([...warnings, ...problems]);
  if (problems.length === 0) process.stdout.write(`${summary}\n`);
  return problems.length === 0 ? 0 : 1;
}

/** Exit code: 1 where no tree answers. */
export async function printContainers(config: string, json: boolean): Promise<number> {
  const loaded = loadMaster(config);
  if (loaded.kind === 'refused') {
    tell(loaded.problems);
    return 1;
  }
  try {
    const status = await treeClient(socketOf(loaded.master)).status();
    if (json) process.stdout.write(`${JSON.stringify(status)}\n`);
    for (const { name, phase, pid, restarts } of json ? [] : status.containers) {
      process.stdout.write(
        `${name.padEnd(32)} ${phase.padEnd(9)} ${String(pid ?? '-').padStart(8)} ${restarts} restarts\n`,
      );
    }
    return 0;
  } catch (error) {
    return fatal(error);
  }
}

/**
 * Checks `file` as the process config of `sandbox`, puts it in the place of the present one and has the tree look. Where
 * no tree runs the file waits for one. Exit code: 1 where it is refused; nothing has changed then.
 */
export async function switchProcesses(config: string, sandbox: string, file: string): Promise<number> {
  const { problems } = checkAll(config, { alternate: { sandbox, file } });
  const loaded = loadMaster(config);
  if (problems.length > 0 || loaded.kind === 'refused') {
    tell(problems);
    return 1;
  }
  const { master } = loaded;
  const known = loadSandbox(join(master.sandboxesDir, `${sandbox}.yaml`));
  if (known.kind === 'refused') {
    tell(known.problems);
    return 1;
  }
  try {
    const target = resolve(master.processesDir, known.value.configFile ?? `${sandbox}.yaml`);
    replace(target, join(dirname(target), `.tmp.${sandbox}`), readFileSync(file));
  } catch (error) {
    return fatal(error);
  }
  try {
    const { changed } = await treeClient(socketOf(master)).reload();
    process.stdout.write(changed.length === 0 ? 'nothing changes\n' : `changes: ${changed.join(', ')}\n`);
  } catch (error) {
    process.stderr.write(`warning: ${(error as Error).message}; the config is in place\n`);
  }
  return 0;
}

/** fsync(2) before rename(2): after a power failure there is the old file or the new one. */
function replace(target: string, next: string, bytes: Uint8Array): void {
  try {
    const fd = openSync(next, 'w', 0o644);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(next, target);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
}
