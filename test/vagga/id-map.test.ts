import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  identityMap,
  mapWithin,
  maximumMap,
  outsideId,
  requestedMap,
  subordinateIds,
} from '../../src/vagga/run/id-map.ts';

const anna = { name: 'anna', uid: 1000, gid: 1000 };
const parse = (text: string) => subordinateIds(text, '/etc/subuid', anna, anna.uid);

describe('/etc/subuid', () => {
  it('grants the lines of the user, by name or by number, and passes over comments', () => {
    expect(parse('# ids\nbert:100000:65536\nanna:165536:65536 # hers\n1000:300000:10\n')).toEqual({
      value: [
        { first: 165536, count: 65536 },
        { first: 300000, count: 10 },
      ],
      warnings: [],
    });
  });

  it('is refused with the number of the line that is none', () => {
    expect(parse('anna:100000:65536\nanna:x:1\n')).toEqual({ problem: '/etc/subuid:2: Bad syntax: "anna:x:1"' });
    expect(parse('anna:4294967290:100')).toHaveProperty('problem');
  });

  it('may not hold the own id of the user', () => {
    expect(parse('anna:900:200')).toEqual({
      problem: '/etc/subuid:1: the range 900-1099 includes original id 1000',
    });
  });

  it('that starts among ids in use is warned of', () => {
    expect(parse('anna:2000:10')).toEqual({
      value: [{ first: 2000, count: 10 }],
      warnings: ['/etc/subuid:1: the range starts at 2000; ids below 65536 are in use'],
    });
  });

  it('never makes anything but spans or a problem of any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^(anna|bert|1000|#)?:?\d{0,12}:?\d{0,12}\n?$/)), (text) => {
        const outcome = parse(text);
        if ('problem' in outcome) return /^\/etc\/subuid:\d+: /.test(outcome.problem);
        return outcome.value.every(({ first, count }) => first >= 0 && count > 0 && first + count <= 2 ** 32 - 1);
      }),
    );
  });
});

describe('the map of a container', () => {
  it('has the user as root and fills the rest from what is granted, in order', () => {
    const granted = [
      { first: 100000, count: 3 },
      { first: 200000, count: 100 },
    ];
    expect(
      requestedMap(
        [
          { first: 0, last: 5 },
          { first: 99, last: 99 },
        ],
        granted,
        1000,
        'uid',
      ),
    ).toEqual({
      value: [
        { inside: 0, outside: 1000, count: 1 },
        { inside: 1, outside: 100000, count: 3 },
        { inside: 4, outside: 200000, count: 2 },
        { inside: 99, outside: 200002, count: 1 },
      ],
      warnings: [],
    });
  });

  it('is refused where too few ids are granted', () => {
    const few = [{ first: 100000, count: 10 }];
    expect(requestedMap([{ first: 0, last: 65535 }], few, 1000, 'uid')).toEqual({
      problem: 'Number of allowed subuids is too small (required: 65535, found: 10)',
    });
    expect(requestedMap([{ first: 0, last: 65535 }], few, 1000, 'gid')).toEqual({
      problem: 'Number of allowed subgids is too small (required: 65535, found: 10)',
    });
  });

  it('of a root to whom nothing is granted is what it has itself', () => {
    expect(identityMap('         0       1000          1\n         1     100000      65535\n')).toEqual([
      { inside: 0, outside: 0, count: 1 },
      { inside: 1, outside: 1, count: 65535 },
    ]);
  });

  const span = fc.record({ first: fc.integer({ min: 0, max: 500 }), count: fc.integer({ min: 1, max: 60 }) });
  const spans = fc.array(span, { maxLength: 6 });

  it('names no id twice, inside or outside, and each that was asked for', () => {
    fc.assert(
      fc.property(spans, spans, (asked, given) => {
        const wanted = asked.map(({ first, count }) => ({ first, last: first + count - 1 }));
        const outcome = requestedMap(wanted, given, 1000, 'uid');
        const insides = new Set(wanted.flatMap(({ first, last }) => numbers(first, last - first + 1)));
        const outsides = new Set(given.flatMap(({ first, count }) => numbers(first, count)));
        insides.delete(0);
        outsides.delete(0);
        if ('problem' in outcome) return insides.size > outsides.size;
        const rows = outcome.value.slice(1);
        const inside = rows.flatMap((row) => numbers(row.inside, row.count));
        const outside = rows.flatMap((row) => numbers(row.outside, row.count));
        expect(new Set(inside)).toEqual(insides);
        expect(inside.length).toBe(insides.size);
        expect(new Set(outside).size).toBe(outside.length);
        expect(outside.every((id) => outsides.has(id))).toBe(true);
        for (const [index, id] of inside.entries()) expect(outsideId(outcome.value, id)).toBe(outside[index]);
        return true;
      }),
    );
  });

  it('within the widest one has the same ids of the host behind it', () => {
    fc.assert(
      fc.property(spans, spans, (asked, given) => {
        const wanted = asked.map(({ first, count }) => ({ first, last: first + count - 1 }));
        const map = requestedMap(wanted, given, 1000, 'uid');
        if ('problem' in map) return;
        const outer = maximumMap(given, 1000);
        const within = mapWithin(outer, map.value) ?? [];
        for (const { inside, count } of map.value) {
          for (const id of numbers(inside, count)) {
            expect(outsideId(outer, outsideId(within, id) ?? -1)).toBe(outsideId(map.value, id));
          }
        }
      }),
    );
    expect(mapWithin([{ inside: 0, outside: 5, count: 2 }], [{ inside: 0, outside: 6, count: 2 }])).toBe(null);
  });

  it('of the widest kind counts on from 1 over all that is granted', () => {
    fc.assert(
      fc.property(spans, (given) => {
        const outsides = new Set(given.flatMap(({ first, count }) => numbers(first, count)));
        outsides.delete(0);
        const map = maximumMap(given, 1000);
        expect(map.flatMap((row) => numbers(row.inside, row.count))).toEqual(numbers(0, outsides.size + 1));
      }),
    );
  });
});

function numbers(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
