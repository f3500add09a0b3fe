import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ContainerSpec } from '../../native/container.ts';
import { packageRoot } from '../../native/load.ts';
import { capsuleVariable } from '../capsule/own-capsule.ts';
import type { Container } from '../config/container.ts';
import type { Step } from '../config/steps.ts';
import type { EnvironmentLayers } from '../run/environment.ts';
import { subordinateIds } from '../run/id-map.ts';
import { type IdMaps, idSources } from '../run/own-id-maps.ts';
import type { Settings } from '../settings.ts';
import type { Store } from '../store/layout.ts';
import { conditionsOf, linkCondition } from './conditions.ts';
import { keep, plansFolder } from './folder.ts';
import { notedInputs, noteInput } from './inputs.ts';
import { type Condition, encodePlan } from './plan.ts';

/** A command that has just been started in its container. */
export interface StartedCommand {
  /** The word of the command line. */
  readonly word: string;
  readonly args: readonly string[];
  readonly acceptsArguments: boolean;
  /** Inside; null: the caller's own. */
  readonly workFolder: string | null;
  readonly epilog: string | null;
  readonly project: string;
  readonly store: Store;
  readonly settings: Settings;
  readonly containers: ReadonlyMap<string, Container>;
  /** `root/` of all containers that were looked at. */
  readonly roots: ReadonlyMap<string, string>;
  readonly maps: IdMaps;
  readonly environment: EnvironmentLayers;
  readonly spec: ContainerSpec;
}

/** Steps whose version depends on vagga.yaml and on files that are noted, and on nothing else. */
const knownSteps: ReadonlySet<Step['tag']> = new Set<Step['tag']>([
  ...(['Alpine', 'AlpineRepo', 'Ubuntu', 'UbuntuRelease', 'UbuntuRepo', 'UbuntuPPA', 'UbuntuUniverse'] as const),
  ...(['AptTrust', 'Repo', 'Debian', 'Install', 'BuildDeps', 'Py2Install', 'Py3Install', 'NpmInstall'] as const),
  ...([
    'GemInstall',
    'ComposerInstall',
    'Sh',
    'Cmd',
    'RunAs',
    'Env',
    'Download',
    'Tar',
    'Unzip',
    'TarInstall',
  ] as const),
  ...(['Git', 'GitInstall', 'Text', 'EnsureDir', 'EmptyDir', 'Remove', 'CacheDirs', 'PipConfig', 'NpmConfig'] as const),
  ...(['GemConfig', 'ComposerConfig', 'Copy', 'Depends', 'Container', 'Build'] as const),
  ...(['Py2Requirements', 'Py3Requirements', 'NpmDependencies', 'YarnDependencies'] as const),
  ...(['GemBundle', 'ComposerDependencies'] as const),
]);

/** Where they are set, vagga tells of things on the way. */
export const tellingVariables = ['VAGGA_DEBUG_CMDENV', 'VAGGA_LOG'] as const;

