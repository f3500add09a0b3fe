import { join, resolve } from 'node:path';
import type { LoadedConfig } from '../../config/load.ts';
import type { ConfigProblem } from '../../config/problem.ts';
import { type HostIds, maySearch, resolveInView, type View } from '../../config/view.ts';
import type { DesiredInstance, SecretEnvironment } from '../desired.ts';
import { encodePlan } from '../plan.ts';
import { addressProblem, planNetwork } from './bridge.ts';
import { type LoadedContainer, readContainer } from './container.ts';
import { decideIdentity, hostIdsOf, type Identity } from './identity.ts';
import { findImage, readInImage } from './image.ts';
import type { MasterConfig } from './master-config.ts';
import { planMounts } from './mounts.ts';
import { planNetworkFiles } from './network-files.ts';
import { planPorts } from './ports.ts';
import { imageNameProblem, instanceJson, type ProcessConfig } from './process.ts';
import type { SandboxConfig } from './sandbox.ts';
import { planSecrets } from './secrets.ts';
import { substitute, variableProblem } from './variables.ts';

/** Who starts containers, and what they take over from it. */
export interface Starter extends HostIds {
  /** TERM of the tree's own environment, or `dumb`. */
  readonly term: string;
}

/** One entry of a process config among the files that it belongs to. */
export interface ProcessContext {
  readonly master: MasterConfig;
  readonly starter: Starter;
  readonly sandboxName: string;
  readonly sandbox: LoadedConfig<SandboxConfig>;
  readonly processes: LoadedConfig<ReadonlyMap<string, ProcessConfig>>;
  readonly processName: string;
  readonly process: ProcessConfig;
  /** Number of the first instance; default 0. */
  readonly firstIndex?: number;
  /** Plan this run of a Command. */
  readonly command?: CommandRun;
}

/** One run of a Command: `SANDBOX/cmd.NAME.PID`. */
export interface CommandRun {
  readonly pid: number;
  /** Added to the container's own arguments. */
  readonly arguments: readonly string[];
}

interface Parts {
  readonly container: LoadedContainer;
  readonly identity: Identity;
  readonly imageRoot: string;
  readonly secrets: SecretEnvironment | null;
}

type Outcome = { readonly instances: readonly DesiredInstance[] } | { readonly problems: readonly ConfigProblem[] };

/** As the program will see it: knot's init is 1 and starts nothing but the program. */
const programPid = '2';
/** HOST_NAME_MAX, gethostname(2). */
const mostHostnameBytes = 64;

/** What one entry asks for. A Command is checked like the rest, but no instance of it is wanted by anybody. */
export function planProcess(context: ProcessContext): Outcome {
  const { sandbox, processes, process, processName } = context;
  const at = (key: string, message: string): Outcome => ({
    problems: [processes.problemAt(`${processName}.${key}`, message)],
  });
  const nameProblem = imageNameProblem(process.image, sandbox.value.imageDirLevels);
  if (nameProblem !== null) return at('image', nameProblem);
  const image = findImage(sandbox.value.imageDir, process.image);
  if ('problem' in image) return at('image', image.problem);
  const found = readInImage(image.root, process.config);
  if ('problem' in found) return at('config', found.problem);
  const container = readContainer(found.file, found.bytes);
  if (container.kind === 'refused') return container;

  const problems: ConfigProblem[] = [];
  const { kind } = container.value;
  if (kind !== 'CommandOrDaemon' && kind !== process.kind) {
    problems.push(
      processes.problemAt(
        `${processName}.kind`,
        `Container type mismatch: ${process.kind} here, ${kind} in ${found.file}`,
      ),
    );
  }
  problems.push(...variableProblems(context, container), ...substitutionProblems(context, container));
  problems.push(...addressProblems(context));
  const secrets = planSecrets({ container, sandbox: sandbox.value, process, imageRoot: image.root });
  if ('problems' in secrets) problems.push(...secrets.problems);
  const identity = decideIdentity(sandbox, container, context.starter);
  if ('problems' in identity) return { problems: [...problems, ...identity.problems] };

  const instances: DesiredInstance[] = [];
  // The files are looked at once, for instance 0: the others differ only in their names.
  const parts = { container, identity, imageRoot: image.root, secrets: 'secrets' in secrets ? secrets.secrets : null };
  const command = context.command ?? null;
  const first = planInstance(context, parts, 0, command);
  if ('problems' in first) return { problems: [...problems, ...first.problems] };
  if (problems.length > 0) return { problems };
  if (process.kind === 'Command') return { instances: command === null ? [] : [first.instance] };
  for (let index = 0; index < countOf(context); index++) {
    const planned = index === 0 ? first : planInstance(context, parts, index, null);
    if ('problems' in planned) return planned;
    instances.push(planned.instance);
  }
  return { instances };
}

