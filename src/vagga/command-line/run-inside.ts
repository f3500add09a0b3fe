import { dirname, join } from 'node:path';
import type { Containers } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import { readEnvironFile, runCommand } from '../run/command.ts';
import { commandEnvironment, defaultPath } from '../run/environment.ts';
import { workFolder } from '../run/words.ts';
import type { BuiltInContext } from './built-ins.ts';

/** Any words in a container, as `_run` does it; the exit code. Throws a Refusal. */
export async function runInside(
  { place, options, cwd }: BuiltInContext,
  containers: Containers,
  name: string,
  words: readonly string[],
  writeMode: 'read-only' | 'transient-hard-link-copy',
): Promise<number> {
  const { project, settings, store, tell } = place;
  const built = await containers.ready(name);
  const container = project.containers.get(name);
  if (container === undefined) throw new Refusal('launcher', `there is no container ${name}`);
  const fromFile = container.environFile === null ? null : readEnvironFile(built, container.environFile);
  if (fromFile !== null && 'problem' in fromFile) throw new Refusal('config', fromFile.problem);
  return runCommand({
    built,
    words,
    env: commandEnvironment({
      caller: process.env,
      proxies: settings.proxyEnvVars,
      environFile: fromFile?.value ?? new Map(),
      container: container.environ,
      command: new Map(),
      propagate: settings.propagateEnviron,
      settings: settings.environ,
      use: options.useEnv,
      set: options.environ,
    }),
    path: defaultPath,
    cwd: workFolder(null, project.root, cwd),
    maps: containers.mapsOf(name),
    volumes: container.volumes,
    places: {
      project: project.root,
      externalVolumes: settings.externalVolumes,
      cache: store.cache,
      volumes: join(store.storage, '.volumes'),
      programs: dirname(process.execPath),
      roots: containers.roots(),
      initialising: new Set(),
    },
    resolvConf: container.resolvConfPath,
    hostsFile: container.hostsFilePath,
    userId: 0,
    groupId: 0,
    supplementaryGids: [],
    externalUserId: null,
    isolateNetwork: options.isolateNetwork,
    writeMode,
    storage: store.storage,
    tcpSocket: null,
    tell,
  });
}
