import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ContainerSpec, containerAddon, isFailure } from '../../native/container.ts';
import { removeAsNamespaceRoot, runAsNamespaceRoot } from './namespace-root.ts';
import type { IdMaps } from './own-id-maps.ts';
import { plainSpec } from './process.ts';

/**
 * How a root can be written to; what is written goes to the folder `transient`, which is the caller's to remove. By an
 * overlay, over which the image cannot be changed. Where the kernel makes none, by a copy of hard links: new files and
 * removals are the copy's own, what is written into a file that is there changes the image (vagga 2.6).
 * `ids`: those that the command runs with.
 */
export async function writableRoot(
  image: string,
  transient: string,
  maps: IdMaps,
  ids: IdMaps,
): Promise<Pick<ContainerSpec, 'root' | 'writableRoot' | 'overlay'> | { readonly problem: string }> {
  // With some of the ids an overlay could not take the files of the others over.
  if (ids === maps) {
    const overlay = { upper: join(transient, 'upper'), work: join(transient, 'work') };
    for (const folder of Object.values(overlay)) mkdirSync(folder, { recursive: true });
    if (makesOverlays(image, overlay, maps)) return { root: image, overlay };
    const left = await removeAsNamespaceRoot(maps, [transient]);
    if (left !== null) return { problem: left };
  }
  mkdirSync(dirname(transient), { recursive: true });
  const end = await runAsNamespaceRoot(maps, ['cp', '-a', '-l', '--', image, transient]);
  if (!('kind' in end)) return { problem: end.message };
  if (end.exitCode !== 0) return { problem: `cp -a -l ${image} ended with exit code ${end.exitCode}` };
  return { root: transient, writableRoot: true };
}

/** By trial: a program that is not there is missed only after all is mounted. */
function makesOverlays(image: string, overlay: { upper: string; work: string }, maps: IdMaps): boolean {
  const started = containerAddon().start(
    plainSpec({
      argv: ['/.vagga-no-such-program'],
      env: {},
      cwd: '/',
      root: image,
      overlay,
      namespaces: { user: true, mount: true, pid: false, ipc: false, uts: false, cgroup: false, net: false },
      ...maps,
      init: false,
      stdio: [-1, -1, -1],
    }),
  );
  return isFailure(started) && started.step === 'execute';
}
