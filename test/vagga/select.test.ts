import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Selection, selects } from '../../src/vagga/build/select.ts';

const none: Selection = { ignoreRegex: null, includeRegex: null, rules: [], noDefaultRules: false };
const taken = (change: Partial<Selection>, ...paths: readonly string[]): readonly string[] => {
  const takes = selects({ ...none, ...change });
  return paths.filter((path) => takes(path.replace(/\/$/, ''), path.endsWith('/')));
};

describe('which files a copy takes', () => {
  it('are all but those of version control and editors', () => {
    const files = ['a', '.git/', '.git/config', 'x~', 'y.bak', 'sub/.svn/', '.gitignore'];
    expect(taken({}, ...files)).toEqual(['a', '.gitignore']);
  });

  it('are those that one regex includes and the other does not ignore, without empty folders', () => {
    const change = { includeRegex: '\\.c$', ignoreRegex: '^old' };
    expect(taken(change, 'a.c', 'a.h', 'old.c', 'sub/b.c', 'dir.c/')).toEqual(['a.c', 'sub/b.c']);
  });

  it('are those whose last rule includes them', () => {
    const rules = ['/src', '/lib/', '!*.pyc', '/src/keep.pyc'];
    const files = ['src', 'src/a', 'src/deep/b.pyc', 'src/keep.pyc', 'lib/', 'lib/x', 'other', 'src/x.bak'];
    expect(taken({ rules }, ...files)).toEqual(['src', 'src/a', 'src/keep.pyc', 'lib/', 'lib/x']);
  });

  it('are none where rules only exclude', () => {
    expect(taken({ rules: ['!*.o'] }, 'a', 'b.o')).toEqual([]);
  });

  it('a rule that includes starts with a slash', () => {
    expect(() => selects({ ...none, rules: ['src'] })).toThrow('a rule that includes starts with /');
  });

  it('a rule excludes whatever stands below a folder that it names, at any depth', () => {
    const name = fc.stringMatching(/^[a-z]{1,4}$/);
    fc.assert(
      fc.property(
        fc.array(name, { maxLength: 3 }),
        name,
        fc.array(name, { minLength: 1, maxLength: 3 }),
        (above, out, below) => {
          const takes = selects({ ...none, rules: ['/', `!${out}/`] });
          expect(takes([...above, out, ...below].join('/'), false)).toBe(false);
          const path = [...above, ...below];
          expect(takes(path.join('/'), false)).toBe(!path.slice(0, -1).includes(out));
        },
      ),
    );
  });
});
