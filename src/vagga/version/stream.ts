import { isFailure, type NativeFailure } from '../../native/container.ts';
import { type HashedFile, hashAddon, type LookedAt } from '../../native/hash.ts';
import { type HashCache, noCache } from './cache.ts';
import type { Field, Place } from './field.ts';

// The byte stream of a version: vagga 4, Digest.

export interface VersionStream {
  /** A step begins; what follows belongs to it. */
  command(step: string, name: string): void;
  /** Back in a step, behind what it brought of another container. */
  resume(step: string, name: string): void;
  /** `file`: the project's file that says so, where it is not vagga.yaml. It is not hashed. */
  value(key: string, value: string | number | boolean, file?: string): void;
  /** Left out where it is null. */
  optional(key: string, value: string | number | null): void;
  list(key: string, values: readonly string[]): void;
  /** A list that is the container's own, of no step. */
  own(key: string, values: readonly string[]): void;
  /** Bytes with neither name, length nor end: the original's way. */
  content(name: string, bytes: Buffer): void;
  files(name: string, files: LookedAt, startedMs: number): Promise<NativeFailure | null>;
  readonly fields: readonly Field[];
  /** 64 bytes. */
  finish(): Buffer;
}

export interface StreamOptions {
  readonly threads: number;
  /** Each file of a list as a field of its own, with its digest. Nothing is taken from the cache then. */
  readonly details: boolean;
  readonly cache?: HashCache;
}

const digestBytes = 64;
/** A digest of one content in a field: as `b2sum -l 256`. */
const contentDigestBytes = 32;

export function openStream({ threads, details, cache = noCache }: StreamOptions): VersionStream {
  const addon = hashAddon();
  let state = addon.initial(digestBytes);
  let waiting: Buffer[] = [];
  let at: Place = { step: '', command: '' };
  const fields: Field[] = [];

  const flush = (): Buffer => {
    if (waiting.length > 0) state = addon.update(state, Buffer.concat(waiting));
    waiting = [];
    return state;
  };
  const words = (...parts: readonly string[]): void => {
    waiting.push(Buffer.from(parts.map((part) => `${part}\0`).join('')));
  };
  const value = (key: string, given: string | number | boolean, file?: string): void => {
    words(key, String(given));
    fields.push({ kind: 'value', at, key, value: String(given), file: file ?? null });
  };
  return {
    fields,
    value,
    command(step, name) {
      at = { step, command: name };
      words('COMMAND', name);
      fields.push({ kind: 'command', at });
    },
    resume(step, name) {
      at = { step, command: name };
    },
    own(key, values) {
      words(key, ...values);
      fields.push({ kind: 'list', at: { step: '', command: '' }, key, values });
    },
    optional(key, given) {
      if (given !== null) value(key, given);
    },
    list(key, values) {
      words(key, ...values);
      fields.push({ kind: 'list', at, key, values });
    },
    content(name, bytes) {
      waiting.push(bytes);
      const digest = addon.digest(addon.update(addon.initial(contentDigestBytes), bytes)).toString('hex');
      fields.push({ kind: 'content', at, name, size: bytes.length, digest });
    },
    async files(name, files, startedMs) {
      const before = flush();
      const known = details ? null : cache.find(before, files.fingerprint);
      if (known !== null) state = known;
      else {
        const hashed = await addon.hashFiles(files.list, before, threads, details);
        if (isFailure(hashed)) return hashed;
        state = hashed.state;
        cache.keep(before, files, startedMs, state);
        if (details) for (const file of hashed.files ?? []) fields.push(fileField(at, file));
      }
      if (!details) fields.push({ kind: 'files', at, name, entries: files.entries, bytes: files.bytes });
      return null;
    },
    finish: () => addon.digest(flush()),
  };
}

function fileField(at: Place, file: HashedFile): Field {
  const words = file.head.split('\0');
  const attributes: Record<string, string> = {};
  for (let index = 2; index + 1 < words.length; index += 2) attributes[words[index] ?? ''] = words[index + 1] ?? '';
  if (file.target !== null) attributes.symlink = file.target;
  return {
    kind: 'file',
    at,
    name: words[1] ?? '',
    attributes,
    size: file.size,
    digest: file.digest?.toString('hex') ?? null,
  };
}
