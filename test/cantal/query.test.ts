import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Dataset } from '../../src/cantal/query/dataset.ts';
import { evaluate } from '../../src/cantal/query/evaluate.ts';
import { fulfils, labelIndex } from '../../src/cantal/query/label-index.ts';
import { type Condition, checkQuery, checkRules } from '../../src/cantal/query/rule.ts';
import { scannerSource } from '../../src/cantal/scanner-source.ts';
import { SeriesKind } from '../../src/native/scanner.ts';
import { type MemoryScanner, memoryScanner } from './memory-scanner.ts';

const { counter, integer, float, state } = SeriesKind;

/** Asks one rule in its JSON form, through the same way as a request. */
function ask(scanner: MemoryScanner, rule: unknown): Dataset | undefined {
  const rules = checkRules(JSON.parse(JSON.stringify({ r: rule })));
  if (rules.kind === 'bad') throw new Error(`${rules.path}: ${rules.reason}`);
  const answer = evaluate(rules.value, scannerSource(scanner).now());
  if (answer.kind === 'tooMuch') throw new Error(answer.reason);
  // As it travels.
  return JSON.parse(JSON.stringify(answer.values.r));
}

const fine = (condition: unknown, extract: unknown, ...functions: unknown[]) => ({
  series: { source: 'Fine', condition },
  extract,
  functions,
});

/** Two requests counters and a gauge, six scans, 2 s apart; the second counter restarts and then goes away. */
function example(): MemoryScanner {
  const scanner = memoryScanner();
  const a = scanner.series({ metric: 'requests', group: 'web', node: 'n1', pid: '7' }, counter);
  const b = scanner.series({ metric: 'requests', group: 'web', node: 'n2', pid: '8' }, counter);
  const queue = scanner.series({ metric: 'queue', group: 'web', node: 'n1' }, integer);
  const load = scanner.series({ metric: 'load' }, float);
  const rows = [
    [100, 10, -5, 0.5],
    [102, 20, 5, 0.25],
    [108, 3, 7, null],
    [108, 5, 3, 1.5],
    [110, null, 2, 2.5],
    [130, null, -2, 0.5],
  ] as const;
  for (const [index, [va, vb, vq, vl]] of rows.entries()) {
    scanner.scan(1000 + 2000 * index, { [a]: va, [b]: vb, [queue]: vq, [load]: vl });
  }
  return scanner;
}
const times = [11_000, 9_000, 7_000, 5_000, 3_000, 1_000];
const web = ['And', ['Eq', 'metric', 'requests'], ['Eq', 'group', 'web']];
const n1 = { group: 'web', metric: 'requests', node: 'n1', pid: '7' };
const n2 = { group: 'web', metric: 'requests', node: 'n2', pid: '8' };

