import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkConfigDir, scheduleOnce } from '../../src/verwalter/check.ts';

const example = join(import.meta.dirname, '../../examples/quickstart');
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'verwalter-check-'));
  for (const part of ['scheduler', 'templates', 'runtime'])
    cpSync(join(example, part), join(dir, part), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('verwalter check', () => {
  it('finds nothing wrong with the quickstart', async () => {
    expect(await checkConfigDir(dir)).toEqual({
      problems: [],
      seen: '1 scheduler file(s), templates quickstart, router',
    });
  });

  it('names every fault with its file', async () => {
    writeFileSync(join(dir, 'scheduler/v1/unused.lua'), 'local x =\n\nreturn');
    writeFileSync(join(dir, 'templates/router/nginx.conf.hbs'), '{{#if}');
    writeFileSync(join(dir, 'templates/quickstart/quickstart.render.yaml'), 'templates: {}\ncommands: []\nmore: 1\n');
    writeFileSync(join(dir, 'runtime/quickstart/numbers.yaml'), 'a: 1\nb: [\n');
    mkdirSync(join(dir, 'machine'));
    writeFileSync(join(dir, 'machine/m.json'), '{"a":\n}');
    const { problems } = await checkConfigDir(dir);
    const expected = [
      'scheduler/v1/unused.lua:3: unexpected symbol',
      'templates/quickstart/quickstart.render.yaml:3: more: unknown key',
      'templates/router: nginx.conf.hbs: ',
      'runtime/quickstart/numbers.yaml:',
      'machine/m.json:2: ',
    ];
    expect(problems).toEqual(expected.map((text) => expect.stringContaining(join(dir, text))));
  });

  it('says so where there is no such folder', async () => {
    expect((await checkConfigDir(join(dir, 'none'))).problems).toEqual([expect.stringContaining('ENOENT')]);
  });
});

describe('verwalter schedule', () => {
  const input = (value: unknown): string => {
    writeFileSync(join(dir, 'input.json'), JSON.stringify(value));
    return join(dir, 'input.json');
  };

  it('prints the schedule of an input, the same twice', async () => {
    const nodes = { n: { ip: '127.0.0.1', web_port: 1, router_port: 2 } };
    const numbers = {
      low: { web: 3, worker: 1 },
      load: { rate: 1 },
      high_rpm: 1,
      low_rpm: 1,
      hold_down_seconds: 1,
      image: 'i',
      configs: {},
    };
    const file = input({
      now: 1,
      current_host: 'n',
      current_id: 'x',
      runtime: { quickstart: { numbers, nodes: { nodes } } },
    });
    const result = await scheduleOnce({ input: file, configDir: dir, verify: true });
    expect(result).toMatchObject({ error: null, warnings: [] });
    expect(JSON.parse(result.text)).toMatchObject({ state: { placement: { web: { n: 3 } } } });
  });

  it('says what is missing, with the place', async () => {
    expect((await scheduleOnce({ input: input({}), configDir: dir, verify: false })).error).toContain(
      'numbers.yaml is missing',
    );
    expect((await scheduleOnce({ input: input([]), configDir: dir, verify: false })).error).toContain('not an object');
    expect((await scheduleOnce({ input: '/no/such', configDir: dir, verify: false })).error).toContain('ENOENT');
  });

  it('makes errors of warnings and of writes to globals where it is strict', async () => {
    const once = (strict: boolean) => scheduleOnce({ input: input({}), configDir: dir, verify: false, strict });
    writeFileSync(join(dir, 'scheduler/v1/main.lua'), "return { scheduler = function() x = 1 return '{}' end }");
    expect(await once(false)).toMatchObject({ error: null });
    expect((await once(true)).error).toContain("x cannot be set; write 'local' before it");
    writeFileSync(join(dir, 'scheduler/v1/main.lua'), `return { scheduler = function() return '{"vars":5}' end }`);
    expect(await once(false)).toMatchObject({ error: null, warnings: ['vars: number, not an object'] });
    expect((await once(true)).error).toContain('vars: number, not an object');
  });
});
