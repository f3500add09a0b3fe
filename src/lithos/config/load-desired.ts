import { type Dirent, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type ConfigProblem, sortProblems } from '../../config/problem.ts';
import { makeProblem } from '../../config/yaml-source.ts';
import type { DesiredInstance, DesiredState } from '../desired.ts';
import { namePattern } from './common.ts';
import { planProcess, type Starter, shortfalls } from './instances.ts';
import type { MasterConfig } from './master-config.ts';
import { loadProcesses } from './process.ts';
import { loadSandbox } from './sandbox.ts';

export interface LoadOptions {
  /** Default: this process. */
  readonly starter?: Starter;
  /** Another file in the place of one sandbox's process config, to look at before it is put there. */
  readonly alternate?: { readonly sandbox: string; readonly file: string };
}

/** What one sandbox comes to. */
export interface LoadedSandbox {
  readonly name: string;
  readonly instances: readonly DesiredInstance[];
  readonly problems: readonly ConfigProblem[];
  /** There is no process config (yet): nothing is known to be wanted, and nothing to be unwanted. */
  readonly warnings: readonly ConfigProblem[];
}

const configSuffix = '.yaml';

/** This process, as the one who starts containers. */
export const ownStarter = (): Starter => ({
  uid: process.geteuid?.() ?? 0,
  gid: process.getegid?.() ?? 0,
  term: process.env.TERM || 'dumb',
});

/** The names of a folder's `*.yaml`, sorted; anything else in it is none of ours. */
export function sandboxNames(
  dir: string,
):
  | { readonly names: readonly string[]; readonly problems: readonly ConfigProblem[] }
  | { readonly unreadable: string } {
  let entries: readonly Dirent[];
  try {
    entries = readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    return { unreadable: `cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
  const names: string[] = [];
  const problems: ConfigProblem[] = [];
  for (const { name: file } of entries) {
    // Editors and renderers leave hidden files behind while they write.
    if (!file.endsWith(configSuffix) || file.startsWith('.')) continue;
    const name = file.slice(0, -configSuffix.length);
    if (namePattern.test(name)) names.push(name);
    else problems.push(makeProblem(join(dir, file), null, '', 'expected a file name of letters, digits, _ and -'));
  }
  return { names: names.sort(), problems };
}

/** One sandbox with its process config and the container configs in its images. */
export function loadOneSandbox(master: MasterConfig, name: string, options: LoadOptions = {}): LoadedSandbox {
  const sandbox = loadSandbox(join(master.sandboxesDir, `${name}${configSuffix}`));
  if (sandbox.kind === 'refused') return { name, instances: [], problems: sandbox.problems, warnings: [] };
  const alternate = options.alternate?.sandbox === name ? options.alternate.file : null;
  const file = alternate ?? resolve(master.processesDir, sandbox.value.configFile ?? `${name}${configSuffix}`);
  const processes = loadProcesses(file);
  if (processes.kind === 'refused') {
    const [problems, warnings] =
      processes.unreadable && alternate === null ? [[], processes.problems] : [processes.problems, []];
    return { name, instances: [], problems, warnings };
  }
  const starter = options.starter ?? ownStarter();
  const instances: DesiredInstance[] = [];
  const problems: ConfigProblem[] = [];
  for (const [processName, process] of processes.value) {
    const context = { master, starter, sandboxName: name, sandbox, processes, processName, process };
    const outcome = planProcess(context);
    if ('problems' in outcome) problems.push(...outcome.problems);
    else instances.push(...outcome.instances);
    problems.push(...shortfalls(context));
  }
  return { name, instances, problems, warnings: [] };
}

/**
 * Reads every sandbox. One that cannot be read does not stop the others; where not even their list can be read, all
 * that have a folder below state-dir count as broken, so that nothing is stopped by mistake.
 */
export function loadDesired(master: MasterConfig, options: LoadOptions = {}): DesiredState {
  const found = sandboxNames(master.sandboxesDir);
  if ('unreadable' in found) {
    const problem = makeProblem(master.sandboxesDir, null, '', found.unreadable);
    return { instances: [], problems: [problem], brokenSandboxes: foldersOf(master.stateDir) };
  }
  const loaded = found.names.map((name) => loadOneSandbox(master, name, options));
  const own = (each: LoadedSandbox): readonly ConfigProblem[] => [...each.problems, ...each.warnings];
  return {
    instances: loaded.flatMap(({ instances }) => instances),
    problems: sortProblems([...found.problems, ...withoutRepeats(loaded.flatMap(own))]),
    brokenSandboxes: loaded.filter((each) => own(each).length > 0).map(({ name }) => name),
  };
}

/** Several processes may share a container config, and each tells what is wrong with it. */
export function withoutRepeats(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const seen = new Map(problems.map((problem) => [JSON.stringify(problem), problem] as const));
  return [...seen.values()];
}

function foldersOf(dir: string): readonly string[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}
