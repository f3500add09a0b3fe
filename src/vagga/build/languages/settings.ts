import type { Step, StepOf } from '../../config/steps.ts';

/** What !PipConfig and the like say; each replaces all that an earlier one of its kind said. */
export interface LanguageSettings {
  readonly pip: StepOf<'PipConfig'>;
  readonly npm: StepOf<'NpmConfig'>;
  readonly gem: StepOf<'GemConfig'>;
  readonly composer: StepOf<'ComposerConfig'>;
}

/** As the schemas have them (src/vagga/config/language-steps.ts). */
export const defaultSettings: LanguageSettings = {
  pip: {
    ...{ dependencies: false, indexUrls: [], findLinks: [], trustedHosts: [], cacheWheels: true },
    ...{ installPython: true, allowPreReleases: false, pythonExe: null, getPipArgs: [] },
  },
  npm: { npmExe: 'npm', installNode: true, installYarn: true, yarnExe: '/usr/bin/yarn', yarnVersion: null },
  gem: { installRuby: true, gemExe: '/usr/bin/gem', updateGem: true },
  composer: {
    ...{ installRuntime: true, installDev: false, runtimeExe: null },
    ...{ includePath: null, keepComposer: false, vendorDir: null },
  },
};

/** The settings after a step, which may be none of theirs. */
export function configured(settings: LanguageSettings, step: Step): LanguageSettings {
  switch (step.tag) {
    case 'PipConfig':
      return { ...settings, pip: step.value };
    case 'NpmConfig':
      return { ...settings, npm: step.value };
    case 'GemConfig':
      return { ...settings, gem: step.value };
    case 'ComposerConfig':
      return { ...settings, composer: step.value };
    default:
      return settings;
  }
}

/** Which package managers a build has used: each leaves a list beside the root. */
export interface LanguageState {
  readonly settings: LanguageSettings;
  readonly used: ReadonlySet<PackageManager>;
}

export type PackageManager = 'pip2' | 'pip3' | 'npm' | 'gem' | 'composer';

export const initialLanguages: LanguageState = { settings: defaultSettings, used: new Set() };
