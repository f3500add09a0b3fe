import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluate } from '../../src/cantal/query/evaluate.ts';
import { checkRules } from '../../src/cantal/query/rule.ts';
import type { SeriesSource } from '../../src/cantal/query/source.ts';
import { scannerSource } from '../../src/cantal/scanner-source.ts';
import { SeriesKind } from '../../src/native/scanner.ts';
import { memoryScanner } from './memory-scanner.ts';

const value = fc.oneof(
  { weight: 6, arbitrary: fc.nat(100) },
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constant(2n ** 60n) },
);

test('rates on plain numbers are those on exact ones, for any series', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(value, { minLength: 12, maxLength: 12 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 15 }),
      fc.constantFrom(['Rate'], ['NonNegativeDerivative']),
      fc.constantFrom<unknown[][]>([], [['SumBy', 'n', 'Ignore']], [['Max', 'Ignore']]),
      fc.boolean(),
      (columns, samples, first, more, scanBetween) => {
        const scanner = memoryScanner();
        const ids = columns.map((_, n) =>
          scanner.series({ metric: 'm', n: String(n % 2) }, n === 3 ? SeriesKind.float : SeriesKind.counter),
        );
        const scan = (at: number) =>
          scanner.scan(
            1000 + at * 2000,
            Object.fromEntries(
              ids.map((id, n) => [id, n === 3 ? Number(columns[n]?.[at] ?? Number.NaN) : (columns[n]?.[at] ?? null)]),
            ),
          );
        for (let at = 0; at < 11; at++) scan(at);
        const source = scannerSource(scanner).now();
        // One that ends in the middle of the query must not shift anything.
        if (scanBetween) scan(11);
        const rules = checkRules({
          r: {
            series: { source: 'Fine', condition: ['Has', 'metric'] },
            extract: ['HistoryByNum', samples],
            functions: [first, ...more],
          },
        });
        if (rules.kind === 'bad') throw new Error(rules.reason);
        const exact: SeriesSource = { ...source, floats: () => null };
        expect(evaluate(rules.value, source)).toEqual(evaluate(rules.value, exact));
      },
    ),
    { numRuns: 300 },
  );
});
