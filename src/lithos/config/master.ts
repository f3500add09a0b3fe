import { dirname, join, resolve } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import type { ConfigProblem } from '../../config/problem.ts';
import { list, optional, record, refused } from '../../config/record.ts';
import { absolutePath, checked, matching, nullable, oneOf, path } from '../../config/schema.ts';
import { idNumber } from './common.ts';
import { logLevels, type MasterConfig } from './master-config.ts';

export type { MasterConfig } from './master-config.ts';

const defaultLogDir = '/var/log/lithos';
const noSyslog = 'logs go to files';

const cgroupName = checked(matching(/^[\w.@:-]+$/, 'a folder name'), (name) =>
  name === '.' || name === '..' ? { problem: `${name} is no folder of its own` } : { value: name },
);

/** Keys and defaults: lithos 2.1. */
export const masterSchema = record('master config', {
  'sandboxes-dir': optional(path, './sandboxes'),
  'processes-dir': optional(path, './processes'),
  'runtime-dir': optional(absolutePath, '/run/lithos'),
  'state-dir': optional(path, 'state'),
  'mount-dir': refused('a root is assembled in a mount namespace of its own, without a folder on the host'),
  'devfs-dir': refused('every container gets a /dev of its own'),
  'cgroup-name': optional(nullable(cgroupName), 'lithos.slice'),
  'cgroup-controllers': optional(list(oneOf(['name', 'cpu', 'cpuacct', 'memory', 'blkio', 'pids'])), []),
  'default-log-dir': optional(path, defaultLogDir),
  'log-file': optional(path, 'master.log'),
  'log-level': optional(oneOf(logLevels), 'warn'),
  'config-log-dir': optional(nullable(path), `${defaultLogDir}/config`),
  'stdio-log-dir': optional(path, `${defaultLogDir}/stderr`),
  'syslog-facility': refused(noSyslog),
  'syslog-app-name': refused(noSyslog),
  'syslog-name': refused(noSyslog),
  // Ours: who besides root and the tree's own user may use tree.sock.
  'control-users': optional(list(idNumber), []),
});

export type LoadedMaster =
  | { readonly kind: 'loaded'; readonly master: MasterConfig }
  | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[] };

/** The longest path that fits sockaddr_un with its closing NUL, unix(7). */
const longestSocketBytes = 107;

/** Reads master.yaml, which must be there and may be empty. Makes no folder. */
export function loadMaster(file: string): LoadedMaster {
  const loaded = loadConfig(file, masterSchema);
  if (loaded.kind === 'refused') return loaded;
  const { value } = loaded;
  const socketBytes = Buffer.byteLength(join(value.runtimeDir, 'tree.sock'));
  if (socketBytes > longestSocketBytes) {
    const message = `tree.sock in it has a path of ${socketBytes} bytes; a unix socket has room for ${longestSocketBytes}`;
    return { kind: 'refused', problems: [loaded.problemAt('runtime-dir', message)] };
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
      controlUsers: value.controlUsers,
    },
  };
}
