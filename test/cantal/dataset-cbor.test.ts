import { decode, encode } from 'cborg';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Dataset } from '../../src/cantal/query/dataset.ts';
import { datasetToCbor, keyToCbor, valueToCbor } from '../../src/cantal/query/dataset-cbor.ts';
import { cantalRoutes } from '../../src/cantal/routes.ts';
import { startCantal } from '../../src/cantal/shell.ts';
import { toCbor } from '../../src/http/format.ts';
import { startHttp } from '../../src/http/server.ts';
import { SeriesKind } from '../../src/native/scanner.ts';
import { ask } from '../http/ask.ts';
import { memoryScanner } from './memory-scanner.ts';

/** As a client reads it. */
const travelled = (dataset: Dataset): unknown => decode(toCbor(datasetToCbor(dataset)), { useMaps: true });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const key = Uint8Array.from(keyToCbor({ pid: '17', metric: 'rss' }));

describe('a key', () => {
  test('is the map of spec 3.5 to the byte, sorted by name', () => {
    expect(hex(key)).toBe(`a2${hex(Buffer.from('fmetriccrsscpidb17'))}`);
    expect(hex(keyToCbor({ b: '', aa: '' }))).toBe('a2626161606162' + '60');
    expect(keyToCbor({})).toHaveLength(0);
  });

  test('comes back, whatever its labels', () => {
    const labels = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), { minKeys: 1 });
    fc.assert(
      fc.property(labels, (any) => {
        const map = decode(keyToCbor(any), { useMaps: true }) as Map<string, string>;
        expect(Object.fromEntries(map)).toEqual({ ...any });
        const names = [...map.keys()].map((name) => Buffer.from(name));
        expect(names).toEqual(names.toSorted(Buffer.compare));
      }),
    );
  });
});

describe('a dataset', () => {
  test('has the numeric tags of spec 7.2', () => {
    expect(travelled(['SingleSeries', { metric: 'rss', pid: '17' }, ['Integer', [2, null]], [3000, 1000]])).toEqual([
      ...[100, key, [2, [2, null]], [3000, 1000]],
    ]);
    expect(travelled(['MultiSeries', [[{}, ['Counter', [7]], [1]]]])).toEqual([
      ...[101, [[new Uint8Array(), [1, [7]], [1]]]],
    ]);
    expect(travelled(['SingleTip', {}, ['State', [5, 'busy']], [9, 9]])).toEqual([
      ...[200, new Uint8Array(), [0, [5, 'busy']], [9, 9]],
    ]);
    expect(travelled(['MultiTip', [[{}, ['Float', 1.5], [9, 7]]]])).toEqual([
      ...[201, [[new Uint8Array(), [3, 1.5], [9, 7]]]],
    ]);
    expect(travelled(['Chart', { busy: 2 }])).toEqual([300, new Map([['busy', 2]])]);
    expect(travelled(['Empty'])).toEqual([998]);
    const conflicts = ['CantSumChart', 'Dissimilar', 'CantSumTimestamps', 'CantSumStates', 'CantDerive'] as const;
    expect(conflicts.map((conflict) => travelled(['Incompatible', conflict]))).toEqual(
      [100, 101, 102, 103, 104].map((reason) => [999, reason]),
    );
  });

  test('has whole numbers beyond 2^53 as numbers, and floats as floats', () => {
    expect(travelled(['SingleTip', {}, ['Counter', '18446744073709551615'], [1, 1]])).toHaveProperty('2', [
      1,
      2n ** 64n - 1n,
    ]);
    expect(travelled(['SingleTip', {}, ['Integer', '-9223372036854775808'], [1, 1]])).toHaveProperty('2', [
      2,
      -(2n ** 63n),
    ]);
    const floats = ['SingleSeries', {}, ['Float', [1, null, 'Infinity', '-Infinity']], [4, 3, 2, 1]] as const;
    // f9 begins a float of two bytes, RFC 8949, 3.
    expect(toCbor(datasetToCbor(floats)).toString('hex')).toContain('84f93c00f6f97c00f9fc00');
    expect(valueToCbor(['Float', null])).toEqual([3, null]);
  });
});

test('POST /query takes its rules in CBOR and answers in it', async () => {
  const scanner = memoryScanner();
  const id = scanner.series({ metric: 'm' }, SeriesKind.counter);
  scanner.scan(1000, { [id]: 2n ** 64n - 1n });
  const cantal = startCantal({ scanner, intervalMs: 2000, version: 'test' });
  const server = await startHttp({ host: '127.0.0.1', port: 0, routes: cantalRoutes(cantal, null) });
  const rules = { r: { series: { source: 'Fine', condition: ['Has', 'metric'] }, extract: ['Tip'] } };
  const question = { port: server.port, method: 'POST', headers: { 'content-type': 'application/cbor' } };
  const answer = await ask({ ...question, path: '/query.cbor', body: Buffer.from(encode({ rules })) });
  const own = Uint8Array.from(keyToCbor({ metric: 'm' }));
  expect(decode(answer.bytes)).toEqual({ values: { r: [200, own, [1, 2n ** 64n - 1n], [1000, 1000]] } });
  expect(decode((await ask({ port: server.port, path: '/all_metrics.cbor' })).bytes)).toEqual({
    metrics: [[own, 1000, [1, 2n ** 64n - 1n]]],
  });
  const bad = await ask({ ...question, path: '/query.cbor', body: Buffer.from(encode({ rules: { r: 1 } })) });
  expect([bad.status, decode(bad.bytes)]).toEqual([400, { error: 'rules.r: an object, not 1' }]);
  await server.stop(1);
});
