import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { NumberRange } from '../../config/ids.ts';
import { containerAddon, isFailure } from '../../native/container.ts';
import { packageRoot } from '../../native/load.ts';
import type { GlobalOptions } from '../command-line/global-options.ts';
import type { SocketAddress } from '../config/command.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Workplace } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import { listen, socketFd } from '../run/command.ts';
import { commandEnvironment } from '../run/environment.ts';
import { containerIdMaps } from '../run/own-id-maps.ts';
import { plainSpec, runAtTerminal } from '../run/process.ts';
import { programCandidates, workFolder } from '../run/words.ts';
import { type CapsulePlan, capsulePath, planCapsule } from './mounts.ts';
import { capsuleText, capsuleVariable } from './own-capsule.ts';
import { settingsText } from './settings-text.ts';

export interface CapsuleRun {
  readonly words: readonly string[];
  readonly workDir: string | null;
  /** The caller's folder. */
  readonly cwd: string;
  readonly environ: ReadonlyMap<string, string>;
  readonly uids: readonly NumberRange[];
  readonly gids: readonly NumberRange[];
  readonly isolateNetwork: boolean;
  readonly tcpSocket: SocketAddress | null;
}

/** Runs words in a capsule (vagga 1, 2.7) to their end; the exit code. Throws a Refusal. */
export async function runInCapsule(
  { project, settings, store, tell }: Workplace,
  options: GlobalOptions,
  { words, workDir, cwd, environ, uids, gids, isolateNetwork, tcpSocket }: CapsuleRun,
): Promise<number> {
  const maps = containerIdMaps(uids, gids);
  if ('problem' in maps) throw new Refusal('launcher', maps.problem);
  for (const warning of maps.warnings) tell(`WARNING: ${warning}`);
  for (const folder of [store.links, store.storage, store.cache]) mkdirSync(folder, { recursive: true });
  const plan = planCapsule(
    {
      project: project.root,
      storage: store.storage,
      cache: store.cache,
      base: store.links,
      externalVolumes: settings.externalVolumes,
      node: process.execPath,
      program: packageRoot(),
    },
    { exists: existsSync, real: (path) => realpathSync(path), text: (path) => readFileSync(path, 'utf8') },
  );
  const skeleton = join(store.links, '.capsule');
  makeSkeleton(skeleton, plan);
  const env = commandEnvironment({
    caller: process.env,
    proxies: settings.proxyEnvVars,
    environFile: new Map(),
    container: new Map([['PATH', capsulePath]]),
    command: environ,
    propagate: settings.propagateEnviron,
    settings: settings.environ,
    use: options.useEnv,
    set: options.environ,
  });
  const socket = tcpSocket === null ? null : listen(tcpSocket);
  if (isFailure(socket)) throw new Refusal('launcher', socket.message);
  const [program = ''] = words;
  try {
    const end = await runAtTerminal(
      plainSpec({
        argv: words,
        programs: programCandidates(program, env.PATH),
        env: {
          ...env,
          [capsuleVariable]: capsuleText({ uids, gids, ...maps.value }),
          VAGGA_SETTINGS: settingsText(settings),
        },
        cwd: workFolder(workDir, project.root, cwd),
        root: skeleton,
        namespaces: {
          ...{ user: true, mount: true, pid: true, ipc: true, uts: false, cgroup: false },
          net: isolateNetwork || options.isolateNetwork,
        },
        ...maps.value,
        umask: process.umask(),
        mounts: plan.mounts(skeleton),
        ...(socket === null ? {} : { passedFds: [{ from: socket, to: socketFd }] }),
      }),
    );
    if ('kind' in end) return end.exitCode;
    const absent = end.step === 'execute' && end.code === 'ENOENT';
    tell(absent ? `${program}: no such program in the capsule` : end.message);
    return exitCodes.container;
  } finally {
    if (socket !== null) containerAddon().closeFd(socket);
  }
}

/** Others may start a capsule at the same time: what is there already stays, a file changes at one stroke. */
function makeSkeleton(skeleton: string, { folders, files }: CapsulePlan): void {
  for (const folder of folders) mkdirSync(join(skeleton, folder), { recursive: true });
  for (const [path, { text, mode }] of files) {
    const file = join(skeleton, path);
    if (existsSync(file) && readFileSync(file, 'utf8') === text && (statSync(file).mode & 0o777) === mode) continue;
    mkdirSync(dirname(file), { recursive: true });
    const made = `${file}.${process.pid}`;
    writeFileSync(made, text);
    chmodSync(made, mode);
    renameSync(made, file);
  }
}
