import { dirname, join } from 'node:path';
import { imageVariables } from './build/oci/image-environment.ts';
import type { GlobalOptions } from './command-line/global-options.ts';
import type { Container } from './config/container.ts';
import type { Containers, Workplace } from './ready.ts';
import { Refusal } from './refusal.ts';
import { type RunRequest, readEnvironFile, runCommand } from './run/command.ts';
import { commandEnvironment, type EnvironmentLayers } from './run/environment.ts';
import type { SharedNetwork } from './run/shared-network.ts';

export interface LaunchPlace {
  readonly place: Workplace;
  readonly containers: Containers;
  readonly options: GlobalOptions;
}

/** What runs, where its container, the settings and the options of the command line leave it open. */
export interface Launch
  extends Pick<
    RunRequest,
    | ('words' | 'path' | 'cwd' | 'volumes' | 'userId' | 'groupId' | 'supplementaryGids')
    | ('externalUserId' | 'isolateNetwork' | 'writeMode' | 'tcpSocket')
  > {
  readonly container: string;
  /** Variables of the command, over those of its container. */
  readonly environ: ReadonlyMap<string, string>;
  /** Persistent volumes that it fills. */
  readonly initialising: ReadonlySet<string>;
}

/** The container that is to be run in, built where need be. Throws a Refusal. */
export async function readyContainer(
  { place, containers }: LaunchPlace,
  name: string,
): Promise<{ readonly built: string; readonly container: Container }> {
  const built = await containers.ready(name);
  const container = place.project.containers.get(name);
  if (container === undefined) throw new Refusal('launcher', `there is no container ${name}`);
  return { built, container };
}

/** Variables of the image that it stands on, and over them those of its `environ-file`. Throws a Refusal. */
export function fileVariables(built: string, { environFile }: Container): ReadonlyMap<string, string> {
  const ofImage = imageVariables(built);
  if (environFile === null) return ofImage;
  const read = readEnvironFile(built, environFile);
  if ('problem' in read) throw new Refusal('config', read.problem);
  return new Map([...ofImage, ...read.value]);
}

/** Runs words in a container that is ready; the exit code. */
export function launch(
  where: LaunchPlace,
  ready: ReadyContainer,
  what: Launch,
  network: SharedNetwork | null = null,
): Promise<number> {
  return runCommand(runRequest(where, ready, what), network);
}

/** A container that is ready, with the variables of its `environ-file`. */
export interface ReadyContainer {
  readonly built: string;
  readonly container: Container;
  readonly fromFile: ReadonlyMap<string, string>;
}

export function runRequest(
  { place, containers, options }: LaunchPlace,
  { built, container, fromFile }: ReadyContainer,
  { container: name, environ, initialising, ...run }: Launch,
): RunRequest {
  const { project, settings, store, tell } = place;
  const environment: EnvironmentLayers = {
    caller: process.env,
    proxies: settings.proxyEnvVars,
    environFile: fromFile,
    container: container.environ,
    command: environ,
    propagate: settings.propagateEnviron,
    settings: settings.environ,
    use: options.useEnv,
    set: options.environ,
  };
  const env = commandEnvironment(environment);
  place.debug?.(() => `runs in ${built}, ${run.cwd}: ${JSON.stringify(run.words)}`);
  if (process.env.VAGGA_DEBUG_CMDENV) {
    for (const [key, value] of Object.entries(env)) tell(`${run.words[0]}: ${key}=${value}`);
  }
  return {
    ...run,
    built,
    env,
    environment,
    maps: containers.mapsOf(name),
    places: {
      project: project.root,
      externalVolumes: settings.externalVolumes,
      cache: store.cache,
      volumes: join(store.storage, '.volumes'),
      programs: dirname(process.execPath),
      roots: containers.roots(),
      initialising,
    },
    resolvConf: container.resolvConfPath,
    hostsFile: container.hostsFilePath,
    isolateNetwork: run.isolateNetwork || options.isolateNetwork,
    storage: store.storage,
    tell,
  };
}
