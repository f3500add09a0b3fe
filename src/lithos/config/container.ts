import { type LoadedConfig, type RefusedConfig, readConfig } from '../../config/load.ts';
import { parseInteger } from '../../config/number-text.ts';
import { list, mapping, optional, record, refused, required } from '../../config/record.ts';
import {
  anything,
  boolean,
  checked,
  decimal,
  integer,
  matching,
  nullable,
  oneOf,
  type Schema,
  scalar,
  text,
  type ValueOf,
} from '../../config/schema.ts';
import { bare, shorthand, tagged } from '../../config/tagged.ts';
import { idMap, idNumber, plainAbsolutePath } from './common.ts';

const msPerSecond = 1000;
const noSecrets = 'secrets are not decrypted';

/** Seconds with a fraction in the file, whole milliseconds in the result. */
const duration = checked(decimal({ min: 0, max: 86_400 }, 'seconds'), (seconds) => ({
  value: Math.round(seconds * msPerSecond),
}));

/** Bytes; 2^63-1, which the original had for "no limit", and anything above are null. */
const memoryLimit: Schema<number | null> = {
  ...scalar<number | null>('bytes', () => null),
  read(reading, node, key) {
    const least = 1;
    const bytes = scalar(`bytes from ${least}, as 64Mi`, (value) => {
      const number = parseInteger(value);
      return number !== null && number >= least ? number : null;
    }).read(reading, node, key);
    if (typeof bytes !== 'bigint') return bytes;
    return bytes >= 2n ** 63n - 1n ? null : Number(bytes);
  },
};

const mode = integer({ min: 0, max: 0o1777 }, 'a mode as 0o755,');

const folderFields = {
  path: optional(plainAbsolutePath, '/'),
  mode: optional(mode, 0o777),
  user: optional(idNumber, 0),
  group: optional(idNumber, 0),
} as const;

const persistentFields = record('a persistent volume', { ...folderFields, mkdir: optional(boolean, false) });
type Persistent = ValueOf<typeof persistentFields>;

const persistent: Schema<Persistent> = shorthand(
  checked(plainAbsolutePath, (path): { value: Persistent } => ({
    value: { path, mkdir: false, mode: 0o777, user: 0, group: 0 },
  })),
  persistentFields,
);

/** Tags and defaults: lithos 2.4. */
export const volumeSchema = tagged({
  Readonly: plainAbsolutePath,
  Persistent: persistent,
  Tmpfs: record('a tmpfs volume', {
    size: optional(integer({ min: 1, max: Number.MAX_SAFE_INTEGER }, 'bytes'), 100 * 1024 ** 2),
    mode: optional(mode, 0o777),
  }),
  Statedir: record('a statedir volume', folderFields),
});

export type Volume = ValueOf<typeof volumeSchema>;

/** Tags: lithos 2.5. */
export const variableSchema = tagged({
  TcpPort: record('a TCP port variable', { activation: refused('sockets are not opened for containers') }),
  Choice: checked(list(text), (choices) =>
    choices.length === 0 ? { problem: 'no choices; expected at least one' } : { value: choices },
  ),
  Name: bare,
  DottedName: bare,
});

export type VariableType = ValueOf<typeof variableSchema>;

const variableName = matching(/^[\w.-]+$/, 'a variable name of letters, digits, _, . and -');
const environmentName = matching(/^[^=\0]+$/, 'the name of an environment variable');

const oneFile = { mount: optional(nullable(boolean), null), 'copy-from-host': optional(boolean, true) } as const;

/** Keys and defaults: lithos 2.4. */
export const containerSchema = record('container config', {
  kind: optional(oneOf(['Daemon', 'Command', 'CommandOrDaemon']), 'Daemon'),
  variables: optional(mapping(variableName, variableSchema), new Map<string, VariableType>()),
  metadata: optional(anything, null),
  executable: required(plainAbsolutePath),
  arguments: optional(list(text), []),
  environ: optional(mapping(environmentName, text), new Map<string, string>()),
  'secret-environ': refused(noSecrets),
  'secret-environ-file': refused(noSecrets),
  workdir: optional(plainAbsolutePath, '/'),
  'user-id': optional(nullable(idNumber), null),
  'group-id': optional(nullable(idNumber), null),
  'uid-map': optional(idMap, []),
  'gid-map': optional(idMap, []),
  'memory-limit': optional(memoryLimit, null),
  'cpu-shares': optional(nullable(integer({ min: 2, max: 262_144 }, 'shares')), null),
  // NR_OPEN, the most that Linux lets anybody have (proc(5), /proc/sys/fs/nr_open).
  'fileno-limit': optional(integer({ min: 3, max: 1_048_576 }, 'a count of files'), 1024),
  'restart-timeout': optional(duration, 1 * msPerSecond),
  'kill-timeout': optional(duration, 5 * msPerSecond),
  'normal-exit-codes': optional(list(integer({ min: 0, max: 255 }, 'an exit code')), []),
  'restart-process-only': refused('a container ends with its program', ['false']),
  interactive: refused('commands are not run', ['false']),
  'stdout-stderr-file': refused("what a program writes goes to the sandbox's log"),
  volumes: optional(mapping(plainAbsolutePath, volumeSchema), new Map<string, Volume>()),
  'resolv-conf': optional(record('resolv-conf', oneFile), { mount: null, copyFromHost: true }),
  'hosts-file': optional(
    record('hosts-file', {
      ...oneFile,
      localhost: optional(nullable(boolean), null),
      'public-hostname': optional(nullable(boolean), null),
    }),
    { mount: null, copyFromHost: true, localhost: null, publicHostname: null },
  ),
  'tcp-ports': refused('sockets are not opened for containers'),
});

export type ContainerConfig = ValueOf<typeof containerSchema>;
export type LoadedContainer = LoadedConfig<ContainerConfig>;

/** Reads the text of a container config; `file` is only its name in messages. */
export function readContainer(file: string, bytes: Uint8Array): LoadedContainer | RefusedConfig {
  const loaded = readConfig(file, bytes, containerSchema);
  if (loaded.kind === 'refused') return loaded;
  const { value, problemAt } = loaded;
  const problems = [];
  if ((value.uidMap.length === 0) !== (value.gidMap.length === 0)) {
    problems.push(
      problemAt(value.uidMap.length === 0 ? 'gid-map' : 'uid-map', 'uid-map and gid-map: expected both or neither'),
    );
  }
  if (value.volumes.has('/')) problems.push(problemAt('volumes./', 'the root is the image; expected a folder in it'));
  return problems.length === 0 ? loaded : { kind: 'refused', file, unreadable: false, problems };
}
