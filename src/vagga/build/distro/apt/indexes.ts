import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import type { Fetcher } from '../../fetch.ts';
import { partName } from '../../part-name.ts';
import { decompressed } from '../../tar.ts';
import { type DebPackage, parsePackages } from './package-index.ts';
import { parseRelease, type Release, signedText } from './release.ts';
import type { Suite } from './suites.ts';

/** Asks a mirror for a suite; null: it does not have it. Throws where nobody we trust has signed it, or it is outdated. */
export async function readRelease(
  fetcher: Fetcher,
  { mirror, suite }: Suite,
  keyrings: readonly string[],
  now: Date,
): Promise<Release | null> {
  const url = `${mirror}/dists/${suite}/InRelease`;
  const bytes = await fetcher.bytes(url);
  if (bytes === null) return null;
  const release = parseRelease(await signedText(bytes, keyrings, url));
  if (release.validUntil !== null && release.validUntil < now) {
    throw new Error(`${url}: it was valid until ${release.validUntil.toUTCString()}; the mirror is outdated`);
  }
  return release;
}

const compressions = ['.xz', '.gz', ''] as const;

/** The packages of a suite's component, as its signed Release says they are. The index is kept in `folder`. */
export async function readPackages(
  fetcher: Fetcher,
  { mirror, suite }: Suite,
  release: Release,
  component: string,
  architecture: string,
  folder: string,
): Promise<readonly DebPackage[]> {
  const path = `${component}/binary-${architecture}/Packages`;
  const offered = compressions.flatMap((ending) => {
    const file = release.files.get(path + ending);
    return file === undefined ? [] : [{ ending, sha256: file.sha256 }];
  });
  const [best] = offered;
  if (best === undefined) {
    const has = `it has ${release.components.join(', ')} for ${release.architectures.join(', ')}`;
    throw new Error(`${mirror} ${suite}: no packages of ${component} for ${architecture}; ${has}`);
  }
  const places = offered.map(({ ending, sha256 }) => ({
    sha256,
    kept: join(folder, `${sha256.slice(0, 16)}-Packages${ending}`),
    urls: [
      ...(release.byHash
        ? [`${mirror}/dists/${suite}/${component}/binary-${architecture}/by-hash/SHA256/${sha256}`]
        : []),
      `${mirror}/dists/${suite}/${path}${ending}`,
    ],
  }));
  const sound = places.find(({ kept, sha256 }) => isSound(kept, sha256))?.kept;
  const { stream, ended } = await decompressed(sound ?? (await downloadIndex(fetcher, places, folder)));
  const content = await readText(stream);
  await ended;
  return parsePackages(content, mirror);
}

interface IndexPlace {
  readonly sha256: string;
  readonly kept: string;
  readonly urls: readonly string[];
}

/** The first that is there and right: a mirror in the middle of its update may lack some. Returns where it is kept. */
async function downloadIndex(fetcher: Fetcher, places: readonly IndexPlace[], folder: string): Promise<string> {
  for (const { urls, sha256, kept } of places) {
    for (const url of urls) {
      const bytes = await fetcher.bytes(url);
      if (bytes === null || sumOf(bytes) !== sha256) continue;
      mkdirSync(folder, { recursive: true });
      const part = partName(kept);
      writeFileSync(part, bytes);
      renameSync(part, kept);
      return kept;
    }
  }
  throw new Error(
    `Hashsum mismatch: ${places[0]?.urls.at(-1)}: the mirror has no list of packages as its signed Release says; it may be updating, try again later or name another mirror`,
  );
}

export const sumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function isSound(file: string, sha256: string): boolean {
  try {
    return sumOf(readFileSync(file)) === sha256;
  } catch {
    return false;
  }
}
