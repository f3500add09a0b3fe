import { idNumber } from '../../config/ids.ts';
import { plainAbsolutePath } from '../../config/paths.ts';
import { type Field, mapping, optional, record, required } from '../../config/record.ts';
import { checked, integer, matching, nullable, type Schema, text, type ValueOf } from '../../config/schema.ts';
import { bare, shorthand, tagged } from '../../config/tagged.ts';
import { bytes, name, pathBelow } from './common.ts';

const mode = integer({ min: 0, max: 0o1777 }, 'a mode as 0o755,');
const hundredMiB = 100 * 1024 ** 2;

const tmpfs = record('a tmpfs volume', {
  size: optional(bytes, hundredMiB),
  mode: optional(mode, 0o1777),
  subdirs: optional(
    mapping(pathBelow, record('a folder of a tmpfs volume', { mode: optional(mode, 0o755) })),
    new Map<string, { readonly mode: number }>(),
  ),
  files: optional(mapping(pathBelow, nullable(text)), new Map<string, string | null>()),
});

const snapshot = record('a snapshot volume', {
  size: optional(bytes, hundredMiB),
  container: optional(nullable(name), null),
  'owner-uid': optional(nullable(idNumber), null),
  'owner-gid': optional(nullable(idNumber), null),
});

const persistentFields = {
  name: required(matching(/^[A-Za-z0-9_][\w.-]*$/, 'a name of a volume')),
  'init-command': optional(nullable(name), null),
  'owner-uid': optional(idNumber, 0),
  'owner-gid': optional(idNumber, 0),
} as const satisfies Record<string, Field<unknown>>;
const persistentInFull = record('a persistent volume', persistentFields);
type Persistent = ValueOf<typeof persistentInFull>;

const persistent: Schema<Persistent> = shorthand(
  checked(persistentFields.name.schema, (volume): { value: Persistent } => ({
    value: { name: volume, initCommand: null, ownerUid: 0, ownerGid: 0 },
  })),
  persistentInFull,
);

/** What can be a source of a bind mount: the project, or a folder that settings name (vagga 2.4). */
const bindSource = checked(plainAbsolutePath, (value) =>
  /^\/(?:work|volumes\/[^/]+)(?:\/|$)/.test(value)
    ? { value }
    : { problem: `${value}: expected a path below /work or /volumes/NAME` },
);

/** Tags and defaults: vagga 2.4. */
export const volumeSchema = tagged({
  Tmpfs: tmpfs,
  BindRW: bindSource,
  BindRO: bindSource,
  // What is wrong with the name is told when it is mounted, as by the original: exit code 124.
  CacheDir: text,
  Empty: bare,
  VaggaBin: bare,
  Snapshot: snapshot,
  Container: name,
  Persistent: persistent,
});

export type Volume = ValueOf<typeof volumeSchema>;

export const volumes = mapping(plainAbsolutePath, volumeSchema);
export const noVolumes: ReadonlyMap<string, Volume> = new Map();
