import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { optionsText, parseOptions } from './command-line/command-options.ts';
import { findCommand } from './command-line/find-command.ts';
import type { GlobalOptions } from './command-line/global-options.ts';
import type { ContainerCommand } from './config/command.ts';
import { containerOfVolume } from './config/references.ts';
import type { Volume } from './config/volumes.ts';
import { exitCodes } from './exit-codes.ts';
import { fileVariables, launch, readyContainer } from './launch.ts';
import { isPlannable, partsOfPlan } from './plan/plannable.ts';
import type { Containers, Workplace } from './ready.ts';
import { Refusal } from './refusal.ts';
import { removeAsNamespaceRoot } from './run/namespace-root.ts';
import { commandWords, workFolder } from './run/words.ts';
import { lockFile } from './store/lock.ts';

export interface Performance {
  readonly place: Workplace;
  readonly containers: Containers;
  readonly options: GlobalOptions;
  /** The caller's folder. */
  readonly cwd: string;
  readonly print: (text: string) => void;
  /** Names of commands that have run: each runs once. */
  readonly done: Set<string>;
}

/** Runs a command of vagga.yaml after what it says must run before; the exit code. Throws a Refusal. */
export async function perform(performance: Performance, word: string, args: readonly string[]): Promise<number> {
  const { place, options, done } = performance;
  const found = findCommand(place.project, word);
  if (found === null) throw new Refusal('launcher', `command ${word} not found and is not an alias`);
  const { name, command } = found;
  done.add(name);
  if (command.tag !== 'Command') {
    throw new Refusal('launcher', `${name} is a !${command.tag}: this version of Stellwerk runs only !Command`);
  }
  const environ = optionVariables(name, command.value, args, performance.print);
  if (typeof environ === 'number') return environ;
  if (options.prerequisites) {
    for (const before of command.value.prerequisites) {
      if (done.has(findCommand(place.project, before)?.name ?? before)) continue;
      const code = await perform(performance, before, []);
      if (code !== exitCodes.ok) return code;
    }
  }
  return runIn(performance, { name, word }, command.value, environ ?? new Map(), environ === null ? args : []);
}

/** Null: the command describes no options. A number: the exit code, everything is told. */
function optionVariables(
  name: string,
  { options, description, run, acceptsArguments }: ContainerCommand,
  args: readonly string[],
  print: (text: string) => void,
): ReadonlyMap<string, string> | null | number {
  if (options === null) {
    const takesNone = !(acceptsArguments ?? run.kind === 'words');
    if (!takesNone || (args[0] !== '--help' && args[0] !== '-h')) return null;
    print(`${description?.trim() ?? `vagga ${name}`}\n\nUsage: vagga ${name}\n`);
    return exitCodes.ok;
  }
  const parsed = parseOptions(name, optionsText({ name, description, options }, false), args);
  switch (parsed.kind) {
    case 'help':
      print(parsed.text);
      return exitCodes.ok;
    case 'refused':
      throw new Refusal('launcher', parsed.message);
    case 'options':
      return parsed.environ;
    default:
      return parsed satisfies never;
  }
}

async function runIn(
  performance: Performance,
  { name, word }: { readonly name: string; readonly word: string },
  command: ContainerCommand,
  variables: ReadonlyMap<string, string>,
  args: readonly string[],
): Promise<number> {
  const { place, containers, options, cwd, print } = performance;
  const { built, container } = await readyContainer(performance, command.container);
  for (const volume of command.volumes.values()) {
    const other = containerOfVolume(volume);
    if (other !== null) await containers.ready(other);
  }
  if (options.containersOnly) return exitCodes.ok;

  const words = commandWords({ ...command, defaultShell: container.defaultShell }, args);
  if ('problem' in words) throw new Refusal('arguments', words.problem);
  const fromFile = fileVariables(built, container);
  const volumes = new Map([...container.volumes, ...command.volumes]);
  const filling = await fillVolumes(performance, name, command.container, volumes);
  if (typeof filling === 'number') return filling;
  try {
    if (command.banner !== null) place.tell(command.banner.trimEnd());
    const code = await launch(
      performance,
      { built, container, fromFile },
      {
        container: command.container,
        words: words.words,
        cwd: workFolder(command.workDir, place.project.root, cwd),
        volumes,
        environ: new Map([...command.environ, ...variables]),
        initialising: filling.names,
        userId: command.userId,
        groupId: command.groupId,
        supplementaryGids: command.supplementaryGids,
        externalUserId: command.externalUserId,
        isolateNetwork: command.isolateNetwork,
        writeMode: command.writeMode,
        tcpSocket: command.passTcpSocket,
        ...(isPlannable({ command, options, ran: performance.done.size, fills: filling.names.size })
          ? { plannable: { ...partsOfPlan(command, place.project.root), word, args } }
          : {}),
      },
    );
    if (code === exitCodes.ok) {
      filling.keep();
      if (command.epilog !== null) print(command.epilog);
    }
    return code;
  } finally {
    filling.release();
  }
}

interface Filling {
  /** Volumes that the command itself fills: they get their names when it ends well. */
  readonly names: ReadonlySet<string>;
  keep(): void;
  release(): void;
}

/**
 * Persistent volumes that are not there yet: their init-commands run first; where the command is itself the init-command
 * of one, it fills the volume under a temporary name and an exclusive lock (vagga 2.4). A number: exit code of an
 * init-command that failed.
 */
async function fillVolumes(
  performance: Performance,
  command: string,
  container: string,
  volumes: ReadonlyMap<string, Volume>,
): Promise<Filling | number> {
  const { place, containers } = performance;
  const maps = containers.mapsOf(container);
  const folder = join(place.store.storage, '.volumes');
  const own: string[] = [];
  const locks: (() => void)[] = [];
  const release = (): void => {
    for (const unlock of locks.splice(0)) unlock();
  };
  for (const volume of volumes.values()) {
    if (volume.tag !== 'Persistent' || volume.value.initCommand === null) continue;
    const { name, initCommand } = volume.value;
    if (existsSync(join(folder, name))) continue;
    if (findCommand(place.project, initCommand)?.name !== command) {
      const code = await perform(performance, initCommand, []);
      if (code !== exitCodes.ok) return code;
      continue;
    }
    const unfinished = join(folder, `.tmp.${name}`);
    mkdirSync(folder, { recursive: true });
    const lock = await lockFile(`${unfinished}.lock`, true, place.tell);
    if (lock.kind !== 'locked') {
      release();
      throw new Refusal('container', lock.kind === 'busy' ? `volume ${name} is being filled` : lock.problem);
    }
    locks.push(lock.release);
    // Whoever held the lock may have filled it.
    if (existsSync(join(folder, name))) continue;
    const left = existsSync(unfinished) ? await removeAsNamespaceRoot(maps, [unfinished]) : null;
    if (left !== null) {
      release();
      throw new Refusal('container', left);
    }
    own.push(name);
  }
  return {
    names: new Set(own),
    keep() {
      for (const name of own) renameSync(join(folder, `.tmp.${name}`), join(folder, name));
    },
    release,
  };
}
