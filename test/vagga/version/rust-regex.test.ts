import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRustRegex } from '../../../src/vagga/version/rust-regex.ts';

/** More of them: STELLWERK_RUNS=20000. */
const runs = Number(process.env.STELLWERK_RUNS ?? 200);

function matches(pattern: string, text: string): boolean {
  const compiled = compileRustRegex(pattern);
  if (compiled.kind === 'invalid') throw new Error(compiled.message);
  return compiled.regex.matches(text);
}

function refusal(pattern: string): string {
  const compiled = compileRustRegex(pattern);
  return compiled.kind === 'invalid' ? compiled.message : 'taken';
}

describe('regexes in the syntax of Rust', () => {
  it.each([
    ['^a.c$', 'abc', 'a\nc'],
    ['(?s)^a.c$', 'a\nc', 'ac'],
    ['(?m)^b$', 'a\nb', 'a\nbc'],
    ['(?x) a b # a comment', 'ab', 'a b'],
    ['(?i)readme', 'README', 'REDME'],
    ['^(?P<name>a|b)+$', 'abba', 'abc'],
    ['^\\x{e4}\\u00e4\\U000000e4\\xe4$', 'ääää', 'aaaa'],
    ['^\\p{Greek}\\pL\\P{L}$', 'αz1', 'a11'],
    ['^[[:alpha:]_&&[^b]]+$', 'ac_', 'ab'],
    ['^[a-z--[aeiou]]+$', 'xyz', 'xay'],
    ['^[a-c~~b-d]+$', 'ad', 'ab'],
    ['^[]a]+$', ']a', 'b'],
    ['^[^]a]+$', 'b', ']'],
    ['^[-a]+$', '-a', 'b'],
    ['^[a\\-z]+$', 'a-z', 'b'],
    ['^[\\w.]+$', 'ä_1.', '-'],
    ['^[^\\s/]+$', 'ab', 'a b'],
    ['\\bfoo\\b', 'a foo.', 'afoo'],
    ['\\Bfoo', 'afoo', 'a foo'],
    ['\\Aa\\z', 'a', 'ba'],
    ['^a{2,3}?$', 'aaa', 'aaaa'],
    ['^(?:a+)**$', 'aa', 'b'],
    ['^\\d$', '٣', 'x'],
    ['^a\\/\\#\\&\\-\\{$', 'a/#&-{', 'a'],
    ['^(?U)a+(?-U)$', 'aa', 'b'],
    ['', 'anything', null],
  ])('%s matches %j and not %j', (pattern, good, bad) => {
    expect(matches(pattern, good)).toBe(true);
    if (bad !== null) expect(matches(pattern, bad)).toBe(false);
  });

  it.each([
    ['(?=a)', 'look-around'],
    ['(?<!a)', 'look-around'],
    ['(a)\\1', 'a reference to a group'],
    ['a{', 'a { that repeats nothing'],
    ['*a', 'a * that repeats nothing'],
    ['(a', 'a ( without its )'],
    ['a)', 'a ) too many'],
    ['[a', 'a [ without its ]'],
    ['a\\', 'a \\ at the end'],
    ['[z-a]', 'a range from more to less'],
    ['\\p{Nothing}', 'the property "Nothing"'],
    ['\\y', '\\y'],
    ['a(?i)b', 'write (?i) at its start'],
    ['a{3,2}', 'a repetition from more to less'],
    ['a{99999}', 'a repetition of more than 1000'],
    [`${'('.repeat(5000)}${')'.repeat(5000)}`, 'nested too deep'],
  ])('%s is refused, and the message says why', (pattern, why) => {
    expect(refusal(pattern)).toContain(why);
  });

  it('says whether a beginning matches whatever follows', () => {
    const compiled = compileRustRegex('(^|/)\\.git($|/)|~$|^a\\b');
    if (compiled.kind === 'invalid') throw new Error(compiled.message);
    expect(compiled.regex.matchesWhateverFollows('x/.git/')).toBe(true);
    expect(compiled.regex.matchesWhateverFollows('x~/')).toBe(false);
    expect(compiled.regex.matchesWhateverFollows('a/')).toBe(false);
    expect(compiled.regex.matchesWhateverFollows('.github/')).toBe(false);
  });

  const pieces = [
    'a',
    'b',
    '/',
    '.',
    '^',
    '$',
    '(',
    ')',
    '(?:',
    '|',
    '*',
    '+',
    '?',
    '[',
    ']',
    '[^',
    '-',
    '&&',
    '\\b',
    '\\w',
    '\\',
    '{2}',
    '{',
    '~',
    'ä',
    '😀',
  ];
  const pattern = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(''));
  const text = fc
    .array(fc.constantFrom('a', 'b', '/', '.', '~', 'ä', '\n'), { maxLength: 6 })
    .map((parts) => parts.join(''));

  it('any text gives a regex or a message', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 30 }), pattern), (source) => {
        const compiled = compileRustRegex(source);
        if (compiled.kind === 'invalid') expect(compiled.message).not.toBe('');
        else expect(typeof compiled.regex.matches('a/b')).toBe('boolean');
      }),
      { numRuns: runs },
    );
  });

  it('what matches whatever follows matches with whatever follows', () => {
    fc.assert(
      fc.property(pattern, text, text, (source, start, rest) => {
        const compiled = compileRustRegex(source);
        if (compiled.kind === 'invalid' || !compiled.regex.matchesWhateverFollows(start)) return;
        expect(compiled.regex.matches(start + rest)).toBe(true);
      }),
      { numRuns: runs },
    );
  });
});
