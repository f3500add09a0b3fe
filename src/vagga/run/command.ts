/**
 * Running a command in a container that is built.
 *
 * The command line does, for `vagga NAME ARGS`:
 *
 *     const words = commandWords({ run, acceptsArguments, defaultShell }, args);          // problem: exit 122
 *     const env = commandEnvironment({ caller: process.env, … });                          // all layers of vagga 5.4
 *     const exitCode = await runCommand({ words, env, cwd: workFolder(…), maps, … });      // all else
 *
 * and `_run` the same with words of its own, `path: defaultPath` and `writeMode: 'transient-hard-link-copy'` for -W.
 *
 * Exit codes: the command's own, 128 + signal; 124 where the container cannot be set up or has no such program (a
 * message is told); 121 where an id is not mapped. Signals and job control are those of a shell's own child.
 */
import { existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type ContainerSpec,
  containerAddon,
  type IdMapping,
  isFailure,
  type NativeFailure,
} from '../../native/container.ts';
import type { SocketAddress } from '../config/command.ts';
import type { Volume } from '../config/volumes.ts';
import { noteInput } from '../plan/inputs.ts';
import { parseEnvironFile } from './environment.ts';
import { outsideId } from './id-map.ts';
import { planMounts, type VolumePlaces } from './mounts.ts';
import { removeAsNamespaceRoot, runAsNamespaceRoot } from './namespace-root.ts';
import type { IdMaps } from './own-id-maps.ts';
import { plainSpec, runAtTerminal } from './process.ts';
import { programCandidates } from './words.ts';

export interface RunRequest {
  /** Folder of the build, `.roots/NAME.HASH8`: it has `root/`. */
  readonly built: string;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Folders in which the first word is looked for, as PATH; default: PATH of `env`. */
  readonly path?: string;
  /** Absolute, inside. */
  readonly cwd: string;
  /** The maps that the container was built with. */
  readonly maps: IdMaps;
  /** Those of the container, overridden by those of the command. */
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly places: VolumePlaces;
  readonly resolvConf: string | null;
  readonly hostsFile: string | null;
  readonly userId: number;
  readonly groupId: number;
  readonly supplementaryGids: readonly number[];
  /** The id of the container behind `userId`. */
  readonly externalUserId: number | null;
  readonly isolateNetwork: boolean;
  readonly writeMode: 'read-only' | 'transient-hard-link-copy';
  /** Where `.transient` is: the storage folder. */
  readonly storage: string;
  /** Listens before the command starts, which gets the socket as its descriptor 3. */
  readonly tcpSocket: SocketAddress | null;
  readonly tell: (message: string) => void;
  /** Told of the program's start. */
  readonly onStart?: (spec: ContainerSpec) => void;
}

const setUpFailed = 124;
const idsFailed = 121;
const socketFd = 3;
const backlog = 128;

