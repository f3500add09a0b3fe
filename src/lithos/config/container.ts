import { isSeq } from 'yaml';
import { idNumber } from '../../config/ids.ts';
import { type LoadedConfig, type RefusedConfig, readConfig } from '../../config/load.ts';
import { parseInteger } from '../../config/number-text.ts';
import { plainAbsolutePath } from '../../config/paths.ts';
import { list, mapping, optional, record, required } from '../../config/record.ts';
import {
  anything,
  boolean,
  checked,
  decimal,
  integer,
  invalid,
  matching,
  nullable,
  oneOf,
  path,
  type Schema,
  scalar,
  text,
  type ValueOf,
} from '../../config/schema.ts';
import { bare, shorthand, tagged } from '../../config/tagged.ts';
import { idMap, ipAddress } from './common.ts';

const msPerSecond = 1000;

/** Seconds with a fraction in the file, whole milliseconds in the result. */
const duration = checked(decimal({ min: 0, max: 86_400 }, 'seconds'), (seconds) => ({
  value: Math.round(seconds * msPerSecond),
}));

/** A ciphertext, or several of which the first that opens counts. */
const ciphertexts: Schema<readonly string[]> = {
  expected: 'a ciphertext or a list of them',
  read(reading, given, key) {
    const node = reading.resolve(given, key);
    if (node === invalid) return invalid;
    if (isSeq(node)) return list(text).read(reading, node, key);
    const one = text.read(reading, node, key);
    return one === invalid ? invalid : [one];
  },
};

/** Also the whole of a secret-environ-file. */
export const secretsSchema = mapping(matching(/^[^=\0]+$/, 'the name of an environment variable'), ciphertexts);

const tcpPort = record('a TCP port', {
  fd: required(integer({ min: 0, max: 1_048_575 }, 'a descriptor')),
  host: optional(ipAddress, '0.0.0.0'),
  'listen-backlog': optional(integer({ min: 1, max: 65_535 }, 'a backlog'), 128),
  'reuse-addr': optional(boolean, true),
  'reuse-port': optional(boolean, false),
  'set-non-block': optional(boolean, false),
  external: optional(boolean, false),
});

export type TcpPort = ValueOf<typeof tcpPort>;

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
  TcpPort: record('a TCP port variable', { activation: optional(nullable(oneOf(['systemd'])), null) }),
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
  'secret-environ': optional(secretsSchema, new Map<string, readonly string[]>()),
  'secret-environ-file': optional(nullable(path), null),
  workdir: optional(plainAbsolutePath, '/'),
  'user-id': optional(nullable(idNumber), null),
  'group-id': optional(nullable(idNumber), null),
  'uid-map': optional(idMap, []),
  'gid-map': optional(idMap, []),
  'memory-limit': optional(memoryLimit, null),
  // Ours, like the other limits that lithos 2.4 has not.
  'memory-high': optional(memoryLimit, null),
  'cpu-limit': optional(nullable(decimal({ min: 0.01, max: 4096 }, 'cores')), null),
  'pids-limit': optional(nullable(integer({ min: 1, max: 4_194_304 }, 'processes')), null),
  'io-weight': optional(nullable(integer({ min: 1, max: 10_000 }, 'a weight')), null),
  'cpu-shares': optional(nullable(integer({ min: 2, max: 262_144 }, 'shares')), null),
  // NR_OPEN, the most that Linux lets anybody have (proc(5), /proc/sys/fs/nr_open).
  'fileno-limit': optional(integer({ min: 3, max: 1_048_576 }, 'a count of files'), 1024),
  'restart-timeout': optional(duration, 1 * msPerSecond),
  'kill-timeout': optional(duration, 5 * msPerSecond),
  'normal-exit-codes': optional(list(integer({ min: 0, max: 255 }, 'an exit code')), []),
  // Ours: the time between two starts doubles up to here while the program ends soon after each.
  'restart-timeout-max': optional(nullable(duration), null),
  'restart-process-only': optional(boolean, false),
  interactive: optional(boolean, false),
  'stdout-stderr-file': optional(nullable(plainAbsolutePath), null),
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
  'tcp-ports': optional(mapping(matching(/^.+$/, 'a port'), tcpPort), new Map<string, TcpPort>()),
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
  if (value.secretEnviron.size > 0 && value.secretEnvironFile !== null) {
    problems.push(problemAt('secret-environ-file', 'secret-environ is there too; expected one of the two'));
  }
  for (const name of value.secretEnviron.keys()) {
    if (value.environ.has(name)) problems.push(problemAt(`secret-environ.${name}`, 'environ has this name too'));
  }
  if (value.interactive && value.kind === 'Daemon') {
    problems.push(problemAt('interactive', 'a Daemon has no terminal; expected kind Command or CommandOrDaemon'));
  }
  if (value.restartTimeoutMax !== null && value.restartTimeoutMax < value.restartTimeout) {
    problems.push(problemAt('restart-timeout-max', 'less than restart-timeout'));
  }
  return problems.length === 0 ? loaded : { kind: 'refused', file, unreadable: false, problems };
}
