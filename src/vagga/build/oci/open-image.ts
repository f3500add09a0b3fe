import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Layer } from '../../../oci/layout.ts';
import { type ImageReference, isRemote, parseReference } from '../../../oci/reference.ts';
import { openSource, type Source } from '../../../oci/source.ts';
import { localFile, type SourcePlaces, sourceFile } from '../download.ts';
import { type HttpClient, httpClient } from '../http.ts';
import { partName } from '../part-name.ts';
import { blobCache } from './blob-cache.ts';
import { openRegistry, openWebLayout } from './remote-source.ts';

/** An image whose files can be read, wherever they are. */
export interface OpenImage {
  readonly reference: ImageReference;
  readonly source: Source;
  /** Sees to it that the layer can be opened. */
  bring(layer: Layer): Promise<void>;
  /** To be called at the end. */
  close(): Promise<void>;
}

/** Throws with what was wrong, the image named. */
export async function openImage(places: SourcePlaces, image: string): Promise<OpenImage> {
  const reference = parseReference(image);
  if ('problem' in reference) throw new Error(reference.problem);
  if (isRemote(reference) && !(reference.kind === 'files' && reference.form === 'archive')) {
    const client = httpClient(places.environment);
    try {
      return await openRemote(places, reference, client);
    } catch (error) {
      await client.close();
      throw error;
    }
  }
  const { place } = reference as Extract<ImageReference, { kind: 'files' }>;
  const path = isRemote(reference) ? await sourceFile(places, place, null) : localFile(places, place);
  if (!existsSync(path)) throw new Error(`${place}: no such file or folder`);
  const scratch = partName(join(places.cache, 'oci', 'archive'));
  const close = async (): Promise<void> => rmSync(scratch, { recursive: true, force: true });
  try {
    const source = await openSource(path, scratch);
    return { reference, source, bring: async () => {}, close };
  } catch (error) {
    await close();
    throw new Error(`${place}: ${(error as Error).message}`);
  }
}

async function openRemote({ cache }: SourcePlaces, reference: ImageReference, client: HttpClient): Promise<OpenImage> {
  const blobs = blobCache(join(cache, 'oci', 'sha256'));
  const source =
    reference.kind === 'registry'
      ? await openRegistry(reference, client, blobs)
      : await openWebLayout(reference.place, client, blobs);
  return {
    reference,
    source,
    bring: ({ name, size }) => source.bring(name, size ?? 0),
    close: () => client.close(),
  };
}
