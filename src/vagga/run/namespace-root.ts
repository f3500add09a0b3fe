import type { NativeFailure } from '../../native/container.ts';
import type { IdMaps } from './own-id-maps.ts';
import { type CommandEnd, plainSpec, runQuietly } from './process.ts';

/**
 * Runs a program of the host, on the host's files, as root of a user namespace with these maps: it may change and remove
 * what containers left under ids that are not the user's own. stdin is /dev/null, stdout goes to stderr.
 */
export async function runAsNamespaceRoot(
  maps: IdMaps,
  words: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv = process.env,
): Promise<CommandEnd | NativeFailure> {
  const path = env.PATH ?? '/usr/bin:/bin';
  return runQuietly(
    plainSpec({
      argv: words,
      programs: path.split(':').map((folder) => `${folder}/${words[0]}`),
      env: { PATH: path, LC_ALL: 'C.UTF-8' },
      cwd: '/',
      namespaces: { user: true, mount: true, pid: true, ipc: false, uts: false, cgroup: false, net: false },
      ...maps,
      stdio: [-1, 2, 2],
    }),
  );
}

/** Removes trees that may hold files of any id of the container; what is not there is no error. */
export async function removeAsNamespaceRoot(maps: IdMaps, paths: readonly string[]): Promise<string | null> {
  if (paths.length === 0) return null;
  const end = await runAsNamespaceRoot(maps, ['rm', '-rf', '--one-file-system', '--', ...paths]);
  if (!('kind' in end)) return end.message;
  return end.exitCode === 0 ? null : `rm -rf ${paths.join(' ')} ended with exit code ${end.exitCode}`;
}
