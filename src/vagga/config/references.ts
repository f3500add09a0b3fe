import type { ConfigProblem } from '../../config/problem.ts';
import { suggestion } from '../../config/suggest.ts';
import type { Command } from './command.ts';
import type { Container } from './container.ts';
import { problemIn, type ReadVaggaFile } from './file.ts';
import type { Step } from './steps.ts';

interface Placed<T> {
  readonly value: T;
  readonly from: ReadVaggaFile;
}

/** The container that a step stands on, if it stands on one. */
export function containerOfStep(step: Step): string | null {
  switch (step.tag) {
    case 'Container':
      return step.value;
    case 'Build':
      return step.value.container;
    case 'SubConfig':
      return step.value.source.tag === 'Container' ? step.value.source.value : null;
    default:
      return null;
  }
}

/** Containers that are named and not there, and circles of them (vagga 2.2). */
export function referenceProblems(
  containers: ReadonlyMap<string, Placed<Container>>,
  commands: ReadonlyMap<string, Placed<Command>>,
): readonly ConfigProblem[] {
  const known = [...containers.keys()];
  const problems: ConfigProblem[] = [];
  const check = (from: ReadVaggaFile, key: string, name: string): void => {
    if (containers.has(name)) return;
    problems.push(problemIn(from, key, `there is no container ${JSON.stringify(name)}${suggestion(name, known)}`));
  };
  for (const [name, { value, from }] of containers) {
    for (const [index, step] of value.setup.entries()) {
      const wanted = containerOfStep(step);
      if (wanted !== null) check(from, `containers.${name}.setup[${index}]`, wanted);
    }
    for (const [target, volume] of value.volumes) {
      const wanted = containerOfVolume(volume);
      if (wanted !== null) check(from, `containers.${name}.volumes.${target}`, wanted);
    }
  }
  for (const [name, { value, from }] of commands) {
    const runs: readonly (readonly [string, Runs])[] =
      value.tag === 'Supervise'
        ? [...value.value.children].map(
            ([child, { value: run }]) => [`commands.${name}.children.${child}`, run] as const,
          )
        : value.tag === 'Command'
          ? [[`commands.${name}`, value.value]]
          : [];
    for (const [key, run] of runs) {
      check(from, `${key}.container`, run.container);
      for (const [target, volume] of run.volumes) {
        const wanted = containerOfVolume(volume);
        if (wanted !== null) check(from, `${key}.volumes.${target}`, wanted);
      }
    }
  }
  return [...problems, ...circles(containers)];
}

type Runs =
  | Extract<Command, { tag: 'Command' }>['value']
  | { readonly container: string; readonly volumes: Container['volumes'] };

export function containerOfVolume(
  volume: Container['volumes'] extends ReadonlyMap<string, infer V> ? V : never,
): string | null {
  if (volume.tag === 'Container') return volume.value;
  return volume.tag === 'Snapshot' ? volume.value.container : null;
}

/** The containers that a command runs in. */
export function containersOfCommand(command: Command): readonly string[] {
  switch (command.tag) {
    case 'Command':
      return [command.value.container];
    case 'Supervise':
      return [...command.value.children.values()].map(({ value }) => value.container);
    case 'CapsuleCommand':
      return [];
    default:
      return command satisfies never;
  }
}

/** The containers that volumes are taken from. */
export function containersOfVolumes(volumes: Iterable<Parameters<typeof containerOfVolume>[0]>): readonly string[] {
  return [...volumes].flatMap((volume) => containerOfVolume(volume) ?? []);
}

function circles(containers: ReadonlyMap<string, Placed<Container>>): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (name: string): void => {
    const found = containers.get(name);
    if (found === undefined || state.get(name) === 'done') return;
    if (state.get(name) === 'open') {
      problems.push(
        problemIn(found.from, `containers.${name}`, `Container ${JSON.stringify(name)} has cyclic dependency`),
      );
      return;
    }
    state.set(name, 'open');
    for (const step of found.value.setup) {
      const next = containerOfStep(step);
      if (next !== null) visit(next);
    }
    state.set(name, 'done');
  };
  for (const name of containers.keys()) visit(name);
  return problems;
}
