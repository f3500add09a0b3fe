import { statSync } from 'node:fs';
import { join } from 'node:path';
import { findDigest } from '../../oci/layout.ts';
import { machinePlatform, parsePlatform } from '../../oci/platform.ts';
import { parseReference } from '../../oci/reference.ts';
import { openSource } from '../../oci/source.ts';
import { readDevcontainer } from '../config/devcontainer.ts';
import type { StepOf } from '../config/steps.ts';
import { type Lock, lockName } from '../lock/lock-file.ts';
import { pinnedImage } from '../lock/pinned.ts';
import { failed, notReady, type Stop } from './outcome.ts';
import { byBytes } from './project-file.ts';
import type { VersionStream } from './stream.ts';

interface ImageContext {
  readonly stream: VersionStream;
  readonly project: { readonly root: string };
  readonly lock: Lock;
}

/**
 * At a digest the image is that digest, wherever it comes from; a layout of the project is what its index.json leads
 * to; any other is its name.
 */
export async function ociImage(context: ImageContext, step: StepOf<'OciImage'>, file?: string): Promise<Stop | null> {
  const { stream, lock, project } = context;
  const image = pinnedImage(lock, step.image, step.platform);
  const reference = parseReference(image);
  if ('problem' in reference) return failed(reference.problem);
  if (reference.digest !== null) {
    const source = image === step.image ? file : `${lockName}, ${step.image}`;
    stream.value('digest', `sha256:${reference.digest}`, source);
  } else {
    stream.value('image', image, file);
    if (reference.kind === 'files' && reference.form !== 'archive' && reference.place.startsWith('.')) {
      const stop = await layout(stream, join(project.root, reference.place), step, reference);
      if (stop !== null) return stop;
    }
  }
  stream.optional('platform', step.platform);
  return null;
}

async function layout(
  stream: VersionStream,
  folder: string,
  { image, platform: given }: StepOf<'OciImage'>,
  { tag, digest }: { readonly tag: string | null; readonly digest: string | null },
): Promise<Stop | null> {
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return notReady(`${image} does not exist`);
  // An archive is not read for its version, as those of !Tar are not.
  if (!stats.isDirectory()) return null;
  try {
    const platform = (given === null ? null : parsePlatform(given)) ?? machinePlatform();
    const found = await findDigest(await openSource(folder, ''), { platform, tag, digest });
    stream.value('layout', `sha256:${found}`, image);
    return null;
  } catch (error) {
    return failed(`${image}: ${(error as Error).message}`);
  }
}

export async function devcontainer(context: ImageContext, path: StepOf<'Devcontainer'>): Promise<Stop | null> {
  const read = readDevcontainer(context.project.root, path);
  if (read.kind === 'absent') return notReady(read.reason);
  if (read.kind === 'refused') return failed(read.reason);
  const stop = await ociImage(context, { image: read.image, platform: null }, read.file);
  if (stop !== null) return stop;
  for (const [name, value] of [...read.containerEnv].sort(([a], [b]) => byBytes(a, b))) {
    context.stream.value('key', name, read.file);
    context.stream.value('value', value, read.file);
  }
  return null;
}
