import { join } from 'node:path';
import { readRegularFile } from '../../config/load.ts';
import { type ConfigProblem, sortProblems } from '../../config/problem.ts';
import { makeProblem } from '../../config/yaml-source.ts';
import { addressOf } from '../listeners.ts';
import { readContainer } from './container.ts';
import { type LoadedSandbox, type LoadOptions, loadOneSandbox, sandboxNames, withoutRepeats } from './load-desired.ts';
import { loadMaster } from './master.ts';
import type { MasterConfig } from './master-config.ts';

export interface CheckResult {
  /** Any of these makes the check fail. */
  readonly problems: readonly ConfigProblem[];
  /** Told, but not wrong: a sandbox whose process config is not there yet. */
  readonly warnings: readonly ConfigProblem[];
  /** One line that says what was looked at. */
  readonly summary: string;
}

const nothing = 'nothing checked';

/** Every layer of configuration of a host, without starting or changing anything. */
export function checkAll(masterPath: string, options: LoadOptions = {}): CheckResult {
  const loaded = loadMaster(masterPath);
  if (loaded.kind === 'refused') return { problems: loaded.problems, warnings: [], summary: nothing };
  const { master } = loaded;
  const found = sandboxNames(master.sandboxesDir);
  if ('unreadable' in found) {
    const problem = makeProblem(master.sandboxesDir, null, '', found.unreadable);
    return { problems: [problem], warnings: [], summary: nothing };
  }
  const { alternate } = options;
  if (alternate !== undefined && !found.names.includes(alternate.sandbox)) {
    const known = found.names.length === 0 ? 'there is none' : `known: ${found.names.join(', ')}`;
    const problem = makeProblem(master.sandboxesDir, null, '', `no sandbox ${alternate.sandbox}; ${known}`);
    return { problems: [problem], warnings: [], summary: nothing };
  }
  const sandboxes = found.names.map((name) => loadOneSandbox(master, name, options));
  const instances = sandboxes.reduce((sum, each) => sum + each.instances.length, 0);
  return {
    problems: sortProblems([...found.problems, ...withoutRepeats(sandboxes.flatMap(({ problems }) => problems))]),
    warnings: sortProblems([...sandboxes.flatMap(({ warnings }) => warnings), ...sharedAddresses(master, sandboxes)]),
    summary: `${sandboxes.length} sandbox(es), ${instances} instance(s)`,
  };
}

/** A socket that two sandboxes ask for is one socket: one tenant may get the other's connections (lithos 4.7). */
function sharedAddresses(master: MasterConfig, sandboxes: readonly LoadedSandbox[]): readonly ConfigProblem[] {
  const owners = new Map<string, string>();
  const warnings = new Map<string, ConfigProblem>();
  for (const { name, instances } of sandboxes) {
    for (const socket of instances.flatMap(({ sockets }) => sockets)) {
      const address = addressOf(socket);
      const other = owners.get(address) ?? name;
      owners.set(address, other);
      if (other === name) continue;
      const message = `${address} is a port of sandbox ${other} too: each may get the other's connections`;
      warnings.set(`${name} ${address}`, makeProblem(join(master.sandboxesDir, `${name}.yaml`), null, '', message));
    }
  }
  return [...warnings.values()];
}

/** One container config by itself, as its developer has it; neither image nor sandbox is needed. */
export function checkContainer(file: string): CheckResult {
  const bytes = readRegularFile(file);
  if (typeof bytes === 'string') {
    return { problems: [makeProblem(file, null, '', bytes)], warnings: [], summary: nothing };
  }
  const loaded = readContainer(file, bytes);
  return loaded.kind === 'refused'
    ? { problems: loaded.problems, warnings: [], summary: nothing }
    : { problems: [], warnings: [], summary: `${loaded.value.kind} ${loaded.value.executable}` };
}
