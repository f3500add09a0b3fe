import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, isObject, type Json } from '../../src/verwalter/canonical.ts';
import { luaSyntaxProblem, runScheduler, type SchedulerRun } from '../../src/verwalter/scheduler/engine.ts';

// Whatever JSON goes into Lua comes out of it again.

const json = fc
  .jsonValue({ maxDepth: 5, noUnicodeString: false })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json);

/** As a schedule has it: null is nil, so a key that has it is not there. Lists keep theirs; a list of nothing is a list. */
const throughLua = (value: Json): Json => {
  if (Array.isArray(value)) return value.map((item: Json) => throughLua(item));
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== null);
  const copy: Record<string, Json> = Object.create(null) as Record<string, Json>;
  for (const [key, item] of entries) copy[key] = throughLua(item);
  return copy;
};

const run = (body: string, input: unknown): Promise<SchedulerRun> =>
  runScheduler({ sources: { 'main.lua': `return { scheduler = function(input)\n${body}\nend }` }, input, seed: 1 });
const textOf = (result: SchedulerRun): string => {
  if (!result.ok) throw new Error(result.message);
  return result.text ?? '';
};

describe('data between JavaScript and Lua', () => {
  it('is the same after the way in and out, as tables and as text', async () => {
    const values = fc.sample(json, 300);
    const expected = canonicalJson({ values: values.map(throughLua) });
    expect(textOf(await run('return { schedule = { values = input.values } }', { values }))).toBe(expected);
    const again = "local json = require 'json' return json.encode({ values = json.decode(json.encode(input.values)) })";
    expect(textOf(await run(again, { values }))).toBe(expected);
  });

  it('keeps texts of any length and alphabet, as values and as keys', async () => {
    const texts = [
      '',
      '\0',
      'é',
      '😀',
      'x'.repeat(63),
      'x'.repeat(64),
      'x'.repeat(65),
      'ü'.repeat(6000),
      'z'.repeat(100_000),
    ];
    const input = { list: texts, map: Object.fromEntries(texts.map((text, index) => [text, index])) };
    expect(textOf(await run('return { schedule = input }', input))).toBe(canonicalJson({ actions: {}, ...input }));
  });

  it('takes numbers at their bounds', async () => {
    const list = [0, -0, 1, -1, 2 ** 53, -(2 ** 53), 2 ** 53 + 2, 1e300, 5e-324, 0.1, 123456789.125];
    expect(textOf(await run('return { schedule = { list = input.list } }', { list }))).toBe(
      canonicalJson({ list: list.map((n) => n + 0) }),
    );
  });

  it('refuses what is nested too deep, in both directions', async () => {
    const deep = JSON.parse(`${'['.repeat(150)}${']'.repeat(150)}`) as Json;
    expect(await run('return "{}"', { deep })).toMatchObject({
      ok: false,
      message: expect.stringContaining('nested deeper than 100'),
    });
    const body = 'local t = {} for _ = 1, 150 do t = { t } end return { schedule = { t = t } }';
    expect(await run(body, {})).toMatchObject({
      ok: false,
      message: expect.stringContaining('nested deeper than 100'),
    });
  });

  it('reads JSON texts as JSON.parse does, or says that they are none', async () => {
    const texts = fc.sample(
      fc.oneof(fc.json(), fc.string(), fc.string({ unit: fc.constantFrom(...'{}[]",:0.1e-ntfu\\ ') })),
      300,
    );
    const body = `local json, out = require 'json', {}
      for i, text in ipairs(input.texts) do
        local ok, value = pcall(json.decode, text)
        out[i] = { ok = ok, value = ok and value or nil, message = not ok and value or nil }
      end
      return { schedule = { out = require('json').array(out) } }`;
    const { out } = JSON.parse(textOf(await run(body, { texts }))) as {
      out: { ok: boolean; value?: Json; message?: string }[];
    };
    for (const [index, text] of texts.entries()) {
      let parsed: Json | undefined;
      try {
        parsed = JSON.parse(text) as Json;
      } catch {
        expect(out[index]?.message).toMatch(/^json.decode: not JSON/);
        continue;
      }
      expect(out[index]?.ok).toBe(true);
      const known = throughLua(parsed);
      if (known !== null && known !== false)
        expect(canonicalJson(out[index]?.value ?? null)).toBe(canonicalJson(known));
    }
  });

  it('survives main.lua of any bytes', async () => {
    const unit = fc.constantFrom(
      'return',
      ' ',
      '{',
      '}',
      'function',
      'end',
      '(',
      ')',
      '=',
      '"',
      "'",
      '[[',
      '\n',
      '--',
      'x',
      '5',
      '\0',
      '\x1bLua',
      'ü',
    );
    for (const source of fc.sample(fc.string({ unit, maxLength: 30 }), 60)) {
      const result = await runScheduler({ sources: { 'main.lua': source }, input: {}, seed: 1 });
      expect(result.ok).toBe(false);
      const problem = luaSyntaxProblem(source, '@main.lua');
      expect(problem === null || problem.length > 0).toBe(true);
    }
  });
});
