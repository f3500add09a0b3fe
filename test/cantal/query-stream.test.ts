import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { CostLimit } from '../../src/cantal/query/cost.ts';
import type { Dataset, SeriesJson } from '../../src/cantal/query/dataset.ts';
import { queryStream } from '../../src/cantal/query-stream.ts';
import { type Cantal, startCantal } from '../../src/cantal/shell.ts';
import type { StreamClient } from '../../src/http/route.ts';
import { SeriesKind } from '../../src/native/scanner.ts';
import { type MemoryScanner, memoryScanner } from './memory-scanner.ts';

const rule = (extract: unknown, functions: unknown = [], metric = 'requests') => ({
  series: { source: 'Fine', condition: ['Eq', 'metric', metric] },
  extract,
  functions,
});

interface Message {
  readonly timestamp: number;
  readonly after: number | null;
  readonly appends: readonly string[];
  readonly values: Readonly<Record<string, Dataset>>;
  readonly error?: string;
}

const idleSocket = { subprotocol: null, remoteAddress: '127.0.0.1', backlog: () => 0, post: () => {}, close: () => {} };

/** A client whose network takes messages only when it is told to, as a slow one does. */
function connected(cantal: Cantal, cost?: CostLimit): { client: StreamClient; take(): Message | null } {
  let waiting: (() => unknown) | null = null;
  const send = (message: unknown) => {
    waiting = message as () => unknown;
  };
  const opened = queryStream(cantal, cost).open(new URLSearchParams(), send, idleSocket);
  if (typeof opened === 'function') throw new Error('the stream does not listen');
  return {
    client: opened,
    take() {
      const made = waiting?.() ?? null;
      waiting = null;
      return made as Message | null;
    },
  };
}

function start(): { scanner: MemoryScanner; cantal: Cantal } {
  const scanner = memoryScanner();
  return { scanner, cantal: startCantal({ scanner, intervalMs: 2000, version: 'test' }) };
}

const seriesOf = (dataset: Dataset | undefined): readonly SeriesJson[] => {
  if (dataset?.[0] === 'MultiSeries') return dataset[1];
  if (dataset?.[0] === 'SingleSeries') return [[dataset[1], dataset[2], dataset[3]]];
  return [];
};

it('answers at once, and then with what is new', () => {
  const { scanner, cantal } = start();
  const id = scanner.series({ metric: 'requests' }, SeriesKind.counter);
  scanner.scan(1000, { [id]: 10 });
  scanner.scan(3000, { [id]: 14 });
  const { client, take } = connected(cantal);
  client.receive(
    JSON.stringify({ rules: { all: rule(['HistoryByNum', 100], [['NonNegativeDerivative']]), last: rule(['Tip']) } }),
  );
  expect(take()).toEqual({
    timestamp: 3000,
    after: null,
    appends: [],
    values: {
      all: ['SingleSeries', { metric: 'requests' }, ['Float', [2]], [3000]],
      last: ['SingleTip', { metric: 'requests' }, ['Counter', 14], [3000, 3000]],
    },
  });
  scanner.scan(5000, { [id]: 20 });
  expect(take()).toEqual({
    timestamp: 5000,
    after: 3000,
    appends: ['all'],
    values: {
      all: ['SingleSeries', { metric: 'requests' }, ['Float', [3]], [5000]],
      last: ['SingleTip', { metric: 'requests' }, ['Counter', 20], [5000, 5000]],
    },
  });
  expect(take()).toBeNull();
});

