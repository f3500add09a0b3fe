import { chmodSync, lutimesSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { mapping, record, required } from '../../../src/config/record.ts';
import { name } from '../../../src/vagga/config/common.ts';
import { type Container, containerSchema } from '../../../src/vagga/config/container.ts';
import { loadSubConfig } from '../../../src/vagga/version/sub-config.ts';
import { type Version, type VersionOptions, versionOf } from '../../../src/vagga/version/version.ts';

const schema = record('a vagga.yaml', { containers: required(mapping(name, containerSchema)) });

export function containersOf(yaml: string): ReadonlyMap<string, Container> {
  const loaded = readConfig('vagga.yaml', Buffer.from(yaml), schema);
  if (loaded.kind === 'refused') throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.value.containers;
}

/** A folder of a project, gone with `remove`. */
export interface TestProject {
  readonly root: string;
  /** Makes parents; `mode` stays whatever the umask is. */
  write(path: string, content: string, mode?: number): void;
  link(path: string, target: string): void;
  /** Long ago, so that the cache trusts it. */
  age(path: string): void;
  version(yaml: string, options?: Partial<VersionOptions>, container?: string): Promise<Version>;
  remove(): void;
}

export function makeProject(): TestProject {
  const root = mkdtempSync(join(tmpdir(), 'stellwerk-version-'));
  return {
    root,
    write(path, content, mode = 0o644) {
      const file = join(root, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      chmodSync(file, mode);
    },
    link(path, target) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      symlinkSync(target, join(root, path));
    },
    age: (path) => lutimesSync(join(root, path), 1, 1),
    version: (yaml, options = {}, container = 'c') =>
      versionOf({ root, containers: containersOf(yaml) }, container, {
        threads: 2,
        builtRoot: () => null,
        subConfig: loadSubConfig,
        ...options,
      }),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** The container c with these steps, each a line of YAML, in flow style where it is long. */
export const setup = (...steps: readonly string[]): string =>
  `containers:\n  c:\n    setup:\n${steps.map((step) => `    - ${step}\n`).join('')}`;

export function known(version: Version): Extract<Version, { kind: 'known' }> {
  if (version.kind !== 'known') throw new Error(`${version.kind}: ${version.reason}`);
  return version;
}
