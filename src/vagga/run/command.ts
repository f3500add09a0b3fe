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
import { join } from 'node:path';
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
import { type EnvironmentLayers, parseEnvironFile } from './environment.ts';
import { outsideId } from './id-map.ts';
import { planMounts, type VolumePlaces } from './mounts.ts';
import { removeAsNamespaceRoot } from './namespace-root.ts';
import type { IdMaps } from './own-id-maps.ts';
import { plainSpec, runAtTerminal } from './process.ts';
import { inNetwork, type SharedNetwork } from './shared-network.ts';
import { programCandidates } from './words.ts';
import { writableRoot } from './writable.ts';

export interface RunRequest {
  /** Folder of the build, `.roots/NAME.HASH8`: it has `root/`. */
  readonly built: string;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What `env` was made of. */
  readonly environment?: EnvironmentLayers;
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
  /** What is mounted there; default: the host's files in /etc. */
  readonly resolverSource?: string;
  readonly hostsSource?: string;
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
/** Its number in the program. */
export const socketFd = 3;
const backlog = 128;

/** A command for which all is made that has to be there before it starts. */
export interface PreparedCommand {
  readonly spec: ContainerSpec;
  /** Why it could not be started. */
  readonly problem: (failure: NativeFailure) => string;
  /** Closes and removes what was made for it; after its end. */
  readonly release: () => Promise<void>;
}

/** `network`: it runs there instead of in the host's. */
export async function runCommand(request: RunRequest, network: SharedNetwork | null = null): Promise<number> {
  const { tell } = request;
  const prepared = await prepareCommand(request);
  if ('exitCode' in prepared) return told(tell, prepared.problem, prepared.exitCode);
  try {
    const spec = network === null ? prepared.spec : inNetwork(prepared.spec, network);
    if ('problem' in spec) return told(tell, spec.problem, setUpFailed);
    const end = await runAtTerminal(spec, () => request.onStart?.(spec));
    return 'kind' in end ? end.exitCode : told(tell, prepared.problem(end), setUpFailed);
  } finally {
    await prepared.release();
  }
}

export async function prepareCommand(
  request: RunRequest,
): Promise<PreparedCommand | { readonly problem: string; readonly exitCode: number }> {
  const { tell, maps } = request;
  const image = join(request.built, 'root');
  const ids = commandMaps(request);
  if ('problem' in ids) return { problem: ids.problem, exitCode: idsFailed };
  const plan = planMounts({
    root: image,
    volumes: request.volumes,
    resolvConf: request.resolvConf,
    hostsFile: request.hostsFile,
    ...(request.resolverSource === undefined ? {} : { resolverSource: request.resolverSource }),
    ...(request.hostsSource === undefined ? {} : { hostsSource: request.hostsSource }),
    unmaskedProc: process.geteuid?.() !== 0,
    places: request.places,
    exists: (path) => {
      noteInput(path.startsWith(image) ? 'entry' : 'exists', path);
      return existsSync(path) && (!path.startsWith(image) || !lstatSync(path).isSymbolicLink());
    },
  });
  if (plan.kind === 'problem') return { problem: plan.problem, exitCode: setUpFailed };
  for (const { path } of plan.folders) mkdirSync(path, { recursive: true });

  const socket = request.tcpSocket === null ? null : listen(request.tcpSocket);
  if (socket !== null && isFailure(socket)) return { problem: socket.message, exitCode: idsFailed };
  const transient = request.writeMode === 'read-only' ? null : transientName(request);
  const release = async (): Promise<void> => {
    if (socket !== null) containerAddon().closeFd(socket);
    if (transient !== null) {
      const failed = await removeAsNamespaceRoot(maps, [transient]);
      if (failed !== null) tell(failed);
    }
  };
  const root = transient === null ? { root: image } : await writableRoot(image, transient, maps, ids);
  if ('problem' in root) {
    await release();
    return { problem: root.problem, exitCode: setUpFailed };
  }
  const [program = ''] = request.words;
  return {
    spec: plainSpec({
      argv: request.words,
      programs: programCandidates(program, request.path ?? request.env.PATH),
      env: request.env,
      cwd: request.cwd,
      ...root,
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
    }),
    problem: (failure) => wordFailure(failure, program),
    release,
  };
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

/** Before anything that is to have it starts. */
export function listen({ host, port }: SocketAddress): number | NativeFailure {
  return containerAddon().listen({ host, port, backlog, reuseAddr: true, reusePort: false, nonBlock: false });
}

/** Several children of one !Supervise may have copies of one container at a time. */
function transientName({ storage, built }: RunRequest): string {
  const name = (count: number): string =>
    join(
      storage,
      '.transient',
      `${built.slice(built.lastIndexOf('/') + 1)}${count === 0 ? '' : `-${count}`}.${process.pid}`,
    );
  let count = 0;
  while (existsSync(name(count))) count += 1;
  return name(count);
}

function wordFailure(failure: NativeFailure, program: string): string {
  if (failure.step === 'execute' && failure.code === 'ENOENT') return `${program}: no such program in the container`;
  return failure.message;
}

function told(tell: RunRequest['tell'], message: string, exitCode: number): number {
  tell(message);
  return exitCode;
}