describe('extracts', () => {
  test('HistoryByNum is newest first, with null where a scan did not see the series', () => {
    expect(ask(example(), fine(web, ['HistoryByNum', 4]))).toEqual([
      'MultiSeries',
      [
        [n1, ['Counter', [130, 110, 108, 108]], times.slice(0, 4)],
        [n2, ['Counter', [null, null, 5, 3]], times.slice(0, 4)],
      ],
    ]);
  });

  test('one series is a SingleSeries, none is Empty', () => {
    expect(ask(example(), fine(['Eq', 'metric', 'queue'], ['HistoryByNum', 2]))).toEqual([
      'SingleSeries',
      { group: 'web', metric: 'queue', node: 'n1' },
      ['Integer', [-2, 2]],
      times.slice(0, 2),
    ]);
    expect(ask(example(), fine(['Has', 'nothing'], ['Tip']))).toEqual(['Empty']);
    expect(ask(memoryScanner(), fine(['Has', 'metric'], ['HistoryByNum', 5]))).toEqual(['Empty']);
  });

  test('HistoryByTime reaches back so many milliseconds', () => {
    expect(ask(example(), fine(['Eq', 'metric', 'load'], ['HistoryByTime', 4000]))).toEqual([
      'SingleSeries',
      { metric: 'load' },
      ['Float', [0.5, 2.5, 1.5]],
      times.slice(0, 3),
    ]);
    const all = ask(example(), fine(['Eq', 'metric', 'load'], ['HistoryByTime', 3_600_000]));
    expect(all?.[3]).toEqual(times);
  });

  test('more history than there is, is what there is', () => {
    expect(ask(example(), fine(['Eq', 'metric', 'load'], ['HistoryByNum', 1800]))?.[3]).toEqual(times);
  });

  test('Tip is the newest scan, null for what it did not see', () => {
    expect(ask(example(), fine(web, ['Tip']))).toEqual([
      'MultiTip',
      [
        [n1, ['Counter', 130], [11_000, 11_000]],
        [n2, ['Counter', null], [11_000, 11_000]],
      ],
    ]);
  });

  test('DiffToAtMost takes the oldest there is within reach', () => {
    const diff = (metric: string, n: number) => ask(example(), fine(['Eq', 'metric', metric], ['DiffToAtMost', n]));
    expect(diff('queue', 2)).toEqual(['SingleTip', expect.anything(), ['Integer', -5], [11_000, 7_000]]);
    expect(diff('load', 3)).toEqual(['SingleTip', { metric: 'load' }, ['Float', -1], [11_000, 7_000]]);
    expect(diff('queue', 300)).toEqual(['SingleTip', expect.anything(), ['Integer', 3], [11_000, 1_000]]);
  });

  test('the difference of a counter stops at its reset and is never negative', () => {
    const scanner = memoryScanner();
    const id = scanner.series({ metric: 'c' }, counter);
    for (const [index, value] of [50, 90, 4, null, 9].entries()) scanner.scan(index * 1000, { [id]: value });
    expect(ask(scanner, fine(['Has', 'metric'], ['DiffToAtMost', 4]))).toEqual([
      'SingleTip',
      { metric: 'c' },
      ['Counter', 5],
      [4000, 2000],
    ]);
  });

  test('whole numbers beyond 2^53 are exact, as strings', () => {
    const scanner = memoryScanner();
    const u = scanner.series({ metric: 'u' }, counter);
    const i = scanner.series({ metric: 'i' }, integer);
    scanner.scan(0, { [u]: 2n ** 64n - 2n, [i]: -(2n ** 63n) });
    scanner.scan(2000, { [u]: 2n ** 64n - 1n, [i]: 2n ** 63n - 1n });
    expect(ask(scanner, fine(['Eq', 'metric', 'u'], ['HistoryByNum', 2]))?.[2]).toEqual([
      'Counter',
      ['18446744073709551615', '18446744073709551614'],
    ]);
    expect(ask(scanner, fine(['Eq', 'metric', 'u'], ['Tip']))?.[2]).toEqual(['Counter', '18446744073709551615']);
    expect(ask(scanner, fine(['Eq', 'metric', 'i'], ['DiffToAtMost', 1]))?.[2]).toEqual([
      'Integer',
      '18446744073709551615',
    ]);
    expect(ask(scanner, fine(['Eq', 'metric', 'u'], ['HistoryByNum', 2], ['NonNegativeDerivative']))?.[2]).toEqual([
      'Float',
      [0.5],
    ]);
  });

  test('source Tip is the states, whatever the extract', () => {
    const scanner = example();
    scanner.setStates([
      { labels: { state: 'http', pid: '1' }, timestamp: 11_000, since: 5, text: 'GET /' },
      { labels: { state: 'db', pid: '1' }, timestamp: 11_000, since: 0, text: 'old' },
    ]);
    const rule = { series: { source: 'Tip', condition: ['Eq', 'state', 'http'] }, extract: ['HistoryByNum', 9] };
    expect(ask(scanner, rule)).toEqual([
      'SingleTip',
      { state: 'http', pid: '1' },
      ['State', [5, 'GET /']],
      [11_000, 11_000],
    ]);
  });

  test('series of states are no number series', () => {
    const scanner = memoryScanner();
    scanner.series({ metric: 'x', state: 'http' }, state);
    const id = scanner.series({ metric: 'x' }, float);
    scanner.scan(0, { [id]: 1 });
    expect(ask(scanner, fine(['Eq', 'metric', 'x'], ['Tip']))?.[0]).toBe('SingleTip');
  });
});

