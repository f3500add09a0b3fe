import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findDigest } from '../../oci/layout.ts';
import { machinePlatform, parsePlatform } from '../../oci/platform.ts';
import { cachedFile, fetchTo, type SourcePlaces, sumOf } from '../build/download.ts';
import { httpClient } from '../build/http.ts';
import { openImage } from '../build/oci/open-image.ts';
import type { Lock } from './lock-file.ts';
import { type Lockable, lockableName } from './pinned.ts';

/** What stands behind a name at this moment. */
export type Entry =
  | { readonly kind: 'download'; readonly sha256: string; readonly size: number }
  | { readonly kind: 'git'; readonly commit: string }
  | { readonly kind: 'image'; readonly digest: string };

export const entryText = (entry: Entry): string =>
  entry.kind === 'git' ? entry.commit : `sha256:${entry.kind === 'download' ? entry.sha256 : entry.digest}`;

export function entryIn(lock: Lock, lockable: Lockable): Entry | null {
  const name = lockableName(lockable);
  switch (lockable.kind) {
    case 'download': {
      const entry = lock.downloads.get(name);
      return entry === undefined ? null : { kind: 'download', ...entry };
    }
    case 'git': {
      const entry = lock.git.get(name);
      return entry === undefined ? null : { kind: 'git', ...entry };
    }
    case 'image': {
      const entry = lock.images.get(name);
      return entry === undefined ? null : { kind: 'image', ...entry };
    }
    default:
      return lockable satisfies never;
  }
}

/**
 * Asks the source. What a build here has used already is taken for a download, unless `fresh`; what is fetched stays in
 * the cache, where the build that is locked looks for it. Null: a revision of git that no branch or tag has, and that is
 * a commit by itself. Throws with what was wrong.
 */
export async function resolveEntry(places: SourcePlaces, lockable: Lockable, fresh: boolean): Promise<Entry | null> {
  switch (lockable.kind) {
    case 'download':
      return resolveDownload(places, lockable.url, fresh);
    case 'git':
      return resolveGit(places, lockable.url, lockable.reference);
    case 'image': {
      const platform = (lockable.platform === null ? null : parsePlatform(lockable.platform)) ?? machinePlatform();
      if (fresh) forgetArchive(places, lockable.image);
      const opened = await openImage(places, lockable.image);
      try {
        const tag = opened.reference.kind === 'registry' ? null : opened.reference.tag;
        const digest = await findDigest(opened.source, { platform, tag, digest: null });
        return { kind: 'image', digest };
      } finally {
        await opened.close();
      }
    }
    default:
      return lockable satisfies never;
  }
}

/** A layout in an archive is a download, which otherwise would be taken from the cache. */
function forgetArchive({ cache }: SourcePlaces, image: string): void {
  const [, url] = /^(?:oci|docker)-archive:(https?:\/\/[^@]*?)(?::[\w][\w.-]*)?(?:@.*)?$/.exec(image) ?? [];
  if (url !== undefined && URL.canParse(url)) rmSync(cachedFile(cache, url, null), { force: true });
}

async function resolveDownload(places: SourcePlaces, url: string, fresh: boolean): Promise<Entry> {
  const used = cachedFile(places.cache, url, null);
  mkdirSync(dirname(used), { recursive: true });
  const keep = !fresh && existsSync(used);
  const file = keep ? used : `${used}.part.${process.pid}`;
  try {
    if (!keep) await fetchTo(url, file, places.environment);
    const sha256 = await sumOf(file);
    const { size } = statSync(file);
    const locked = cachedFile(places.cache, url, sha256);
    if (!keep) renameSync(file, locked);
    else if (!existsSync(locked)) linkSync(used, locked);
    return { kind: 'download', sha256, size };
  } finally {
    if (!keep) rmSync(file, { force: true });
  }
}

/** What an address gives now; nothing is kept. */
export async function sumOfAddress(places: SourcePlaces, url: string): Promise<Entry> {
  const client = httpClient(places.environment);
  try {
    const answer = await client.get(url);
    if (!answer.ok) throw new Error(`Error downloading ${url}: status ${answer.status} ${answer.statusText}`);
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of answer.body ?? []) {
      hash.update(chunk as Uint8Array);
      size += (chunk as Uint8Array).length;
    }
    return { kind: 'download', sha256: hash.digest('hex'), size };
  } finally {
    await client.close();
  }
}

const gitProgram = promisify(execFile);
const mostOutputBytes = 64 * 1024 ** 2;

async function resolveGit(places: SourcePlaces, url: string, reference: string): Promise<Entry | null> {
  const from = url.startsWith('.') ? join(places.project, url) : url;
  const listing = await gitProgram('git', ['ls-remote', '--', from], {
    env: { ...process.env, ...Object.fromEntries(places.environment), GIT_TERMINAL_PROMPT: '0' },
    maxBuffer: mostOutputBytes,
  }).catch((error: NodeJS.ErrnoException & { readonly stderr?: string }) => {
    if (error.code === 'ENOENT') throw new Error('git is not installed on this host');
    throw new Error(`${url}: ${error.stderr?.trim() || error.message}`);
  });
  const commit = commitOf(listing.stdout, reference);
  if (commit !== null) return { kind: 'git', commit };
  if (/^[0-9a-f]{4,}$/.test(reference)) return null;
  throw new Error(`${url}: ${reference} is no branch, no tag and no commit there`);
}

/** Of the lines of `git ls-remote`: `COMMIT<tab>REFERENCE`. An annotated tag is a commit under its name with `^{}`. */
export function commitOf(listing: string, reference: string): string | null {
  const commits = new Map(
    listing.split('\n').flatMap((line) => {
      const [commit, name] = line.split('\t');
      return commit === undefined || name === undefined ? [] : [[name, commit] as const];
    }),
  );
  const names = [reference, `refs/tags/${reference}^{}`, `refs/tags/${reference}`, `refs/heads/${reference}`];
  // As gitrevisions(7) looks: a tag before a branch.
  return names.map((name) => commits.get(name)).find((commit) => commit !== undefined) ?? null;
}