export async function runCommand(request: RunRequest): Promise<number> {
  const { tell, maps } = request;
  const image = join(request.built, 'root');
  const ids = commandMaps(request);
  if ('problem' in ids) return told(tell, ids.problem, idsFailed);
  const plan = planMounts({
    root: image,
    volumes: request.volumes,
    resolvConf: request.resolvConf,
    hostsFile: request.hostsFile,
    unmaskedProc: process.geteuid?.() !== 0,
    places: request.places,
    exists: (path) => {
      noteInput(path.startsWith(image) ? 'entry' : 'exists', path);
      return existsSync(path) && (!path.startsWith(image) || !lstatSync(path).isSymbolicLink());
    },
  });
  if (plan.kind === 'problem') return told(tell, plan.problem, setUpFailed);
  for (const { path } of plan.folders) mkdirSync(path, { recursive: true });

  const socket = request.tcpSocket === null ? null : listen(request.tcpSocket);
  if (socket !== null && isFailure(socket)) return told(tell, socket.message, idsFailed);
  const transient = request.writeMode === 'read-only' ? null : transientName(request);
  try {
    if (transient !== null) {
      const failed = await linkCopy(maps, image, transient);
      if (failed !== null) return told(tell, failed, setUpFailed);
    }
    const spec = plainSpec({
      argv: request.words,
      programs: programCandidates(request.words[0] ?? '', request.path ?? request.env.PATH),
      env: request.env,
      cwd: request.cwd,
      root: transient ?? image,
      writableRoot: transient !== null,
      namespaces: {
        user: true,
        mount: true,
        pid: true,
        ipc: true,
        uts: false,
        cgroup: false,
        net: request.isolateNetwork,
      },
      ...ids,
      uid: request.userId,
      gid: request.groupId,
      supplementaryGroups: request.supplementaryGids,
      umask: process.umask(),
      mounts: plan.mounts,
      ...(socket === null ? {} : { passedFds: [{ from: socket, to: socketFd }] }),
    });
    const end = await runAtTerminal(spec, () => request.onStart?.(spec));
    return 'kind' in end ? end.exitCode : told(tell, wordFailure(end, request.words[0] ?? ''), setUpFailed);
  } finally {
    if (socket !== null) containerAddon().closeFd(socket);
    if (transient !== null) {
      const failed = await removeAsNamespaceRoot(maps, [transient]);
      if (failed !== null) tell(failed);
    }
  }
}

/** The container's `environ-file`; absent file or bad line is a problem: exit 126. */
export function readEnvironFile(built: string, path: string): ReturnType<typeof parseEnvironFile> {
  noteInput('file', join(built, 'root', path));
  try {
    return parseEnvironFile(readFileSync(join(built, 'root', path), 'utf8'), path);
  } catch (error) {
    return {
      problem: `${path}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'not in the container' : error}`,
    };
  }
}

/**
 * With an external user id the command's one id is that id of the container: what a nested user namespace would do, the
 * map of a single one does.
 */
export function commandMaps({
  maps,
  userId,
  groupId,
  supplementaryGids,
  externalUserId,
}: Pick<RunRequest, 'maps' | 'userId' | 'groupId' | 'supplementaryGids' | 'externalUserId'>):
  | IdMaps
  | { readonly problem: string } {
  const missing = [groupId, ...supplementaryGids].find((gid) => outsideId(maps.gidMap, gid) === undefined);
  if (missing !== undefined) return { problem: `group id ${missing} is not mapped in the container` };
  const inside = externalUserId ?? userId;
  const outside = outsideId(maps.uidMap, inside);
  if (outside === undefined) return { problem: `user id ${inside} is not mapped in the container` };
  if (externalUserId === null) return maps;
  const uidMap: readonly IdMapping[] = [{ inside: userId, outside, count: 1 }];
  return { uidMap, gidMap: maps.gidMap };
}

function listen({ host, port }: SocketAddress): number | NativeFailure {
  return containerAddon().listen({ host, port, backlog, reuseAddr: true, reusePort: false, nonBlock: false });
}

function transientName({ storage, built }: RunRequest): string {
  return join(storage, '.transient', `${built.slice(built.lastIndexOf('/') + 1)}.${process.pid}`);
}

async function linkCopy(maps: IdMaps, from: string, to: string): Promise<string | null> {
  mkdirSync(dirname(to), { recursive: true });
  const end = await runAsNamespaceRoot(maps, ['cp', '-a', '-l', '--', from, to]);
  if (!('kind' in end)) return end.message;
  return end.exitCode === 0 ? null : `cp -a -l ${from} ended with exit code ${end.exitCode}`;
}

function wordFailure(failure: NativeFailure, program: string): string {
  if (failure.step === 'execute' && failure.code === 'ENOENT') return `${program}: no such program in the container`;
  return failure.message;
}

function told(tell: RunRequest['tell'], message: string, exitCode: number): number {
  tell(message);
  return exitCode;
}