describe('conditions', () => {
  const found = (condition: unknown) => {
    const dataset = ask(example(), fine(condition, ['Tip']));
    if (dataset?.[0] === 'SingleTip') return [dataset[1]];
    return dataset?.[0] === 'MultiTip' ? dataset[1].map(([key]) => key) : [];
  };

  test('NotEq wants the label to exist, Not does not', () => {
    expect(found(['NotEq', 'node', 'n1'])).toEqual([n2]);
    expect(found(['Not', ['Eq', 'node', 'n1']])).toEqual([n2, { metric: 'load' }]);
  });

  test('RegexLike is unanchored', () => {
    expect(found(['RegexLike', 'metric', 'quest'])).toEqual([n1, n2]);
    expect(found(['And', ['RegexLike', 'metric', '^re'], ['RegexLike', 'pid', '^[89]$']])).toEqual([n2]);
  });

  test('Has and Or', () => {
    expect(found(['Has', 'pid'])).toEqual([n1, n2]);
    expect(found(['Or', ['Eq', 'metric', 'load'], ['Eq', 'pid', '8']])).toEqual([n2, { metric: 'load' }]);
  });

  test('the index agrees with looking at every key', () => {
    const word = fc.constantFrom('a', 'b', 'c', 'constructor', '__proto__');
    const condition = fc.letrec<{ node: Condition }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.record({ kind: fc.constantFrom('eq' as const, 'notEq' as const), label: word, value: word }),
        fc.record({ kind: fc.constant('has' as const), label: word }),
        fc.record({ kind: fc.constant('like' as const), label: word, test: fc.constant((text: string) => text > 'b') }),
        fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), left: tie('node'), right: tie('node') }),
        fc.record({ kind: fc.constant('not' as const), inner: tie('node') }),
      ),
    })).node;
    const labels = fc.array(fc.tuple(word, word), { maxLength: 4 }).map((pairs) => Object.fromEntries(pairs));
    fc.assert(
      fc.property(fc.array(labels, { maxLength: 20 }), condition, (keys, asked) => {
        const index = labelIndex();
        const ids = keys.map((_, position) => position * 2);
        for (const [position, each] of keys.entries()) index.add({ id: position * 2, labels: each });
        expect(index.match(asked)).toEqual(ids.filter((id) => fulfils(keys[id / 2] ?? {}, asked)));
      }),
      { numRuns: 500 },
    );
  });

  test('the index follows new series, and ids that are given out again', () => {
    const scanner = memoryScanner();
    const source = scannerSource(scanner);
    const first = scanner.series({ metric: 'a', pid: '1' }, integer);
    scanner.scan(0, { [first]: 1 });
    expect(source.now().index.match({ kind: 'eq', label: 'pid', value: '1' })).toEqual([first]);
    const second = scanner.series({ metric: 'a', pid: '2' }, integer);
    scanner.scan(2000, { [first]: 1, [second]: 2 });
    expect(source.now().index.match({ kind: 'eq', label: 'metric', value: 'a' })).toEqual([first, second]);
    scanner.reuse(first, { metric: 'b', pid: '3' });
    const { index } = source.now();
    expect(index.match({ kind: 'eq', label: 'pid', value: '1' })).toEqual([]);
    expect(index.match({ kind: 'eq', label: 'metric', value: 'b' })).toEqual([first]);
  });

  test('a scan that ends in the middle of a query does not shift series against each other', () => {
    const scanner = memoryScanner();
    const a = scanner.series({ metric: 'x', n: 'a' }, counter);
    const b = scanner.series({ metric: 'x', n: 'b' }, counter);
    for (let n = 1; n <= 5; n++) scanner.scan(n * 1000, { [a]: n, [b]: 10 * n });
    let calls = 0;
    scanner.beforeHistory = () => {
      calls += 1;
      if (calls === 3) scanner.scan(6000, { [a]: 6, [b]: 60 });
    };
    expect(ask(scanner, fine(['Has', 'n'], ['HistoryByNum', 3], ['Sum', 'Ignore']))).toEqual([
      'SingleSeries',
      {},
      ['Counter', [55, 44, 33]],
      [5000, 4000, 3000],
    ]);
  });
});

