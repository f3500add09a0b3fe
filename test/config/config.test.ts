import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, readConfig } from '../../src/config/load.ts';
import { parseDecimal, parseInteger } from '../../src/config/number-text.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { list, mapping, optional, record, refused, required } from '../../src/config/record.ts';
import {
  absolutePath,
  boolean,
  decimal,
  integer,
  nullable,
  oneOf,
  type Schema,
  text,
  type ValueOf,
} from '../../src/config/schema.ts';
import { closest } from '../../src/config/suggest.ts';
import { bare, tagged } from '../../src/config/tagged.ts';

const shop = record('a shop', {
  name: required(text),
  'open-hours': optional(list(integer({ min: 0, max: 23 })), []),
  kind: optional(oneOf(['bakery', 'butcher']), 'bakery'),
  'price-factor': optional(decimal({ min: 0, max: 10 }), 1),
  folder: optional(nullable(absolutePath), '/default'),
  stock: optional(mapping(text, integer({ min: 0, max: 2 ** 40 })), new Map<string, number>()),
  payment: optional(tagged({ Cash: bare, Card: record('a card', { pin: optional(boolean, true) }) }), null),
  loans: refused('we lend nothing', ['0']),
});
type Shop = ValueOf<typeof shop>;

const read = <T>(source: string, schema: Schema<T>) => readConfig('shop.yaml', Buffer.from(source), schema);
const valueIn = (source: string): Shop => {
  const loaded = read(source, shop);
  if (loaded.kind === 'refused') throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.value;
};
const problemsOf = (source: string, schema: Schema<unknown> = shop): readonly string[] => {
  const loaded = read(source, schema);
  return loaded.kind === 'refused' ? loaded.problems.map(formatProblem) : [];
};

