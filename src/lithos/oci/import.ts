import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { recordedFolders } from '../../oci/folders.ts';
import type { Losses } from '../../oci/layer.ts';
import { findImage } from '../../oci/layout.ts';
import { placeIn } from '../../oci/place.ts';
import { anyOf, machinePlatform } from '../../oci/platform.ts';
import { Refusal } from '../../oci/refusal.ts';
import { openSource } from '../../oci/source.ts';
import { unpackLayer } from '../../oci/unpack.ts';
import { writeService } from './service.ts';

export interface ImportOptions {
  /** A folder or an archive. */
  readonly source: string;
  readonly imageDir: string;
  readonly mostBytes: number;
  /** Told before a layer, and as it goes on. */
  readonly progress: (text: string) => void;
}

export interface Imported {
  /** Folder below the image dir: `sha256-` and the image's id. */
  readonly name: string;
  /** It was there already; nothing was done. */
  readonly existed: boolean;
  readonly losses: Losses;
  /** Why there is no container config; null: there is one. */
  readonly withoutService: string | null;
}

const staging = '.importing.';
/** What every container needs to have in its image (lithos 5, step 7). */
const mountPoints = ['dev', 'proc', 'sys', 'tmp'] as const;
const none = (): Losses => ({ owners: 0, devices: 0, attributes: 0 });

/**
 * Unpacks an image. It is made under another name and renamed when it is whole: a process that dies at any moment leaves
 * nothing that could be taken for an image, and what it leaves is removed by the next. Throws a Refusal.
 */
export async function importInto({ source, imageDir, mostBytes, progress }: ImportOptions): Promise<Imported> {
  mkdirSync(imageDir, { recursive: true });
  removeAbandoned(imageDir);
  const own = join(imageDir, `${staging}${process.pid}`);
  mkdirSync(own, { mode: 0o700 });
  try {
    const opened = await openSource(source, join(own, 'source'));
    const image = await findImage(opened, anyOf(machinePlatform()));
    const name = `sha256-${image.id}`;
    const target = join(imageDir, name);
    if (existsSync(target)) return { name, existed: true, losses: none(), withoutService: null };
    const root = join(own, 'root');
    mkdirSync(root);
    const losses = none();
    let bytes = 0;
    const folders = recordedFolders(root);
    const count = (more: number): void => {
      bytes += more;
      if (bytes > mostBytes) throw new Refusal(`it unpacks to more than ${mostBytes} bytes; --max-bytes allows more`);
    };
    const isRoot = process.geteuid?.() === 0;
    for (const [index, layer] of image.layers.entries()) {
      const text = `layer ${index + 1} of ${image.layers.length}, ${megabytes(opened.sizeOf(layer.name))} MB`;
      progress(text);
      const context = { root, isRoot, losses, folders, count };
      await unpackLayer(opened, layer, context, (part) => progress(`${text}: ${Math.floor(part * 100)} %`));
    }
    for (const each of mountPoints) {
      const place = placeIn(root, [each], true);
      // A link is left as it is: what it means is settled when the container starts, inside of the image.
      const there = place !== null && lstatSync(place, { throwIfNoEntry: false }) !== undefined;
      if (place !== null && !there) mkdirSync(place, { mode: each === 'tmp' ? 0o1777 : 0o755 });
    }
    const withoutService = writeService(root, image.config);
    folders.settle();
    chmodSync(root, 0o755);
    return { name, existed: !place(root, target), losses, withoutService };
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

/** False where somebody else was quicker with the same image. */
function place(root: string, target: string): boolean {
  try {
    renameSync(root, target);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTEMPTY') return false;
    throw error;
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** Of imports whose process is gone. */
function removeAbandoned(imageDir: string): void {
  for (const name of readdirSync(imageDir)) {
    if (!name.startsWith(staging)) continue;
    const pid = Number(name.slice(staging.length));
    if (pid === process.pid || !existsSync(`/proc/${pid}`)) {
      rmSync(join(imageDir, name), { recursive: true, force: true });
    }
  }
}
