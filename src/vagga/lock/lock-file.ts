import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig, readConfig } from '../../config/load.ts';
import { type ConfigProblem, formatProblem } from '../../config/problem.ts';
import { list, optional, record, required } from '../../config/record.ts';
import { integer, matching, type Schema, text } from '../../config/schema.ts';
import { noteInput } from '../plan/inputs.ts';
import { Refusal } from '../refusal.ts';
import { byBytes } from '../version/project-file.ts';

/** Beside vagga.yaml. */
export const lockName = 'vagga.lock';

/** What builds fetch, at what it was when it was locked. */
export interface Lock {
  /** By address. */
  readonly downloads: ReadonlyMap<string, { readonly sha256: string; readonly size: number }>;
  /** By gitKey. */
  readonly git: ReadonlyMap<string, { readonly commit: string }>;
  /** By imageKey; sha256 in hex. */
  readonly images: ReadonlyMap<string, { readonly digest: string }>;
}

export const noLock: Lock = { downloads: new Map(), git: new Map(), images: new Map() };

/** `reference`: `HEAD`, `refs/heads/BRANCH`, or a revision as it is written. */
export const gitKey = (url: string, reference: string): string => `${url} ${reference}`;
/** Of an image whose platform is named in vagga.yaml there is one entry for each. */
export const imageKey = (image: string, platform: string | null): string =>
  platform === null ? image : `${image} ${platform}`;

const hex = (digits: number): Schema<string> =>
  matching(new RegExp(`^[0-9a-f]{${digits}}$`), `${digits} hex digits in lower case`);
const format = 1;
const none: readonly never[] = [];

const schema = record('a vagga.lock', {
  format: required(integer({ min: format, max: format }, 'a format of this vagga,')),
  downloads: optional(
    list(
      record('a download', {
        url: required(text),
        sha256: required(hex(64)),
        size: required(integer({ min: 0, max: Number.MAX_SAFE_INTEGER }, 'bytes')),
      }),
    ),
    none,
  ),
  git: optional(
    list(
      record('a git commit', {
        url: required(text),
        reference: required(text),
        commit: required(matching(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'a commit of 40 or 64 hex digits')),
      }),
    ),
    none,
  ),
  images: optional(
    list(
      record('an image', {
        image: required(text),
        platform: optional(text, ''),
        digest: required(matching(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 hex digits')),
      }),
    ),
    none,
  ),
});

export type ReadLock =
  | { readonly kind: 'read'; readonly lock: Lock }
  | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[] };

export function parseLock(file: string, bytes: Uint8Array): ReadLock {
  return asLock(readConfig(file, bytes, schema));
}

function asLock(loaded: ReturnType<typeof readConfig<typeof schema extends Schema<infer T> ? T : never>>): ReadLock {
  if (loaded.kind === 'refused') return { kind: 'refused', problems: loaded.problems };
  const { downloads, git, images } = loaded.value;
  return {
    kind: 'read',
    lock: {
      downloads: new Map(downloads.map(({ url, sha256, size }) => [url, { sha256, size }])),
      git: new Map(git.map(({ url, reference, commit }) => [gitKey(url, reference), { commit }])),
      images: new Map(
        images.map(({ image, platform, digest }) => [
          imageKey(image, platform === '' ? null : platform),
          { digest: digest.slice('sha256:'.length) },
        ]),
      ),
    },
  };
}

/** Of a project; one without the file has locked nothing. Throws a Refusal with all that is wrong. */
export function loadLock(project: string): Lock {
  const file = join(project, lockName);
  noteInput('file', file);
  if (!existsSync(file)) return noLock;
  const read = asLock(loadConfig(file, schema));
  if (read.kind === 'read') return read.lock;
  throw new Refusal('config', read.problems.map(formatProblem).join('\n'));
}

const head = '# What builds fetch, at its exact digest: written by `vagga _lock`. Keep it with the project.\n';

/** One line an entry, in the order of their names: the same lock is the same text. */
export function formatLock({ downloads, git, images }: Lock): string {
  const section = <T>(
    name: string,
    entries: ReadonlyMap<string, T>,
    line: (key: string, entry: T) => string,
  ): string =>
    entries.size === 0
      ? ''
      : `${name}:\n${[...entries]
          .sort(([a], [b]) => byBytes(a, b))
          .map(([key, entry]) => `- { ${line(key, entry)} }\n`)
          .join('')}`;
  const two = (key: string): readonly [string, string] => {
    const at = key.lastIndexOf(' ');
    return at < 0 ? [key, ''] : [key.slice(0, at), key.slice(at + 1)];
  };
  const quoted = (value: string): string => JSON.stringify(value);
  return [
    `${head}format: ${format}\n`,
    section(
      'downloads',
      downloads,
      (url, { sha256, size }) => `url: ${quoted(url)}, sha256: "${sha256}", size: ${size}`,
    ),
    section('git', git, (key, { commit }) => {
      const [url, reference] = two(key);
      return `url: ${quoted(url)}, reference: ${quoted(reference)}, commit: "${commit}"`;
    }),
    section('images', images, (key, { digest }) => {
      const [image, platform] = two(key);
      const of = platform === '' ? '' : `, platform: ${quoted(platform)}`;
      return `image: ${quoted(image)}${of}, digest: "sha256:${digest}"`;
    }),
  ].join('');
}

/** Whole or not at all. */
export function saveLock(project: string, lock: Lock): void {
  const file = join(project, lockName);
  const made = `${file}.tmp.${process.pid}`;
  writeFileSync(made, formatLock(lock));
  renameSync(made, file);
}
