import type { StepOf } from '../../config/steps.ts';
import { compilers, git, type Needs, nothing, type Surroundings, together } from './ecosystem.ts';

export type GemConfig = StepOf<'GemConfig'>;

export function gemNeeds(config: GemConfig, what: 'gem' | 'bundle', gemfile: string): Needs {
  const vcs = mentionsGit(gemfile) ? [git] : [];
  if (!config.installRuby) return { keep: nothing, build: together(...vcs) };
  const bundler = what === 'bundle';
  return {
    keep: {
      debian: ['ruby', 'ca-certificates', ...(bundler ? ['bundler'] : [])],
      alpine: ['ruby', ...(bundler ? ['ruby-bundler'] : [])],
    },
    build: together(compilers, { debian: ['ruby-dev'], alpine: ['ruby-dev'] }, ...vcs),
  };
}

const mentionsGit = (gemfile: string): boolean =>
  gemfile.split('\n').some((line) => /^[^#]*\b(git|github|gitlab|bitbucket|gist)(:|['"]?\s*=>|\s+['"])/.test(line));

/** `gemFolder`: what `gem env gemdir` says; gems that are there are not downloaded anew. */
export const gemSurroundings = (gemFolder: string): Surroundings => ({
  env: {
    // Debian's gem refuses to bring itself up to date unless it is told that this is meant.
    REALLY_GEM_UPDATE_SYSTEM: '1',
    BUNDLE_SILENCE_ROOT_WARNING: '1',
    BUNDLE_APP_CONFIG: '/tmp/bundle', // else .bundle of the project
    BUNDLE_SYSTEM_BINDIR: '/usr/local/bin',
  },
  caches: new Map([[`${gemFolder}/cache`, 'gems-cache']]),
});

export const gemInstall = (config: GemConfig, packages: readonly string[]): readonly string[] => [
  ...[config.gemExe, 'install', '--no-document', '--bindir=/usr/local/bin', ...packages],
];

/** Older ones do not know today's index; a distribution's newer one is left as its packages need it. */
const oldestGem = [3, 0] as const;

/** `update-gem`: what is run for a gem of this version; null: it will do. */
export function gemUpdate(config: GemConfig, version: string): readonly string[] | null {
  const [major = 0, minor = 0] = version.trim().split('.').map(Number);
  const isOld = major < oldestGem[0] || (major === oldestGem[0] && minor < oldestGem[1]);
  return config.updateGem && isOld ? [config.gemExe, 'update', '--system', '--no-document'] : null;
}

const policies = ['LowSecurity', 'MediumSecurity', 'HighSecurity'];

export function gemBundleProblem({ trustPolicy }: StepOf<'GemBundle'>): string | null {
  if (trustPolicy === null || policies.includes(trustPolicy)) return null;
  return `trust-policy "${trustPolicy}": expected one of ${policies.join(', ')}`;
}

export const bundleInstall = (step: StepOf<'GemBundle'>): readonly string[] => [
  ...['bundle', 'install'],
  ...(step.trustPolicy === null ? [] : [`--trust-policy=${step.trustPolicy}`]),
];

/** `gemfile`: path inside. With a lock nothing but what it names is installed. */
export const bundleVariables = (
  gemfile: string,
  step: StepOf<'GemBundle'>,
  locked: boolean,
): Readonly<Record<string, string>> => ({
  BUNDLE_GEMFILE: gemfile,
  ...(step.without.length > 0 ? { BUNDLE_WITHOUT: step.without.join(':') } : {}),
  ...(locked ? { BUNDLE_FROZEN: 'true' } : {}),
});

export const gemList = (config: GemConfig): readonly string[] => [config.gemExe, 'list', '--local'];
