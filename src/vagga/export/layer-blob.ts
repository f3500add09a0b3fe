import { createHash } from 'node:crypto';
import { closeSync, createReadStream, createWriteStream, openSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { IdMaps } from '../run/own-id-maps.ts';
import { plainSpec, runQuietly } from '../run/process.ts';
import { type LayerBlob, layerType } from './image-json.ts';

/**
 * GNU tar's words for an archive that depends on nothing but the files: names in the order of their bytes, numbers for
 * owners, whole seconds, no ids of processes (GNU tar manual, "Making tar Archives More Reproducible").
 */
const reproducible = [
  ...['--create', '--sort=name', '--numeric-owner', '--format=posix', '--xattrs'],
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime',
];

/**
 * Writes the root, packed and gzipped, as the file `layer` in `folder`. Owners are those that the container sees: tar
 * runs as root of its user namespace. Files are no newer than `newestSeconds`. Throws with what went wrong.
 */
export async function writeLayer(
  maps: IdMaps,
  root: string,
  folder: string,
  newestSeconds: number | null,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly file: string; readonly layer: LayerBlob }> {
  const plain = join(folder, 'layer.tar');
  const fd = openSync(plain, 'w+', 0o600);
  try {
    unlinkSync(plain);
    await packInto(fd, maps, root, newestSeconds, env);
    const file = join(folder, 'layer');
    const [diff, packed] = [createHash('sha256'), createHash('sha256')];
    await pipeline(
      createReadStream('', { fd, start: 0, autoClose: false }),
      hashed(diff),
      createGzip(),
      hashed(packed),
      createWriteStream(file),
    );
    const layer = {
      mediaType: layerType,
      digest: `sha256:${packed.digest('hex')}`,
      size: statSync(file).size,
      diffId: `sha256:${diff.digest('hex')}`,
    };
    return { file, layer };
  } finally {
    closeSync(fd);
  }
}

function hashed(hash: ReturnType<typeof createHash>) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  };
}

async function packInto(
  fd: number,
  maps: IdMaps,
  root: string,
  newestSeconds: number | null,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const path = env.PATH ?? '/usr/bin:/bin';
  const clamp = newestSeconds === null ? [] : [`--mtime=@${newestSeconds}`, '--clamp-mtime'];
  const end = await runQuietly(
    plainSpec({
      argv: ['tar', ...reproducible, ...clamp, '--directory', root, '.'],
      programs: path.split(':').map((folder) => `${folder}/tar`),
      env: { PATH: path, LC_ALL: 'C', TZ: 'UTC' },
      cwd: '/',
      namespaces: { user: true, mount: true, pid: true, ipc: false, uts: false, cgroup: false, net: false },
      ...maps,
      stdio: [-1, fd, 2],
    }),
  );
  if (!('kind' in end)) {
    const absent = end.step === 'execute' && end.code === 'ENOENT';
    throw new Error(absent ? 'tar is not installed on this host; expected GNU tar' : end.message);
  }
  if (end.exitCode !== 0) throw new Error(`tar ended with exit code ${end.exitCode}; expected GNU tar`);
}
