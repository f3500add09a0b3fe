import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { type Blob, type Descriptor, indexJson } from './image-json.ts';

// An OCI layout (image-layout.md), as a folder or as an archive of one.

export interface LayoutContent {
  readonly layer: { readonly file: string; readonly descriptor: Descriptor };
  readonly config: Blob;
  readonly manifest: Blob;
  readonly architecture: string;
  readonly tag: string;
}

const layoutText = '{"imageLayoutVersion":"1.0.0"}';
const blobs = 'blobs/sha256';

/** Why no layout can be written to a path; null: it can. */
export function folderProblem(folder: string): string | null {
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return null;
  if (!stats.isDirectory()) return `${folder} is a file; expected the name of a folder, or FILE.tar`;
  if (readdirSync(folder).length === 0 || existsSync(join(folder, 'oci-layout'))) return null;
  return `${folder} holds other things than an OCI layout`;
}

/** Into a folder that is new, empty or a layout: its other tags stay. The layer's file is taken away. */
export function writeLayoutFolder(folder: string, content: LayoutContent): void {
  mkdirSync(join(folder, blobs), { recursive: true });
  const place = ({ digest }: Descriptor): string => join(folder, blobs, digest.slice('sha256:'.length));
  renameSync(content.layer.file, place(content.layer.descriptor));
  for (const each of [content.config, content.manifest]) whole(place(each), each.bytes);
  whole(join(folder, 'oci-layout'), layoutText);
  const index = join(folder, 'index.json');
  const before: unknown = existsSync(index) ? JSON.parse(readFileSync(index, 'utf8')) : null;
  whole(index, indexJson(before, content.manifest, content.architecture, content.tag));
}

function whole(file: string, bytes: Buffer | string): void {
  const made = `${file}.tmp.${process.pid}`;
  writeFileSync(made, bytes);
  renameSync(made, file);
}

/** The archive is there once it is whole; until then it grows beside the layer's file. */
export async function writeLayoutArchive(file: string, content: LayoutContent): Promise<void> {
  const made = join(dirname(content.layer.file), 'archive');
  const fd = openSync(made, 'w');
  try {
    const archive = pack();
    const written = pipeline(Readable.from(archive as AsyncIterable<Buffer>), createWriteStream(made, { fd }));
    await Promise.all([fill(archive, content), written]);
    renameSync(made, file);
  } catch (error) {
    rmSync(made, { force: true });
    throw error;
  }
}

async function fill(archive: ReturnType<typeof pack>, content: LayoutContent): Promise<void> {
  const { layer, config, manifest, architecture, tag } = content;
  const common = { mtime: new Date(0), uid: 0, gid: 0 };
  const put = (name: string, bytes: Buffer | null): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error?: Error | null): void => (error ? reject(error) : resolve());
      if (bytes === null) archive.entry({ ...common, name, type: 'directory', mode: 0o755 }, done);
      else archive.entry({ ...common, name, type: 'file', mode: 0o644 }, bytes, done);
    });
  await put('blobs/', null);
  await put(`${blobs}/`, null);
  const files: readonly (readonly [Descriptor, Buffer | null])[] = [
    [layer.descriptor, null],
    [config, config.bytes],
    [manifest, manifest.bytes],
  ];
  for (const [{ digest, size }, bytes] of [...files].sort(([a], [b]) => (a.digest < b.digest ? -1 : 1))) {
    const name = `${blobs}/${digest.slice('sha256:'.length)}`;
    if (bytes !== null) await put(name, bytes);
    else {
      await new Promise<void>((resolve, reject) => {
        const sink = archive.entry({ ...common, name, size, type: 'file', mode: 0o644 }, (error) =>
          error ? reject(error) : resolve(),
        );
        pipeline(createReadStream(layer.file), sink as unknown as NodeJS.WritableStream).catch(reject);
      });
    }
  }
  await put('index.json', Buffer.from(indexJson(null, manifest, architecture, tag)));
  await put('oci-layout', Buffer.from(layoutText));
  archive.finalize();
}