describe('functions', () => {
  test('NonNegativeDerivative is per second, null on a reset and beside a gap', () => {
    expect(ask(example(), fine(web, ['HistoryByNum', 6], ['NonNegativeDerivative']))).toEqual([
      'MultiSeries',
      [
        [n1, ['Float', [10, 1, 0, 3, 1]], times.slice(0, 5)],
        [n2, ['Float', [null, null, 1, null, 5]], times.slice(0, 5)],
      ],
    ]);
  });

  test('a derivative of tips is incompatible', () => {
    expect(ask(example(), fine(web, ['Tip'], ['NonNegativeDerivative']))).toEqual(['Incompatible', 'CantDerive']);
    expect(ask(example(), fine(web, ['Tip'], ['Rate'], ['Sum', 'Ignore']))).toEqual(['Incompatible', 'CantDerive']);
  });

  test('Sum makes one series with an empty key; null is ignored, all null stays null', () => {
    expect(ask(example(), fine(web, ['HistoryByNum', 6], ['NonNegativeDerivative'], ['Sum', 'Ignore']))).toEqual([
      'SingleSeries',
      {},
      ['Float', [10, 1, 1, 3, 6]],
      times.slice(0, 5),
    ]);
    const gone = ask(example(), fine(['Eq', 'node', 'n2'], ['HistoryByNum', 2], ['SumBy', 'group', 'Ignore']));
    expect(gone).toEqual(['SingleSeries', { group: 'web' }, ['Counter', [null, null]], times.slice(0, 2)]);
  });

  test('Sum of one series passes it unchanged, of none is Empty', () => {
    const one = fine(['Eq', 'metric', 'queue'], ['HistoryByNum', 1], ['Sum', 'Ignore']);
    expect(ask(example(), one)?.[1]).toEqual({ group: 'web', metric: 'queue', node: 'n1' });
    expect(ask(example(), fine(['Has', 'x'], ['HistoryByNum', 1], ['Sum', 'Ignore']))).toEqual(['Empty']);
  });

  test('Sum of different kinds is Dissimilar, of states CantSumStates, of a chart CantSumChart', () => {
    expect(ask(example(), fine(['Eq', 'node', 'n1'], ['Tip'], ['Sum', 'Ignore']))).toEqual([
      'Incompatible',
      'Dissimilar',
    ]);
    const scanner = example();
    scanner.setStates([{ labels: { state: 'a' }, timestamp: 1, since: 1, text: 'x' }]);
    const states = (...functions: unknown[]) => ({ series: { source: 'Tip', condition: ['Has', 'state'] }, functions });
    expect(ask(scanner, states(['Sum', 'Ignore']))).toEqual(['Incompatible', 'CantSumStates']);
    expect(ask(scanner, states(['StateChart', 3], ['Sum', 'Ignore']))).toEqual(['Incompatible', 'CantSumChart']);
  });

  test('SumBy groups, on tips too, and drops what lacks the label', () => {
    const all = ['Or', web, ['Eq', 'metric', 'requests']];
    expect(ask(example(), fine(all, ['HistoryByNum', 3], ['SumBy', 'node', 'Ignore']))).toEqual([
      'MultiSeries',
      [
        [{ node: 'n1' }, ['Counter', [130, 110, 108]], times.slice(0, 3)],
        [{ node: 'n2' }, ['Counter', [null, null, 5]], times.slice(0, 3)],
      ],
    ]);
    expect(ask(example(), fine(web, ['Tip'], ['SumBy', 'group', 'Ignore']))).toEqual([
      'SingleTip',
      { group: 'web' },
      ['Counter', 130],
      [11_000, 11_000],
    ]);
    expect(ask(example(), fine(['Eq', 'metric', 'load'], ['Tip'], ['SumBy', 'node', 'Ignore']))).toEqual(['Empty']);
  });

  test('SumBy over several labels, with a total behind several groups', () => {
    expect(ask(example(), fine(web, ['HistoryByNum', 1], ['SumBy', ['group', 'node'], 'Ignore', true]))).toEqual([
      'MultiSeries',
      [
        [{ group: 'web', node: 'n1' }, ['Counter', [130]], [11_000]],
        [{ group: 'web', node: 'n2' }, ['Counter', [null]], [11_000]],
        [{}, ['Counter', [130]], [11_000]],
      ],
    ]);
    expect(ask(example(), fine(web, ['HistoryByNum', 1], ['SumBy', 'group', 'Ignore', true]))?.[0]).toBe(
      'SingleSeries',
    );
  });

  test('Avg, Min, Max and Count go across series', () => {
    const value = (name: string) => {
      const dataset = ask(example(), fine(web, ['HistoryByNum', 4], [name, 'Ignore']));
      return dataset?.[2];
    };
    expect(value('Avg')).toEqual(['Float', [130, 110, 56.5, 55.5]]);
    expect(value('Min')).toEqual(['Counter', [130, 110, 5, 3]]);
    expect(value('Max')).toEqual(['Counter', [130, 110, 108, 108]]);
    expect(value('Count')).toEqual(['Integer', [1, 1, 2, 2]]);
  });

  test('Rate is the mean growth, without the step over a reset', () => {
    expect(ask(example(), fine(web, ['HistoryByNum', 6], ['Rate']))).toEqual([
      'MultiTip',
      [
        [n1, ['Float', 3], [11_000, 1_000]],
        [n2, ['Float', 3], [7_000, 1_000]],
      ],
    ]);
  });

  test('Expect passes what it expects and refuses the rest', () => {
    const rule = (name: string) => fine(['Eq', 'metric', 'load'], ['Tip'], ['Expect', name]);
    expect(ask(example(), rule('SingleTip'))?.[0]).toBe('SingleTip');
    expect(ask(example(), rule('MultiTip'))).toEqual(['Incompatible', 'Unexpected']);
  });

  test('StateChart counts texts of states that were not left', () => {
    const scanner = memoryScanner();
    const states = ['b', 'a', 'b', 'c', 'left'].map((text, index) => ({
      labels: { state: 'http', pid: String(index) },
      timestamp: 1,
      since: text === 'left' ? 0 : 1,
      text,
    }));
    scanner.setStates(states);
    const chart = (top: number) =>
      ask(scanner, { series: { source: 'Tip', condition: ['Has', 'state'] }, functions: [['StateChart', top]] });
    expect(chart(2)).toEqual(['Chart', { b: 2, a: 1 }]);
    expect(chart(9)).toEqual(['Chart', { a: 1, b: 2, c: 1 }]);
  });

  test('a sum of groups is the sum of all, for any series', () => {
    const column = fc.array(fc.option(fc.integer({ min: 0, max: 1000 }), { nil: null }), {
      minLength: 5,
      maxLength: 5,
    });
    const shape = fc.array(fc.tuple(fc.constantFrom('x', 'y', 'z'), column), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(shape, (series) => {
        const scanner = memoryScanner();
        // There is always something of the machine itself.
        const uptime = scanner.series({ metric: 'uptime' }, float);
        const ids = series.map(([g], n) => scanner.series({ metric: 'm', g, n: String(n) }, integer));
        for (let scan = 0; scan < 5; scan++) {
          const values = Object.fromEntries(ids.map((id, n) => [id, series[n]?.[1][scan] ?? null]));
          scanner.scan(scan * 2000, { ...values, [uptime]: scan });
        }
        const values = (...functions: unknown[]) =>
          ask(scanner, fine(['Eq', 'metric', 'm'], ['HistoryByNum', 5], ...functions))?.[2];
        const direct = values(['Sum', 'Ignore']);
        expect(values(['SumBy', 'g', 'Ignore'], ['Sum', 'Ignore'])).toEqual(direct);
        const expected = [4, 3, 2, 1, 0].map((scan) => {
          const there = series.flatMap(([, column]) => column[scan] ?? []);
          return there.length === 0 ? null : there.reduce((sum, value) => sum + value, 0);
        });
        expect(direct).toEqual(['Integer', expected]);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a bad rule', () => {
  const good = fine(['Has', 'metric'], ['Tip']);
  const complaint = (rule: unknown): string => {
    const result = checkQuery({ rules: { load: rule } });
    return result.kind === 'bad' ? `${result.path}: ${result.reason}` : 'fine';
  };

  test('is named by its path, with the reason', () => {
    expect(complaint(good)).toBe('fine');
    expect(complaint({ ...good, extract: ['HistoryByNum', 0] })).toBe(
      'rules.load.extract[1]: a whole number from 1 to 100000, not 0',
    );
    expect(complaint({ ...good, extract: ['Newest'] })).toContain(
      'rules.load.extract[0]: no extract "Newest"; there are',
    );
    expect(complaint({ ...good, extract: undefined })).toContain('rules.load.extract: a list, not nothing');
    expect(complaint({ ...good, functons: [] })).toContain('rules.load.functons: not known here');
    expect(complaint({ ...good, series: { source: 'fine' } })).toContain('rules.load.series.source');
    expect(complaint(fine(['And', ['Has', 'a'], ['Or', ['Has', 'b'], ['Eq', 'c', 7]]], ['Tip']))).toBe(
      'rules.load.series.condition[2][2][2]: a string, not 7',
    );
    expect(complaint(fine(['RegexLike', 'a', '(b'], ['Tip']))).toContain(
      'condition[2]: regular expression: ")" is missing',
    );
    expect(complaint(fine(['Has', 'a'], ['Tip'], ['Sum']))).toContain('rules.load.functions[0]: Sum takes "Ignore"');
    expect(complaint(fine(['Has', 'a'], ['Tip'], ['SumBy', 'a', 'Ignore', 1]))).toContain(
      'functions[0][3]: true or false',
    );
    expect(complaint(fine(['Has', 'a'], ['Tip'], ['Expect', 'Single']))).toContain('one of SingleSeries');
    expect(checkQuery([])).toMatchObject({ kind: 'bad', path: 'body' });
    expect(checkQuery({})).toMatchObject({ kind: 'bad', path: 'rules' });
  });

  test('cannot be too large or too deep', () => {
    const deep = (n: number): unknown => (n === 0 ? ['Has', 'a'] : ['Not', deep(n - 1)]);
    expect(complaint(fine(deep(31), ['Tip']))).toBe('fine');
    expect(complaint(fine(deep(32), ['Tip']))).toContain('nested more than 32 deep');
    const wide = (n: number): unknown => (n === 0 ? ['Has', 'a'] : ['And', wide(n - 1), wide(n - 1)]);
    expect(complaint(fine(wide(7), ['Tip']))).toContain('more than 200 conditions');
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [n, good]));
    expect(checkRules(many)).toMatchObject({ kind: 'bad', reason: 'more than 100 rules' });
  });

  test('never throws, whatever it is', () => {
    const names = ['Eq', 'And', 'Not', 'Has', 'RegexLike', 'Tip', 'Sum', 'SumBy', 'Fine', 'Ignore', 'HistoryByNum'];
    const leaf = fc.oneof(
      fc.constantFrom<unknown>(...names),
      fc.string(),
      fc.double(),
      fc.constant(null),
      fc.boolean(),
    );
    const tree = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.array(tie('node'), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie('node')),
      ),
    })).node;
    fc.assert(
      fc.property(tree, tree, tree, (condition, extract, functions) => {
        const result = checkQuery({ rules: { r: { series: { source: 'Fine', condition }, extract, functions } } });
        if (result.kind === 'bad') expect(result.path).toMatch(/^rules\.r/);
        checkQuery(condition);
      }),
      { numRuns: 1000 },
    );
  });

  test('a query for more than the event loop can bear is refused before it reads', () => {
    const scanner = memoryScanner();
    const ids = Array.from({ length: 3000 }, (_, n) => scanner.series({ metric: 'm', n: String(n) }, float));
    const values = Object.fromEntries(ids.map((id) => [id, 1]));
    for (let n = 0; n < 900; n++) scanner.scan(n, values);
    expect(() => ask(scanner, fine(['Has', 'n'], ['HistoryByNum', 900]))).toThrow('narrow the condition or the time');
    expect(ask(scanner, fine(['Has', 'n'], ['HistoryByNum', 2], ['Sum', 'Ignore']))?.[2]).toEqual([
      'Float',
      [3000, 3000],
    ]);
  });
});

