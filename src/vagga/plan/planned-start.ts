import type { ContainerSpec } from '../../native/container.ts';
import { ownCapsule } from '../capsule/own-capsule.ts';
import type { ContainerCommand } from '../config/command.ts';
import type { Performance } from '../perform.ts';
import type { RunRequest } from '../run/command.ts';
import { isPlannable, partsOfPlan } from './plannable.ts';
import { tellingVariables, writePlan } from './write.ts';

interface Start {
  readonly performance: Performance;
  readonly command: ContainerCommand;
  /** The word of the command line. */
  readonly word: string;
  readonly args: readonly string[];
  readonly request: RunRequest;
  /** Volumes that it fills. */
  readonly fills: number;
}

/** What writes the plan of the next start, once this one has succeeded; null: the next start needs Node too. */
export function plannedStart(start: Start): ((spec: ContainerSpec) => void) | null {
  const { performance, command, word, args, request, fills } = start;
  const { place, options, done, containers } = performance;
  const { environment } = request;
  if (process.env.VAGGA_NO_FAST_PATH || environment === undefined || ownCapsule() !== null) return null;
  // They make it tell what the fast path does not.
  if (tellingVariables.some((name) => process.env[name])) return null;
  if (!isPlannable({ command, options, ran: done.size, fills })) return null;
  const { project, store, settings } = place;
  return (spec) => {
    const why = writePlan({
      ...partsOfPlan(command, project.root),
      ...{ word, args, store, settings, environment, spec },
      project: project.root,
      containers: project.containers,
      roots: containers.roots(),
      maps: request.maps,
    });
    if (why !== null && process.env.VAGGA_DEBUG_FAST_PATH) place.tell(`vagga: fast path: no plan: ${why}`);
  };
}