/** With fewer addresses than instances only the surplus ones are refused (lithos 7, row 39). */
function countOf({ sandbox, process }: ProcessContext): number {
  if (sandbox.value.bridgedNetwork === null) return process.instances;
  return Math.min(process.instances, process.ipAddresses.length);
}

function addressProblems({ sandbox, processes, processName, process }: ProcessContext): readonly ConfigProblem[] {
  const bridged = sandbox.value.bridgedNetwork;
  const key = `${processName}.ip-addresses`;
  if (bridged === null) {
    return process.ipAddresses.length === 0
      ? []
      : [processes.problemAt(key, 'the sandbox has no bridged-network: containers use the host network')];
  }
  if (process.kind === 'Daemon' && process.ipAddresses.length === 0 && process.instances > 0) {
    return [processes.problemAt(key, 'missing; a Daemon in a bridged network needs an address per instance')];
  }
  const addresses: readonly string[] = process.ipAddresses;
  return addresses.flatMap((address, index) => {
    const message = addresses.indexOf(address) < index ? `${address} is there twice` : addressProblem(bridged, address);
    return message === null ? [] : [processes.problemAt(`${key}[${index}]`, message)];
  });
}

/** What is wrong with a process that runs all the same, as far as it can. */
export function shortfalls({ sandbox, processes, processName, process }: ProcessContext): readonly ConfigProblem[] {
  const { instances, ipAddresses, kind } = process;
  if (sandbox.value.bridgedNetwork === null || kind === 'Command') return [];
  if (ipAddresses.length === 0 || ipAddresses.length >= instances) return [];
  const message = `${ipAddresses.length} address(es) for ${instances} instances: the others do not run`;
  return [processes.problemAt(`${processName}.ip-addresses`, message)];
}

function variableProblems(context: ProcessContext, container: LoadedContainer): readonly ConfigProblem[] {
  const { process, processes, processName, sandbox } = context;
  const problems: ConfigProblem[] = [];
  for (const [name, type] of container.value.variables) {
    const value = process.variables.get(name);
    const key = `${processName}.variables.${name}`;
    if (value === undefined) {
      problems.push(processes.problemAt(key, `missing; ${container.file} declares it as !${type.tag}`));
      continue;
    }
    const message = variableProblem(
      type,
      value,
      sandbox.value.bridgedNetwork === null ? sandbox.value.allowTcpPorts : null,
    );
    if (message !== null) problems.push(processes.problemAt(key, message));
  }
  return problems;
}

/** Values for `@{…}`: the declared variables only, and lithos's own. */
function valuesOf(context: ProcessContext, container: LoadedContainer, name: string): ReadonlyMap<string, string> {
  const declared = [...container.value.variables.keys()];
  const { variables, config } = context.process;
  return new Map([
    ...declared.map((variable) => [variable, variables.get(variable) ?? ''] as const),
    ['lithos:name', name],
    ['lithos:config_filename', config],
  ]);
}

const wholePid = /^@\{\s*lithos:pid\s*\}$/;

function substitutionProblems(context: ProcessContext, container: LoadedContainer): readonly ConfigProblem[] {
  const values = valuesOf(context, container, '');
  const texts = [
    ...container.value.arguments.map((text, index) => [`arguments[${index}]`, text] as const),
    ...[...container.value.tcpPorts.keys()].map((text) => [`tcp-ports.${text}`, text] as const),
    ...[...container.value.environ]
      .filter(([, text]) => !wholePid.test(text))
      .map(([name, text]) => [`environ.${name}`, text] as const),
  ];
  return texts.flatMap(([key, text]) =>
    substitute(text, values).unknown.map((name) =>
      container.problemAt(
        key,
        name === 'lithos:pid'
          ? '@{lithos:pid} is only for the whole value of an environ entry'
          : `unknown variable ${JSON.stringify(name)}`,
      ),
    ),
  );
}

