import { dirname, join } from 'node:path';
import type { ContainerSpec } from '../native/container.ts';
import type { GlobalOptions } from './command-line/global-options.ts';
import type { Container } from './config/container.ts';
import { type StartedCommand, writePlan } from './plan/write.ts';
import type { Containers, Workplace } from './ready.ts';
import { Refusal } from './refusal.ts';
import { type RunRequest, readEnvironFile, runCommand } from './run/command.ts';
import { commandEnvironment, type EnvironmentLayers } from './run/environment.ts';

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
  /** A command whose start may be written down for the fast path. */
  readonly plannable?: Pick<StartedCommand, 'word' | 'args' | 'acceptsArguments' | 'workFolder' | 'epilog'>;
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

/** Variables of the container's `environ-file`. Throws a Refusal. */
export function fileVariables(built: string, { environFile }: Container): ReadonlyMap<string, string> {
  if (environFile === null) return new Map();
  const read = readEnvironFile(built, environFile);
  if ('problem' in read) throw new Refusal('config', read.problem);
  return read.value;
}

/** Runs words in a container that is ready; the exit code. */
export function launch(
  { place, containers, options }: LaunchPlace,
  { built, container, fromFile }: { built: string; container: Container; fromFile: ReadonlyMap<string, string> },
  { container: name, environ, initialising, plannable, ...run }: Launch,
): Promise<number> {
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
  return runCommand({
    ...run,
    built,
    env: commandEnvironment(environment),
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
    ...(plannable === undefined || process.env.VAGGA_NO_FAST_PATH
      ? {}
      : {
          onStart(spec: ContainerSpec) {
            const { containers: configured } = project;
            const found = { project: project.root, store, settings, containers: configured, roots: containers.roots() };
            const why = writePlan({ ...plannable, ...found, maps: containers.mapsOf(name), environment, spec });
            if (why !== null && process.env.VAGGA_DEBUG_FAST_PATH) tell(`vagga: fast path: no plan: ${why}`);
          },
        }),
  });
}
