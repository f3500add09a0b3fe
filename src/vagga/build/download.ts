import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fetch } from 'undici';
import { updateHint } from '../lock/pinned.ts';
import { hostPath } from '../run/mounts.ts';
import { cacheFolder } from '../store/cache-folder.ts';
import { lockFile } from '../store/lock.ts';
import { proxyAgent, reasonOf } from './fetch.ts';
import type { BuildJob } from './job.ts';
import { readingAhead } from './read-ahead.ts';
import { report } from './report.ts';

/** What of a job leads to files. */
export type SourcePlaces = Pick<BuildJob, 'project' | 'cache' | 'externalVolumes' | 'environment'> &
  Partial<Pick<BuildJob, 'lock'>>;

/**
 * The host's path of what a step's `url` names: a file of the project, of an external volume, or a download. `refresh`:
 * a download is made again although the cache has it.
 */
export async function sourceFile(
  job: SourcePlaces,
  url: string,
  sha256: string | null,
  refresh = false,
): Promise<string> {
  if (isFetched(url)) return download(job, url, sha256, refresh);
  const path = hereFile(job, url);
  if (!existsSync(path)) throw new Error(`${url}: no such file`);
  if (sha256 !== null) checkSum(url, sha256, await sumOf(path));
  return path;
}

/** SHA-256 of the file behind a `url`; null: it is not there, or was not downloaded yet. Nothing is fetched. */
export async function contentOf(job: SourcePlaces, url: string, sha256: string | null): Promise<string | null> {
  const file = isFetched(url) ? cachedFile(job.cache, url, sha256) : hereFile(job, url);
  return existsSync(file) ? sumOf(file) : null;
}

const isFetched = (url: string): boolean => /^https?:\/\//.test(url);

/** Of a `url` that nothing has to be fetched for. */
const hereFile = (job: SourcePlaces, url: string): string =>
  url.startsWith('file://') ? decodeURIComponent(new URL(url).pathname) : localFile(job, url);

/** Where a download is kept. */
export function cachedFile(cache: string, url: string, sha256: string | null): string {
  const key = (sha256 ?? createHash('sha256').update(url).digest('hex')).slice(0, 8);
  return join(cacheFolder(cache, 'downloads'), `${key}-${basename(new URL(url).pathname) || 'index'}`);
}

/** A file or folder of the project, or of an external volume; it need not be there. */
export function localFile(job: SourcePlaces, url: string): string {
  if (url.startsWith('.')) return join(job.project, url);
  const path = url.startsWith('/') ? hostPath(url, job) : null;
  if (path === null)
    throw new Error(`${url}: expected http://, https://, ./FILE of the project, or /volumes/NAME/FILE`);
  return path;
}

/** What was downloaded once stays in the cache; its name has the sum that was asked for, or that of the address. */
async function download(job: SourcePlaces, url: string, sha256: string | null, refresh: boolean): Promise<string> {
  const file = cachedFile(job.cache, url, sha256);
  const hint = sha256 !== null && job.lock?.downloads.get(url)?.sha256 === sha256 ? updateHint : '';
  const lock = await lockFile(`${file}.lock`, true, tell);
  if (lock.kind !== 'locked') throw new Error(`${file}.lock: ${lock.kind === 'failed' ? lock.problem : 'is held'}`);
  try {
    if (refresh || !existsSync(file)) {
      await fetchTo(url, `${file}.part`, job.environment);
      if (sha256 !== null) {
        const sum = await sumOf(`${file}.part`);
        if (sum !== sha256) rmSync(`${file}.part`);
        checkSum(url, sha256, sum, hint);
      }
      renameSync(`${file}.part`, file);
    } else if (sha256 !== null) {
      checkSum(url, sha256, await sumOf(file), hint);
    }
  } finally {
    lock.release();
  }
  return file;
}

export async function fetchTo(url: string, file: string, environment: ReadonlyMap<string, string>): Promise<void> {
  // What a killed vagga has left may be somebody else's.
  rmSync(file, { force: true });
  await readUrl(url, environment, (body) => pipeline(body, createWriteStream(file, { mode: 0o644 })));
}

/** Fetches, through the proxies that the environment names; throws with the address and what went wrong. */
export async function readUrl(
  url: string,
  environment: ReadonlyMap<string, string>,
  use: (body: Readable) => Promise<void>,
): Promise<void> {
  const dispatcher = proxyAgent(environment);
  try {
    tell(`Downloading ${url}`);
    const answer = await fetch(url, { dispatcher: readingAhead(dispatcher) });
    if (!answer.ok || answer.body === null) throw new Error(`${url}: status ${answer.status} ${answer.statusText}`);
    const total = Number(answer.headers.get('content-length') ?? 0) || null;
    const counter = counted(url, total);
    const used = use(counter);
    await Promise.allSettled([pipeline(Readable.fromWeb(answer.body), counter), used]);
    // What broke the connection has broken the counter too.
    await used;
  } catch (error) {
    throw new Error(`Error downloading ${url}: ${reasonOf(error)}`);
  } finally {
    await dispatcher.close();
  }
}

/** Passes bytes on, and says from time to time how many there were. */
function counted(url: string, total: number | null): Transform {
  let bytes = 0;
  let toldMs = 0;
  return new Transform({
    transform(part: Buffer, _, done) {
      bytes += part.length;
      const nowMs = performance.now();
      if (nowMs - toldMs >= reportEveryMs) {
        toldMs = nowMs;
        report({ kind: 'download', url, bytes, total });
      }
      done(null, part);
    },
  });
}

const reportEveryMs = 200;

export async function sumOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.digest('hex');
}

function checkSum(url: string, expected: string, found: string, hint = ''): void {
  if (expected !== found) throw new Error(`Hashsum mismatch: ${url}: expected ${expected}, got ${found}${hint}`);
}

function tell(message: string): void {
  process.stderr.write(`${message}\n`);
}
