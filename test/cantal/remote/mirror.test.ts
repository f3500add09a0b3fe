import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkRules, type Rule } from '../../../src/cantal/query/rule.ts';
import type { SeriesSource } from '../../../src/cantal/query/source.ts';
import { decodeReply } from '../../../src/cantal/remote/decode.ts';
import { createFeed, type Feed } from '../../../src/cantal/remote/feed.ts';
import { limits } from '../../../src/cantal/remote/limits.ts';
import type { Stats } from '../../../src/cantal/remote/message.ts';
import { createMirror, type Mirror } from '../../../src/cantal/remote/mirror.ts';
import { scannerSource } from '../../../src/cantal/scanner-source.ts';
import { SeriesKind } from '../../../src/native/scanner.ts';
import { memoryScanner } from '../memory-scanner.ts';

const interval = 2000;
const start = 1_700_000_000_000;
const filter = 'f'.repeat(16);

function ruleOf(extract: unknown, source = 'Fine', condition: unknown = ['Has', 'metric']): Rule {
  const checked = checkRules({ r: { series: { source, condition }, extract } });
  const rule = checked.kind === 'ok' ? checked.value.get('r') : undefined;
  if (rule === undefined) throw new Error(JSON.stringify(checked));
  return rule;
}
const all = ruleOf(['Tip']);

function statsOf(body: Uint8Array): Stats {
  const decoded = decodeReply(body);
  if (decoded.kind === 'message' && decoded.message.kind === 'stats') return decoded.message.stats;
  throw new Error(JSON.stringify(decoded));
}

/** One who subscribed; null: refused. */
function subscriber(feed: Feed, samples: number) {
  const mirror = createMirror();
  let place: number | null = null;
  return {
    mirror,
    catchUp(source: SeriesSource): string | null {
      const message = feed.next(place, samples, source);
      if (message.kind === 'refused') return message.reason;
      if (message.kind === 'body') {
        expect(mirror.merge(statsOf(message.body), interval)).toBe(null);
        place = feed.place();
      }
      return null;
    },
  };
}

/** Labels (as text) → newest values, without series that have none in them. */
function shown(source: SeriesSource, rows: number): ReadonlyMap<string, readonly unknown[]> {
  const series = source.index.match(all.condition).map((id) => {
    return [JSON.stringify(source.index.labels(id)), source.history(id, rows)] as const;
  });
  return new Map(series.filter(([, values]) => values.some((value) => value !== null)));
}

const mirrored = (mirror: Mirror) => mirror.source(0, null);

