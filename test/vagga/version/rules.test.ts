import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultRules } from '../../../src/vagga/version/glob-rules.ts';
import { compileRules, compileSelection, type Judge, type Selection } from '../../../src/vagga/version/rules.ts';

/** More of them: STELLWERK_RUNS=20000. */
const runs = Number(process.env.STELLWERK_RUNS ?? 200);

const nothing: Selection = { ignoreRegex: null, includeRegex: null, rules: [], noDefaultRules: false };

function judgeOf(selection: Partial<Selection>): Judge {
  const compiled = compileSelection({ ...nothing, ...selection });
  if (compiled.kind === 'invalid') throw new Error(compiled.message);
  return compiled.judge;
}

/** A path that ends with / is a folder's. */
const taken = (judge: Judge, paths: readonly string[]): readonly string[] =>
  paths.filter((path) => judge.takes(path.replace(/\/$/, ''), path.endsWith('/')));

describe('which files a step takes', () => {
  it('by default all but those of version control, vagga and editors', () => {
    const kept = ['a', 'a/', 'a/b', '.gitignore', 'x#y'];
    const ignored = ['.git/', 'a/.git/x', '.hg/', '.svn/', '.vagga/x', 'a~', 'a.bak', 'd/a.orig', '#a#'];
    expect(taken(judgeOf({}), [...kept, ...ignored])).toEqual(kept);
    expect(judgeOf({}).prunes('a/.git')).toBe(true);
    expect(judgeOf({}).prunes('a')).toBe(false);
    expect(judgeOf({}).prunes('a~')).toBe(false);
  });

  it('with both regexes what the first includes and the second does not ignore', () => {
    const judge = judgeOf({ includeRegex: '\\.c$', ignoreRegex: '^old' });
    expect(taken(judge, ['a.c', 'old/a.c', 'a.h', 'dir/'])).toEqual(['a.c']);
  });

  it('a rule takes the very file; with / at its end a folder and all that is in it', () => {
    const judge = judgeOf({ rules: ['/one', '/all/'] });
    expect(taken(judge, ['one', 'one/', 'one/x', 'two', 'all', 'all/', 'all/x', 'all/x/', 'a/all/x'])).toEqual([
      'one',
      'all/',
      'all/x',
      'all/x/',
    ]);
  });

  it('a rule with ! leaves out at any depth, and all that is below', () => {
    const judge = judgeOf({ rules: ['/src/', '!node_modules', '!/src/gen/', '!*.o'] });
    expect(
      taken(judge, [
        'src/a',
        'src/a.o',
        'src/x/node_modules/',
        'src/node_modules/y',
        'src/gen/',
        'src/gen/z',
        'src/x/gen/z',
      ]),
    ).toEqual(['src/a', 'src/x/gen/z']);
  });

  it('later rules win', () => {
    const judge = judgeOf({ rules: ['/src/', '!/src/gen/', '/src/gen/kept'] });
    expect(taken(judge, ['src/gen/kept', 'src/gen/other'])).toEqual(['src/gen/kept']);
    expect(judge.prunes('src/gen')).toBe(false);
  });

  it('the default rules hold unless they are turned off', () => {
    const paths = ['a/.git/x', 'a/x~', 'a/.#x', 'a/#x#', 'a/x.bak', 'a/x'];
    expect(taken(judgeOf({ rules: ['/a/'] }), paths)).toEqual(['a/x']);
    expect(taken(judgeOf({ rules: ['/a/'], noDefaultRules: true }), paths)).toEqual(paths);
    expect(judgeOf({ rules: ['/a/'] }).prunes('a/.git')).toBe(true);
  });

  it('rules that only leave out take nothing, and say so', () => {
    const judge = judgeOf({ rules: ['!*.o'] });
    expect(taken(judge, ['a', 'a/'])).toEqual([]);
    expect(judge.warnings.join()).toContain("You didn't add any include rules");
  });

  it('an empty list of !Build takes all', () => {
    const compiled = compileRules([], false);
    if (compiled.kind === 'invalid') throw new Error(compiled.message);
    expect(taken(compiled.judge, ['.git/', '.git/x', 'a~'])).toEqual(['.git/', '.git/x', 'a~']);
  });

  it.each([
    ['/a/**/z', ['a/z', 'a/b/z', 'a/b/c/z'], ['a/zz', 'b/a/z']],
    ['/**/z', ['z', 'a/z'], ['za']],
    ['/a/**', ['a/b', 'a/b/c'], ['a', 'ab']],
    ['/*.c', ['x.c', '.c'], ['d/x.c']],
    ['/?b', ['ab', 'äb', '😀b'], ['b', 'aab', 'a/b']],
    ['/[a-c]x', ['ax', 'cx'], ['dx', '/x']],
    ['/[!a]x', ['bx'], ['ax', '/x']],
    ['/[]]x', [']x'], ['x']],
    ['/[x', ['[x'], ['x']],
    ['/\\*\\!\\[', ['*!['], ['a![']],
    ['/a\\ b', ['a b'], ['ab']],
    ['/a.b', ['a.b'], ['axb']],
  ])('%s', (rule, good, bad) => {
    expect(taken(judgeOf({ rules: [rule] }), [...good, ...bad])).toEqual(good);
  });

  it.each([
    [['src/'], 'starts with /'],
    [['/a/../b'], '. and .. are no parts of it'],
    [['!'], 'empty'],
    [['/a\\'], 'a \\ at the end'],
  ])('%j is refused', (rules, why) => {
    const compiled = compileSelection({ ...nothing, rules });
    expect(compiled.kind === 'invalid' ? compiled.message : 'taken').toContain(why);
  });

  it('rules and regexes together are refused', () => {
    expect(compileSelection({ ...nothing, rules: ['/a'], ignoreRegex: 'b' }).kind).toBe('invalid');
  });
});

