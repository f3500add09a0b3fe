import { join } from 'node:path';
import type { Step, StepOf } from '../config/steps.ts';
import { loadSubConfig } from '../version/sub-config.ts';
import type { BuildJob } from './job.ts';

/** The steps that stand in a file of the project or of a container that is built, and the containers that they know. */
export function subConfig(job: BuildJob, step: StepOf<'SubConfig'>): { job: BuildJob; setup: readonly Step[] } {
  const { source, path, container } = step;
  if (source.tag === 'Git') throw new Error('a source of !Git is not supported');
  const built = source.tag === 'Container' ? job.built.get(source.value) : undefined;
  if (source.tag === 'Container' && built === undefined) throw new Error(`container ${source.value} is not built`);
  const loaded = loadSubConfig(built === undefined ? job.project : join(built, 'root'), path);
  if (loaded === null) throw new Error(`${path} does not exist`);
  if (loaded.kind === 'refused') throw new Error(loaded.reason);
  const found = loaded.containers.get(container);
  if (found === undefined) throw new Error(`${path} has no container ${JSON.stringify(container)}`);
  return { job: { ...job, containers: new Map([...loaded.containers, ...job.containers]) }, setup: found.setup };
}
