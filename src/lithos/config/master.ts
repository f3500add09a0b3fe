import { dirname, join, resolve } from 'node:path';
import { idNumber } from '../../config/ids.ts';
import { loadConfig } from '../../config/load.ts';
import { type ConfigProblem, formatProblem } from '../../config/problem.ts';
import { list, optional, record } from '../../config/record.ts';
import { absolutePath, boolean, checked, integer, matching, nullable, oneOf, path, text } from '../../config/schema.ts';
import { logLevels, type MasterConfig } from './master-config.ts';

export type { MasterConfig } from './master-config.ts';

const defaultLogDir = '/var/log/lithos';
const appName = matching(/^[\w.-]{1,48}$/, 'a name of letters, digits, _, . and -');

const cgroupName = checked(matching(/^[\w.@:-]+$/, 'a folder name'), (name) =>
  name === '.' || name === '..' ? { problem: `${name} is no folder of its own` } : { value: name },
);

/** Keys and defaults: lithos 2.1. */
export const masterSchema = record('master config', {
  'sandboxes-dir': optional(path, './sandboxes'),
  'processes-dir': optional(path, './processes'),
  'runtime-dir': optional(absolutePath, '/run/lithos'),
  'state-dir': optional(path, 'state'),
  // Read and not needed: a root is assembled in a mount namespace of its own, without a folder on the host.
  'mount-dir': optional(path, 'mnt'),
  'devfs-dir': optional(nullable(absolutePath), null),
  'cgroup-name': optional(nullable(cgroupName), 'lithos.slice'),
  'cgroup-controllers': optional(list(oneOf(['name', 'cpu', 'cpuacct', 'memory', 'blkio', 'pids'])), []),
  'default-log-dir': optional(path, defaultLogDir),
  'log-file': optional(path, 'master.log'),
  'log-level': optional(oneOf(logLevels), 'warn'),
  'config-log-dir': optional(nullable(path), `${defaultLogDir}/config`),
  'stdio-log-dir': optional(path, `${defaultLogDir}/stderr`),
  'syslog-facility': optional(nullable(text), null),
  'syslog-app-name': optional(nullable(appName), null),
  'syslog-name': optional(nullable(appName), null),
  // Ours: a container whose limits cannot be set is not started. Default: for root, whom nothing should hinder.
  'limits-required': optional(nullable(boolean), null),
  // Ours: the files of stdio-log-dir are rotated at this size, and so many old ones are kept.
  'stdio-log-size': optional(nullable(integer({ min: 4096, max: Number.MAX_SAFE_INTEGER }, 'bytes')), null),
  'stdio-log-files': optional(integer({ min: 0, max: 1000 }, 'a count of files'), 5),
  // Ours: who besides root and the tree's own user may use tree.sock.
  'control-users': optional(list(idNumber), []),
});

export type LoadedMaster =
  | { readonly kind: 'loaded'; readonly master: MasterConfig }
  | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[] };

/** Numbers of syslog(3), not yet shifted. */
const facilities = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['', '', '', '', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
];

function facilityOf(name: string): number | null {
  const number = facilities.indexOf(name.toLowerCase().replace(/^log_/, ''));
  return number === -1 || name === '' ? null : number;
}

/** The longest path that fits sockaddr_un with its closing NUL, unix(7). */
const longestSocketBytes = 107;

/** Reads master.yaml, which must be there and may be empty. Makes no folder. */
export function loadMaster(file: string, warn: (text: string) => void = () => {}): LoadedMaster {
  const loaded = loadConfig(file, masterSchema);
  if (loaded.kind === 'refused') return loaded;
  const { value } = loaded;
  const socketBytes = Buffer.byteLength(join(value.runtimeDir, 'tree.sock'));
  if (socketBytes > longestSocketBytes) {
    const message = `tree.sock in it has a path of ${socketBytes} bytes; a unix socket has room for ${longestSocketBytes}`;
    return { kind: 'refused', problems: [loaded.problemAt('runtime-dir', message)] };
  }
  if (value.syslogAppName !== null && value.syslogName !== null) {
    const message = 'syslog-app-name is there too, and means the same';
    return { kind: 'refused', problems: [loaded.problemAt('syslog-name', message)] };
  }
  const facility = value.syslogFacility === null ? null : facilityOf(value.syslogFacility);
  if (value.syslogFacility !== null && facility === null) {
    // lithos 2.1: told, and the files stand in.
    warn(formatProblem(loaded.problemAt('syslog-facility', `no facility of syslog(3): ${value.syslogFacility}`)));
  }
  const own = dirname(resolve(file));
  const logDir = resolve(own, value.defaultLogDir);
  return {
    kind: 'loaded',
    master: {
      path: resolve(file),
      runtimeDir: value.runtimeDir,
      stateDir: resolve(value.runtimeDir, value.stateDir),
      sandboxesDir: resolve(own, value.sandboxesDir),
      processesDir: resolve(own, value.processesDir),
      cgroupName: value.cgroupName,
      cgroupControllers: value.cgroupControllers,
      logDir,
      logFile: resolve(logDir, value.logFile),
      logLevel: value.logLevel,
      configLogDir: value.configLogDir === null ? null : resolve(own, value.configLogDir),
      stdioLogDir: resolve(own, value.stdioLogDir),
      stdioLogBytes: value.stdioLogSize,
      stdioLogFiles: value.stdioLogFiles,
      devfsDir: value.devfsDir,
      limitsRequired: value.limitsRequired ?? process.geteuid?.() === 0,
      syslog: facility === null ? null : { facility, name: value.syslogAppName ?? value.syslogName ?? 'lithos' },
      controlUsers: value.controlUsers,
    },
  };
}