describe('a config', () => {
  it('gives typed values in camelCase, with defaults for what is left out', () => {
    expect(valueIn('name: Corner\n')).toEqual({
      name: 'Corner',
      openHours: [],
      kind: 'bakery',
      priceFactor: 1,
      folder: '/default',
      stock: new Map(),
      payment: null,
    });
  });

  it('takes - and _ in keys for the same, and does not look at keys that begin with _', () => {
    expect(valueIn('name: x\nopen_hours: [8]\nprice-factor: 0.5\n_note: {any: [thing]}')).toMatchObject({
      openHours: [8],
      priceFactor: 0.5,
    });
  });

  it('reads JSON, also with tabs', () => {
    expect(valueIn('{\n\t"name": "x",\n\t"open-hours": [8, 9]\n}\n')).toMatchObject({ name: 'x', openHours: [8, 9] });
  });

  it('keeps text as it is written, whatever YAML would make of it', () => {
    for (const [written, meant] of [
      ['1.10', '1.10'],
      ['007', '007'],
      ['yes', 'yes'],
      ['true', 'true'],
      ['"null"', 'null'],
      ['"a\\tb"', 'a\tb'],
      ['2024-11-03', '2024-11-03'],
    ]) {
      expect(valueIn(`name: ${written}\n`).name).toBe(meant);
    }
  });

  it('knows nothing from a value: null disables where null is a value, and is a default elsewhere', () => {
    expect(valueIn('name: x\nfolder: null\nopen-hours:\nkind: ~\n')).toMatchObject({
      folder: null,
      openHours: [],
      kind: 'bakery',
    });
    expect(problemsOf('name: ~\n')).toEqual(['shop.yaml:1:1: name: missing; a shop needs a text']);
  });

  it('chooses variants by their tags', () => {
    expect(valueIn('name: x\npayment: !Cash\n').payment).toEqual({ tag: 'Cash', value: null });
    expect(valueIn('name: x\npayment: !Card\n').payment).toEqual({ tag: 'Card', value: { pin: true } });
    expect(valueIn('name: x\npayment: !Card { pin: false }\n').payment).toEqual({ tag: 'Card', value: { pin: false } });
    expect(problemsOf('name: x\npayment: !Crad {}\n')).toEqual([
      'shop.yaml:2:16: payment: tag !Crad; expected one of !Cash, !Card; did you mean !Card?',
    ]);
    expect(problemsOf('name: x\npayment: cash\n')).toEqual([
      'shop.yaml:2:10: payment: no tag; expected one of !Cash, !Card',
    ]);
    expect(problemsOf('name: !Card x\n')).toEqual(['shop.yaml:1:13: name: tag !Card; expected a text']);
  });

  it('tells all mistakes at once, each where it stands', () => {
    const source = `name: [a]
open-hours: [8, 25, nine]
kidn: bakery
kind: bakry
price_factor: -1
folder: relative
stock:
  bread: many
  rolls: {}
loans: 5
`;
    expect(problemsOf(source)).toEqual([
      'shop.yaml:1:7: name: a list; expected a text',
      'shop.yaml:2:17: open-hours[1]: "25"; expected an integer from 0 to 23',
      'shop.yaml:2:21: open-hours[2]: "nine"; expected an integer from 0 to 23',
      'shop.yaml:3:1: kidn: unknown key in a shop; did you mean kind?',
      'shop.yaml:4:7: kind: "bakry"; expected one of bakery, butcher; did you mean bakery?',
      'shop.yaml:5:15: price-factor: "-1"; expected a number from 0 to 10',
      'shop.yaml:6:9: folder: "relative"; expected an absolute path',
      'shop.yaml:8:10: stock.bread: "many"; expected an integer from 0 to 1099511627776',
      'shop.yaml:9:10: stock.rolls: a mapping; expected an integer from 0 to 1099511627776',
      'shop.yaml:10:1: loans: not supported yet: we lend nothing',
    ]);
  });

  it('refuses a key that does nothing here, unless its value says what happens anyway', () => {
    expect(valueIn('name: x\nloans: 0\n')).not.toHaveProperty('loans');
    expect(problemsOf('name: x\nloans: ~\n')).toHaveLength(1);
  });

  it('refuses the same key twice, also when only - and _ differ', () => {
    expect(problemsOf('name: x\nname: y\n')).toEqual(['shop.yaml:2:1: name: the key is there twice']);
    expect(problemsOf('name: x\nopen-hours: []\nopen_hours: []\n')).toEqual([
      'shop.yaml:3:1: open-hours: the key is there twice',
    ]);
    expect(problemsOf('name: x\nstock: {a: 1, b: 2, a: 3}\n')).toEqual(['shop.yaml:2:21: a: the key is there twice']);
  });

  it('says where a damaged file is damaged', () => {
    expect(problemsOf('name: "x\n')[0]).toMatch(/^shop\.yaml:[12]:\d+: Missing closing "quote/);
    expect(problemsOf('name: x\n  kind: bakery\n')[0]).toMatch(/^shop\.yaml:\d+:\d+: /);
    expect(problemsOf('name: x\n---\nname: y\n')).toEqual([
      'shop.yaml:2:1: a second document; expected one document for a file',
    ]);
    expect(problemsOf('- a\n')).toEqual(['shop.yaml:1:1: a list; expected a shop']);
    expect(problemsOf('')).toEqual(['shop.yaml:1:1: name: missing; a shop needs a text']);
    const loaded = readConfig('shop.yaml', Buffer.from([0x61, 0x0a, 0xff, 0xfe]), shop);
    expect(loaded.kind === 'refused' && loaded.problems.map(formatProblem)).toEqual(['shop.yaml:2:1: not UTF-8 text']);
  });

  it('reads a tagged value again where an alias comes back to it', () => {
    const both = record('two', {
      a: required(tagged({ Cash: bare, Card: record('a card', { pin: optional(boolean, true) }) })),
      b: required(tagged({ Cash: bare, Card: record('a card', { pin: optional(boolean, true) }) })),
    });
    expect(problemsOf('a: &x !Card { pin: false }\nb: *x\n', both)).toEqual([]);
  });

  it('follows aliases to the anchor last before them', () => {
    const hours = '_a: &h [8]\n_b: &h [9]\n';
    expect(valueIn(`${hours}name: x\nopen-hours: *h\n`).openHours).toEqual([9]);
    expect(problemsOf('name: *who\n')).toEqual(['shop.yaml:1:7: name: unknown anchor who']);
  });

  it('remembers where keys stand for what shows only later', () => {
    const loaded = read('name: x\nstock:\n  bread: 3\n', shop);
    if (loaded.kind === 'refused') throw new Error('refused');
    expect(formatProblem(loaded.problemAt('stock.bread', 'sold out'))).toBe('shop.yaml:3:3: stock.bread: sold out');
    expect(loaded.problemAt('stock.rolls', 'sold out')).toMatchObject({ line: 2, column: 1 });
    expect(loaded.problemAt('', 'closed')).toMatchObject({ line: 0, column: 0 });
  });

  it('puts nothing into a message that could harm a terminal', () => {
    const [problem = ''] = problemsOf('"na\\e[31mme\\nb": x\nname: y\n');
    expect(problem).toContain('na\\u001b[31mme\\u000ab');
    expect(problem).not.toMatch(/\p{Cc}/u);
  });

  it('keeps prototypes of objects out of it', () => {
    expect(problemsOf('name: x\n__proto__: {polluted: 1}\n')).toEqual([]);
    expect(problemsOf('name: x\nconstructor: 1\ntoString: 2\n')).toHaveLength(2);
    expect(problemsOf('name: x\npayment: !toString {}\n')).toHaveLength(1);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe('a file', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'stellwerk-config-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('that is missing, a folder or too large is one problem', () => {
    const message = (file: string) => {
      const loaded = loadConfig(file, shop);
      return loaded.kind === 'refused' ? loaded.problems.map(formatProblem) : [];
    };
    expect(message(join(dir, 'no.yaml'))).toEqual([`${dir}/no.yaml: cannot be read (ENOENT)`]);
    expect(message(dir)).toEqual([`${dir}: not a regular file`]);
    writeFileSync(join(dir, 'large.yaml'), '# '.padEnd(600 * 1024, 'x'));
    expect(message(join(dir, 'large.yaml'))).toEqual([`${dir}/large.yaml: too large; expected at most 524288 bytes`]);
  });
});

describe('numbers', () => {
  it('take units of 1000 and of 1024, and the prefixes 0x and 0o', () => {
    for (const [written, meant] of [
      ['0', 0n],
      ['-12', -12n],
      ['2k', 2000n],
      ['2ki', 2048n],
      ['2Ki', 2048n],
      ['64Mi', 67_108_864n],
      ['1G', 1_000_000_000n],
      ['1Ti', 1_099_511_627_776n],
      ['0x1F', 31n],
      ['0o755', 493n],
    ] as const) {
      expect(parseInteger(written)).toBe(meant);
    }
  });

  it('are nothing else', () => {
    for (const written of ['', '0755', '1.5', '1e3', '1m', '1KB', '1K', '٣', ' 1', '1_000', '9'.repeat(50)]) {
      expect(parseInteger(written)).toBeNull();
    }
    for (const written of ['', 'Infinity', 'NaN', '.inf', '0x1', '1e999', '.5'])
      expect(parseDecimal(written)).toBeNull();
    expect(parseDecimal('0.25')).toBe(0.25);
    expect(parseDecimal('1e2')).toBe(100);
  });
});

describe('a suggestion', () => {
  it('is made only where a name is near', () => {
    expect(closest('uid-mpa', ['uid-map', 'gid-map'])).toBe('uid-map');
    expect(closest('colour', ['uid-map', 'gid-map'])).toBeNull();
  });
});
