import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseHumanDuration } from '../../src/config/duration.ts';

it.each([
  ['1h', 3_600_000],
  ['1 hour', 3_600_000],
  ['90min', 5_400_000],
  ['2 days', 172_800_000],
  ['1 day 12 hours', 129_600_000],
  ['1d12h', 129_600_000],
  ['1500ms', 1500],
  ['1 week', 604_800_000],
])('%s is a duration', (text, ms) => {
  expect(parseHumanDuration(text)).toEqual({ ms });
});

it('anything else is told what one looks like', () => {
  for (const text of ['', 'hour', '1', '1 fortnight', '-1h', '1h!', '1.5h', '99999999999999h']) {
    expect(parseHumanDuration(text), text).toEqual({ problem: expect.stringContaining('expected a duration such as') });
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      const parsed = parseHumanDuration(text);
      if ('ms' in parsed) expect(Number.isSafeInteger(parsed.ms)).toBe(true);
    }),
  );
});
