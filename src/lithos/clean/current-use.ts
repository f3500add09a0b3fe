import { dirname, join, resolve } from 'node:path';
import type { RefusedConfig } from '../../config/load.ts';
import { formatProblem } from '../../config/problem.ts';
import { sandboxNames } from '../config/load-desired.ts';
import type { MasterConfig } from '../config/master-config.ts';
import { loadProcesses } from '../config/process.ts';
import { loadSandbox, type SandboxConfig } from '../config/sandbox.ts';
import type { SandboxUse } from './image-dirs.ts';
import { type CleanSandbox, imagesOfProcesses, type RunningImages, runningImages } from './used-images.ts';

/** What the host uses at this moment; of its past nothing. */
export interface CurrentUse {
  readonly sandboxes: readonly SandboxUse[];
  readonly running: RunningImages;
  /** Folders that are no images wherever they lie: lithos's own, and those of volumes. */
  readonly others: ReadonlyMap<string, string>;
  /** Any of these, and it is not known which image-dirs there are, and whose. */
  readonly problems: readonly string[];
}

/** Reads sandboxes, processes and the state dir. Never throws. */
export function currentUse(master: MasterConfig): CurrentUse {
  const others = new Map([
    [dirname(master.path), 'the master config'],
    [master.sandboxesDir, 'sandboxes-dir'],
    [master.processesDir, 'processes-dir'],
    [master.runtimeDir, 'runtime-dir'],
    [master.stateDir, 'state-dir'],
    [master.logDir, 'default-log-dir'],
    [master.stdioLogDir, 'stdio-log-dir'],
  ]);
  if (master.configLogDir !== null) others.set(master.configLogDir, 'config-log-dir');
  if (master.devfsDir !== null) others.set(master.devfsDir, 'devfs-dir');
  const sandboxes: SandboxUse[] = [];
  // Before the configs: what starts in between is in them.
  const running = runningImages(master.stateDir);
  const found = sandboxNames(master.sandboxesDir);
  if ('unreadable' in found) {
    return { sandboxes, running, others, problems: [`${master.sandboxesDir}: ${found.unreadable}`] };
  }
  const problems = found.problems.map(formatProblem);
  for (const name of found.names) {
    const loaded = loadSandbox(join(master.sandboxesDir, `${name}.yaml`));
    if (loaded.kind === 'refused') {
      problems.push(...texts(loaded));
      continue;
    }
    const { value } = loaded;
    const sandbox = cleanSandbox(master, name, value);
    const file = resolve(master.processesDir, value.configFile ?? `${name}.yaml`);
    others.set(file, `the process config of ${name}`);
    if (sandbox.usedImagesList !== null) others.set(sandbox.usedImagesList, `the used-images-list of ${name}`);
    for (const folder of [...value.readonlyPaths.values(), ...value.writablePaths.values()]) {
      others.set(folder, `a volume of ${name}`);
    }
    const processes = loadProcesses(file);
    const use =
      processes.kind === 'refused'
        ? { images: new Map<string, string>(), problems: texts(processes) }
        : imagesOfProcesses(processes, sandbox.imageDirLevels);
    sandboxes.push({ sandbox, ...use });
  }
  return { sandboxes, running, others, problems };
}

const texts = ({ problems }: RefusedConfig): readonly string[] => problems.map(formatProblem);

function cleanSandbox(master: MasterConfig, name: string, value: SandboxConfig): CleanSandbox {
  const { imageDir, imageDirLevels, usedImagesList, autoClean } = value;
  // Like the sandbox configs themselves, not by the folder that clean happens to be started in.
  const list = usedImagesList === null ? null : resolve(master.sandboxesDir, usedImagesList);
  return { name, imageDir, imageDirLevels, usedImagesList: list, autoClean };
}
