import type { Container } from '../config/container.ts';
import { readDevcontainer } from '../config/devcontainer.ts';
import { containerOfStep, containerOfVolume } from '../config/references.ts';
import { loadSubConfig } from '../version/sub-config.ts';
import type { VersionedProject } from '../version/version.ts';
import { type Lockable, lockableName, lockableOf } from './pinned.ts';

/**
 * What the containers fetch, with those that they stand on, each once, by its name. Of a !SubConfig only where its file
 * is in the project: what another container makes is not known yet.
 */
export function lockablesOf(project: VersionedProject, names: readonly string[]): ReadonlyMap<string, Lockable> {
  const found = new Map<string, Lockable>();
  const seen = new Set<string>();
  const imageOf = (path: string | null): string | null => {
    const read = readDevcontainer(project.root, path);
    return read.kind === 'read' ? read.image : null;
  };
  const walk = (container: Container, containers: ReadonlyMap<string, Container>): void => {
    for (const step of container.setup) {
      const lockable = lockableOf(step, imageOf);
      if (lockable !== null) found.set(`${lockable.kind} ${lockableName(lockable)}`, lockable);
      const other = containerOfStep(step);
      if (other !== null) visit(other, containers);
      if (step.tag === 'SubConfig' && step.value.source.tag === 'Directory') {
        const { path, container: name } = step.value;
        const loaded = loadSubConfig(project.root, path);
        if (loaded?.kind === 'containers') visit(name, new Map([...containers, ...loaded.containers]), `${path}:`);
      }
    }
    for (const volume of container.volumes.values()) {
      const other = containerOfVolume(volume);
      if (other !== null) visit(other, containers);
    }
  };
  const visit = (name: string, containers: ReadonlyMap<string, Container>, file = ''): void => {
    const container = containers.get(name);
    if (container === undefined || seen.has(file + name)) return;
    seen.add(file + name);
    walk(container, containers);
  };
  for (const name of names) visit(name, project.containers);
  return found;
}
