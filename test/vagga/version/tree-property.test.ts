import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileSelection, type Judge, type Selection } from '../../../src/vagga/version/rules.ts';
import { known, makeProject, setup } from './project.ts';

/** More of them: STELLWERK_RUNS=2000. */
const runs = Number(process.env.STELLWERK_RUNS ?? 25);

// The naive model: every path of the tree is judged, nothing is pruned, and one list is sorted in the end.

function pathsOf(folder: string, prefix = ''): readonly string[] {
  return readdirSync(join(folder, prefix)).flatMap((name) => {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    return lstatSync(join(folder, path)).isDirectory() ? [path, ...pathsOf(folder, path)] : [path];
  });
}

function naiveList(folder: string, judge: Judge): readonly string[] {
  const taken = pathsOf(folder).filter((path) => judge.takes(path, lstatSync(join(folder, path)).isDirectory()));
  const withParents = taken.flatMap((path) => path.split('/').map((_, at, all) => all.slice(0, at + 1).join('/')));
  const key = (path: string): Buffer => Buffer.from(path.replaceAll('/', '\0'));
  return [...new Set(withParents)].sort((a, b) => Buffer.compare(key(a), key(b)));
}

function naiveHash(folder: string, judge: Judge): string {
  const hash = createHash('blake2b512');
  const field = (...words: readonly string[]): void => void hash.update(words.map((word) => `${word}\0`).join(''));
  field('uids', '0-65536');
  field('gids', '0-65536');
  field('COMMAND', 'Depends');
  for (const path of ['', ...naiveList(folder, judge)]) {
    const file = join(folder, path);
    field('filename', path === '' ? '/work/dir' : `/work/dir/${path}`);
    const status = lstatSync(file);
    if (status.isSymbolicLink()) field('symlink', readlinkSync(file));
    if (!status.isFile()) continue;
    field('is_executable', String((status.mode & 0o100) !== 0));
    hash.update(readFileSync(file));
  }
  return hash.digest('hex');
}

const name = fc.constantFrom('a', 'b', 'a.c', 'a-b', 'a b', 'Z', 'ä', '\u{1f600}', '\uffee', '.git', 'x~', 'sub');
const file = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
  content: fc.oneof(fc.string({ maxLength: 20 }), fc.constant('x'.repeat(270_000))),
  kind: fc.constantFrom('file', 'executable', 'link'),
});
const selection: fc.Arbitrary<Partial<Selection>> = fc.constantFrom<Partial<Selection>>(
  {},
  { noDefaultRules: true },
  { includeRegex: 'a' },
  { includeRegex: '^sub/', ignoreRegex: '(^|/)a$' },
  { ignoreRegex: 'a/b$|~$' },
  { rules: ['/sub/', '/a'] },
  { rules: ['/**/a', '!sub/b/'] },
  { rules: ['/', '!a', '/sub/a/**'] },
  { rules: ['!a'] },
);

describe('a tree of any shape, by any rules', () => {
  it('gives the hash of the naive model, by one thread and by several', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(file, { maxLength: 12 }),
        selection,
        fc.integer({ min: 1, max: 4 }),
        async (files, chosen, threads) => {
          const project = makeProject();
          try {
            project.write('dir/first', '');
            for (const { path, content, kind } of files) {
              try {
                if (kind === 'link') project.link(`dir/${path}`, content.slice(0, 20).replaceAll('\0', '') || 'x');
                else project.write(`dir/${path}`, content, kind === 'executable' ? 0o755 : 0o644);
              } catch {
                // a file where a folder stands, or the other way round
              }
            }
            const keys = { ignoreRegex: null, includeRegex: null, rules: [], noDefaultRules: false, ...chosen };
            const compiled = compileSelection(keys);
            if (compiled.kind === 'invalid') throw new Error(compiled.message);
            const step = { path: 'dir', ...withHyphens(chosen) };
            const version = await project.version(setup(`!Depends ${JSON.stringify(step)}`), { threads });
            expect(known(version).hash).toBe(naiveHash(join(project.root, 'dir'), compiled.judge));
          } finally {
            project.remove();
          }
        },
      ),
      { numRuns: runs },
    );
  });
});

function withHyphens(object: object): object {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      value,
    ]),
  );
}