function planInstance(
  context: ProcessContext,
  { container, identity, imageRoot, secrets }: Parts,
  index: number,
  command: CommandRun | null,
): { readonly instance: DesiredInstance } | { readonly problems: readonly ConfigProblem[] } {
  const { master, sandbox, sandboxName, processName, process, starter } = context;
  const { value } = container;
  const number = index + (context.firstIndex ?? 0);
  const leaf = command === null ? `${processName}.${number}` : `cmd.${processName}.${command.pid}`;
  const name = `${sandboxName}/${leaf}`;
  const stateDir = join(master.stateDir, name);
  const mounts = planMounts({
    sandbox,
    container,
    identity,
    imageRoot,
    stateDir,
    hostUid: starter.uid,
    devfsDir: master.devfsDir,
  });
  if ('problems' in mounts) return mounts;
  const files = planNetworkFiles(sandbox.value, container, mounts.view, stateDir);
  const values = valuesOf(context, container, name);
  const ports = planPorts(container, sandbox.value, values, programPid);
  const problems = [
    ...files.problems,
    ...ports.problems,
    ...viewProblems(container, mounts.view, identity, value.volumes.keys()),
    ...pidProblems(container),
  ];
  if (problems.length > 0) return { problems };

  const expand = (text: string): string => (wholePid.test(text) ? programPid : substitute(text, values).text);
  const env = new Map([['TERM', starter.term]]);
  for (const [variable, text] of [...value.environ, ...ports.env]) env.set(variable, expand(text));
  // Set last, so that no environ of a container changes them.
  for (const variable of ['LITHOS_NAME', 'LITHOS_CONFIG']) env.delete(variable);
  env.set('LITHOS_NAME', name).set('LITHOS_CONFIG', process.config);

  const bridged = sandbox.value.bridgedNetwork;
  const planWords = encodePlan({
    name,
    killTimeoutMs: value.killTimeout,
    // A Daemon that ends has failed, whatever it says; a Command that returns 0 has not (lithos 4.6).
    normalExitCodes: command !== null && value.normalExitCodes.length === 0 ? [0] : value.normalExitCodes,
    logFile: logFileOf(master, sandboxName, sandbox.value),
    logLevel: sandbox.value.logLevel ?? master.logLevel,
    output: {
      file: join(master.stdioLogDir, `${sandboxName}.log`),
      inside: value.stdoutStderrFile,
      mostBytes: master.stdioLogBytes,
      files: master.stdioLogFiles,
    },
    interactive: command !== null && value.interactive,
    restartInPlaceMs: command === null && value.restartProcessOnly ? value.restartTimeout : null,
    root: imageRoot,
    idMappedRoot: sandbox.value.idmappedImage,
    hostname: hostnameOf(sandboxName, processName, command?.pid ?? number),
    cwd: value.workdir,
    ...identity,
    network: bridged === null ? null : planNetwork(bridged, process.ipAddresses[index] ?? null),
    treeSockets: ports.treeSockets,
    ownSockets: ports.ownSockets,
    capabilities: capabilitiesOf(sandbox.value),
    seccomp: sandbox.value.seccomp,
    seccompAllow: sandbox.value.seccompAllow,
    mounts: [...mounts.mounts, ...files.mounts],
    openFiles: value.filenoLimit,
    env: [...env],
    argv: [
      value.executable,
      ...value.arguments.map((text) => substitute(text, values).text),
      ...(command?.arguments ?? []),
    ],
  });
  return {
    instance: {
      name,
      sandbox: sandboxName,
      process: processName,
      instance: number,
      instanceJson: instanceJson(process, index),
      planWords,
      preparations: [...mounts.preparations, ...files.preparations],
      image: process.image,
      logFile: logFileOf(master, sandboxName, sandbox.value),
      restartTimeoutMs: value.restartTimeout,
      killTimeoutMs: value.killTimeout,
      restartTimeoutMaxMs: value.restartTimeoutMax ?? value.restartTimeout,
      restartsInPlace: command === null && value.restartProcessOnly,
      sockets: ports.treeSockets,
      secrets,
      limits: {
        memoryBytes: value.memoryLimit,
        memoryHighBytes: value.memoryHigh,
        cpuShares: value.cpuShares,
        cpuCores: value.cpuLimit,
        pids: value.pidsLimit,
        ioWeight: value.ioWeight,
        ioMax: [...sandbox.value.ioMax].map(([device, limits]) => ({ device, ...limits })),
      },
      cgroupLeaf: `${sandboxName}:${leaf}.scope`,
    },
  };
}

