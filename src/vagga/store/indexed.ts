import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../native/load.ts';
import { mapText } from '../run/id-map.ts';
import type { IdMaps } from '../run/own-id-maps.ts';
import { plainSpec, runQuietly } from '../run/process.ts';
import { type IndexDifference, indexFile } from './image-index.ts';
import type { LinkedFiles } from './link-identical.ts';
import type { WorkerJob, WorkerResult } from './worker-job.ts';

// Indexes of builds and what is done with them, from the process that started vagga.

/** Of each container so many versions, the last used, are looked at for files that are the same. */
const versionsLinked = 3;

type Outcome<T> = { readonly value: T } | { readonly problem: string };

export async function indexBuilds(maps: IdMaps, folders: readonly string[]): Promise<Outcome<null>> {
  if (folders.length === 0) return { value: null };
  const result = await runWorker(maps, { kind: 'index', folders, threads: availableParallelism() });
  return result.kind === 'done' ? { value: null } : problemOf(result);
}

export async function verifyBuild(maps: IdMaps, folder: string): Promise<Outcome<IndexDifference>> {
  const result = await runWorker(maps, { kind: 'verify', folder, threads: availableParallelism() });
  return result.kind === 'verified' ? { value: result.difference } : problemOf(result);
}

/** Those without an index get one first. The files of the first folders stay as they are. */
export async function linkBuilds(maps: IdMaps, folders: readonly string[]): Promise<Outcome<LinkedFiles>> {
  const indexed = await indexBuilds(
    maps,
    folders.filter((folder) => !hasIndex(folder)),
  );
  if ('problem' in indexed) return indexed;
  const result = await runWorker(maps, { kind: 'link', folders });
  return result.kind === 'linked' ? { value: result.linked } : problemOf(result);
}

export const hasIndex = (folder: string): boolean => existsSync(join(folder, indexFile));

/**
 * Builds in these `.roots` folders whose files have the ids of these maps: the last versions of each container, the one
 * that was used longest ago first.
 */
export function buildsToLink(roots: readonly string[], maps: IdMaps): readonly string[] {
  const found = roots.flatMap((folder) => {
    const builds = (existsSync(folder) ? readdirSync(folder) : [])
      .filter((name) => !name.startsWith('.') && existsSync(join(folder, name, 'root')))
      .map((name) => ({ path: join(folder, name), container: name.replace(/\.[0-9a-f]+$/, '') }))
      .filter(({ path }) => sameIds(path, maps))
      .map((build) => ({
        ...build,
        usedMs: statSync(join(build.path, 'last_use'), { throwIfNoEntry: false })?.mtimeMs ?? 0,
      }))
      .sort((a, b) => b.usedMs - a.usedMs);
    const seen = new Map<string, number>();
    return builds.filter(({ container }) => {
      const count = (seen.get(container) ?? 0) + 1;
      seen.set(container, count);
      return count <= versionsLinked;
    });
  });
  return found.sort((a, b) => a.usedMs - b.usedMs).map(({ path }) => path);
}

function sameIds(folder: string, maps: IdMaps): boolean {
  try {
    return (
      readFileSync(join(folder, 'uid_map'), 'utf8') === mapText(maps.uidMap) &&
      readFileSync(join(folder, 'gid_map'), 'utf8') === mapText(maps.gidMap)
    );
  } catch {
    return false;
  }
}

const problemOf = (result: WorkerResult): { readonly problem: string } => ({
  problem: result.kind === 'failed' ? result.problem : `the worker answered with ${result.kind}`,
});

async function runWorker(maps: IdMaps, job: WorkerJob): Promise<WorkerResult> {
  const folder = mkdtempSync(join(tmpdir(), 'vagga-worker-'));
  const [asked, answered] = [join(folder, 'job'), join(folder, 'result')];
  writeFileSync(asked, JSON.stringify(job));
  const [stdin, stdout] = [openSync(asked, 'r'), openSync(answered, 'w')];
  try {
    const end = await runQuietly(
      plainSpec({
        argv: [process.execPath, '--enable-source-maps', join(packageRoot(), 'dist', 'vagga-store-worker.js')],
        env: { PATH: process.env.PATH ?? '', LC_ALL: 'C.UTF-8' },
        cwd: '/',
        namespaces: { user: true, mount: true, pid: true, ipc: false, uts: false, cgroup: false, net: false },
        ...maps,
        mounts: [{ kind: 'proc', target: '/proc', unmasked: true }],
        stdio: [stdin, stdout, 2],
      }),
    );
    if (!('kind' in end)) return { kind: 'failed', problem: end.message };
    const text = readFileSync(answered, 'utf8');
    if (text === '') return { kind: 'failed', problem: `the worker ended with exit code ${end.exitCode}` };
    return JSON.parse(text) as WorkerResult;
  } finally {
    closeSync(stdin);
    closeSync(stdout);
    rmSync(folder, { recursive: true, force: true });
  }
}
