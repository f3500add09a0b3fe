import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluate } from '../../src/cantal/query/evaluate.ts';
import { checkRules } from '../../src/cantal/query/rule.ts';
import { scannerSource } from '../../src/cantal/scanner-source.ts';
import { startCantal } from '../../src/cantal/shell.ts';
import { SeriesKind } from '../../src/native/scanner.ts';
import { memoryScanner } from './memory-scanner.ts';

const rule = (condition: unknown, extract: unknown, ...functions: unknown[]) => ({
  ...{ series: { source: 'Fine', condition }, extract, functions },
});
const is = (metric: string) => ['Eq', 'metric', metric];

function machine() {
  const scanner = memoryScanner();
  const used = ['a', 'b', 'c'].map((node) => scanner.series({ metric: 'used', node }, SeriesKind.integer));
  const size = ['a', 'b'].map((node) => scanner.series({ metric: 'size', node }, SeriesKind.integer));
  const [usedA = 0, usedB = 0, usedC = 0] = used;
  const [sizeA = 0, sizeB = 0] = size;
  scanner.scan(1000, { [usedA]: 1, [usedB]: 10, [usedC]: 5, [sizeA]: 4, [sizeB]: 0 });
  scanner.scan(3000, { [usedA]: 3, [usedB]: null, [usedC]: 5, [sizeA]: 4, [sizeB]: 20 });
  return scanner;
}

function ask(rules: unknown) {
  const checked = checkRules(rules);
  if (checked.kind === 'bad') return checked;
  const answer = evaluate(checked.value, scannerSource(machine()).now());
  return answer.kind === 'values' ? answer.values : answer;
}

test('a ratio divides by key, and is missing where a side is missing or the divisor 0', () => {
  const by = (metric: string, ...more: unknown[]) =>
    rule(is(metric), ['HistoryByNum', 2], ['SumBy', 'node', 'Ignore'], ...more);
  expect(ask({ share: by('used', ['Ratio', 'size']), size: by('size') })).toMatchObject({
    share: [
      'MultiSeries',
      [
        [{ node: 'a' }, ['Float', [0.75, 0.25]], [3000, 1000]],
        [{ node: 'b' }, ['Float', [null, null]], [3000, 1000]],
      ],
    ],
  });
});

test('a single divisor goes for all, of tips too, and functions go on behind', () => {
  const whole = rule(is('used'), ['Tip'], ['Sum', 'Ignore']);
  expect(ask({ whole, share: rule(is('used'), ['Tip'], ['Ratio', 'whole'], ['TopK', 1]) })).toMatchObject({
    share: ['SingleTip', { metric: 'used', node: 'c' }, ['Float', 0.625], [3000, 3000]],
  });
});

test('what does not fit says so', () => {
  const one = rule(is('used'), ['HistoryByNum', 2], ['Sum', 'Ignore']);
  const short = rule(is('used'), ['HistoryByNum', 1], ['Sum', 'Ignore']);
  const tip = rule(is('used'), ['Tip'], ['Sum', 'Ignore']);
  const ratioOf = (other: unknown) =>
    (
      ask({ r: rule(is('used'), ['HistoryByNum', 2], ['Sum', 'Ignore'], ['Ratio', 'o']), o: other }) as Record<
        string,
        unknown
      >
    ).r;
  expect(ratioOf(one)).toEqual(['SingleSeries', {}, ['Float', [1, 1]], [3000, 1000]]);
  expect(ratioOf(short)).toEqual(['Incompatible', 'CantSumTimestamps']);
  expect(ratioOf(tip)).toEqual(['Incompatible', 'Dissimilar']);
  expect(ratioOf(rule(is('nothing'), ['Tip']))).toEqual(['Empty']);
});

test('a rule that is not there, or needs itself, is named by its path', () => {
  const by = (other: string) => rule(is('used'), ['Tip'], ['Ratio', other]);
  expect(ask({ r: by('x') })).toEqual({
    ...{ kind: 'bad', path: 'rules.r.functions[0][1]', reason: 'there is no rule "x"' },
  });
  expect(ask({ r: by('r') })).toMatchObject({ kind: 'bad', path: 'rules.r.functions[0][1]' });
  expect(ask({ a: by('b'), b: by('c'), c: by('a') })).toMatchObject({
    ...{ kind: 'bad', path: 'rules.c.functions[0][1]', reason: '"a" needs this rule itself' },
  });
});

test('any net of ratios is answered or refused, and never goes round in circles', () => {
  const ids = ['a', 'b', 'c', 'd'];
  const net = fc.dictionary(fc.constantFrom(...ids), fc.array(fc.constantFrom(...ids), { maxLength: 3 }), {
    minKeys: 1,
  });
  fc.assert(
    fc.property(net, (edges) => {
      const rules = Object.fromEntries(
        Object.entries(edges).map(([id, others]) => [
          id,
          rule(is('used'), ['Tip'], ...others.map((each) => ['Ratio', each])),
        ]),
      );
      const answer = ask(rules) as Record<string, unknown>;
      const reaches = (from: string, to: string, seen: string[] = []): boolean =>
        (edges[from] ?? []).some((next) => next === to || (!seen.includes(next) && reaches(next, to, [...seen, next])));
      const bad = Object.entries(edges).some(
        ([id, others]) => reaches(id, id) || others.some((other) => !(other in edges)),
      );
      expect(answer.kind === 'bad').toBe(bad);
    }),
  );
});

test('a followed ratio keeps what it divides by as long as itself', () => {
  const scanner = machine();
  const cantal = startCantal({ scanner, intervalMs: 2000, version: 'test' });
  const sum = (metric: string, ...more: unknown[]) => rule(is(metric), ['HistoryByNum', 2], ['Sum', 'Ignore'], ...more);
  const followed = cantal.follow({ r: sum('used', ['Ratio', 's']), s: sum('size'), own: sum('used') });
  if (followed.kind !== 'followed') throw new Error('refused');
  followed.next();
  scanner.scan(5000, { 0: 6, 3: 4, 4: 20 });
  expect(followed.next()).toMatchObject({
    appends: ['own'],
    values: { r: ['SingleSeries', {}, ['Float', [0.25, 8 / 24]], [5000, 3000]] },
  });
});
