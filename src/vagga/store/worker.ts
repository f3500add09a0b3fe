/**
 * The worker: a process of its own that is root of the namespace whose ids the files of roots are of. It does the job
 * (WorkerJob as JSON on stdin), and its result (WorkerResult as JSON) goes to stdout.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFailure } from '../../native/container.ts';
import { compareIndexes, formatIndex, type IndexEntry, indexFile, indexOf, parseIndex } from './image-index.ts';
import { linkIdentical } from './link-identical.ts';
import type { WorkerJob, WorkerResult } from './worker-job.ts';

async function work(job: WorkerJob): Promise<WorkerResult> {
  switch (job.kind) {
    case 'index':
      for (const folder of job.folders) {
        const made = join(folder, `.${indexFile}.${process.pid}`);
        writeFileSync(made, formatIndex(await look(folder, job.threads)));
        renameSync(made, join(folder, indexFile));
      }
      return { kind: 'done' };
    case 'verify':
      return {
        kind: 'verified',
        difference: compareIndexes(read(job.folder), await look(job.folder, job.threads)),
      };
    case 'link':
      return {
        kind: 'linked',
        linked: linkIdentical(job.folders.map((folder) => ({ folder, entries: read(folder) }))),
      };
    default:
      return job satisfies never;
  }
}

async function look(folder: string, threads: number): Promise<readonly IndexEntry[]> {
  const entries = await indexOf(join(folder, 'root'), threads);
  if (isFailure(entries)) throw new Error(`${folder}: ${entries.message}`);
  return entries;
}

function read(folder: string): readonly IndexEntry[] {
  const file = join(folder, indexFile);
  const entries = parseIndex(readFileSync(file, 'utf8'));
  if ('problem' in entries) throw new Error(`${file}: ${entries.problem}; remove it to have it made anew`);
  return entries;
}

let result: WorkerResult;
try {
  result = await work(JSON.parse(readFileSync(0, 'utf8')) as WorkerJob);
} catch (error) {
  result = { kind: 'failed', problem: (error as Error).message };
}
writeFileSync(1, JSON.stringify(result));
