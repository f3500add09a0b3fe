import { makeRoot } from './finish.ts';
import { hostFiles } from './host-files.ts';
import { type BuildJob, type BuildState, initialState } from './job.ts';

/** Where a root is built: in one folder, or layer upon layer. */
export interface Stage {
  /** So many steps need not be run: an earlier build has kept what they made. */
  readonly done: number;
  /** What those have left. */
  readonly state: BuildState;
  /** `run` does the step on the root of the job that it is given. */
  step(index: number, state: BuildState, run: (job: BuildJob) => Promise<BuildState>): Promise<BuildState>;
  /** The last of a build; `run` does it on the root of the job. */
  finish(state: BuildState, run: () => Promise<void>): Promise<void>;
  close(): void;
}

/** Each step changes the root itself. */
export function plainStage(job: BuildJob): Stage {
  makeRoot(job.root);
  hostFiles(job.root, job.container);
  return {
    done: 0,
    state: initialState,
    step: (_, __, run) => run(job),
    finish: (_, run) => run(),
    close() {},
  };
}
