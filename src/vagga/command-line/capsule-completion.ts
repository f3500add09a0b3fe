import type { Project } from '../config/project.ts';

const fetchOptions = ['--sha256', '--refresh'];
const options: Readonly<Record<string, readonly string[]>> = {
  build: ['--force', '--print-version'],
  run: [],
  script: fetchOptions,
  download: fetchOptions,
};

/** What may come after `_capsule` and the words `rest`. */
export function completeCapsule(project: Project, rest: readonly string[]): readonly string[] {
  const [sub, ...more] = rest;
  if (sub === undefined) return Object.keys(options);
  if (more.at(-1) === '--sha256') return [];
  if (more.some((word) => !word.startsWith('-')) && more.at(-2) !== '--sha256') return [];
  const containers = sub === 'build' || sub === 'run' ? [...project.containers.keys()] : [];
  return [...(options[sub] ?? []).filter((option) => !more.includes(option)), ...containers];
}
