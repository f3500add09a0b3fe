import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fetch } from 'undici';
import { hostPath } from '../run/mounts.ts';
import { lockFile } from '../store/lock.ts';
import { proxyAgent } from './fetch.ts';
import type { BuildJob } from './job.ts';

/** The host's path of what a step's `url` names: a file of the project, of an external volume, or a download. */
export async function sourceFile(job: BuildJob, url: string, sha256: string | null): Promise<string> {
  if (/^https?:\/\//.test(url)) return download(job, url, sha256);
  const path = url.startsWith('file://') ? decodeURIComponent(new URL(url).pathname) : localPath(job, url);
  if (!existsSync(path)) throw new Error(`${url}: no such file`);
  if (sha256 !== null) checkSum(url, sha256, await sumOf(path));
  return path;
}

function localPath(job: BuildJob, url: string): string {
  if (url.startsWith('.')) return join(job.project, url);
  const path = url.startsWith('/') ? hostPath(url, job) : null;
  if (path === null)
    throw new Error(`${url}: expected http://, https://, ./FILE of the project, or /volumes/NAME/FILE`);
  return path;
}

/** What was downloaded once stays in the cache; its name has the sum that was asked for, or that of the address. */
async function download(job: BuildJob, url: string, sha256: string | null): Promise<string> {
  const folder = join(job.cache, 'downloads');
  mkdirSync(folder, { recursive: true });
  const key = (sha256 ?? createHash('sha256').update(url).digest('hex')).slice(0, 8);
  const file = join(folder, `${key}-${basename(new URL(url).pathname) || 'index'}`);
  const lock = await lockFile(`${file}.lock`, true, tell);
  if (lock.kind !== 'locked') throw new Error(`${file}.lock: ${lock.kind === 'failed' ? lock.problem : 'is held'}`);
  try {
    if (!existsSync(file)) {
      await fetchTo(url, `${file}.part`, job.environment);
      if (sha256 !== null) {
        const sum = await sumOf(`${file}.part`);
        if (sum !== sha256) rmSync(`${file}.part`);
        checkSum(url, sha256, sum);
      }
      renameSync(`${file}.part`, file);
    } else if (sha256 !== null) {
      checkSum(url, sha256, await sumOf(file));
    }
  } finally {
    lock.release();
  }
  return file;
}

async function fetchTo(url: string, file: string, environment: ReadonlyMap<string, string>): Promise<void> {
  const dispatcher = proxyAgent(environment);
  try {
    tell(`Downloading ${url}`);
    const answer = await fetch(url, { dispatcher });
    if (!answer.ok || answer.body === null) throw new Error(`${url}: status ${answer.status} ${answer.statusText}`);
    await pipeline(Readable.fromWeb(answer.body), createWriteStream(file));
  } catch (error) {
    const cause = (error as Error).cause as Error | undefined;
    throw new Error(`Error downloading ${url}: ${cause?.message ?? (error as Error).message}`);
  } finally {
    await dispatcher.close();
  }
}

async function sumOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.digest('hex');
}

function checkSum(url: string, expected: string, found: string): void {
  if (expected !== found) throw new Error(`Hashsum mismatch: ${url}: expected ${expected}, got ${found}`);
}

function tell(message: string): void {
  process.stderr.write(`${message}\n`);
}
