import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ContainerSpec, containerAddon, isFailure } from '../../native/container.ts';
import type { RunRequest } from './command.ts';
import { removeAsNamespaceRoot, runAsNamespaceRoot } from './namespace-root.ts';
import type { IdMaps } from './own-id-maps.ts';
import { plainSpec } from './process.ts';

type WritableRequest = Pick<RunRequest, 'built' | 'maps' | 'externalUserId'>;

/**
 * A root that may be written to; what is written goes to the folder `transient`, which is the caller's to remove. By an
 * overlay, over which the image cannot be changed. Where the kernel makes none, by a copy of hard links: new files and
 * removals are the copy's own, what is written into a file that is there would change the image (vagga 2.6). A text: what
 * is in the way.
 */
export async function writableRoot(
  request: WritableRequest,
  transient: string,
): Promise<Pick<ContainerSpec, 'root' | 'writableRoot' | 'overlay'> | string> {
  const image = join(request.built, 'root');
  // With a single id the overlay could not take the files of the others over.
  if (request.externalUserId === null) {
    const overlay = { upper: join(transient, 'upper'), work: join(transient, 'work') };
    for (const folder of Object.values(overlay)) mkdirSync(folder, { recursive: true });
    if (isOverlaid(request, image, overlay)) return { root: image, overlay };
    const left = await removeAsNamespaceRoot(request.maps, [transient]);
    if (left !== null) return left;
  }
  const failed = await linkCopy(request.maps, image, transient);
  return failed ?? { root: transient, writableRoot: true };
}

/** A start of what is not there fails at its last step, where the overlay was mounted before. */
function isOverlaid({ maps }: WritableRequest, root: string, overlay: NonNullable<ContainerSpec['overlay']>): boolean {
  const namespaces = { user: true, mount: true, pid: true, ipc: false, uts: false, cgroup: false, net: false };
  const argv = ['/.no-such-program'];
  const started = containerAddon().start({
    ...plainSpec({ argv, env: {}, cwd: '/', namespaces, ...maps, root }),
    overlay,
  });
  return isFailure(started) && started.step === 'execute';
}

async function linkCopy(maps: IdMaps, from: string, to: string): Promise<string | null> {
  mkdirSync(dirname(to), { recursive: true });
  const end = await runAsNamespaceRoot(maps, ['cp', '-a', '-l', '--', from, to]);
  if (!('kind' in end)) return end.message;
  return end.exitCode === 0 ? null : `cp -a -l ${from} ended with exit code ${end.exitCode}`;
}
