import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Dataset, Labels, Result, Series } from '../../../src/cantal/query/dataset.ts';
import { checkClusterQuery, continued } from '../../../src/cantal/remote/cluster-query.ts';
import { checkFold, type FoldSpec, foldParts, type Part, partOf, readPart } from '../../../src/cantal/remote/fold.ts';
import { checkHosts, parseLabel, selects } from '../../../src/cantal/remote/select.ts';

const step = 10_000;
const now = 1_700_000_000_000;
const spec = (across: FoldSpec['across'], by: readonly string[] = []): FoldSpec => ({ step, across, by });
const sum = spec({ how: 'Sum' });
/** Newest first, every 2 s. */
const series = (key: Labels, values: readonly (number | null)[], newest = now): Series => ({
  ...{ key, kind: 'Float', values },
  timestamps: values.map((_, row) => newest - row * 2000),
});
const part = (result: Result, of: FoldSpec = sum, host: Labels = { host: 'h' }): Part => {
  const made = partOf(result, of, host);
  if (typeof made === 'string') throw new Error(made);
  return made;
};
const ofSeries = (...all: Series[]): Result => ({ kind: 'series', series: all });

describe('a sum over hosts', () => {
  test('has a point for each bucket of the clock, of the means of what falls into it', () => {
    // now is the start of a bucket: one sample in it, five in each before.
    const a = part(ofSeries(series({}, [10, 1, 2, 3, 4, 5, 7])));
    const b = part(ofSeries(series({}, [null, 100, 100, null, 100, 100, 100], now + 500)));
    expect(foldParts([a, b], sum, now).dataset).toEqual([
      'SingleSeries',
      {},
      ['Float', [10, 103, 107]],
      [now, now - step, now - 2 * step],
    ]);
    expect(foldParts([a, b], sum, now).hosts).toEqual([1, 2, 2]);
  });

  test('folds to the same as if one host had it all, whatever is folded', () => {
    const values = fc.array(fc.option(fc.integer({ min: 0, max: 1000 })), { minLength: 1, maxLength: 40 });
    const host = fc.array(values, { minLength: 1, maxLength: 3 });
    const across = fc.constantFrom<FoldSpec['across']>(
      ...(['Sum', 'Avg', 'Min', 'Max', 'Count'] as const).map((how) => ({ how })),
    );
    fc.assert(
      fc.property(fc.array(host, { minLength: 1, maxLength: 4 }), across, (hosts, how) => {
        const of = spec(how);
        const apart = foldParts(
          hosts.map((lists) => part(ofSeries(...lists.map((list) => series({}, list))), of)),
          of,
          now,
        );
        const together = foldParts([part(ofSeries(...hosts.flat().map((list) => series({}, list))), of)], of, now);
        const values = (dataset: Dataset) => (dataset[0] === 'SingleSeries' ? dataset[2][1].map(Number) : [Number.NaN]);
        expect(apart.dataset[0]).toBe('SingleSeries');
        expect(values(apart.dataset).length).toBe(values(together.dataset).length);
        // Nine digits travel.
        for (const [row, value] of values(apart.dataset).entries()) {
          expect(value).toBeCloseTo(values(together.dataset)[row] ?? Number.NaN, 4);
        }
      }),
    );
  });

  test('keeps apart what labels of the series and of the host tell apart', () => {
    const of = spec({ how: 'Sum' }, ['metric', 'role', 'host']);
    const on = (host: string, value: number) =>
      part(ofSeries(series({ metric: 'm' }, [value]), series({ metric: 'n' }, [1])), of, { host, role: 'web' });
    const { dataset } = foldParts([on('a', 5), on('b', 7)], of, now);
    expect(dataset).toEqual([
      'MultiSeries',
      [
        [{ metric: 'm', role: 'web', host: 'a' }, ['Float', [5]], [now]],
        [{ metric: 'n', role: 'web', host: 'a' }, ['Float', [1]], [now]],
        [{ metric: 'm', role: 'web', host: 'b' }, ['Float', [7]], [now]],
        [{ metric: 'n', role: 'web', host: 'b' }, ['Float', [1]], [now]],
      ],
    ]);
  });

  test('as a quantile is over hosts, each with the sum of its series', () => {
    const of = spec({ how: 'Quantile', q: 0.5 });
    const parts = [1, 2, 30].map((value) =>
      part(ofSeries(series({ n: '1' }, [value]), series({ n: '2' }, [value])), of),
    );
    expect(foldParts(parts, of, now).dataset).toEqual(['SingleSeries', {}, ['Float', [4]], [now]]);
  });

  test('takes tips as they are, and says what cannot be folded', () => {
    const tip = (value: number): Result => ({
      kind: 'tips',
      tips: [{ key: {}, value: { kind: 'Integer', value }, span: [now, now - 1] }],
    });
    expect(foldParts([part(tip(1)), part(tip(2))], sum, now).dataset).toEqual([
      'SingleTip',
      {},
      ['Float', 3],
      [now, now - 1],
    ]);
    expect(foldParts([part(tip(1)), part(ofSeries(series({}, [1])))], sum, now).dataset).toEqual([
      'Incompatible',
      'Dissimilar',
    ]);
    const state: Result = {
      kind: 'tips',
      tips: [{ key: {}, value: { kind: 'State', since: 1, text: 'x' }, span: [1, 1] }],
    };
    expect(foldParts([part(state), part(tip(1))], sum, now).dataset).toEqual(['Incompatible', 'CantSumStates']);
    expect(foldParts([part(ofSeries())], sum, now).dataset).toEqual(['Empty']);
  });

  test('is not pushed out of sight by a host whose clock is days ahead', () => {
    const ahead = part(ofSeries(series({}, [5], now + 86_400_000)));
    const { dataset } = foldParts([ahead, part(ofSeries(series({}, [1])))], sum, now);
    expect(dataset).toMatchObject(['SingleSeries', {}, ['Float', [null, 1]], [now + step, now]]);
  });

  test('that would be too large is refused with what to do', () => {
    const long = Array.from({ length: 2100 }, () => 1);
    const slow = { ...series({}, long), timestamps: long.map((_, row) => now - row * step) };
    expect(partOf(ofSeries(slow), sum, {})).toMatch(/more than 2000 buckets: make the step longer/);
    const many = Array.from({ length: 60 }, (_, n) => ({
      ...slow,
      key: { n: String(n) },
      values: long.slice(0, 1000),
    }));
    const cut = many.map((each) => ({ ...each, timestamps: each.timestamps.slice(0, 1000) }));
    expect(partOf(ofSeries(...cut), spec({ how: 'Sum' }, ['n']), {})).toMatch(/60 groups with 60000 numbers/);
  });

  test('that comes again is continued with the new buckets only, and is the same as asked in full', () => {
    const value = fc.option(fc.integer({ min: 0, max: 100 }));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(value, value), { minLength: 2, maxLength: 80 }),
        fc.nat(),
        fc.integer({ min: 2, max: 12 }),
        fc.constantFrom<FoldSpec['across']['how']>('Sum', 'Avg', 'Count'),
        (rows, at, window, how) => {
          const of = spec({ how } as FoldSpec['across'], ['n']);
          const end = 1 + (at % (rows.length - 1));
          // Oldest first; the window moves with the newest.
          const upTo = (last: number, since: number | null): Part => {
            const newest = now + last * 2000;
            const oldestBucket = Math.floor(newest / step) - window + 1;
            const seen = rows
              .slice(0, last + 1)
              .map((row, index) => [row, now + index * 2000] as const)
              .filter(([, time]) => Math.floor(time / step) >= Math.max(oldestBucket, since ?? 0))
              .reverse();
            return part(
              ofSeries(
                ...([0, 1] as const).map(
                  (n): Series => ({
                    ...{ key: { n: String(n) }, kind: 'Float', timestamps: seen.map(([, time]) => time) },
                    values: seen.map(([row]) => row[n]),
                  }),
                ),
              ),
              of,
            );
          };
          const known = upTo(end - 1, null);
          if (known.kind !== 'series') throw new Error(known.kind);
          const whole = upTo(rows.length - 1, null);
          const told = upTo(rows.length - 1, known.newest);
          const again = continued(known, told, known.newest, window);
          expect(foldParts([again], of, now + 1e9)).toEqual(foldParts([withoutEmpty(whole)], of, now + 1e9));
        },
      ),
    );
  });
});

