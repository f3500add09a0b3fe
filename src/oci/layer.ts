import {
  chmodSync,
  createWriteStream,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { containerAddon, isFailure } from '../native/container.ts';
import type { Folders } from './folders.ts';
import { partsOf, placeIn } from './place.ts';
import { Refusal } from './refusal.ts';

/** What could not be kept, and how often. */
export interface Losses {
  owners: number;
  devices: number;
  attributes: number;
}

export interface LayerContext {
  readonly root: string;
  /** May give files to others, as far as this process's user namespace has their ids. */
  readonly isRoot: boolean;
  readonly losses: Losses;
  readonly folders: Folders;
  /** Told how many bytes were unpacked; throws when they are too many. */
  readonly count: (bytes: number) => void;
}

const whiteout = '.wh.';
const opaque = '.wh..wh..opq';

/** Lays the changes of one layer over what is there (OCI image-spec, layer.md). `tar` is the plain archive. */
export async function applyLayer(tar: Readable, context: LayerContext): Promise<void> {
  const unpack = extract();
  const written = new Set<string>();
  const aboveWritten = new Set<string>();
  const feeding = pipeline(tar, unpack);
  feeding.catch(() => {}); // told below, where the reading ends
  for await (const entry of unpack) {
    const { header } = entry;
    const parts = partsOf(header.name);
    if (parts === null) throw new Refusal(`${JSON.stringify(header.name)} leads out of the image`);
    const name = parts.at(-1);
    if (name === undefined) {
      entry.resume();
      continue;
    }
    if (name.startsWith(whiteout)) {
      entry.resume();
      hide(context, parts, name, (path) => written.has(path) || aboveWritten.has(path));
      continue;
    }
    const path = placeIn(context.root, parts, true);
    if (path === null) throw new Refusal(`${header.name}: no place for it`);
    await put(context, header, path, Readable.from(entry));
    written.add(path);
    for (
      let each = dirname(path);
      !aboveWritten.has(each) && each.length >= context.root.length;
      each = dirname(each)
    ) {
      aboveWritten.add(each);
    }
  }
  await feeding;
}

/** Whiteouts concern what lower layers brought, whatever stands first in this one. */
function hide(
  { root, folders }: LayerContext,
  parts: readonly string[],
  name: string,
  isWritten: (path: string) => boolean,
): void {
  const place = placeIn(root, parts, false);
  if (place === null) return;
  const folder = join(place, '..');
  const remove = (path: string): void => {
    rmSync(path, { recursive: true, force: true });
    folders.forget(path);
  };
  if (name === opaque) {
    const clear = (dir: string): void => {
      for (const each of readdirSync(dir)) {
        const path = join(dir, each);
        if (!isWritten(path)) remove(path);
        else if (lstatSync(path).isDirectory()) clear(path);
      }
    };
    if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) clear(folder);
    return;
  }
  const hidden = name.slice(whiteout.length);
  if (hidden === '' || hidden === '.' || hidden === '..') throw new Refusal(`${parts.join('/')}: hides no file`);
  const path = join(folder, hidden);
  if (!isWritten(path)) remove(path);
}

async function put(context: LayerContext, header: Header, path: string, content: Readable): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  const { type } = header;
  if (there !== undefined && !(type === 'directory' && there.isDirectory())) {
    rmSync(path, { recursive: true, force: true });
    context.folders.forget(path);
  }
  const mode = (header.mode ?? 0o644) & 0o7777;
  const mtime = header.mtime ?? new Date(0);
  switch (type) {
    case 'directory':
      if (there?.isDirectory() !== true) mkdirSync(path);
      chmodSync(path, 0o700);
      own(context, header, path);
      context.folders.record(path, mode, mtime);
      break;
    case 'file':
    case 'contiguous-file':
    case null:
    case undefined:
      content.on('data', (chunk: Buffer) => context.count(chunk.length));
      await pipeline(content, createWriteStream(path, { mode: 0o600, flags: 'wx' }));
      own(context, header, path);
      // After the change of owner, which clears setuid bits.
      chmodSync(path, mode);
      break;
    case 'symlink':
      symlinkSync(header.linkname ?? '', path);
      own(context, header, path);
      break;
    case 'link':
      linkSync(linkTarget(context.root, header), path);
      content.resume();
      return;
    default:
      // Device files and FIFOs: containers are nodev, and get a /dev of their own.
      context.losses.devices += 1;
      content.resume();
      return;
  }
  content.resume();
  attributes(context, header, path);
  if (type !== 'directory') lutimesSync(path, mtime, mtime);
}

function linkTarget(root: string, { name, linkname }: Header): string {
  const parts = partsOf(linkname ?? '');
  if (parts === null || parts.length === 0) throw new Refusal(`${name}: its hard link leads out of the image`);
  const target = placeIn(root, parts, false);
  const stats = target === null ? undefined : lstatSync(target, { throwIfNoEntry: false });
  if (target === null || stats === undefined || stats.isDirectory() || relative(root, target).startsWith('..')) {
    throw new Refusal(`${name}: its hard link to ${linkname} finds no file`);
  }
  return target;
}

function own({ isRoot, losses }: LayerContext, { uid = 0, gid = 0 }: Header, path: string): void {
  if (!isRoot) {
    if (uid !== process.geteuid?.()) losses.owners += 1;
    return;
  }
  try {
    lchownSync(path, uid, gid);
  } catch (error) {
    // An id that the user namespace has not (user_namespaces(7)).
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    losses.owners += 1;
  }
}

const attributePrefix = 'SCHILY.xattr.';

/** PAX records (pax(1), star(5)); those of the file system's own and of the kernel's security need root, and help nobody. */
function attributes({ losses }: LayerContext, header: Header, path: string): void {
  for (const [key, value] of Object.entries(header.pax ?? {})) {
    if (!key.startsWith(attributePrefix) || typeof value !== 'string') continue;
    const name = key.slice(attributePrefix.length);
    // What is no text was damaged on the way here. File capabilities give nothing on a nosuid mount.
    const lost = !name.startsWith('user.') || value.includes('\ufffd');
    if (lost || isFailure(containerAddon().setXattr(path, name, Buffer.from(value)))) losses.attributes += 1;
  }
}
