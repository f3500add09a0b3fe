import { existsSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { parseHumanDuration } from '../../config/duration.ts';
import { containerAddon, isFailure } from '../../native/container.ts';
import type { Command as VaggaCommand } from '../config/command.ts';
import type { Volume } from '../config/volumes.ts';
import { containersOf, type Workplace } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import { removeAsNamespaceRoot } from '../run/namespace-root.ts';
import { maximumIdMaps } from '../run/own-id-maps.ts';
import { type Circumstances, survey, toRemove, type Wanted } from '../store/clean.ts';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';
import { everythingGlobal, everythingOf, storesIn } from './clean-global.ts';
import { bytesOfText, cleanLayers, type LayerFlags } from './clean-layers.ts';

interface CleanFlags extends LayerFlags {
  tmp?: true;
  tmpFolders?: true;
  old?: true;
  oldContainers?: true;
  unused?: true;
  transient?: true;
  everything?: true;
  unusedVolumes?: true;
  volumes?: true;
  global?: true;
}

export const cleanBuiltIn: BuiltIn = {
  summary: 'remove builds that are not needed any more',
  command: (context) =>
    new Command('_clean')
      .option('--tmp', 'unfinished builds')
      .option('--tmp-folders', 'the same')
      .option('--old', 'builds that are not the newest of their container')
      .option('--old-containers', 'the same')
      .option('--unused', 'builds that are no current version of a container')
      .option('--at-least <duration>', 'with --unused: not used for so long, as 10days', period)
      .option('--transient', 'copies that writable runs have left')
      .option('--unused-volumes', 'persistent volumes that vagga.yaml does not name')
      .option('--volumes', 'all persistent volumes')
      .option('--everything', 'all that vagga keeps of this project')
      .option('--global', 'of all projects; needs the setting storage-dir')
      .option('-n, --dry-run', 'only tell what would be removed')
      .option('--layers', 'what the steps of builds have made; with --at-least: what was not used for so long')
      .option(
        '--layers-over <size>',
        'of these the least recently used, until all have at most that, as 5G',
        bytesOfText,
      )
      .action(async (flags: CleanFlags) => context.end(await cleanAll(context, flags))),
};

const usage = 1;
const noStorage = 2;
const notRemoved = 3;

async function cleanAll(context: BuiltInContext, flags: CleanFlags): Promise<number> {
  if (flags.layers === undefined && flags.layersOver === undefined) return clean(context, flags);
  const problem = await cleanLayers(context, flags);
  if (problem !== null) context.place.tell(`vagga: ${problem}`);
  const { layers: _, layersOver: __, ...others } = flags;
  const alone = Object.keys(others).every((key) => ['atLeast', 'dryRun', 'global'].includes(key));
  const code = alone ? 0 : await clean(context, others);
  return problem === null ? code : notRemoved;
}

async function clean({ place, print, options }: BuiltInContext, flags: CleanFlags): Promise<number> {
  const { settings, tell } = place;
  const global = flags.global ?? false;
  if (global && settings.storageDir === null) {
    tell('vagga: _clean: --global needs the setting storage-dir');
    return noStorage;
  }
  const unfinished = flags.tmp ?? flags.tmpFolders ?? false;
  const old = flags.old ?? flags.oldContainers ?? false;
  const { unused = false, transient = false, everything = false, atLeast = 0 } = flags;
  const volumes = flags.volumes === true ? 'all' : flags.unusedVolumes === true ? 'unused' : null;
  if (!unfinished && !old && !unused && !transient && !everything && volumes === null) {
    tell('vagga: _clean: say what to remove: --tmp, --old, --unused, --transient, --volumes … (see --help)');
    return usage;
  }
  if (flags.atLeast !== undefined && !unused) {
    tell('vagga: _clean: --at-least is for --unused');
    return usage;
  }
  if (global && (old || volumes === 'unused' || (unused && atLeast === 0))) {
    tell('vagga: _clean: with --global only --everything, --tmp, --transient, --volumes and --unused --at-least …');
    tell('hint: what is old or unused otherwise is known in a project only');
    return usage;
  }
  const wanted: Wanted = { unfinished, old, unused: unused ? { atLeastMs: atLeast } : null, transient, volumes };
  const now: Circumstances = {
    nowMs: Date.now(),
    current: unused && atLeast === 0 ? await currentVersions(place, options) : new Set(),
    volumes: volumesOf(place),
    isAlive,
  };
  const { storageDir, cacheDir } = settings;
  const stores = global && storageDir !== null ? storesIn(storageDir, cacheDir) : [place.store];
  const paths = !everything
    ? stores.flatMap((store) => toRemove(survey(store), wanted, now))
    : global && storageDir !== null
      ? everythingGlobal(storageDir, cacheDir)
      : everythingOf(place.store);
  const maps = maximumIdMaps();
  if ('problem' in maps) throw new Refusal('launcher', maps.problem);
  let code = 0;
  for (const path of paths) {
    if (flags.dryRun === true) {
      print(`Would remove ${JSON.stringify(path)}\n`);
      continue;
    }
    const lock = `${path}.lock`;
    const held = existsSync(lock) ? containerAddon().tryLock(lock) : undefined;
    if (held === null) {
      tell(`${path} is being built: left alone`);
      continue;
    }
    const problem = await removeAsNamespaceRoot(maps.value, [path]);
    if (typeof held === 'number' && !isFailure(held)) containerAddon().closeFd(held);
    if (problem === null) continue;
    tell(`vagga: ${problem}`);
    code = notRemoved;
  }
  return code;
}

/** Of containers whose version is known without a build. */
async function currentVersions(
  place: Workplace,
  { build, versionCheck }: BuiltInContext['options'],
): Promise<ReadonlySet<string>> {
  const containers = containersOf(place, { force: false, build, versionCheck });
  const current = new Set<string>();
  for (const name of place.project.containers.keys()) {
    const version = await containers.version(name, false);
    if (version.kind === 'known') current.add(`${name}.${version.short}`);
  }
  return current;
}

function volumesOf({ project }: Workplace): ReadonlySet<string> {
  const all = [
    ...[...project.containers.values()].map(({ volumes }) => volumes),
    ...[...project.commands.values()].flatMap(volumesOfCommand),
  ].flatMap((volumes) => [...volumes.values()]);
  return new Set(all.flatMap((volume) => (volume.tag === 'Persistent' ? [volume.value.name] : [])));
}

function volumesOfCommand(command: VaggaCommand): readonly ReadonlyMap<string, Volume>[] {
  switch (command.tag) {
    case 'Command':
      return [command.value.volumes];
    case 'Supervise':
      return [...command.value.children.values()].map(({ value }) => value.volumes);
    case 'CapsuleCommand':
      return [];
    default:
      return command satisfies never;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function period(text: string): number {
  const duration = parseHumanDuration(text);
  if ('problem' in duration) throw new InvalidArgumentError(duration.problem);
  if (duration.ms > 0) return duration.ms;
  throw new InvalidArgumentError('expected more than no time.');
}