/** Groups that have nothing in the window are left out of what is continued. */
function withoutEmpty(whole: Part): Part {
  if (whole.kind !== 'series') return whole;
  return { ...whole, groups: whole.groups.filter(({ values }) => values.some((value) => value !== null)) };
}

describe('what comes from outside', () => {
  test('a part of a peer is read as far as it is one', () => {
    const whole = part(ofSeries(series({ a: 'b' }, [1, null, 3])), spec({ how: 'Avg' }, ['a']));
    expect(readPart(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
    fc.assert(
      fc.property(fc.jsonValue(), (value) => void readPart(value)),
      { numRuns: 300 },
    );
    const group = { key: { a: 'b' }, values: [1], counts: null };
    for (const wrong of [
      { kind: 'series', newest: -1, groups: [group] },
      { kind: 'series', newest: 1, groups: [{ ...group, values: ['1'] }] },
      { kind: 'series', newest: 1, groups: [{ ...group, key: { a: 1 } }] },
      { kind: 'series', newest: 1, groups: [{ ...group, counts: [-1] }] },
      {
        kind: 'series',
        newest: 1,
        groups: Array.from({ length: 30 }, () => ({ ...group, values: Array(1900).fill(1) })),
      },
      { kind: 'tips', span: [1], groups: [group] },
    ]) {
      expect(readPart(wrong)).toBe(null);
    }
  });

  test.each([
    [{ step: 0 }, 'fold.step', /from 100/],
    [{ step: 1000, across: 'Mean' }, 'fold.across', /"Sum"/],
    [{ step: 1000, across: ['Quantile', 2] }, 'fold.across', /Quantile/],
    [{ step: 1000, by: [1] }, 'fold.by', /label/],
    [{ step: 1000, who: 1 }, 'fold.who', /known: step/],
    [7, 'fold', /object/],
  ])('a fold %j is refused at %s', (fold, path, reason) => {
    expect(checkFold(fold)).toEqual({ kind: 'bad', path, reason: expect.stringMatching(reason) });
  });

  test('a query says what is wrong with it and where', () => {
    const rules = { r: { series: { source: 'Fine', condition: ['Has', 'm'] }, extract: ['Tip'] } };
    const problem = (body: unknown) => {
      const checked = checkClusterQuery(body);
      return checked.kind === 'bad' ? checked.path : 'fine';
    };
    expect(problem({ rules, fold: { step: 1000 } })).toBe('fine');
    expect(problem({ rules, fold: { step: 1000 }, hosts: { role: 'web' } })).toBe('fine');
    expect(problem({ rules, fold: { step: 1000 }, hosts: ['RegexLike', 'hostname', '('] })).toBe('hosts[2]');
    expect(problem({ rules, fold: { step: 1000 }, hosts: 'web' })).toBe('hosts');
    expect(problem({ rules, fold: { step: 1000 }, host: {} })).toBe('body.host');
    expect(problem({ rules: { r: 1 }, fold: { step: 1000 } })).toBe('rules.r');
    expect(problem([])).toBe('body');
    fc.assert(
      fc.property(fc.jsonValue(), (value) => void checkClusterQuery(value)),
      { numRuns: 300 },
    );
  });
});

describe('hosts are selected', () => {
  const host = { id: 'a'.repeat(32), hostname: 'web1', name: 'web1.example', labels: { role: 'web', zone: 'a' } };
  const chosen = (value: unknown): boolean => {
    const checked = checkHosts(value);
    if (checked.kind === 'bad') throw new Error(`${checked.path}: ${checked.reason}`);
    return selects(checked.value, host);
  };
  test('by labels, by name, by both', () => {
    expect(chosen(undefined)).toBe(true);
    expect(chosen({ role: 'web' })).toBe(true);
    expect(chosen({ role: 'web', zone: 'b' })).toBe(false);
    expect(chosen(['RegexLike', 'hostname', '^web'])).toBe(true);
    expect(chosen(['And', ['Has', 'zone'], ['Not', ['Eq', 'name', 'web1.example']]])).toBe(false);
  });

  test('and labels are told from what is none', () => {
    expect(parseLabel('role=web')).toEqual(['role', 'web']);
    expect(parseLabel('a.b-c=x=y')).toEqual(['a.b-c', 'x=y']);
    for (const wrong of ['role', '=web', '1=2', 'hostname=x', `a=${'x'.repeat(65)}`, 'a=b\nc', 'é=1']) {
      expect(typeof parseLabel(wrong)).toBe('string');
    }
  });
});
