import type { StepOf } from '../../config/steps.ts';
import { git, type Needs, nothing, type Surroundings, together } from './ecosystem.ts';

export type ComposerConfig = StepOf<'ComposerConfig'>;

const home = '/usr/local/lib/composer';

export const vendorFolder = (config: ComposerConfig): string => config.vendorDir ?? `${home}/vendor`;
export const includePath = (config: ComposerConfig): string => config.includePath ?? `.:${home}`;

/** `sources`: whether packages may come as checkouts. */
export function composerNeeds(config: ComposerConfig, sources: boolean): Needs {
  const tools = { debian: ['unzip', 'ca-certificates'], alpine: ['unzip'] };
  const vcs = sources ? [git] : [];
  if (!config.installRuntime) return { keep: nothing, build: together(...vcs) };
  const runtime = {
    debian: ['php-cli', ...(config.installDev ? ['php-dev'] : [])],
    alpine: ['php', 'php-phar', 'php-mbstring', 'php-openssl', ...(config.installDev ? ['php-dev'] : [])],
  };
  const composer = { debian: ['composer'], alpine: ['composer'] };
  return config.keepComposer
    ? { keep: together(runtime, composer), build: together(tools, ...vcs) }
    : { keep: runtime, build: together(composer, tools, ...vcs) };
}

export const composerSurroundings = (config: ComposerConfig): Surroundings => ({
  env: {
    COMPOSER_HOME: home,
    COMPOSER_VENDOR_DIR: vendorFolder(config),
    COMPOSER_BIN_DIR: '/usr/local/bin',
    COMPOSER_CACHE_DIR: '/tmp/composer-cache',
    COMPOSER_ALLOW_SUPERUSER: '1',
    COMPOSER_NO_INTERACTION: '1',
    COMPOSER_MIRROR_PATH_REPOS: '1', // a link would lead into the project
  },
  caches: new Map([['/tmp/composer-cache', 'composer-cache']]),
});

/** `composer`: where it is inside; run by the PHP of the settings, whatever its first line says. */
export const composerWords = (config: ComposerConfig, composer: string): readonly string[] =>
  config.runtimeExe === null ? [composer] : [config.runtimeExe, composer];

const quietly = ['--no-interaction', '--no-progress', '--no-ansi'];

export const composerRequire = (composer: readonly string[], packages: readonly string[]): readonly string[] => [
  ...[...composer, 'global', 'require', ...quietly, '--prefer-dist', '--update-no-dev', '--', ...packages],
];

const preferences = ['source', 'dist'];

export function composerProblem({ prefer }: StepOf<'ComposerDependencies'>): string | null {
  if (prefer === null || preferences.includes(prefer)) return null;
  return `prefer "${prefer}": expected one of ${preferences.join(', ')}`;
}

export const composerInstall = (
  composer: readonly string[],
  step: StepOf<'ComposerDependencies'>,
): readonly string[] => [
  ...[...composer, 'install', ...quietly],
  ...(step.dev ? [] : ['--no-dev']),
  ...(step.prefer === null ? [] : [`--prefer-${step.prefer}`]),
  ...(step.ignorePlatformReqs ? ['--ignore-platform-reqs'] : []),
  ...(step.noAutoloader ? ['--no-autoloader'] : []),
  ...(step.noScripts ? ['--no-scripts'] : []),
  ...(step.noPlugins ? ['--no-plugins'] : []),
  ...(step.optimizeAutoloader ? ['--optimize-autoloader'] : []),
  ...(step.classmapAuthoritative ? ['--classmap-authoritative'] : []),
];

/** A line for each package of composer's `installed.json`; Composer 1 has the list itself there. Throws where it is none. */
export function installedList(json: string): string {
  const read = JSON.parse(json) as unknown;
  const packages = Array.isArray(read) ? read : (read as { readonly packages?: unknown }).packages;
  if (!Array.isArray(packages)) throw new Error('installed.json has no list of packages');
  const lines = (packages as readonly { readonly name: string; readonly version: string }[]).map(
    ({ name, version }) => `${name} ${version}\n`,
  );
  return lines.sort().join('');
}
