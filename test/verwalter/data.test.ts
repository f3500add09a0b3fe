import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canonicalJson, hashJson, isObject, type Json, type JsonObject } from '../../src/verwalter/canonical.ts';
import { type GoodValues, readMetadata } from '../../src/verwalter/metadata.ts';
import { parseRenderFile } from '../../src/verwalter/render/render-yaml.ts';
import { mergeVariables, removedVariables, rolesOfNode } from '../../src/verwalter/render/variables.ts';
import { readSchedule } from '../../src/verwalter/schedule.ts';
import { checkOutput } from '../../src/verwalter/scheduler/output.ts';
import { FileError } from '../../src/verwalter/yaml-text.ts';

const jsonValue = fc
  .jsonValue({ maxDepth: 4, noUnicodeString: false })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json);
const jsonObject = fc
  .dictionary(fc.string({ maxLength: 4 }), jsonValue, { maxKeys: 5 })
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);

const shuffled = (value: Json): Json => {
  if (Array.isArray(value)) return value.map((item: Json) => shuffled(item));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, shuffled(item)]),
  );
};

describe('canonical JSON', () => {
  it('writes the example of RFC 8785, section 3.2.2, sorted', () => {
    const value = {
      numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '€$\u000f\nA\'B"\\\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('is the same whatever the order of keys, and is read back as the same value', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(value);
      }),
    );
  });

  it('refuses what JSON cannot hold', () => {
    expect(() => canonicalJson(Number.NaN)).toThrow('not finite');
    expect(() => canonicalJson('\ud800')).toThrow('surrogate');
  });
});

describe('a schedule from outside', () => {
  it('is taken with the right hash only', () => {
    const data = { a: 1 };
    const body = { timestamp: 5, hash: hashJson(data), origin: 'a'.repeat(32), data };
    expect(readSchedule(body)).toEqual(body);
    expect(readSchedule({ ...body, data: { a: 2 } })).toEqual({ error: 'data: does not have the hash it claims' });
    expect(readSchedule(body, 'f'.repeat(64))).toHaveProperty('error');
  });

  it('never throws on rubbish', () => {
    fc.assert(fc.property(fc.anything(), (body) => 'error' in readSchedule(body)));
  });
});

describe('merging variables', () => {
  it('fills subkeys of objects and no deeper', () => {
    expect(mergeVariables([{ a: { x: 1 } }, { a: { x: 2, y: 3 }, b: 4 }])).toEqual({ a: { x: 1, y: 3 }, b: 4 });
    expect(mergeVariables([{ a: { x: { p: 1 } } }, { a: { x: { q: 2 } } }])).toEqual({ a: { x: { p: 1 } } });
    expect(mergeVariables([{ a: 1 }, { a: { x: 2 } }])).toEqual({ a: 1 });
    expect(mergeVariables([{ a: { x: 1 } }, { a: 5 }, { a: { y: 2 } }])).toEqual({ a: { x: 1, y: 2 } });
  });

  it('is the rule of the paper for any layers', () => {
    const rule = (layers: readonly JsonObject[]): Record<string, Json> => {
      const result: [string, Json][] = [];
      for (const key of new Set(layers.flatMap((layer) => Object.keys(layer)))) {
        const values = layers.filter((layer) => Object.hasOwn(layer, key)).map((layer) => layer[key] ?? null);
        const first = values[0] ?? null;
        if (!isObject(first)) result.push([key, first]);
        else
          result.push([
            key,
            Object.fromEntries(
              values
                .filter(isObject)
                .reverse()
                .flatMap((value) => Object.entries(value)),
            ),
          ]);
      }
      return Object.fromEntries(result);
    };
    fc.assert(
      fc.property(fc.array(jsonObject, { maxLength: 4 }), (layers) => {
        const before = JSON.stringify(layers);
        expect(canonicalJson(mergeVariables(layers))).toBe(canonicalJson(rule(layers)));
        expect(JSON.stringify(layers)).toBe(before);
      }),
    );
  });

  it('takes node role, node vars, common role and global vars in this order', () => {
    const data = {
      vars: { a: 1, b: 1, c: 1, d: 1 },
      roles: { r: { a: 2, b: 2, c: 2 }, other: {} },
      nodes: { h: { vars: { a: 3, b: 3 }, roles: { r: { a: 4 } } } },
    };
    expect([...rolesOfNode(data, 'h')]).toEqual([['r', { a: 4, b: 3, c: 2, d: 1 }]]);
    expect([...rolesOfNode(data, 'elsewhere')]).toEqual([]);
  });

  it('sets every instance count of a removed role to nothing', () => {
    expect(removedVariables({ daemons: { web: { instances: 4, image: 'x' } } })).toEqual({
      daemons: { web: { instances: 0, image: 'x' } },
      removed: true,
    });
  });
});

