import fc from 'fast-check';
import { runScheduler } from '../../src/verwalter/scheduler/engine.ts';

// Runs pieces of Lua in the real sandbox: a body gets `input` and returns a table.

export const result = async <T>(body: string, input: unknown = {}): Promise<T> => {
  const main = `return { strict = true, scheduler = function(input)\n${body}\nend }`;
  const run = await runScheduler({ sources: { 'main.lua': main }, input, seed: 1 });
  if (!run.ok) throw new Error(`${run.message}${run.traceback}`);
  return JSON.parse(run.text ?? '') as T;
};

/** Many cases cost one VM: the body is a function of one `case`. */
export const forEachCase = <T>(body: string, cases: readonly unknown[]): Promise<readonly T[]> =>
  result(
    `local function one(case)\n${body}\nend
    local out = {}
    for i, case in ipairs(input.cases) do out[i] = one(case) end
    return { schedule = { out = require('json').array(out) } }`,
    { cases },
  ).then((value) => (value as { out: readonly T[] }).out);

export const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((a, b) => a + b, 0);
export const samples = <T>(arbitrary: fc.Arbitrary<T>, count: number): readonly T[] => fc.sample(arbitrary, count);
