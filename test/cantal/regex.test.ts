import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileRegex } from '../../src/cantal/query/regex.ts';

const matches = (pattern: string, text: string): boolean => {
  const result = compileRegex(pattern);
  if (result.kind === 'bad') throw new Error(result.reason);
  return result.test(text);
};
const reason = (pattern: string): string => {
  const result = compileRegex(pattern);
  return result.kind === 'bad' ? result.reason : 'fine';
};

const atom = fc.constantFrom(
  'a',
  'b',
  'ab',
  '.',
  '[ab]',
  '[^a]',
  '[a-c\\d]',
  '\\w',
  '\\W',
  '\\d',
  '\\s',
  '\\.',
  '^',
  '$',
  '\\b',
  '\\B',
  'ü',
);
const pattern: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5, depthIdentifier: 'regex' },
    atom,
    fc.tuple(tie('node'), tie('node')).map(([a, b]) => a + b),
    fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(${a}|${b})`),
    fc
      .tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '*?'))
      .map(([a, q]) => `(?:${a})${q}`),
  ),
})).node;
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '.', '\n', 'ü'), maxLength: 12 });

describe('a regular expression', () => {
  test('matches what JavaScript’s matches', () => {
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 3, maxLength: 6 }), (source, texts) => {
        fc.pre(source.length < 300);
        const own = compileRegex(source);
        const native = new RegExp(source, 'u');
        for (const each of texts) {
          if (own.kind === 'regex')
            expect(own.test(each), `/${source}/ on ${JSON.stringify(each)}`).toBe(native.test(each));
          else expect(own.reason).toContain('too large');
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('accepts nothing that JavaScript refuses', () => {
    const wild = fc.string({ unit: fc.constantFrom(...'ab\\()[]{}|*+?^$.,-12dwx:=<!'), maxLength: 10 });
    fc.assert(
      fc.property(wild, (source) => {
        // Other dialects escape it outside brackets, too.
        fc.pre(!source.includes('\\-'));
        if (compileRegex(source).kind === 'regex') expect(() => new RegExp(source, 'u')).not.toThrow();
      }),
      { numRuns: 5000 },
    );
  });

  test('takes time in proportion to the text where others explode', () => {
    const since = performance.now();
    expect(matches('^(a+)+$', `${'a'.repeat(5000)}b`)).toBe(false);
    expect(matches('(a|a)*b', 'a'.repeat(5000))).toBe(false);
    expect(matches('(.*)(.*)(.*)(.*)x', 'y'.repeat(5000))).toBe(false);
    expect(performance.now() - since).toBeLessThan(1500);
  });

  test('is refused with a reason where it could not be linear or is too large', () => {
    expect(reason('(a)\\1')).toContain('back-references');
    expect(reason('(?=a)')).toContain('look-around');
    expect(reason('(?<!a)b')).toContain('look-around');
    expect(reason('(a{500}){500}')).toContain('too large');
    expect(reason('((((){999}){999}){999}){999}')).toContain('too large');
    expect(reason('a'.repeat(501))).toContain('longer than 500');
    expect(reason('a{2,1}')).toContain('swapped');
    expect(reason('a(b')).toContain('")" is missing at character 4');
    expect(reason('[b-a]')).toContain('bad range');
    expect(reason('*a')).toContain('nothing to repeat');
  });

  test('counts a character outside the basic plane as one', () => {
    expect(matches('^.$', '😀')).toBe(true);
    expect(matches('^[😀-😂]{2}$', '😁😂')).toBe(true);
  });

  test('is unanchored, and plain text is just looked for', () => {
    expect(matches('lithos', 'system.lithos.web')).toBe(true);
    expect(matches('^lithos\\.', 'system.lithos.web')).toBe(false);
    expect(matches('\\.(web|worker)$', 'lithos.worker')).toBe(true);
  });
});
