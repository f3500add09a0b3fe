import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ContainerSpec, isFailure, type NativeFailure } from '../../native/container.ts';
import type { RunRequest } from './command.ts';
import { removeAsNamespaceRoot, runAsNamespaceRoot } from './namespace-root.ts';
import type { IdMaps } from './own-id-maps.ts';
import { type CommandEnd, runAtTerminal } from './process.ts';

/**
 * Runs in a root that may be written to; what is written goes to the folder `transient`, which is the caller's to remove.
 * By an overlay, over which the image cannot be changed. Where the kernel makes none, in a copy of hard links: new files
 * and removals are the copy's own, what is written into a file that is there would change the image (vagga 2.6). A text:
 * what kept it from starting.
 */
export async function runWritable(
  request: Pick<RunRequest, 'built' | 'maps' | 'externalUserId'>,
  spec: ContainerSpec,
  transient: string,
): Promise<CommandEnd | NativeFailure | string> {
  // With a single id the overlay could not take the files of the others over.
  if (request.externalUserId === null) {
    const [upper, work] = [join(transient, 'upper'), join(transient, 'work')];
    for (const folder of [upper, work]) mkdirSync(folder, { recursive: true });
    const end = await runAtTerminal({ ...spec, overlay: { upper, work } });
    if (!isFailure(end) || end.step !== 'mount overlay') return end;
    const left = await removeAsNamespaceRoot(request.maps, [transient]);
    if (left !== null) return left;
  }
  const image = join(request.built, 'root');
  const failed = await linkCopy(request.maps, image, transient);
  return failed ?? runAtTerminal({ ...spec, root: transient, writableRoot: true });
}

async function linkCopy(maps: IdMaps, from: string, to: string): Promise<string | null> {
  mkdirSync(dirname(to), { recursive: true });
  const end = await runAsNamespaceRoot(maps, ['cp', '-a', '-l', '--', from, to]);
  if (!('kind' in end)) return end.message;
  return end.exitCode === 0 ? null : `cp -a -l ${from} ended with exit code ${end.exitCode}`;
}
