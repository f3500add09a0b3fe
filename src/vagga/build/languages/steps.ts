import { languageSteps } from '../../config/language-steps.ts';
import type { Step } from '../../config/steps.ts';
import type { BuildJob, BuildState } from '../job.ts';
import { composerProblem } from './composer.ts';
import { composerDependenciesStep, composerPackages } from './composer-steps.ts';
import { gemBundleProblem } from './gem.ts';
import { gemBundleStep, gemPackages } from './gem-steps.ts';
import { npmDependenciesStep, npmPackages, yarnDependenciesStep } from './npm-steps.ts';
import { pipPackages, pipRequirements } from './pip-steps.ts';
import { configured } from './settings.ts';

/** Steps of package managers of languages: vagga 3, the last table. */
export type LanguageStep = Extract<Step, { readonly tag: keyof typeof languageSteps }>;

export const isLanguageStep = (step: Step): step is LanguageStep => Object.hasOwn(languageSteps, step.tag);

/** Throws what is wrong with a step where it can be told before minutes went into those before it. */
export function checkLanguageSteps(setup: readonly Step[]): void {
  for (const [index, step] of setup.entries()) {
    const problem =
      step.tag === 'GemBundle'
        ? gemBundleProblem(step.value)
        : step.tag === 'ComposerDependencies'
          ? composerProblem(step.value)
          : null;
    if (problem !== null) throw new Error(`step ${index + 1} of ${setup.length}, !${step.tag}: ${problem}`);
  }
}

export async function executeLanguageStep(job: BuildJob, state: BuildState, step: LanguageStep): Promise<BuildState> {
  switch (step.tag) {
    case 'PipConfig':
    case 'NpmConfig':
    case 'GemConfig':
    case 'ComposerConfig':
      return withSettings(state, step);
    case 'Py2Install':
      return pipPackages(job, state, 2, step.value);
    case 'Py3Install':
      return pipPackages(job, state, 3, step.value);
    case 'Py2Requirements':
      return pipRequirements(job, state, 2, step.value);
    case 'Py3Requirements':
      return pipRequirements(job, state, 3, step.value);
    case 'NpmInstall':
      return npmPackages(job, state, step.value);
    case 'NpmDependencies':
      return npmDependenciesStep(job, state, step.value);
    case 'YarnDependencies':
      return yarnDependenciesStep(job, state, step.value);
    case 'GemInstall':
      return gemPackages(job, state, step.value);
    case 'GemBundle':
      return gemBundleStep(job, state, step.value);
    case 'ComposerInstall':
      return composerPackages(job, state, step.value);
    case 'ComposerDependencies':
      return composerDependenciesStep(job, state, step.value);
    default:
      return step satisfies never;
  }
}

/** The settings of a step, for those after it and for heirs of the container. */
export const withSettings = (state: BuildState, step: Step): BuildState => ({
  ...state,
  languages: { ...state.languages, settings: configured(state.languages.settings, step) },
});