/** Writes down how the command was started, for the fast path; null, or why the next start cannot do the same. */
export function writePlan(command: StartedCommand): string | null {
  try {
    const folder = plansFolder(process.env);
    if (folder === null) return 'there is no home for plans';
    const encoded = planOf(command);
    if ('problem' in encoded) return encoded.problem;
    const { dev, ino } = statSync(command.project, { bigint: true });
    return keep(folder, command.project, `${dev}-${ino}.${command.word}`, encoded.bytes);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function planOf(command: StartedCommand): ReturnType<typeof encodePlan> {
  const { project, store, settings, roots, spec, environment } = command;
  const tag = [...roots.keys()]
    .flatMap((name) => command.containers.get(name)?.setup ?? [])
    .find((step) => !knownSteps.has(step.tag))?.tag;
  if (tag !== undefined) return { problem: `a version with !${tag} depends on more than files` };
  const own = [...roots.keys()].flatMap((name) => [...(command.containers.get(name)?.volumes.values() ?? [])]);
  if (own.some(({ tag: volume }) => volume === 'VaggaBin')) return { problem: '!VaggaBin depends on the Node in PATH' };
  const odd = [environment.environFile, environment.container, environment.command, environment.settings]
    .flatMap((layer) => [...layer.keys()])
    .find((name) => /^\d/.test(name));
  if (odd !== undefined) return { problem: `${odd} is an unusual name of a variable` };
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const { name: account } = idSources().user;
  const passwd = '/etc/passwd';
  if (new RegExp(`^([^:#][^:]*):[^:]*:0*${uid}:`, 'm').exec(readFileSync(passwd, 'utf8'))?.[1] !== account) {
    return { problem: `the account ${uid} is not in ${passwd}` };
  }

  for (const folder of new Set([store.links, store.storage])) noteInput('entry', join(folder, '.lnk'));
  for (const file of [
    'dist/vagga.cjs',
    'build/vagga/vagga',
    'build/Release/container.node',
    'build/Release/hash.node',
  ]) {
    noteInput('file', join(packageRoot(), file));
  }
  const links: Condition[] = [];
  for (const [name, root] of roots) {
    const folder = dirname(root);
    noteInput('folder', root);
    for (const file of ['uid_map', 'gid_map']) noteInput('entry', join(folder, file));
    const link = linkCondition(join(store.links, name), `${store.linkPrefix}.roots/${basename(folder)}/root`);
    if (link === null) return { problem: `.vagga/${name} leads to another build` };
    links.push(link);
  }
  const { inputs, obstacles } = notedInputs();
  if (obstacles[0] !== undefined) return { problem: obstacles[0] };
  const looked = conditionsOf(inputs, performance.timeOrigin);
  if ('problem' in looked) return looked;

  const granted = looked.conditions.map((condition) => grantsInstead(condition, account, uid));
  if (granted.some((condition) => condition === null)) return { problem: 'the grants of ids are not understood' };
  const names = [
    'HOME',
    'VAGGA_SETTINGS',
    capsuleVariable,
    ...tellingVariables,
    ...(settings.storageSubdirFromEnvVar ?? '').split(' ').filter(Boolean),
  ];
  const ownIds = ({ uidMap, gidMap }: IdMaps): boolean =>
    [uidMap, gidMap].every((map) => map.length === 1 && map[0]?.count === 1);
  return encodePlan({
    package: packageRoot(),
    project,
    command: command.word,
    uid,
    gid,
    account,
    uidMap: readFileSync('/proc/self/uid_map', 'utf8'),
    gidMap: readFileSync('/proc/self/gid_map', 'utf8'),
    variables: Object.fromEntries(names.map((name) => [name, process.env[name]])),
    mappers: uid !== 0 && !ownIds(command.maps),
    conditions: [...links, ...granted.filter((condition) => condition !== null)],
    touched: [...roots.values()].map((root) => join(dirname(root), 'last_use')),
    acceptsArguments: command.acceptsArguments,
    workFolder: command.workFolder,
    epilog: command.epilog,
    environment,
    spec: { ...spec, argv: spec.argv.slice(0, spec.argv.length - command.args.length) },
  });
}

/** Of the files of subordinate ids only what is granted to this account: others come and go. Null: it has changed. */
function grantsInstead(condition: Condition, name: string, uid: number): Condition | null {
  const { path } = condition;
  const { files } = idSources();
  if (condition.kind !== 'file' || (path !== files.uid && path !== files.gid)) return condition;
  const user = { name, uid, gid: process.getegid?.() ?? 0 };
  const granted = subordinateIds(readFileSync(path, 'utf8'), path, user, path === files.uid ? user.uid : user.gid);
  if ('problem' in granted) return null;
  return { kind: 'grants', path, target: granted.value.map(({ first, count }) => `${first}:${count}\n`).join('') };
}
