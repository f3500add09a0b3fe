import { join } from 'node:path';
import { packageRoot } from '../../native/load.ts';
import type { IdMaps } from '../run/own-id-maps.ts';
import { plainSpec, runQuietly } from '../run/process.ts';
import type { ImageJob } from './job.ts';

/** Descriptors of this process that the worker gets. */
export interface WorkerOutput {
  readonly stdout: number;
  readonly stderr: number;
  /** How far a download is (build/report.ts); an unpacking worker needs it. */
  readonly events?: number;
}

/** Does the job as root of a namespace with these maps. Null: done; else what went wrong, beside what is on stderr. */
export async function runImageWorker(
  maps: IdMaps,
  job: ImageJob,
  { stdout, stderr, events }: WorkerOutput,
): Promise<string | null> {
  const env = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const end = await runQuietly(
    plainSpec({
      argv: [
        ...[process.execPath, '--enable-source-maps', join(packageRoot(), 'dist', 'vagga-image.js')],
        JSON.stringify(job),
      ],
      env: Object.fromEntries(env),
      cwd: '/',
      namespaces: { user: true, mount: true, pid: true, ipc: true, uts: false, cgroup: false, net: false },
      ...maps,
      mounts: [{ kind: 'proc', target: '/proc', unmasked: true }],
      stdio: [-1, stdout, stderr],
      ...(events === undefined ? {} : { passedFds: [{ from: events, to: 3 }] }),
    }),
  );
  if (!('kind' in end)) return end.message;
  return end.exitCode === 0 ? null : `ended with exit code ${end.exitCode}`;
}
