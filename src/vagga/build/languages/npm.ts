import { posix } from 'node:path';
import type { StepOf } from '../../config/steps.ts';
import type { NpmDependency } from '../../version/node-packages.ts';
import { compilers, git, type Needs, nothing, type Surroundings, together } from './ecosystem.ts';

// npm and yarn: both put things where !NpmConfig says.

export type NpmConfig = StepOf<'NpmConfig'>;

/** Folder inside of all that is installed; NODE_PATH for who wants it. */
export const modulesFolder = '/usr/lib/node_modules';

/** Yarn removes from its folder what its lock does not name, npm and itself too: it has one of its own. */
export const yarnFolder = '/usr/lib/yarn/node_modules';

const fromGit = /^(git[+:@]|(github|gitlab|bitbucket|gist):)|\.git(#|$)|^[\w-][\w.-]*\/[\w.-]+(#|$)/;

/** As npm takes it: `name`, `name@version`, or where it comes from. */
function needsGit(spec: string): boolean {
  const version = /^(?:@[^/@]+\/)?[^/@:]+@(.+)$/.exec(spec)?.[1];
  return fromGit.test(version ?? (spec.startsWith('@') ? '' : spec));
}

export function npmNeeds(config: NpmConfig, specs: readonly string[]): Needs {
  const vcs = specs.some(needsGit) ? [git] : [];
  if (!config.installNode) return { keep: nothing, build: together(...vcs) };
  // npm stays: a development environment without it astonishes. node-gyp builds what has native parts.
  return {
    keep: { debian: ['nodejs', 'npm', 'ca-certificates'], alpine: ['nodejs', 'npm'] },
    build: together(compilers, { debian: ['python3', 'libnode-dev'], alpine: ['python3', 'nodejs-dev'] }, ...vcs),
  };
}

export const npmSurroundings: Surroundings = {
  env: {
    npm_config_cache: '/tmp/npm-cache',
    npm_config_update_notifier: 'false',
    npm_config_fund: 'false',
    npm_config_audit: 'false',
    npm_config_progress: 'false',
  },
  caches: new Map([['/tmp/npm-cache', 'npm-cache']]),
};

export const npmInstall = (config: NpmConfig, specs: readonly string[]): readonly string[] => [
  ...[config.npmExe, 'install', '--global', '--prefix=/usr', '--no-audit', '--no-fund', '--', ...specs],
];

export const npmList = (config: NpmConfig): readonly string[] => [
  ...[config.npmExe, 'list', '--global', '--prefix=/usr', '--all'],
];

/** As words for npm. Bundled ones are only named: what another section says of them counts. */
export function dependencySpecs(dependencies: readonly NpmDependency[]): readonly string[] {
  const named = new Set(dependencies.filter((each) => !isBundled(each)).map((each) => each.name));
  const kept = dependencies.filter((each) => !isBundled(each) || !named.has(each.name));
  return [...new Set(kept.map(({ name, version }) => `${name}@${version}`))];
}

const isBundled = ({ section }: NpmDependency): boolean => /^bundled?Dependencies$/.test(section);

export const isDefaultYarn = (config: NpmConfig): boolean => ['yarn', '/usr/bin/yarn'].includes(config.yarnExe);

/** The package of npm's registry; without a version the last of yarn 1, the one with `--modules-folder`. */
export const yarnPackage = (config: NpmConfig): string => `yarn@${config.yarnVersion ?? '1'}`;

export const yarnSurroundings: Surroundings = {
  env: { ...npmSurroundings.env, YARN_CACHE_FOLDER: '/tmp/yarn-cache' },
  caches: new Map([...npmSurroundings.caches, ['/tmp/yarn-cache', 'yarn-cache']]),
};

export const yarnInstall = (config: NpmConfig, step: StepOf<'YarnDependencies'>): readonly string[] => [
  ...[config.yarnExe, 'install', '--non-interactive', '--no-progress', '--frozen-lockfile'],
  `--modules-folder=${yarnFolder}`,
  `--production=${step.production}`,
  ...(step.optional ? [] : ['--ignore-optional']),
];

export interface Link {
  readonly path: string;
  readonly to: string;
}

/** What leads to yarn's folder: each program from /usr/bin, each package, `@scope/name` too, from npm's folder. */
export function yarnLinks(programs: readonly string[], packages: readonly string[]): readonly Link[] {
  const link = (from: string, path: string): Link => ({
    path: posix.join(from, path.slice(path.startsWith('.bin/') ? '.bin/'.length : 0)),
    to: posix.join(yarnFolder, path),
  });
  return [
    ...programs.map((name) => link('/usr/bin', `.bin/${name}`)),
    ...packages.map((name) => link(modulesFolder, name)),
  ];
}
