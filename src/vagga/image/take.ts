import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BuildRequest } from '../build/build.ts';
import { timings } from '../build/timings.ts';
import { watched } from '../build/watched.ts';
import { proxyVariables } from '../run/environment.ts';
import { hostPath } from '../run/mounts.ts';
import { removeAsNamespaceRoot } from '../run/namespace-root.ts';
import { shortHash } from '../store/layout.ts';
import { runImageWorker } from './run-worker.ts';

/** The key `image-cache-url` with what stands for its placeholders. */
export function imageAddress(url: string, name: string, hash: string): string {
  const values = { container_name: name, short_hash: shortHash(hash) } as const;
  return url.replace(/\$\{(container_name|short_hash)\}/g, (_, key: keyof typeof values) => values[key]);
}

/** Fills `unfinished` with the image that `image-cache-url` names. False: there is none to be had, which is told. */
export async function takeImage(request: BuildRequest, unfinished: string): Promise<boolean> {
  const { container, name, hash, maps, tell } = request;
  // Without a version it is not known which image it would be.
  if (request.imageDownload !== true || container.imageCacheUrl === null || hash === null) return false;
  const url = imageAddress(container.imageCacheUrl, name, hash);
  const root = join(unfinished, 'root');
  const timing = timings(root);
  const problem = await fetchInto(request, url, unfinished);
  timing.mark(`Image ${url}${problem === null ? '' : ': failed'}`);
  if (problem === null) return true;
  tell(`WARNING: Error when unpacking image ${url}: ${problem}. Will clean and build it locally`);
  const left = existsSync(root) ? await removeAsNamespaceRoot(maps, [root]) : null;
  if (left !== null) throw new Error(left);
  return false;
}

async function fetchInto(
  { project, externalVolumes, maps, proxies, name, screen }: BuildRequest,
  url: string,
  unfinished: string,
): Promise<string | null> {
  const isRemote = /^https?:\/\//.test(url);
  const source = isRemote
    ? url
    : url.startsWith('.')
      ? join(project, url)
      : url.startsWith('/')
        ? hostPath(url, { project, externalVolumes })
        : null;
  if (source === null) return 'expected http://, https://, ./FILE of the project, or /volumes/NAME/FILE';
  if (!isRemote && !existsSync(source)) return 'no such file';
  const environment = Object.fromEntries(proxies ? proxyVariables(process.env) : []);
  const root = join(unfinished, 'root');
  const end = await watched(screen.begin(name), join(unfinished, 'image.log'), ({ output, events }) =>
    runImageWorker(maps, { kind: 'unpack', source, root, environment }, { stdout: output, stderr: output, events }),
  );
  return typeof end === 'string' || end === null ? end : end.message;
}