/** The sandbox's log, where its knots tell what they do. */
export const logFileOf = (master: MasterConfig, name: string, { logFile }: SandboxConfig): string =>
  resolve(master.logDir, logFile ?? `${name}.log`);

/** A network of its own is nobody else's: low ports in it are the container's (lithos 5, step 13). */
function capabilitiesOf({ capabilities, bridgedNetwork }: SandboxConfig): readonly string[] {
  const names = capabilities.map((name) => name.toUpperCase().replace(/^CAP_/, ''));
  return [...new Set(bridgedNetwork === null ? names : [...names, 'NET_BIND_SERVICE'])];
}

/** Only the first program of a container is known to get this pid. */
function pidProblems(container: LoadedContainer): readonly ConfigProblem[] {
  if (!container.value.restartProcessOnly) return [];
  return [...container.value.environ].flatMap(([name, text]) =>
    wholePid.test(text)
      ? [container.problemAt(`environ.${name}`, '@{lithos:pid} changes with each start under restart-process-only')]
      : [],
  );
}

/** `PROCESS-N.SANDBOX` with the letters of host names (hostname(7)); the sandbox is what gets cut. */
export function hostnameOf(sandbox: string, process: string, index: number): string {
  const clean = (text: string): string => text.replaceAll('_', '-').replace(/^-+|-+$/g, '') || 'x';
  const own = `${clean(process).slice(0, mostHostnameBytes - 8)}-${index}`;
  return `${own}.${clean(sandbox)}`.slice(0, mostHostnameBytes).replace(/[-.]+$/, '');
}

/** What would fail only at the start: a program that is not there, may not be executed, or cannot be reached. */
function viewProblems(
  container: LoadedContainer,
  view: View,
  identity: Identity,
  mountPoints: Iterable<string>,
): readonly ConfigProblem[] {
  const { executable, workdir } = container.value;
  const problems: ConfigProblem[] = [];
  const program = resolveInView(view, executable);
  if (program.kind === 'refused') problems.push(container.problemAt('executable', program.reason));
  else if (program.kind === 'made') {
    problems.push(
      container.problemAt('executable', `${executable} lies in ${program.mount}, which is made at the start`),
    );
  } else if (!program.stats.isFile() || (program.stats.mode & 0o111) === 0) {
    problems.push(container.problemAt('executable', `${program.path} is no file that may be executed`));
  } else if (program.mount !== null && !isExecutable(view, program.mount)) {
    const message = `${program.path} lies in the volume ${program.mount}, from which nothing may be executed; the sandbox's executable-paths can allow it`;
    problems.push(container.problemAt('executable', message));
  }
  const folder = resolveInView(view, workdir);
  if (folder.kind === 'refused') problems.push(container.problemAt('workdir', folder.reason));
  else if (folder.kind === 'found' && !folder.stats.isDirectory()) {
    problems.push(container.problemAt('workdir', `${workdir} is not a folder`));
  }
  const onTheWay = [executable, workdir, ...mountPoints].map((path) => resolveInView(view, path));
  const told = new Set<string>();
  for (const place of onTheWay) {
    if (place.kind === 'refused') continue;
    for (const each of place.folders) {
      const who = hostIdsOf(identity).find((ids) => !maySearch(each, ids));
      if (who === undefined || told.has(each.path)) continue;
      told.add(each.path);
      const message = `folder ${each.path} of the container (on the host in ${view.root}) may not be searched by uid ${who.uid}, gid ${who.gid}; expected mode a+x`;
      problems.push(container.problemAt('', message));
    }
  }
  return problems;
}

function isExecutable(view: View, mount: string): boolean {
  const mounted = view.mounts.get(mount);
  return mounted?.kind === 'bind' && mounted.exec;
}
