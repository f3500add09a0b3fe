import { chmodSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { explainDifference } from '../../../src/vagga/version/diff.ts';
import { type Field, formatField } from '../../../src/vagga/version/field.ts';
import { known, makeProject, setup, type TestProject } from './project.ts';

let project: TestProject;
beforeEach(() => {
  project = makeProject();
});
afterEach(() => project.remove());

const fieldsOf = async (...steps: readonly string[]): Promise<readonly Field[]> =>
  known(await project.version(setup(...steps), { details: true })).fields;

async function difference(before: readonly string[], after: readonly string[]): Promise<readonly string[]> {
  return explainDifference(await fieldsOf(...before), await fieldsOf(...after));
}

describe('what differs between two versions', () => {
  it('nothing between a version and itself', async () => {
    expect(await difference(['!Sh "make"'], ['!Sh "make"'])).toEqual([]);
  });

  it('a line of requirements, by the file that it stands in', async () => {
    const steps = ['!Py3Requirements requirements.txt'];
    project.write('requirements.txt', 'django==1.8\n-r more/base.txt\nold\n');
    project.write('more/base.txt', 'six==1.0\n');
    const before = await fieldsOf(...steps);
    project.write('requirements.txt', 'django==1.9\n-r more/base.txt\nnew\n');
    project.write('more/base.txt', 'six==1.1\n');
    expect(explainDifference(before, await fieldsOf(...steps))).toEqual([
      'requirements.txt: line `django==1.8` is now `django==1.9`',
      'more/base.txt: line `six==1.0` is now `six==1.1`',
      'requirements.txt: line `old` is gone',
      'requirements.txt: line `new` is new',
    ]);
  });

  it('files that are new, gone, changed, or have another mode', async () => {
    const steps = ['!Copy { source: /work/dir, path: /dir }'];
    project.write('dir/changed', '1');
    project.write('dir/gone', '');
    project.write('dir/script', '');
    project.link('dir/link', 'a');
    const before = await fieldsOf(...steps);
    project.write('dir/changed', '22');
    project.write('dir/new', '');
    chmodSync(join(project.root, 'dir/script'), 0o755);
    unlinkSync(join(project.root, 'dir/gone'));
    unlinkSync(join(project.root, 'dir/link'));
    project.link('dir/link', 'b');
    expect(explainDifference(before, await fieldsOf(...steps))).toEqual([
      '!Copy: /work/dir/changed has other content (1 bytes before, 2 now)',
      '!Copy: /work/dir/link: target is now b, was a',
      '!Copy: /work/dir/new is new',
      '!Copy: /work/dir/script: mode is now 0775, was 0664',
      '!Copy: /work/dir/gone is gone',
    ]);
  });

  it('a file of !Depends that became executable', async () => {
    project.write('run', '');
    const before = await fieldsOf('!Depends run');
    chmodSync(join(project.root, 'run'), 0o755);
    expect(explainDifference(before, await fieldsOf('!Depends run'))).toEqual([
      '!Depends: /work/run is now executable',
    ]);
  });

  it('steps that came and went, among others that stayed', async () => {
    expect(
      await difference(['!Alpine v3.4', '!Sh "a"', '!EnsureDir /x'], ['!Install [b]', '!Alpine v3.4', '!EnsureDir /x']),
    ).toEqual(['step !Install packages `b` is new', 'step !Sh script `a` is gone']);
  });

  it('values, lists and lines of scripts', async () => {
    const script = '!Sh "one\\ntwo\\nthree\\n"';
    expect(
      await difference(
        ['!Alpine v3.4', '!Install [a, b]', script],
        ['!Alpine v3.5', '!Install [b, c]', script.replace('two', 'TWO')],
      ),
    ).toEqual([
      '!Alpine: version is now `v3.5`, was `v3.4`',
      '!Install: packages: a is gone',
      '!Install: packages: c is new',
      '!Sh: script: - two',
      '!Sh: script: + TWO',
    ]);
  });

  it('a hundred files are not a hundred lines', async () => {
    project.write('dir/x', '');
    const before = await fieldsOf('!Depends dir');
    for (let index = 0; index < 100; index++) project.write(`dir/${index}`, '');
    const lines = explainDifference(before, await fieldsOf('!Depends dir'));
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe('!Depends: and 90 more');
  });

  const step = fc.constantFrom(
    '!Alpine v3.4',
    '!Alpine v3.5',
    '!Sh "a"',
    '!Sh "b\\nc"',
    '!Install [a]',
    '!Install [a, b]',
    '!Env { A: x }',
    '!Env { A: y, B: x }',
    '!Remove /x',
  );

  it('says something exactly where the hashes differ', async () => {
    const setups = fc.array(step, { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(setups, setups, async (a, b) => {
        const [before, after] = [known(await project.version(setup(...a))), known(await project.version(setup(...b)))];
        const lines = explainDifference(before.fields, after.fields);
        expect(lines.length > 0).toBe(before.hash !== after.hash);
        expect(after.fields.map(formatField).every((line) => line !== '')).toBe(true);
      }),
      { numRuns: Number(process.env.STELLWERK_RUNS ?? 80) },
    );
  });
});
