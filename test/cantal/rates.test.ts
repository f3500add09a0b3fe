import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluate } from '../../src/cantal/query/evaluate.ts';
import { checkRules } from '../../src/cantal/query/rule.ts';
import { scannerSource } from '../../src/cantal/scanner-source.ts';
import { SeriesKind } from '../../src/native/scanner.ts';
import { memoryScanner } from './memory-scanner.ts';

const value = fc.oneof(
  { weight: 12, arbitrary: fc.nat(100) },
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constant(2 ** 53 - 5) },
  { weight: 1, arbitrary: fc.constant(2n ** 60n) },
);
const real = fc.oneof(
  { weight: 12, arbitrary: fc.double({ noNaN: true }) },
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0) },
);
const { counter, integer, float } = SeriesKind;
/** Most often of one kind: what is not has no sum. */
const kindsOfThem = fc.oneof(
  fc.constantFrom([counter], [integer], [float]),
  fc.array(fc.constantFrom(counter, integer, float), { minLength: 4, maxLength: 4 }),
);
const twelve = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: 12, maxLength: 12 });
const joins = fc.constantFrom(...['Sum', 'Avg', 'Min', 'Max', 'Count']);
const joining: fc.Arbitrary<readonly (readonly unknown[])[]> = fc.oneof(
  fc.constant([]),
  joins.map((how) => [[how, 'Ignore']]),
  joins.map((how) => [[`${how}By`, 'n', 'Ignore']]),
  fc.constant([['SumBy', 'n', 'Ignore', true]]),
);

test('rates and sums on plain numbers are those on exact ones, for any series', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(twelve(value), twelve(real)), { minLength: 1, maxLength: 4 }),
      kindsOfThem,
      fc.integer({ min: 1, max: 15 }),
      fc.constantFrom([], [['Rate']], [['NonNegativeDerivative']]),
      joining,
      fc.boolean(),
      (columns, kinds, samples, first, more, scanBetween) => {
        const scanner = memoryScanner();
        const kindOf = (n: number) => kinds[n % kinds.length] ?? counter;
        const ids = columns.map((_, n) => scanner.series({ metric: 'm', n: String(n % 2) }, kindOf(n)));
        const sampleOf = (n: number, at: number) => columns[n]?.[kindOf(n) === float ? 1 : 0][at] ?? null;
        const scan = (at: number) =>
          scanner.scan(1000 + at * 2000, Object.fromEntries(ids.map((id, n) => [id, sampleOf(n, at)])));
        for (let at = 0; at < 11; at++) scan(at);
        const source = scannerSource(scanner).now();
        const exact = scannerSource({ ...scanner, floats: () => false }).now();
        // One that ends in the middle of the query must not shift anything.
        if (scanBetween) scan(11);
        const rules = checkRules({
          r: {
            series: { source: 'Fine', condition: ['Has', 'metric'] },
            extract: ['HistoryByNum', samples],
            functions: [...first, ...more],
          },
        });
        if (rules.kind === 'bad') throw new Error(rules.reason);
        expect(evaluate(rules.value, source)).toEqual(evaluate(rules.value, exact));
      },
    ),
    { numRuns: 1000 },
  );
});
