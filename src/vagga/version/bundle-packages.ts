import { posix } from 'node:path';
import type { StepOf } from '../config/steps.ts';
import { type JsonObject, jsonFile, sortedJson } from './json-file.ts';
import { failed, type Stop } from './outcome.ts';
import { readProjectFile } from './project-file.ts';
import type { VersionStream } from './stream.ts';

export function gemBundle(stream: VersionStream, root: string, step: StepOf<'GemBundle'>): Stop | null {
  const gemfile = readProjectFile(root, step.gemfile);
  if (gemfile.kind === 'absent') return failed(`${step.gemfile} does not exist`);
  if (gemfile.kind === 'unreadable') return failed(gemfile.message);
  stream.value('gemfile', step.gemfile);
  // The lock itself: the original hashed the Gemfile once more, and so missed every update of the lock.
  const lockName = posix.join(posix.dirname(step.gemfile), 'Gemfile.lock');
  const lock = readProjectFile(root, lockName);
  if (lock.kind === 'unreadable') return failed(lock.message);
  if (lock.kind === 'read') stream.content(lockName, lock.bytes);
  for (const line of gemfile.bytes
    .toString('utf8')
    .split('\n')
    .map((each) => each.trim())) {
    if (line !== '' && !line.startsWith('#')) stream.value('line', line, step.gemfile);
  }
  if (step.without.length > 0) stream.list('without', step.without);
  stream.optional('trust_policy', step.trustPolicy);
  return null;
}

/** Of each package in a composer.lock. */
const lockedKeys = ['name', 'version', 'type', 'require', 'require-dev'] as const;
const composerKeys = [
  'require',
  'conflict',
  'replace',
  'provide',
  'autoload',
  'repositories',
  'minimum-stability',
  'prefer-stable',
] as const;

export function composerDependencies(
  stream: VersionStream,
  root: string,
  step: StepOf<'ComposerDependencies'>,
): Stop | null {
  const folder = step.workingDir ?? '.';
  const lockName = posix.join(folder, 'composer.lock');
  if (readProjectFile(root, lockName).kind !== 'absent') {
    const lock = jsonFile(root, lockName);
    if ('kind' in lock) return lock;
    for (const section of ['packages', ...(step.dev ? ['packages-dev'] : [])]) {
      const packages = lock.value[section];
      if (!Array.isArray(packages)) continue;
      for (const each of packages as readonly JsonObject[]) keys(stream, each, lockedKeys, lockName);
    }
  }
  const fileName = posix.join(folder, 'composer.json');
  const file = jsonFile(root, fileName);
  if ('kind' in file) return file;
  keys(stream, file.value, composerKeys, fileName);
  // Its own value: the original hashed that of autoload-dev under this name.
  if (step.dev) keys(stream, file.value, ['require-dev'], fileName);
  return null;
}

/** Texts as they are, all else as JSON; keys that are not there are left out. */
function keys(stream: VersionStream, object: JsonObject | null, names: readonly string[], file: string): void {
  for (const name of names) {
    const value = object?.[name];
    if (value !== undefined) stream.value(name, typeof value === 'string' ? value : sortedJson(value), file);
  }
}
