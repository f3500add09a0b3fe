import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { recordedFolders } from '../../../oci/folders.ts';
import type { Losses } from '../../../oci/layer.ts';
import { findImage, type ImageConfig } from '../../../oci/layout.ts';
import { placeIn } from '../../../oci/place.ts';
import { machinePlatform, type Platform, parsePlatform, platformName } from '../../../oci/platform.ts';
import { unpackLayer } from '../../../oci/unpack.ts';
import type { SourcePlaces } from '../download.ts';
import { systemFolders } from '../finish.ts';
import { openImage } from './open-image.ts';

/**
 * Lays the layers of an image over a root, with the owners that the container has ids for; what the image says of
 * itself. As root of the container's user namespace. Throws with what was wrong, the image named.
 */
export async function unpackImage(
  places: SourcePlaces,
  root: string,
  image: string,
  platform: string | null,
  tell: (message: string) => void,
): Promise<ImageConfig> {
  const opened = await openImage(places, image);
  try {
    const { tag, digest } = opened.reference;
    const wanted = (platform === null ? null : parsePlatform(platform)) ?? machinePlatform();
    // A registry has found the tag already.
    const byTag = opened.reference.kind === 'registry' ? null : tag;
    const found = await findImage(opened.source, { platform: wanted, tag: byTag, digest });
    refuseOther(found.platform, wanted);
    const losses: Losses = { owners: 0, devices: 0, attributes: 0 };
    const folders = recordedFolders(root);
    for (const [index, layer] of found.layers.entries()) {
      const size = layer.size === null ? '' : `, ${(layer.size / 1e6).toFixed(1)} MB`;
      tell(`Image ${image}: layer ${index + 1} of ${found.layers.length}${size}`);
      await opened.bring(layer);
      await unpackLayer(opened.source, layer, { root, isRoot: true, losses, folders, count: () => {} }, () => {});
    }
    keepSystemFolders(root);
    folders.settle();
    chmodSync(root, 0o755);
    for (const message of lossMessages(losses)) tell(`WARNING: image ${image}: ${message}`);
    return found.config;
  } catch (error) {
    const { message } = error as Error;
    throw new Error(message.includes(image) ? message : `image ${image}: ${message}`);
  } finally {
    await opened.close();
  }
}

/** A manifest by itself is for no platform in particular, until its config says so. */
function refuseOther(found: Platform | null, { architecture, variant }: Platform): void {
  const fits = found === null || (found.architecture === architecture && (variant ?? found.variant) === found.variant);
  if (!fits) throw new Error(`it is for ${platformName(found)}; expected ${platformName({ architecture, variant })}`);
}

/** A whiteout may have hidden what every container needs. */
function keepSystemFolders(root: string): void {
  for (const [name, mode] of systemFolders) {
    const place = placeIn(root, [name], true);
    if (place === null || lstatSync(place, { throwIfNoEntry: false }) !== undefined) continue;
    mkdirSync(place);
    chmodSync(place, mode);
  }
}

function lossMessages({ owners, devices, attributes }: Losses): readonly string[] {
  return [
    ...(owners > 0 ? [`${owners} files belong to root: the container has not the ids of their owners`] : []),
    ...(devices > 0 ? [`${devices} device files and pipes left out`] : []),
    ...(attributes > 0 ? [`${attributes} extended attributes left out`] : []),
  ];
}
