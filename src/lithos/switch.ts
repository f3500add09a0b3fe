import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { formatProblem } from '../config/problem.ts';
import { treeClient } from './client.ts';
import { checkAll } from './config/check.ts';
import { loadOneSandbox } from './config/load-desired.ts';
import { loadMaster } from './config/master.ts';
import type { MasterConfig } from './config/master-config.ts';
import { loadSandbox } from './config/sandbox.ts';

export interface SwitchOptions {
  readonly sandbox: string;
  /** The new process config. */
  readonly file: string;
  readonly master: string;
  readonly verbose: boolean;
  /** Change nothing, say what would change. */
  readonly plan: boolean;
}

/** lithos 3, lithos_switch. 0: the new config is in place; 1: it is not, and nothing was changed. */
export async function switchConfig(options: SwitchOptions): Promise<number> {
  const { sandbox, file, master: masterFile, verbose } = options;
  const { problems } = checkAll(masterFile, { alternate: { sandbox, file: resolve(file) } });
  if (problems.length > 0) {
    for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
    process.stderr.write(`lithos switch: nothing was changed\n`);
    return 1;
  }
  const loaded = loadMaster(resolve(masterFile));
  if (loaded.kind === 'refused') return 1;
  if (options.plan) return tellPlan(loaded.master, sandbox, resolve(file));
  const target = targetOf(loaded.master, sandbox);
  if (target === null) return 1;
  try {
    replaceDurably(file, target, sandbox);
  } catch (error) {
    process.stderr.write(`lithos switch: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  return tell(loaded.master, verbose);
}

function targetOf(master: MasterConfig, sandbox: string): string | null {
  const loaded = loadSandbox(join(master.sandboxesDir, `${sandbox}.yaml`));
  // The check has just read it: only a race ends here.
  return loaded.kind === 'refused' ? null : resolve(master.processesDir, loaded.value.configFile ?? `${sandbox}.yaml`);
}

/** Whole or not at all, also after a power cut: written beside the target, synced, renamed. */
function replaceDurably(file: string, target: string, sandbox: string): void {
  const next = join(dirname(target), `.tmp.${sandbox}`);
  const bytes = readFileSync(file);
  try {
    const fd = openSync(next, 'w', 0o644);
    try {
      for (let at = 0; at < bytes.length; at += writeSync(fd, bytes, at));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(next, target);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
  const folder = openSync(dirname(target), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** Beside what the tree wants now; where none runs, all would be started. */
async function tellPlan(master: MasterConfig, sandbox: string, file: string): Promise<number> {
  const { instances } = loadOneSandbox(master, sandbox, { alternate: { sandbox, file } });
  const next = new Map(instances.map(({ name, instanceJson }) => [name, instanceJson]));
  let now = new Map<string, string>();
  try {
    const wanted = await treeClient(join(master.runtimeDir, 'tree.sock')).wanted();
    now = new Map(
      wanted.filter(({ name }) => name.startsWith(`${sandbox}/`)).map((each) => [each.name, each.instanceJson]),
    );
  } catch (error) {
    process.stderr.write(`warning: ${error instanceof Error ? error.message : String(error)}\n`);
  }
  const names = [...new Set([...now.keys(), ...next.keys()])].sort();
  let changes = 0;
  for (const name of names) {
    const [before, after] = [now.get(name), next.get(name)];
    if (before === after) continue;
    changes += 1;
    process.stdout.write(`${before === undefined ? 'start  ' : after === undefined ? 'stop   ' : 'replace'} ${name}\n`);
  }
  process.stdout.write(`${changes} of ${names.length} instances would change\n`);
  return 0;
}

/** No tree is a warning: it reads the file when it starts. */
async function tell(master: MasterConfig, verbose: boolean): Promise<number> {
  try {
    const { changed } = await treeClient(join(master.runtimeDir, 'tree.sock')).reload();
    process.stdout.write(`${changed.length} instance${changed.length === 1 ? '' : 's'} changed\n`);
    if (verbose) for (const name of changed) process.stdout.write(`  ${name}\n`);
  } catch (error) {
    process.stderr.write(`warning: ${error instanceof Error ? error.message : String(error)}\n`);
  }
  return 0;
}