it('a reader of any pace holds in the end what one question at the end would give', () => {
  const functions = fc.constantFrom<unknown[]>(
    [],
    [['NonNegativeDerivative']],
    [['Sum', 'Ignore']],
    [['NonNegativeDerivative'], ['SumBy', 'host', 'Ignore', true]],
    [['NonNegativeDerivative'], ['NonNegativeDerivative']],
    [['Step', 4000]],
    [['TopK', 1]],
  );
  const value = fc.option(fc.integer({ min: 0, max: 1000 }), { nil: null });
  const steps = fc.array(fc.record({ a: value, b: value, takes: fc.boolean() }), { minLength: 3, maxLength: 30 });
  fc.assert(
    fc.property(functions, steps, (folds, scans) => {
      const { scanner, cantal } = start();
      const a = scanner.series({ metric: 'requests', host: 'a' }, SeriesKind.counter);
      const b = scanner.series({ metric: 'requests', host: 'b' }, SeriesKind.counter);
      // As on a real host, something is there in each scan.
      const up = scanner.series({ metric: 'uptime' }, SeriesKind.counter);
      const { client, take } = connected(cantal);
      const asked = { x: rule(['HistoryByNum', 1000], folds) };
      const held = new Map<string, Map<number, unknown>>();
      const read = () => {
        const message = take();
        if (message === null) return;
        expect(message.error).toBeUndefined();
        if (!message.appends.includes('x')) held.clear();
        for (const [key, [, values], times] of seriesOf(message.values.x)) {
          const name = JSON.stringify(key);
          const own = held.get(name) ?? new Map<number, unknown>();
          held.set(name, own);
          times.forEach((time, index) => {
            expect(own.has(time)).toBe(false);
            own.set(time, values[index]);
          });
        }
      };
      scanner.scan(1000, { [a]: 1, [b]: 1, [up]: 1 });
      client.receive(JSON.stringify({ rules: asked }));
      scans.forEach((scan, index) => {
        scanner.scan(3000 + 2000 * index, { [a]: scan.a, [b]: scan.b, [up]: 1 });
        if (scan.takes) read();
      });
      read();
      const answer = cantal.query(asked);
      if (answer.kind !== 'values') throw new Error(answer.reason);
      const expected = seriesOf(answer.values.x).map(
        ([key, [, values], times]) =>
          [JSON.stringify(key), new Map(times.map((time, at) => [time, values[at]]))] as const,
      );
      expect(new Map([...held].map(([name, own]) => [name, new Map([...own].sort(([x], [y]) => y - x))]))).toEqual(
        new Map(expected),
      );
    }),
  );
});

it('says what is wrong with a question and goes on listening', () => {
  const { scanner, cantal } = start();
  const id = scanner.series({ metric: 'requests' }, SeriesKind.counter);
  scanner.scan(1000, { [id]: 10 });
  const { client, take } = connected(cantal);
  for (const [text, error] of [
    ['{', 'a message is {"rules": {ID: rule}}'],
    ['[]', 'a message is {"rules": {ID: rule}}'],
    [JSON.stringify({ rules: { x: rule(['Back', 3]) } }), /^rules\.x\.extract\[0\]: no extract "Back"/],
  ] as const) {
    client.receive(text);
    expect(take()?.error).toEqual(typeof error === 'string' ? error : expect.stringMatching(error));
  }
  scanner.scan(2000, { [id]: 11 });
  expect(take()).toBeNull();
  client.receive(JSON.stringify({ rules: { x: rule(['Tip']) } }));
  expect(take()?.timestamp).toBe(2000);
});

it('any text is refused or answered, never an exception', () => {
  const { cantal } = start();
  const { client, take } = connected(cantal);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      client.receive(text);
      take();
    }),
  );
});

it('ends with its client', () => {
  const { scanner, cantal } = start();
  const id = scanner.series({ metric: 'requests' }, SeriesKind.counter);
  scanner.scan(1000, { [id]: 10 });
  const { client, take } = connected(cantal);
  client.receive(JSON.stringify({ rules: { x: rule(['Tip']) } }));
  take();
  client.leave();
  scanner.scan(2000, { [id]: 11 });
  expect(take()).toBeNull();
});

it('waits while its client owes, and then misses nothing', () => {
  let owes = false;
  const scanner = memoryScanner();
  const cost = { refusal: () => (owes ? 1 : null), charge: () => {} };
  const { client, take } = connected(startCantal({ scanner, intervalMs: 2000, version: 'test' }), cost);
  const id = scanner.series({ metric: 'requests' }, SeriesKind.counter);
  scanner.scan(1000, { [id]: 10 });
  client.receive(JSON.stringify({ rules: { all: rule(['HistoryByNum', 100]) } }));
  expect(take()?.timestamp).toBe(1000);
  owes = true;
  scanner.scan(3000, { [id]: 11 });
  expect(take()).toBeNull();
  owes = false;
  scanner.scan(5000, { [id]: 12 });
  expect(take()).toMatchObject({
    after: 1000,
    values: { all: ['SingleSeries', {}, ['Counter', [12, 11]], [5000, 3000]] },
  });
});