// The naive model: parts compared one by one, rule by rule.

function partMatches(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (pattern[0] === '*')
    return partMatches(pattern.slice(1), text) || (text !== '' && partMatches(pattern, text.slice(1)));
  return text !== '' && (pattern[0] === '?' || pattern[0] === text[0]) && partMatches(pattern.slice(1), text.slice(1));
}

function pathMatches(pattern: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return path.length === 0;
  if (first === '**' && rest.length === 0) return path.length > 0;
  if (first === '**') return pathMatches(rest, path) || (path.length > 0 && pathMatches(pattern, path.slice(1)));
  return path.length > 0 && partMatches(first, path[0] ?? '') && pathMatches(rest, path.slice(1));
}

function naiveTakes(rules: readonly string[], path: string, isFolder: boolean): boolean {
  const parts = path.split('/');
  for (const rule of rules.toReversed()) {
    const takes = !rule.startsWith('!');
    const text = takes ? rule : rule.slice(1);
    const pattern = text.split('/').filter((part) => part !== '');
    if (!text.startsWith('/')) pattern.unshift('**');
    const folders = text.endsWith('/');
    const itself = pathMatches(pattern, parts) && (isFolder || !folders);
    const above = parts.some(
      (_, length) => (length > 0 || pattern.length === 0) && pathMatches(pattern, parts.slice(0, length)),
    );
    const about = takes && !folders ? itself && !isFolder : itself || above;
    if (about) return takes;
  }
  return false;
}

const word = fc.constantFrom('a', 'b', 'ab', 'a~', '.git', '*', 'a*', '?', '**', '*b');
const rule = fc
  .tuple(fc.constantFrom('/', '!', '!/'), fc.array(word, { maxLength: 3 }), fc.constantFrom('', '/'))
  .map(([start, words, end]) => start + words.join('/') + (words.length > 0 ? end : start === '!' ? 'a' : ''));
const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'bb', 'a~', '.git'), { minLength: 1, maxLength: 4 });

describe('rules as regexes', () => {
  it('take what a naive reading of them takes', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 5 }),
        path,
        fc.boolean(),
        fc.boolean(),
        (rules, parts, isFolder, noDefaultRules) => {
          const judge = judgeOf({ rules, noDefaultRules });
          const all = noDefaultRules ? rules : [...rules, ...defaultRules];
          expect(judge.takes(parts.join('/'), isFolder)).toBe(naiveTakes(all, parts.join('/'), isFolder));
        },
      ),
      { numRuns: runs },
    );
  });

  it('prune only folders in which nothing is taken', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 5 }),
        path,
        path,
        fc.boolean(),
        (rules, folder, below, isFolder) => {
          const judge = judgeOf({ rules });
          if (!judge.prunes(folder.join('/'))) return;
          expect(judge.takes([...folder, ...below].join('/'), isFolder)).toBe(false);
        },
      ),
      { numRuns: runs },
    );
  });
});
