import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import type { Fetcher } from '../../fetch.ts';
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
  const ending = compressions.find((each) => release.files.has(path + each));
  const file = release.files.get(`${path}${ending}`);
  if (ending === undefined || file === undefined) {
    const has = `it has ${release.components.join(', ')} for ${release.architectures.join(', ')}`;
    throw new Error(`${mirror} ${suite}: no packages of ${component} for ${architecture}; ${has}`);
  }
  const kept = join(folder, `${file.sha256.slice(0, 16)}-Packages${ending}`);
  if (!isSound(kept, file.sha256)) {
    const base = `${mirror}/dists/${suite}/${component}/binary-${architecture}`;
    const url = release.byHash ? `${base}/by-hash/SHA256/${file.sha256}` : `${base}/Packages${ending}`;
    const bytes = await fetcher.bytes(url);
    if (bytes === null) throw new Error(`${url}: the mirror lacks it; it may be updating, try again later`);
    if (sumOf(bytes) !== file.sha256) throw new Error(`Hashsum mismatch: ${url}: expected ${file.sha256}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${kept}.${process.pid}.part`, bytes);
    renameSync(`${kept}.${process.pid}.part`, kept);
  }
  const { stream, ended } = await decompressed(kept);
  const content = await readText(stream);
  await ended;
  return parsePackages(content, mirror);
}

export const sumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function isSound(file: string, sha256: string): boolean {
  try {
    return sumOf(readFileSync(file)) === sha256;
  } catch {
    return false;
  }
}