describe('functions beyond the original', () => {
  const grown = [web, ['HistoryByNum', 6], ['NonNegativeDerivative']] as const;

  test('AvgBy, MinBy, MaxBy and CountBy fold by labels as SumBy does', () => {
    const by = (name: string) => ask(example(), fine(web, ['HistoryByNum', 2], [name, 'group', 'Ignore']));
    expect(by('AvgBy')).toEqual(['SingleSeries', { group: 'web' }, ['Float', [130, 110]], times.slice(0, 2)]);
    expect(by('MaxBy')).toEqual(['SingleSeries', { group: 'web' }, ['Counter', [130, 110]], times.slice(0, 2)]);
    const four = (name: string) => ask(example(), fine(web, ['HistoryByNum', 3], [name, ['group'], 'Ignore']))?.[2];
    expect(four('MinBy')).toEqual(['Counter', [130, 110, 5]]);
    expect(four('CountBy')).toEqual(['Integer', [1, 1, 2]]);
    expect(checkRules({ r: fine(web, ['Tip'], ['AvgBy', 'group', 'Ignore', true]) })).toMatchObject({
      path: 'rules.r.functions[0]',
    });
  });

  test('TopK keeps the largest by mean, or by value, and missing ones last', () => {
    const [derivative] = grown.slice(2);
    expect(ask(example(), fine(...(grown.slice(0, 2) as [unknown, unknown]), derivative, ['TopK', 1]))?.[1]).toEqual(
      n1,
    );
    const tips = ask(example(), fine(['Has', 'node'], ['Tip'], ['TopK', 2]));
    const keys = tips?.[0] === 'MultiTip' ? tips[1].map(([key]) => key.metric) : [];
    expect(keys).toEqual(['requests', 'queue']);
    expect(ask(example(), fine(['Has', 'node'], ['Tip'], ['TopK', 9]))).toMatchObject(['MultiTip', { length: 3 }]);
  });

  test('Quantile is exact at the ends and in the middle', () => {
    const at = (q: number) => ask(example(), fine(web, ['HistoryByNum', 6], ['Quantile', q]))?.[2];
    expect(at(0)).toEqual(['Float', [130, 110, 5, 3, 20, 10]]);
    expect(at(1)).toEqual(['Float', [130, 110, 108, 108, 102, 100]]);
    expect(at(0.5)).toEqual(['Float', [130, 110, 56.5, 55.5, 61, 55]]);
    expect(checkRules({ r: fine(web, ['Tip'], ['Quantile', 1.5]) })).toMatchObject({
      path: 'rules.r.functions[0][1]',
      reason: 'a share from 0 to 1, not 1.5',
    });
  });

  test('Step keeps smallest, mean and largest of each stretch', () => {
    expect(ask(example(), fine(['Eq', 'metric', 'load'], ['HistoryByNum', 6], ['Step', 4000]))).toEqual([
      'MultiSeries',
      [
        [{ metric: 'load', stat: 'min' }, ['Float', [0.5, 1.5, 0.25]], [11_000, 7_000, 3_000]],
        [{ metric: 'load', stat: 'avg' }, ['Float', [1.5, 1.5, 0.375]], [11_000, 7_000, 3_000]],
        [{ metric: 'load', stat: 'max' }, ['Float', [2.5, 1.5, 0.5]], [11_000, 7_000, 3_000]],
      ],
    ]);
    expect(ask(example(), fine(web, ['Tip'], ['Step', 4000]))).toEqual(['Incompatible', 'CantDerive']);
  });

  test('Step and Quantile stay between the extremes of what went in, with the same gaps', () => {
    const sample = fc.option(fc.integer({ min: -1000, max: 1000 }), { nil: null });
    const columns = fc
      .integer({ min: 1, max: 5 })
      .chain((width) =>
        fc.array(fc.array(sample, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 30 }),
      );
    fc.assert(
      fc.property(
        columns,
        fc.integer({ min: 1, max: 20_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (rows, ms, q) => {
          const scanner = memoryScanner();
          const ids = (rows[0] ?? []).map((_, index) => scanner.series({ metric: 'm', n: String(index) }, integer));
          for (const [index, row] of rows.entries()) {
            scanner.scan(1000 + 2000 * index, Object.fromEntries(ids.map((id, at) => [id, row[at] ?? null])));
          }
          const all = (name: unknown[]) => ask(scanner, fine(['Eq', 'metric', 'm'], ['HistoryByNum', 100], name));
          const seriesOf = (dataset: Dataset | undefined) =>
            (dataset?.[0] === 'MultiSeries'
              ? dataset[1]
              : dataset?.[0] === 'SingleSeries'
                ? [dataset.slice(1)]
                : []) as readonly (readonly [
              { readonly stat?: string; readonly n?: string },
              readonly [string, readonly (number | null)[]],
              readonly number[],
            ])[];
          const there = rows.map((row) => row.filter((value) => value !== null)).reverse();
          const [middle] = seriesOf(all(['Quantile', q]));
          for (const [index, value] of (middle?.[1][1] ?? []).entries()) {
            const known = there[index] ?? [];
            if (known.length === 0) expect(value).toBeNull();
            else expect(value).toBeGreaterThanOrEqual(Math.min(...known) - 1e-9);
            if (known.length > 0) expect(value).toBeLessThanOrEqual(Math.max(...known) + 1e-9);
          }
          for (const [key, [, values], stamps] of seriesOf(all(['Step', ms]))) {
            expect(stamps).toEqual(stamps.toSorted((a, b) => b - a));
            const column = rows.map((row, index) => ({ time: 1000 + 2000 * index, value: row[Number(key.n)] ?? null }));
            for (const [at, stamp] of stamps.entries()) {
              const inside = column.flatMap(({ time, value }) =>
                Math.floor(time / ms) === Math.floor(stamp / ms) && value !== null ? [value] : [],
              );
              if (inside.length === 0) expect(values[at]).toBeNull();
              else if (key.stat === 'min') expect(values[at]).toBe(Math.min(...inside));
              else if (key.stat === 'max') expect(values[at]).toBe(Math.max(...inside));
              else expect(values[at]).toBeCloseTo(inside.reduce((a, b) => a + b) / inside.length);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
