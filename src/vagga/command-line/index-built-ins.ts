import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { containersOf, lastBuild } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import { mapText } from '../run/id-map.ts';
import type { IdMaps } from '../run/own-id-maps.ts';
import { sizeText } from '../size-text.ts';
import { buildsToLink, hasIndex, linkBuilds, verifyBuild } from '../store/indexed.ts';
import { rootsIn } from '../store/indexing.ts';
import { rootsFolder } from '../store/layout.ts';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';

// What is done with the indexes of builds: vagga 4, "Image signature".

export const indexBuiltIns: Readonly<Record<string, BuiltIn>> = {
  _verify: {
    summary: 'compare a container with what it was when it was built',
    command: (context) =>
      new Command('_verify').argument('<container>').action(async (name: string) => {
        context.end(await verify(context, name));
      }),
  },
  _hardlink: {
    summary: 'make files that are the same in several containers one file of the disk',
    command: (context) =>
      new Command('_hardlink')
        .option('--global', 'in all projects; needs the setting storage-dir')
        .action(async (flags: { global?: true }) => context.end(await hardLink(context, flags.global ?? false))),
  },
};

const mapsOf = ({ place, options }: BuiltInContext): ((name: string) => IdMaps) =>
  containersOf(place, { force: false, build: options.build, versionCheck: options.versionCheck }).mapsOf;

async function verify(context: BuiltInContext, name: string): Promise<number> {
  const { place, print, project } = context;
  if (!project.containers.has(name)) throw new Refusal('launcher', `there is no container ${name}`);
  const folder = lastBuild(place.store, name);
  if (folder === null) throw new Refusal('launcher', `container ${name} was never built`);
  if (!hasIndex(folder)) {
    throw new Refusal(
      'launcher',
      `container ${name} has no index to compare with: it gets one when it is built with the setting index-all-images: true, or by _hardlink`,
    );
  }
  const verified = await verifyBuild(mapsOf(context)(name), folder);
  if ('problem' in verified) throw new Refusal('launcher', verified.problem);
  const { missing, extra, corrupted } = verified.value;
  if (missing.length + extra.length + corrupted.length === 0) {
    print('Ok\n');
    return exitCodes.ok;
  }
  print('Container is corrupted\n');
  for (const [what, paths] of [
    ['Missing', missing],
    ['Extra', extra],
    ['Corrupted', corrupted],
  ] as const) {
    if (paths.length === 0) continue;
    print(`${what} paths:\n`);
    for (const path of paths) print(`  ${Buffer.from(path, 'latin1').toString('utf8')}\n`);
  }
  return exitCodes.failed;
}

const noStorage = 2;

async function hardLink(context: BuiltInContext, global: boolean): Promise<number> {
  const { place, project } = context;
  const { storageDir } = place.settings;
  if (global && storageDir === null) {
    place.tell('vagga: _hardlink: --global needs the setting storage-dir');
    return noStorage;
  }
  const roots = global && storageDir !== null ? rootsIn(storageDir) : [rootsFolder(place.store)];
  // Containers with other ids share no files: each kind for itself.
  const kinds = new Map<string, IdMaps>();
  const ofContainer = mapsOf(context);
  for (const name of project.containers.keys()) {
    const maps = ofContainer(name);
    kinds.set(mapText(maps.uidMap) + mapText(maps.gidMap), maps);
  }
  let [files, bytes] = [0, 0];
  for (const maps of kinds.values()) {
    const linked = await linkBuilds(maps, buildsToLink(roots, maps));
    if ('problem' in linked) throw new Refusal('launcher', linked.problem);
    files += linked.value.files;
    bytes += linked.value.bytes;
  }
  place.tell(`Found and linked ${files} (${sizeText(bytes)}) identical files`);
  return exitCodes.ok;
}
