import { Readable } from 'node:stream';
import type { ImageReference } from '../../../oci/reference.ts';
import type { Source } from '../../../oci/source.ts';
import type { HttpClient } from '../http.ts';
import type { BlobCache } from './blob-cache.ts';
import { limited, openRepository } from './registry.ts';

/** An image of another machine as if it were a layout here: blobs come into the cache when they are asked for. */
export interface RemoteSource extends Source {
  /** Brings a blob, by its name in the layout, that may have so many bytes at the most. */
  bring(name: string, mostBytes: number): Promise<void>;
}

interface Remote {
  readonly index: Buffer;
  /** Bytes of a blob; `isManifest`: an index or a manifest, which registries keep apart. */
  readonly fetch: (digest: string, isManifest: boolean) => Promise<AsyncIterable<Uint8Array>>;
  /** For messages. */
  readonly name: (digest: string) => string;
}

const mostIndexBytes = 16 * 1024 ** 2;
const blobsFolder = 'blobs/sha256/';

/** Throws with what the other machine said. A digest in the reference whose blobs are in the cache needs no network. */
export async function openRegistry(
  reference: Extract<ImageReference, { readonly kind: 'registry' }>,
  client: HttpClient,
  cache: BlobCache,
): Promise<RemoteSource> {
  const repository = openRepository(reference, client);
  const { digest, tag } = reference;
  let top = digest;
  if (top === null) {
    const found = await repository.manifest(tag ?? 'latest');
    top = found.digest;
    if (!cache.has(top)) await cache.keep(top, `sha256:${top}`, found.bytes.length, Readable.from([found.bytes]));
  }
  return remoteSource(
    {
      index: Buffer.from(JSON.stringify({ manifests: [{ digest: `sha256:${top}` }] })),
      name: (blob) => `${reference.host}/${reference.repository}, blob sha256:${blob}`,
      async fetch(blob, isManifest) {
        if (isManifest) return Readable.from([(await repository.manifest(`sha256:${blob}`)).bytes]);
        const { body } = await repository.blob(blob);
        return body ?? Readable.from([]);
      },
    },
    cache,
    [top],
  );
}

/** A layout whose files any web server serves. */
export async function openWebLayout(address: string, client: HttpClient, cache: BlobCache): Promise<RemoteSource> {
  const base = address.endsWith('/') ? address : `${address}/`;
  const get = async (name: string) => {
    const url = base + name;
    const answer = await client.get(url);
    if (!answer.ok) throw new Error(`${url}: status ${answer.status} ${answer.statusText}`.trimEnd());
    return answer;
  };
  const index = await limited(await get('index.json'), mostIndexBytes, `${base}index.json`);
  return remoteSource(
    {
      index,
      name: (blob) => `${base}${blobsFolder}${blob}`,
      fetch: async (blob) => (await get(blobsFolder + blob)).body ?? Readable.from([]),
    },
    cache,
    [],
  );
}

function remoteSource(remote: Remote, cache: BlobCache, tops: readonly string[]): RemoteSource {
  const manifests = new Set(tops);
  const digestIn = (name: string): string => {
    const digest = name.startsWith(blobsFolder) ? name.slice(blobsFolder.length) : '';
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new Error(`${name} is not in the image`);
    return digest;
  };
  const bring = async (name: string, mostBytes: number): Promise<void> => {
    const digest = digestIn(name);
    if (cache.has(digest)) return;
    const bytes = await remote.fetch(digest, manifests.has(digest));
    await cache.keep(digest, remote.name(digest), mostBytes, bytes);
  };
  return {
    has: (name) => name === 'index.json',
    async read(name) {
      if (name === 'index.json') return remote.index;
      await bring(name, mostIndexBytes);
      const bytes = await cache.read(digestIn(name));
      for (const child of childrenOf(bytes)) manifests.add(child);
      return bytes;
    },
    open: (name) => cache.open(digestIn(name)),
    sizeOf: (name) => cache.sizeOf(digestIn(name)),
    bring,
  };
}

/** Digests of the manifests that an index names; what is no index has none. */
function childrenOf(bytes: Buffer): readonly string[] {
  try {
    const { manifests } = JSON.parse(bytes.toString('utf8')) as {
      readonly manifests?: readonly { digest?: unknown }[];
    };
    return (manifests ?? []).map(({ digest }) => String(digest).replace(/^sha256:/, ''));
  } catch {
    return [];
  }
}
