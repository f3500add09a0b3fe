import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { list, mapping, optional, record, refused, required } from '../../src/config/record.ts';
import { boolean, integer, nullable, type Schema, text } from '../../src/config/schema.ts';
import { bare, tagged } from '../../src/config/tagged.ts';
import { parseYaml } from '../../src/config/yaml-source.ts';

const inner = record('inner', { on: optional(boolean, false), size: optional(integer({ min: 0, max: 9 }), 0) });
const schema = record('outer', {
  name: required(text),
  many: optional(list(list(list(list(text)))), []),
  table: optional(mapping(text, nullable(text)), new Map<string, string | null>()),
  choice: optional(tagged({ Bare: bare, Inner: inner }), null),
  inner: optional(inner, null),
  later: refused('later'),
});

/** A busy two-core machine; the bound is against work without end, not a measurement. */
const deadlineMs = 10_000;

function read(bytes: Uint8Array | string, by: Schema<unknown> = schema): readonly string[] {
  const started = Date.now();
  const loaded = readConfig('f.yaml', typeof bytes === 'string' ? Buffer.from(bytes) : bytes, by);
  expect(Date.now() - started).toBeLessThan(deadlineMs);
  if (loaded.kind === 'loaded') return [];
  expect(loaded.problems.length).toBeGreaterThan(0);
  expect(loaded.problems.length).toBeLessThanOrEqual(200);
  for (const problem of loaded.problems) {
    expect(problem.message).not.toBe('');
    expect(problem.line).toBeGreaterThanOrEqual(0);
    expect(formatProblem(problem)).not.toMatch(/\p{Cc}/u);
  }
  return loaded.problems.map(formatProblem);
}

describe('whatever the bytes are', () => {
  it('random bytes give a value or problems', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void read(bytes)),
      { numRuns: 500 },
    );
  });

  it('random pieces of YAML give a value or problems', () => {
    const pieces = [
      'name',
      'many',
      'table',
      'choice',
      ': ',
      ':',
      '\n',
      '\n  ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      ', ',
      '? ',
      '|',
    ];
    const more = [
      '&a ',
      '*a',
      '!Bare',
      '!Inner ',
      '!!str ',
      '! ',
      '"',
      "'",
      '#',
      '~',
      'null',
      '---\n',
      '...\n',
      '%YAML 1.2\n',
    ];
    const odd = ['<<', '__proto__', '\t', '\r', '\u0000', '\u{1F600}', '>-\n', '@', '`', '0x', '9'.repeat(30), '\\'];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...pieces, ...more, ...odd), { maxLength: 60 }),
        (words) => void read(words.join('')),
      ),
      { numRuns: 2000 },
    );
  });

  it('random data of the right kind of nesting gives a value or problems', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (json) => void read(`name: x\ninner: ${json}\n`)),
      { numRuns: 300 },
    );
  });

  it('what was written as JSON is read as it was', () => {
    const names = fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => !/[\0\ud800-\udfff]/.test(name));
    fc.assert(
      fc.property(fc.dictionary(names, names, { noNullPrototype: true }), (table) => {
        const loaded = readConfig('f', Buffer.from(JSON.stringify({ name: 'x', table })), schema);
        if (loaded.kind === 'refused') throw new Error(loaded.problems.map(formatProblem).join('\n'));
        expect([...loaded.value.table]).toEqual(Object.entries(table));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a file made to hurt', () => {
  it('is refused when it is nested too deeply, in every style', () => {
    const times = 60_000;
    for (const piece of ['[', '{a: ', '- ', '? ', 'a: ', '[{', '!x [', '&a [']) {
      expect(read(piece.repeat(times))[0]).toMatch(/nested too deeply; expected at most 64 levels$/);
    }
    const stairs = Array.from({ length: 400 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join('');
    expect(read(stairs)[0]).toMatch(/^f\.yaml:\d+:\d+: nested too deeply/);
  });

  it('cannot multiply itself by aliases', () => {
    const width = 200;
    const row = (name: string, item: string): string => `_${name}: &${name} [${Array(width).fill(item).join(', ')}]\n`;
    const bomb = `${row('a', 'x')}${row('b', '*a')}${row('c', '*b')}${row('d', '*c')}name: x\nmany: *d\n`;
    expect(read(bomb)).toContainEqual(expect.stringContaining('aliases make this file too large'));
  });

  it('may hold an alias to itself', () => {
    expect(read('name: x\nmany: &m [*m]\n')).not.toEqual([]);
    expect(read('name: &n *n\n')).not.toEqual([]);
  });

  it('takes a time that grows with its length only', () => {
    const size = 200_000;
    for (const text of [
      Array.from({ length: size / 12 }, (_, index) => `key${index}: 1\n`).join(''),
      `_a: &a 1\nname: x\n_b: [${'*a, '.repeat(size / 4)}]\n`,
      '"'.repeat(size),
      '\t'.repeat(size),
      '#\n'.repeat(size / 2),
      '---\n'.repeat(size / 4),
      '}'.repeat(size),
      '%a\n'.repeat(size / 3),
      `"${'\\'.repeat(size)}"`,
      ':'.repeat(size),
    ]) {
      read(text);
    }
  }, 60_000);

  it('is looked at for duplicate keys without comparing each with each', () => {
    const text = `${Array.from({ length: 40_000 }, (_, index) => `k${index}: 1\n`).join('')}k0: 2\n`;
    expect(parseYaml('f', Buffer.from(text)).problems).toMatchObject([
      { line: 40_001, message: 'the key is there twice' },
    ]);
  });
});