describe('the check of a scheduler’s output', () => {
  const hosts = new Set(['h']);
  it('refuses what is no object and keeps unknown keys', () => {
    for (const text of ['', '[]', '5', 'null', '{"a":']) expect(checkOutput(text, hosts)).toHaveProperty('error');
    expect(checkOutput('{"future":{"x":[]}}', hosts)).toMatchObject({
      ok: true,
      data: { future: { x: [] } },
      warnings: [],
    });
  });

  it('warns of what some node cannot render, by path', () => {
    const text = JSON.stringify({
      vars: 5,
      nodes: { h: { roles: { good: { template: 't' }, bad: {}, worse: { template: '../x' } } }, who: {} },
    });
    expect(checkOutput(text, hosts)).toMatchObject({
      ok: true,
      warnings: [
        'vars: number, not an object',
        'nodes.h.roles.bad: no template',
        'nodes.h.roles.worse.template: ../x is not a path below templates/',
        'nodes.who: no node has this hostname',
      ],
    });
  });

  it('gives an empty table the kind of its place', () => {
    const checked = checkOutput('{"roles":[],"nodes":{"h":{"roles":[]}},"changes":{},"x":[]}', hosts);
    expect(checked).toMatchObject({ data: { roles: {}, nodes: { h: { roles: {} } }, changes: [], x: [] } });
  });

  it('knows the kind of every place that the form of a schedule names', () => {
    const node = {
      shortinfo: {},
      vars: [],
      roles: { r: { daemons: [], commands: { c: [] }, shortinfo: {}, template: 't' }, s: [] },
    };
    const text = JSON.stringify({
      nodes: { h: node },
      roles: {
        r: {
          versions: {},
          info: [],
          frontend: { version_buttons: {}, migration: { buttons: {} } },
          daemons: { d: { variables: [] } },
        },
      },
      state: { r: { groups: { g: { services: { s: { servers: {}, variables: [] } }, update: { pipeline: {} } } } } },
      explain: { r: { h: { reasons: {}, scores: [] } } },
      query_metrics: { rules: [] },
      errors: {},
    });
    expect(checkOutput(text, hosts)).toMatchObject({
      data: {
        nodes: {
          h: { shortinfo: [], vars: {}, roles: { r: { daemons: {}, commands: { c: {} }, shortinfo: [] }, s: {} } },
        },
        roles: {
          r: {
            versions: [],
            info: {},
            frontend: { version_buttons: [], migration: { buttons: [] } },
            daemons: { d: { variables: {} } },
          },
        },
        state: { r: { groups: { g: { services: { s: { servers: [], variables: {} } }, update: { pipeline: [] } } } } },
        explain: { r: { h: { reasons: [], scores: {} } } },
        query_metrics: { rules: {} },
        errors: [],
      },
    });
  });

  it('writes null for a number beyond all bounds and warns, and refuses all warnings where it is strict', () => {
    const text = '{"state":{"list":[1e999],"__proto__":-1e999}}';
    const checked = checkOutput(text, hosts);
    expect(checked).toMatchObject({
      ok: true,
      warnings: [
        'state.list.0: number is not finite; null is written instead',
        'state.__proto__: number is not finite; null is written instead',
      ],
    });
    expect(checked.ok && canonicalJson(checked.data)).toBe('{"state":{"__proto__":null,"list":[null]}}');
    expect(checkOutput(text, hosts, { strict: true })).toMatchObject({
      ok: false,
      error: expect.stringContaining('state.list.0'),
    });
    expect(checkOutput('{}', hosts, { strict: true, warnings: ['a: b'] })).toMatchObject({ ok: false });
    expect(checkOutput('{}', hosts, { strict: true })).toMatchObject({ ok: true });
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          jsonObject.map((vars) => JSON.stringify({ vars, nodes: vars, roles: vars })),
        ),
        (text) => {
          const checked = checkOutput(text, hosts);
          if (checked.ok) expect(hashJson(checked.data)).toBe(checked.hash);
          else expect(checked.error).toContain('invalid return value');
        },
      ),
    );
  });
});

