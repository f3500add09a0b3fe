import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NumberKind, Sample } from '../../../src/cantal/query/sample.ts';
import { small } from '../../../src/cantal/query/sample.ts';
import { decodeReply, decodeRequest } from '../../../src/cantal/remote/decode.ts';
import { encodeReply, encodeRequest } from '../../../src/cantal/remote/encode.ts';
import { limits } from '../../../src/cantal/remote/limits.ts';
import type { Reply, Request } from '../../../src/cantal/remote/message.ts';
import { DamagedRows, decodeRows, encodeRows } from '../../../src/cantal/remote/rows.ts';

const kind = fc.constantFrom<NumberKind>('Counter', 'Integer', 'Float');
const sampleOf = (of: NumberKind): fc.Arbitrary<Sample> => {
  const some: fc.Arbitrary<Sample> =
    of === 'Float'
      ? fc.oneof(
          fc.double({ noNaN: true }),
          fc.integer({ min: -9999, max: 9999 }).map((n) => n / 100),
          fc.constantFrom(0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MAX_VALUE, 5e-324),
        )
      : fc.oneof(
          fc.integer({ min: 0, max: 300 }),
          of === 'Counter'
            ? fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(small)
            : fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(small),
          fc.constantFrom(Number.MAX_SAFE_INTEGER, small(2n ** 53n)),
        );
  return fc.oneof({ weight: 4, arbitrary: some }, { weight: 1, arbitrary: fc.constant(null) });
};
/** Kinds of slots, and rows in which values often stay. */
const table = fc.array(kind, { maxLength: 12 }).chain((kinds) =>
  fc.record({
    kinds: fc.constant(kinds),
    rows: fc.array(fc.tuple(...kinds.map((each) => fc.option(sampleOf(each), { nil: undefined }))), { maxLength: 8 }),
  }),
);
const filled = (kinds: readonly NumberKind[], rows: readonly (readonly (Sample | undefined)[])[]): Sample[][] => {
  let before: Sample[] = kinds.map(() => null);
  return rows.map((row) => {
    before = row.map((value, slot) => (value === undefined ? (before[slot] ?? null) : value));
    return before;
  });
};

describe('rows', () => {
  test('come out bit for bit, in one piece or in several', () => {
    fc.assert(
      fc.property(table, fc.nat(8), ({ kinds, rows }, cut) => {
        const whole = filled(kinds, rows);
        const writer: Sample[] = [];
        const reader: Sample[] = [];
        for (const piece of [whole.slice(0, cut), whole.slice(cut)]) {
          const bytes = encodeRows(piece, { kinds, last: writer });
          const back = decodeRows(bytes, piece.length, { kinds, last: reader });
          expect(back.length).toBe(piece.length);
          for (const [index, row] of piece.entries()) {
            for (const [slot, value] of row.entries()) expect(Object.is(back[index]?.[slot], value)).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('of what stays as it is cost two bytes or less a scan, small steps one byte each', () => {
    const kinds = Array.from({ length: 1000 }, (): NumberKind => 'Counter');
    const last: Sample[] = [];
    encodeRows([kinds.map((_, slot) => slot * 1e9)], { kinds, last });
    expect(encodeRows([kinds.map((_, slot) => slot * 1e9)], { kinds, last }).length).toBeLessThanOrEqual(2);
    expect(encodeRows([kinds.map((_, slot) => slot * 1e9 + 15)], { kinds, last }).length).toBe(1000);
  });

  test('of damaged bytes are refused or are rows of the slots', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.array(kind, { maxLength: 6 }),
        fc.nat(5),
        (bytes, kinds, count) => {
          try {
            const rows = decodeRows(bytes, count, { kinds, last: [] });
            expect(rows.every((row) => row.length === kinds.length)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(DamagedRows);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

const filter = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => value.toString(16).padStart(16, '0'));
const labels = fc.dictionary(fc.string(), fc.string(), { maxKeys: 4, noNullPrototype: true });
const time = fc.integer({ min: 1, max: 2 ** 42 });
const count = fc.integer({ min: 0, max: 2 ** 31 });
const requests: fc.Arbitrary<Request> = fc.oneof(
  fc.record({
    kind: fc.constant('subscribe' as const),
    filter,
    text: fc.string(),
    samples: fc.integer({ min: 1, max: limits.mostSamples }),
  }),
  fc.record({ kind: fc.constant('unsubscribe' as const), filter }),
);
const beacon = fc.record({
  ...{ version: fc.string(), name: fc.string(), cluster_name: fc.string(), hostname: fc.string(), labels },
  id: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => value.toString(16).padStart(32, '0')),
  addresses: fc.array(fc.string(), { maxLength: 3 }),
  ...{ pid: count, interval: count, processes: count, tip_values: count, fine_values: count, peers: count },
  ...{ current_time: time, startup_time: time, boot_time: time, scan_time: time, scan_duration: time },
  ...{ fine_history_length: count, history_age: time, peers_with_remote: count },
  ...{ remote_total: fc.option(fc.nat()), remote_connected: fc.option(fc.nat()) },
});
const replies: fc.Arbitrary<Reply> = fc.oneof(
  beacon.map((told): Reply => ({ kind: 'beacon', beacon: told })),
  fc.record({ kind: fc.constant('refusal' as const), filter, reason: fc.string() }),
  fc.record({
    kind: fc.constant('stats' as const),
    stats: fc.record({
      ...{ filter, anew: fc.boolean(), whole: fc.boolean() },
      times: fc.uniqueArray(time, { maxLength: 5 }).map((times) => times.sort((a, b) => a - b)),
      keys: fc.array(fc.record({ kind, labels }), { maxLength: 4 }),
      rows: fc.uint8Array({ maxLength: 40 }),
      states: fc.option(
        fc.array(fc.record({ labels, timestamp: fc.option(time), since: time, text: fc.string() }), { maxLength: 3 }),
      ),
    }),
  }),
);

describe('messages between peers', () => {
  test('come out as they went in', () => {
    fc.assert(
      fc.property(requests, (request) => {
        expect(decodeRequest(encodeRequest(request))).toEqual({ kind: 'message', message: request });
      }),
    );
    fc.assert(
      fc.property(replies, (reply) => {
        expect(decodeReply(encodeReply(reply))).toEqual({ kind: 'message', message: reply });
      }),
      { numRuns: 300 },
    );
  });

  test('of any bytes, or damaged anywhere, are refused with a reason and never thrown', () => {
    const read = (bytes: Uint8Array) => {
      for (const decoded of [decodeRequest(bytes), decodeReply(bytes)]) {
        if (decoded.kind === 'refused') expect(decoded.reason).not.toBe('');
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), read), { numRuns: 1000 });
    fc.assert(
      fc.property(replies, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), (reply, at, change, end) => {
        const bytes = new Uint8Array(encodeReply(reply));
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ change;
        read(bytes);
        read(bytes.subarray(0, end % bytes.length));
      }),
      { numRuns: 500 },
    );
  });

  test('in which lists point to one long text again and again are refused before memory is', () => {
    const text = 'x'.repeat(900_000);
    const keys = Array.from({ length: 100 }, () => ({ kind: 'Counter' as const, labels: { a: text } }));
    const stats = { filter: '0'.repeat(16), anew: true, times: [], keys, rows: new Uint8Array(), whole: true };
    const bytes = encodeReply({ kind: 'stats', stats: { ...stats, states: null } });
    expect(bytes.length).toBeLessThan(limits.mostMessageBytes);
    expect(decodeReply(bytes)).toEqual({ kind: 'refused', reason: 'more text than a message has' });
  });
});
