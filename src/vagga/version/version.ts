import type { NumberRange } from '../../config/ids.ts';
import type { IdSpan } from '../../native/hash.ts';
import type { Container } from '../config/container.ts';
import { type Lock, noLock } from '../lock/lock-file.ts';
import { type HashCache, noCache } from './cache.ts';
import type { Field } from './field.ts';
import { hashSteps, type StepContext } from './steps.ts';
import { openStream, type VersionStream } from './stream.ts';

/** What of a loaded project a version depends on. */
export interface VersionedProject {
  /** Absolute folder of the project. */
  readonly root: string;
  readonly containers: ReadonlyMap<string, Container>;
}

export interface VersionOptions {
  /** Ids of the files as they are seen in the container; empty for as they are on the host. */
  readonly uidMap?: readonly IdSpan[];
  readonly gidMap?: readonly IdSpan[];
  /** Threads that read files. */
  readonly threads: number;
  /** Each file as a field of its own, with its digest: all is read then. */
  readonly details?: boolean;
  readonly cache?: HashCache;
  /** Absolute root of a container as it is built now; null where it is not. */
  readonly builtRoot: (container: string) => string | null;
  /** Containers of a YAML file below a folder, for !SubConfig; null where there is no such file. */
  readonly subConfig: (folder: string, path: string) => SubConfig | null;
  /** Digests of what builds fetch; none by default. */
  readonly lock?: Lock;
  /** Told once each: rules that take nothing, files left out. */
  readonly warn?: (message: string) => void;
}

export type SubConfig =
  | { readonly kind: 'containers'; readonly containers: ReadonlyMap<string, Container> }
  | { readonly kind: 'refused'; readonly reason: string };

export type Version =
  | {
      readonly kind: 'known';
      /** BLAKE2b-512, 128 hex digits. */
      readonly hash: string;
      /** Its first 8. */
      readonly short: string;
      readonly fields: readonly Field[];
    }
  /** Known once something else was built or made. */
  | { readonly kind: 'not-ready'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** The version of a container: a hash of its recipe and of the project's files that go into it (vagga 4). */
export async function versionOf(project: VersionedProject, name: string, options: VersionOptions): Promise<Version> {
  const container = project.containers.get(name);
  if (container === undefined) return { kind: 'failed', reason: `container ${JSON.stringify(name)} does not exist` };
  const { threads, details = false, cache = noCache } = options;
  const stream = openStream({ threads, details, cache });
  idRanges(stream, 'uids', container.uids);
  idRanges(stream, 'gids', container.gids);
  const warned = new Set<string>();
  const context: StepContext = {
    project,
    stream,
    threads,
    uidMap: options.uidMap ?? [],
    gidMap: options.gidMap ?? [],
    builtRoot: options.builtRoot,
    subConfig: options.subConfig,
    lock: options.lock ?? noLock,
    warn(message) {
      if (!warned.has(message)) options.warn?.(message);
      warned.add(message);
    },
  };
  const stop = await hashSteps(context, container.setup, { prefix: '', within: [name] });
  if (stop !== null) return stop;
  if (container.dataDirs.length > 0) stream.own('data_dirs', container.dataDirs);
  const hash = stream.finish().toString('hex');
  return { kind: 'known', hash, short: hash.slice(0, 8), fields: stream.fields };
}

/** The end of a range is hashed as the first id behind it. */
function idRanges(stream: VersionStream, key: string, ranges: readonly NumberRange[]): void {
  stream.own(
    key,
    ranges.map(({ first, last }) => `${first}-${last + 1}`),
  );
}