describe('the metadata reader', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'verwalter-metadata-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };

  it('makes a key of every part of a path', () => {
    put('django/v1.2/daemons.yaml', 'web: {instances: 1}\n5: five\n');
    put('django/v1.2.d/more.json', '{"a":[1]}');
    put('notes.txt', 'hello');
    put('README', 'ignored');
    put('half.yaml.tmp', ': : :');
    put('.git/x.yaml', 'a: 1');
    put('empty.yaml', '');
    expect(readMetadata(root)).toEqual({
      data: {
        django: { 'v1.2': { daemons: { web: { instances: 1 }, '5': 'five' }, more: { a: [1] } } },
        empty: null,
        notes: 'hello',
      },
      problems: [],
    });
  });

  it('names file and line of what it cannot read, and goes on with the value it had', () => {
    put('a.yaml', 'x: 1\n');
    put('b.json', '{"y": 2}');
    const good: GoodValues = new Map();
    readMetadata(root, good);
    put('a.yaml', 'x: 1\ny: [\n');
    put('b.json', '{"y":\n oops}');
    put('c.yaml', 'ok: yes\nx: .nan\n');
    put('d.yaml', 'base: &b 1\nother: *b\n');
    const { data, problems } = readMetadata(root, good);
    expect(data).toEqual({ a: { x: 1 }, b: { y: 2 } });
    expect(problems.map(({ file, line }) => [file.slice(root.length + 1), line])).toEqual([
      ['a.yaml', expect.any(Number)],
      ['b.json', 2],
      ['c.yaml', 2],
      ['d.yaml', 2],
    ]);
    expect(problems[0]?.line).toBeGreaterThan(1);
    renameSync(join(root, 'b.json'), join(root, 'b.gone'));
    expect(readMetadata(root, good).data).not.toHaveProperty('b');
  });

  it('reports a key that two files give', () => {
    put('a.json', '1');
    put('a.yaml', 'x: 1');
    put('b.d/c.txt', 'folder');
    put('b.yaml', 'c: file\nd: 1\n');
    const { data, problems } = readMetadata(root);
    expect(data).toEqual({ a: { x: 1 }, b: { c: 'file', d: 1 } });
    expect(problems).toEqual([
      { file: join(root, 'a.yaml'), line: 0, text: 'a: another file or folder gives this key too; this one is taken' },
      { file: join(root, 'b.yaml'), line: 0, text: 'c: another file or folder gives this key too; this one is taken' },
    ]);
  });

  it('makes texts of scalar keys, takes the first document, and keeps dots within names', () => {
    put('keys.yaml', '1.10: a\ntrue: b\nnull: c\n---\nsecond: 1\n');
    put('v1.2.d/a.b.yml', '[]\n');
    put('x.yaml.d/inner.json', 'null');
    expect(readMetadata(root)).toEqual({
      data: { keys: { '1.10': 'a', true: 'b', null: 'c' }, 'v1.2': { 'a.b': [] }, 'x.yaml': { inner: null } },
      problems: [],
    });
  });

  it('leaves out what would stop every round: numbers and texts that no hash can be taken of', () => {
    put('a.json', '{"x": 1e999}');
    put('b.json', '"\\ud800"');
    put('c.yaml', 'a: 1\n? [list]\n: 2\n');
    put('d.yaml', 'x: !!binary AAAA\n');
    writeFileSync(join(root, 'e.txt'), Buffer.from([0x61, 0x0a, 0xff, 0x0a]));
    put('f.yaml', 'ok: 1');
    const { data, problems } = readMetadata(root);
    expect(data).toEqual({ f: { ok: 1 } });
    expect(problems.map(({ file, line, text }) => `${file.slice(root.length + 1)}:${line}: ${text}`)).toEqual([
      'a.json:0: number is not finite',
      'b.json:0: string with half a surrogate pair',
      expect.stringMatching(/^c.yaml:2: .*a key must be a scalar/),
      expect.stringMatching(/^d.yaml:1: x: /),
      'e.txt:2: not UTF-8',
    ]);
  });

  it('never throws, whatever the files hold', () => {
    let number = 0;
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom('yaml', 'yml', 'json', 'txt'),
            fc.oneof(
              fc.string(),
              fc.json(),
              fc.string({ unit: fc.constantFrom('a', ':', ' ', '\n', '-', '[', '{', '&', '*', '!', '"', '?', '|') }),
            ),
          ),
        ),
        (files) => {
          number++;
          for (const [index, [suffix, text]] of files.entries()) put(`${number}/f${index}.${suffix}`, text);
          const { data, problems } = readMetadata(join(root, String(number)));
          expect(Object.keys(data).length + problems.length).toBeGreaterThanOrEqual(files.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a render file', () => {
  const parse = (text: string) => parseRenderFile('x.render.yaml', text);
  it('is read with its commands in order', () => {
    const parsed = parse(`templates:
  conf: a/conf.hbs
commands:
- !Cmd [nginx, -t, -c, "{{ files.conf }}"]
- !Copy { dest: /etc/x.conf, mode: 0640 }
- !Condition
  files-changed: [/etc/x.conf]
  commands:
  - !Check [true]
- !Lithos { sandbox: "{{ role }}", src: "{{ templates.conf }}" }
`);
    expect(parsed.commands.map((command) => command.kind)).toEqual(['Cmd', 'Copy', 'Condition', 'Lithos']);
    expect(parsed.commands[1]).toMatchObject({ src: '{{ tmp_file }}', dest: '/etc/x.conf', rights: { mode: 0o640 } });
  });

  it.each([
    ['templates: {}\ncommands: []\nextra: 1', 3, 'extra: unknown key'],
    ['templates: {}', 1, 'commands: the key is missing'],
    ['templates: {}\ncommands:\n- !Sh [ls]', 3, 'commands[0] !Sh: not a text'],
    ['templates: {}\ncommands:\n- !Nonsense ls', 3, 'unknown command'],
    ['templates: {}\ncommands:\n- ls', 3, 'begins with a tag'],
    ['templates: {}\ncommands:\n- !Copy {src: a, dest: b, moed: 1}', 3, '!Copy.moed: unknown key'],
    ['templates: {}\ncommands:\n- !Copy {dest: b}', 3, 'unknown name {{ tmp_file }}'],
    ['templates: {}\ncommands:\n- !Cmd [a]\n- !Cmd [a, "{{ files.x }}"]', 4, 'unknown name {{ files.x }}'],
    ['templates: {a: ../x.hbs}\ncommands: []', 1, 'not a path below'],
    ['templates: {a: x.tera}\ncommands: []', 1, 'only Handlebars'],
    ['templates: {}\ncommands:\n- !Condition {files_changed: [x], commands: [!Condition {}]}', 3, 'not within another'],
    ['a: [', 1, ''],
  ])('is refused with line and key: %j', (text, line, message) => {
    let problem: unknown;
    try {
      parse(text);
    } catch (error) {
      problem = (error as FileError).problem;
    }
    expect(problem).toMatchObject({ file: 'x.render.yaml', line, text: expect.stringContaining(message) });
  });

  it('is read or refused with a FileError, whatever it holds', () => {
    const word = fc.constantFrom(
      'templates:',
      'commands:',
      '\n',
      '- ',
      '!Cmd ',
      '!Copy ',
      '[a, b]',
      '{src: a}',
      ' ',
      'x: y',
      '{{ role }}',
      '"',
      '*a',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word).map((words) => words.join('')),
        ),
        (text) => {
          try {
            parse(text);
          } catch (error) {
            expect(error).toBeInstanceOf(FileError);
          }
        },
      ),
    );
  });
});