describe('what a feed tells and a mirror keeps', () => {
  test('is what the host has, whoever came late or missed scans, while series come, go and give their ids away', () => {
    const value = fc.oneof(fc.nat(40), fc.constant(null), fc.double({ noNaN: true, min: 0, max: 1e6 }));
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant('scan' as const), values: fc.array(value, { maxLength: 6 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('series' as const), float: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('reuse' as const), id: fc.nat(6) }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('join' as const), samples: fc.integer({ min: 1, max: 20 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('sleep' as const), who: fc.nat(3) }) },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const scanner = memoryScanner();
        const source = scannerSource(scanner);
        // Real hosts always have one.
        const kinds = [SeriesKind.counter as number];
        scanner.series({ metric: 'clock' }, SeriesKind.counter);
        const feed = createFeed(filter, all);
        const subscribers: { asleep: boolean; readonly of: ReturnType<typeof subscriber> }[] = [];
        let named = 0;
        let time = start;
        for (const act of actions) {
          switch (act.kind) {
            case 'series':
              named += 1;
              kinds.push(act.float ? SeriesKind.float : SeriesKind.integer);
              scanner.series({ metric: `m${named}` }, kinds.at(-1) ?? 0);
              break;
            case 'reuse':
              if (act.id === 0 || act.id >= kinds.length) break;
              named += 1;
              scanner.reuse(act.id, { metric: `m${named}` });
              break;
            case 'join':
              if (subscribers.length < 3) subscribers.push({ asleep: false, of: subscriber(feed, act.samples) });
              break;
            case 'sleep': {
              const one = subscribers[act.who];
              if (one !== undefined) one.asleep = !one.asleep;
              break;
            }
            default: {
              time += interval;
              const values = kinds.map((kind, id): readonly [number, number | null] => {
                const asked = act.values[id] ?? null;
                return [id, id === 0 ? time : asked === null || kind === SeriesKind.float ? asked : Math.trunc(asked)];
              });
              scanner.scan(time, Object.fromEntries(values));
              feed.advance(source.now());
              for (const { asleep, of } of subscribers) {
                if (asleep) continue;
                expect(of.catchUp(source.now())).toBe(null);
                const mine = mirrored(of.mirror);
                const rows = mine.scanTimes.length;
                expect(rows).toBeGreaterThan(0);
                expect(mine.scanTimes).toEqual(source.now().scanTimes.slice(0, rows));
                const theirs = shown(source.now(), rows);
                // What gave its id away is gone at the host; the mirror may remember it.
                for (const [key, samples] of theirs) expect([key, shown(mine, rows).get(key)]).toEqual([key, samples]);
              }
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  function counting(scans: number) {
    const scanner = memoryScanner();
    const id = scanner.series({ metric: 'm' }, SeriesKind.counter);
    const source = scannerSource(scanner);
    const feed = createFeed(filter, all);
    let time = start;
    const scan = (gap = interval) => {
      time += gap;
      scanner.scan(time, { [id]: (time - start) / 1000 });
      feed.advance(source.now());
    };
    for (let n = 0; n < scans; n++) scan();
    return { scan, source, feed };
  }

  test('reaches back 150 scans and no farther, and says whether that is enough', () => {
    const { scan, source, feed } = counting(400);
    const { mirror, catchUp } = subscriber(feed, 10);
    catchUp(source.now());
    expect(mirror.covers(ruleOf(['HistoryByNum', 10]))).toBe(true);
    expect(mirror.covers(ruleOf(['HistoryByNum', 11]))).toBe(false);
    expect(mirror.covers(ruleOf(['DiffToAtMost', 10]))).toBe(false);
    expect(mirror.covers(ruleOf(['HistoryByTime', 9 * interval]))).toBe(true);
    expect(mirror.covers(ruleOf(['HistoryByTime', 10 * interval]))).toBe(false);
    for (let n = 0; n < 600; n++) {
      scan();
      catchUp(source.now());
      expect(mirrored(mirror).scanTimes.length).toBeLessThanOrEqual(limits.mostSamples);
    }
    expect(mirror.covers(ruleOf(['HistoryByNum', limits.mostSamples]))).toBe(true);
    expect(mirror.covers(ruleOf(['HistoryByNum', 300]))).toBe(false);
  });

  test('of a host that has just started covers all that there is', () => {
    const { source, feed } = counting(3);
    const { mirror, catchUp } = subscriber(feed, 100);
    catchUp(source.now());
    expect(mirror.covers(ruleOf(['HistoryByTime', 3_600_000]))).toBe(true);
  });

  test('has nulls where no scan was, and up to now where the host has fallen silent', () => {
    const { scan, source, feed } = counting(3);
    const { mirror, catchUp } = subscriber(feed, 100);
    catchUp(source.now());
    scan(5 * interval);
    catchUp(source.now());
    const { scanTimes } = mirrored(mirror);
    expect(mirrored(mirror).history(0, 8)).toEqual([16, null, null, null, null, 6, 4, 2]);
    const silent = mirror.source(0, { nowMs: (scanTimes[0] ?? 0) + 3 * interval + 100, intervalMs: interval });
    expect(silent.history(0, 5)).toEqual([null, null, null, 16, null]);
    expect(silent.tip(0)).toBe(null);
  });

  test('a connection that breaks costs only what the host itself has forgotten', () => {
    const { scan, source, feed } = counting(20);
    const first = subscriber(feed, 5);
    first.catchUp(source.now());
    for (let n = 0; n < 10; n++) scan();
    const again = feed.next(null, 12, source.now());
    if (again.kind !== 'body') throw new Error(again.kind);
    expect(first.mirror.merge(statsOf(again.body), interval)).toBe(null);
    expect(mirrored(first.mirror).history(0, 15)).toEqual(source.now().history(0, 15));
  });

  test('states are told when they change, as they are', () => {
    const scanner = memoryScanner();
    scanner.series({ metric: 'm' }, SeriesKind.counter);
    const source = scannerSource(scanner);
    const feed = createFeed(filter, ruleOf(['Tip'], 'Tip', ['Has', 'state']));
    const { mirror, catchUp } = subscriber(feed, 1);
    const state = (timestamp: number, text: string) => {
      return { labels: { state: 'job' }, timestamp, since: start, text };
    };
    scanner.scan(start, { 0: 1 });
    scanner.setStates([state(start, 'runs')]);
    feed.advance(source.now());
    catchUp(source.now());
    expect(mirror.source(start, null).states()).toEqual([state(start, 'runs')]);
    const before = feed.place();
    scanner.scan(start + 1, { 0: 1 });
    scanner.setStates([state(start + 1, 'runs')]);
    feed.advance(source.now());
    expect(feed.place()).toBe(before);
    expect(mirror.source(start + 1, null).states()).toEqual([state(start + 1, 'runs')]);
    scanner.scan(start + 2, { 0: 1 });
    scanner.setStates([state(start + 1, 'ran')]);
    feed.advance(source.now());
    catchUp(source.now());
    expect(mirror.source(start + 2, null).states()).toEqual([state(start + 1, 'ran')]);
  });

  test('a filter that selects too much is refused, so that the query is asked instead', () => {
    const scanner = memoryScanner();
    const values: Record<number, number> = {};
    for (let n = 0; n <= limits.mostSlots; n++) values[scanner.series({ metric: `m${n}` }, SeriesKind.counter)] = n;
    const source = scannerSource(scanner);
    const feed = createFeed(filter, all);
    scanner.scan(start, values);
    feed.advance(source.now());
    expect(subscriber(feed, 1).catchUp(source.now())).toMatch(/selects 2001 series, more than 2000/);
  });

  test('stats that do not fit what came before are refused and change nothing', () => {
    const { scan, source, feed } = counting(5);
    const { mirror, catchUp } = subscriber(feed, 5);
    scan();
    const late = feed.next(feed.place() - 1, 5, source.now());
    if (late.kind !== 'body') throw new Error(late.kind);
    expect(mirror.merge(statsOf(late.body), interval)).toBe('stats without a beginning');
    catchUp(source.now());
    expect(mirror.merge(statsOf(late.body), interval)).toBe('stats of a time that was told');
    const wrong = { ...statsOf(late.body), times: [start + 1e6], rows: new Uint8Array([255]) };
    expect(mirror.merge(wrong, interval)).toMatch(/rows/);
    expect(mirrored(mirror).history(0, 5)).toEqual([12, 10, 8, 6, 4]);
  });
});
