import { contentOf } from '../build/download.ts';
import { treeOf } from '../build/git.ts';
import type { BuildJob } from '../build/job.ts';
import { containerOfStep } from '../config/references.ts';
import type { Step } from '../config/steps.ts';
import { topOf } from './plan.ts';

/**
 * What a step depends on beyond the fields of the version. `unknown`: before it was run; `undetermined`: whatever is
 * done, so no layer from there on is kept.
 */
export type StepContent =
  | { readonly kind: 'known'; readonly content: readonly string[] }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'undetermined' };

const nothing: StepContent = { kind: 'known', content: [] };
const wholeCommit = /^[0-9a-f]{40}([0-9a-f]{24})?$/;

export async function stepContent(job: BuildJob, step: Step): Promise<StepContent> {
  switch (step.tag) {
    case 'Tar':
    case 'TarInstall':
    case 'Unzip':
    case 'Download': {
      const { url, sha256 } = step.value;
      if (sha256 !== null) return nothing;
      const sum = await contentOf(job, url, null);
      return sum === null ? { kind: 'unknown' } : { kind: 'known', content: [sum] };
    }
    case 'Git':
    case 'GitInstall': {
      if (step.value.revision !== null && wholeCommit.test(step.value.revision)) return nothing;
      try {
        return { kind: 'known', content: [await treeOf(job, step.value)] };
      } catch {
        // The step itself will say what is wrong.
        return { kind: 'unknown' };
      }
    }
    case 'Copy':
      // Of an external volume no file is hashed.
      return step.value.source.startsWith('/volumes/') ? { kind: 'undetermined' } : nothing;
    case 'SubConfig':
      // Its steps may be any of these.
      return { kind: 'undetermined' };
    default: {
      const other = containerOfStep(step);
      if (other === null) return nothing;
      const top = topOf(job.built.get(other));
      return top === null ? { kind: 'undetermined' } : { kind: 'known', content: [top] };
    }
  }
}

/** It changes nothing in the root. */
export const leavesRoot = (step: Step): boolean => step.tag === 'Env' || step.tag === 'Depends';
