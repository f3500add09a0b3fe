import { posix } from 'node:path';
import type { StepOf } from '../config/steps.ts';
import { jsonFile } from './json-file.ts';
import { failed, notReady, type Stop } from './outcome.ts';
import { byBytes, readProjectFile } from './project-file.ts';
import type { VersionStream } from './stream.ts';

/** One of a section of package.json. */
export interface NpmDependency {
  readonly section: string;
  readonly name: string;
  /** What its version is to be, or where it comes from. */
  readonly version: string;
}

type Dependencies = readonly (readonly [name: string, version: string])[];

export function npmDependencies(stream: VersionStream, root: string, step: StepOf<'NpmDependencies'>): Stop | null {
  const dependencies = npmDependencyList(root, step);
  if ('kind' in dependencies) return dependencies;
  for (const { name, version } of dependencies) stream.value(name, version, step.file);
  return null;
}

/** Those of the sections that the step asks for. */
export function npmDependencyList(root: string, step: StepOf<'NpmDependencies'>): readonly NpmDependency[] | Stop {
  const file = jsonFile(root, step.file);
  if ('kind' in file) return file;
  const sections = [
    ...(step.package ? ['dependencies'] : []),
    ...(step.dev ? ['devDependencies'] : []),
    ...(step.peer ? ['peerDependencies'] : []),
    ...(step.bundled ? ['bundledDependencies', 'bundleDependencies'] : []),
    ...(step.optional ? ['optionalDependencies'] : []),
  ];
  return sections.flatMap((section) =>
    dependenciesOf(file.value[section]).map(([name, version]) => ({ section, name, version })),
  );
}

export function yarnDependencies(stream: VersionStream, root: string, step: StepOf<'YarnDependencies'>): Stop | null {
  const fileName = posix.join(step.dir, 'package.json');
  const file = jsonFile(root, fileName);
  if ('kind' in file) return file;
  const lockName = posix.join(step.dir, 'yarn.lock');
  const lock = readProjectFile(root, lockName);
  if (lock.kind === 'unreadable') return failed(lock.message);
  if (lock.kind === 'absent') return notReady(`${lockName} does not exist`);
  const locked = lockedBy(lock.bytes.toString('utf8'));
  stream.value('production', step.production);
  const sections = [
    'dependencies',
    ...(step.production ? [] : ['devDependencies']),
    ...(step.optional ? ['optionalDependencies'] : []),
  ];
  for (const section of sections) {
    for (const [name, version] of dependenciesOf(file.value[section])) {
      if (!locked.has(`${name}@${version}`)) return notReady(`${lockName} has no ${name}@${version}`);
      stream.value(name, version, fileName);
    }
  }
  stream.content(lockName, lock.bytes);
  return null;
}

/** In the order of their names; what is no text is any version. */
function dependenciesOf(section: unknown): Dependencies {
  if (typeof section !== 'object' || section === null) return [];
  const named: Dependencies = Array.isArray(section)
    ? section.map((name) => [String(name), '*'])
    : Object.entries(section).map(([name, version]) => [name, typeof version === 'string' ? version : '*']);
  return [...named].sort(([a], [b]) => byBytes(a, b));
}

/** The `name@version` that a yarn.lock (format 1) has entries for: its lines that are not indented. */
function lockedBy(text: string): ReadonlySet<string> {
  const keys = text
    .split('\n')
    .filter((line) => /^[^\s#].*:\s*$/.test(line))
    .flatMap((line) => line.trimEnd().slice(0, -1).split(','));
  return new Set(keys.map((key) => key.trim().replace(/^"(.*)"$/, '$1')));
}
