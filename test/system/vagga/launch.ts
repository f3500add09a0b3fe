/**
 * What a command line does with `buildContainer` and `runCommand`, and no more, so that tests run them as a process:
 *
 *     launch build NAME [--force] [--wait] [--hash HASH]
 *     launch command NAME ARGS…          a !Command of vagga.yaml in the current folder or above
 *     launch run [-W] NAME WORDS…
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadConfig } from '../../../src/config/load.ts';
import { mapping, optional, record } from '../../../src/config/record.ts';
import { buildContainer } from '../../../src/vagga/build/build.ts';
import { commandSchema } from '../../../src/vagga/config/command.ts';
import { name } from '../../../src/vagga/config/common.ts';
import { containerSchema } from '../../../src/vagga/config/container.ts';
import type { Volume } from '../../../src/vagga/config/volumes.ts';
import { noLock } from '../../../src/vagga/lock/lock-file.ts';
import { readEnvironFile, runCommand } from '../../../src/vagga/run/command.ts';
import { commandEnvironment, defaultPath } from '../../../src/vagga/run/environment.ts';
import type { VolumePlaces } from '../../../src/vagga/run/mounts.ts';
import { containerIdMaps, idSources } from '../../../src/vagga/run/own-id-maps.ts';
import { commandWords, workFolder } from '../../../src/vagga/run/words.ts';
import { projectStore } from '../../../src/vagga/store/layout.ts';

const [, , action = '', ...rest] = process.argv;
const flag = (text: string): boolean => rest.includes(text) && rest.splice(rest.indexOf(text), 1).length === 1;
const tell = (message: string): void => void process.stderr.write(`${message}\n`);
const quit = (message: string, code: number): never => {
  tell(message);
  process.exit(code);
};

let project = process.cwd();
while (!existsSync(join(project, 'vagga.yaml'))) project = dirname(project);
const loaded = loadConfig(
  join(project, 'vagga.yaml'),
  record('vagga.yaml', {
    containers: optional(mapping(name, containerSchema), new Map()),
    commands: optional(mapping(name, commandSchema), new Map()),
  }),
);
if (loaded.kind === 'refused') {
  for (const { line, key, message } of loaded.problems) tell(`vagga.yaml:${line}: ${key}: ${message}`);
  process.exit(126);
}
const { containers, commands } = loaded.value;
const store = projectStore(project);
const built = new Map<string, string>();
const sources = {
  ...idSources(),
  files: { uid: process.env.TEST_SUBUID ?? '/etc/subuid', gid: process.env.TEST_SUBGID ?? '/etc/subgid' },
};

function mapsOf(containerName: string) {
  const container = containers.get(containerName) ?? quit(`no container ${containerName}`, 121);
  const maps = containerIdMaps(container.uids, container.gids, sources);
  if ('problem' in maps) return quit(maps.problem, 121);
  for (const warning of maps.warnings) tell(`WARNING: ${warning}`);
  return maps.value;
}

async function build(containerName: string, options: { force?: boolean; wait?: boolean; hash?: string } = {}) {
  const container = containers.get(containerName) ?? quit(`no container ${containerName}`, 121);
  for (const step of container.setup) {
    if (step.tag === 'Container') await build(step.value);
    if (step.tag === 'Build') await build(step.value.container);
  }
  for (const volume of container.volumes.values()) {
    if (volume.tag === 'Container') await build(volume.value);
    if (volume.tag === 'Snapshot' && volume.value.container !== null) await build(volume.value.container);
  }
  const content = JSON.stringify(container.setup, (_, value) => (value instanceof Map ? [...value] : value));
  const outcome = await buildContainer({
    project,
    store,
    name: containerName,
    container,
    containers,
    hash: options.hash ?? createHash('sha256').update(content).digest('hex'),
    maps: mapsOf(containerName),
    built,
    externalVolumes: new Map(),
    force: options.force ?? false,
    waitForLock: options.wait ?? false,
    lock: noLock,
    proxies: true,
    tell,
  });
  if (outcome.kind === 'failed') return quit(outcome.problem, 121);
  built.set(containerName, outcome.folder);
  return container;
}

interface Run {
  readonly words: readonly string[];
  readonly container: string;
  readonly volumes?: ReadonlyMap<string, Volume>;
  readonly environ?: ReadonlyMap<string, string>;
  readonly path?: string;
  readonly writeMode?: 'read-only' | 'transient-hard-link-copy';
  readonly cwd: string;
  readonly more?: Partial<Parameters<typeof runCommand>[0]>;
}

async function run(request: Run): Promise<never> {
  const container = await build(request.container);
  const folder = built.get(request.container) ?? '';
  const environFile = container.environFile === null ? null : readEnvironFile(folder, container.environFile);
  if (environFile !== null && 'problem' in environFile) return quit(environFile.problem, 126);
  const places: VolumePlaces = {
    project,
    externalVolumes: new Map(),
    cache: store.cache,
    volumes: join(store.storage, '.volumes'),
    programs: dirname(process.execPath),
    roots: new Map([...built].map(([key, value]) => [key, join(value, 'root')])),
    initialising: new Set(),
  };
  const exitCode = await runCommand({
    built: folder,
    words: request.words,
    env: commandEnvironment({
      caller: process.env,
      proxies: true,
      environFile: environFile?.value ?? new Map(),
      container: container.environ,
      command: request.environ ?? new Map(),
      propagate: [],
      settings: new Map(),
      use: [],
      set: new Map(),
    }),
    ...(request.path === undefined ? {} : { path: request.path }),
    cwd: request.cwd,
    maps: mapsOf(request.container),
    volumes: new Map([...container.volumes, ...(request.volumes ?? [])]),
    places,
    resolvConf: container.resolvConfPath,
    hostsFile: container.hostsFilePath,
    userId: 0,
    groupId: 0,
    supplementaryGids: [],
    externalUserId: null,
    isolateNetwork: false,
    writeMode: request.writeMode ?? 'read-only',
    storage: store.storage,
    tcpSocket: null,
    tell,
    ...request.more,
  });
  process.exit(exitCode);
}

switch (action) {
  case 'build': {
    const options = { force: flag('--force'), wait: flag('--wait') };
    await build(rest[0] ?? '', options);
    break;
  }
  case 'run': {
    const writeMode = flag('-W') ? 'transient-hard-link-copy' : 'read-only';
    const [container = '', ...words] = rest;
    await run({ container, words, path: defaultPath, writeMode, cwd: workFolder(null, project, process.cwd()) });
    break;
  }
  default: {
    const [commandName = '', ...args] = rest;
    const command = commands.get(commandName);
    if (command?.tag !== 'Command') quit(`no command ${commandName}`, 121);
    else {
      const { value } = command;
      const words = commandWords({ ...value, defaultShell: containers.get(value.container)?.defaultShell ?? [] }, args);
      if ('problem' in words) quit(words.problem, 122);
      else {
        await run({
          container: value.container,
          words: words.words,
          volumes: value.volumes,
          environ: value.environ,
          writeMode: value.writeMode,
          cwd: workFolder(value.workDir, project, process.cwd()),
          more: {
            userId: value.userId,
            groupId: value.groupId,
            supplementaryGids: value.supplementaryGids,
            externalUserId: value.externalUserId,
            isolateNetwork: value.isolateNetwork,
            tcpSocket: value.passTcpSocket,
          },
        });
      }
    }
  }
}
