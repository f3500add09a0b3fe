/**
 * The image worker: a process of its own that is root of a container's user namespace, with the host's files in sight, so
 * that owners are those that the container sees. Its one argument is an ImageJob as JSON. It ends with 0, or with 1 and
 * what went wrong on stderr.
 */
import { createReadStream, mkdirSync } from 'node:fs';
import { readUrl } from '../build/download.ts';
import type { ImageJob } from './job.ts';
import { packImage } from './pack.ts';
import { unpackImage } from './unpack.ts';

async function work(job: ImageJob): Promise<void> {
  process.umask(0o022);
  switch (job.kind) {
    case 'pack':
      return packImage(job.root, job.compression, process.stdout);
    case 'unpack':
      mkdirSync(job.root, { mode: 0o755 });
      if (/^https?:\/\//.test(job.source)) {
        const environment = new Map(Object.entries(job.environment));
        return readUrl(job.source, environment, (body) => unpackImage(body, job.root));
      }
      return unpackImage(createReadStream(job.source), job.root);
    default:
      return job satisfies never;
  }
}

try {
  await work(JSON.parse(process.argv[2] ?? '') as ImageJob);
} catch (error) {
  process.stderr.write(`ERROR: ${(error as Error).message}\n`);
  // What a stream still holds must not keep the process.
  process.exit(1);
}
