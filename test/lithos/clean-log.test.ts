import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type History,
  historyOf,
  keptVersions,
  parseConfigLogLine,
  parseRolledName,
  readHistory,
} from '../../src/lithos/clean/config-log-reader.ts';
import { parseInstanceImage, parseUsedImages } from '../../src/lithos/clean/used-images.ts';
import { configLog } from '../../src/lithos/config-log.ts';
import { makeHost, processText } from './config-host.ts';

const day = 86_400_000;
const start = Date.parse('2026-03-01T00:00:00Z');
const at = (days: number): string => new Date(start + days * day).toISOString();
const line = (days: number, images: Readonly<Record<string, string>>): string => {
  const processes = Object.entries(images).map(([name, image]) => [name, { instances: 1, image, config: '/c.yaml' }]);
  return `${at(days)} ${JSON.stringify(Object.fromEntries(processes))}\n`;
};

function historyIn(text: string): History {
  const reading = historyOf([{ file: 'shop.log', text }]);
  if (reading.kind !== 'read') throw new Error(reading.problem);
  return reading.history;
}

const names = (history: History, rule: Partial<Parameters<typeof keptVersions>[1]>, days: number): readonly string[] =>
  keptVersions(history, { historyDays: null, versionsMin: 0, versionsMax: 1000, ...rule }, start + days * day).map(
    ({ image }) => image,
  );

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stellwerk-clean-log-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('a line of a config log', () => {
  it('gives its time and the image of each process', () => {
    const entry = parseConfigLogLine(line(2, { web: 'shop/v1', cron: 'jobs/v7' }).trimEnd());
    expect(entry).toEqual({
      timeMs: start + 2 * day,
      images: new Map(Object.entries({ web: 'shop/v1', cron: 'jobs/v7' })),
    });
  });

  it.each([
    ['', /RFC 3339/],
    ['yesterday {}', /RFC 3339/],
    ['2026-13-01T00:00:00Z {}', /RFC 3339/],
    [at(0), /not whole JSON/],
    [`${at(0)} {"web":{"image":"a"`, /not whole JSON/],
    [`${at(0)} []`, /object of processes/],
    [`${at(0)} null`, /object of processes/],
    [`${at(0)} {"web":"a"}`, /process web has no image/],
    [`${at(0)} {"web":{"image":7}}`, /process web has no image/],
    [`${at(0)} {"web":{"image":"../a"}}`, /process web: .*none of them empty/],
    [`${at(0)} {"web":{"image":"/a"}}`, /process web: .*none of them empty/],
    [`${at(0)} {"web":{"image":"a\\nb"}}`, /control characters/],
    [`${at(0)} {"a b":{"image":"a"}}`, /no name of a process/],
  ])('is refused as %j', (text, message) => {
    expect(parseConfigLogLine(text)).toEqual({ problem: expect.stringMatching(message) });
  });

  it('never throws, and gives only plain image names', () => {
    const good = line(1, { web: 'shop/v1', cron: 'jobs' }).trimEnd();
    const noise = fc.constantFrom('', '{', '}', '"', '..', '/', '\0', ' ', ':', ',', 'null', '[', '\u2028', '\\u0000');
    const damaged = fc
      .tuple(fc.nat({ max: good.length }), fc.nat({ max: 9 }), fc.oneof(noise, fc.string()))
      .map(([from, length, put]) => good.slice(0, from) + put + good.slice(from + length));
    fc.assert(
      fc.property(
        fc.oneof(
          damaged,
          fc.string(),
          fc.json().map((json) => `${at(0)} ${json}`),
        ),
        (text) => {
          const entry = parseConfigLogLine(text);
          if ('problem' in entry) expect(entry.problem).not.toBe('');
          else {
            expect(Number.isFinite(entry.timeMs)).toBe(true);
            for (const image of entry.images.values()) expect(join('/images', image)).toBe(`/images/${image}`);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('the history of a sandbox', () => {
  it('has the newest version first, by when it was last asked for and not by when it came', () => {
    const text = line(0, { web: 'v1' }) + line(1, { web: 'v2' }) + line(2, { web: 'v1' }) + line(3, { web: 'v3' });
    expect(
      historyIn(text)
        .get('web')
        ?.map(({ image }) => image),
    ).toEqual(['v3', 'v1', 'v2']);
  });

  it('counts a version as used until the line that replaces it', () => {
    const history = historyIn(line(0, { web: 'v1' }) + line(90, { web: 'v2' }) + line(91, { web: 'v3' }));
    expect(names(history, { historyDays: 5 }, 94)).toEqual(['v3', 'v2', 'v1']);
    expect(names(history, { historyDays: 3 }, 93.5)).toEqual(['v3', 'v2']);
  });

  it('counts what the last line asks for as used today, however old the line is', () => {
    expect(names(historyIn(line(0, { web: 'v1' })), { historyDays: 1 }, 4000)).toEqual(['v1']);
  });

  it('counts a process that is gone as used until the line that lacks it', () => {
    const history = historyIn(line(0, { web: 'v1', cron: 'c1' }) + line(50, { web: 'v1' }));
    expect(names(history, { historyDays: 5 }, 54)).toEqual(['v1', 'c1']);
    expect(names(history, { historyDays: 5 }, 56)).toEqual(['v1']);
  });

  it('keeps versions-min of each process however old, and never more than versions-max', () => {
    const text = [1, 2, 3, 4, 5].map((n) => line(n, { web: `w${n}`, cron: `c${n}` })).join('');
    const history = historyIn(text);
    expect(names(history, { historyDays: 1, versionsMin: 3 }, 400)).toEqual(['w5', 'w4', 'w3', 'c5', 'c4', 'c3']);
    expect(names(history, { versionsMax: 2 }, 6)).toEqual(['w5', 'w4', 'c5', 'c4']);
    expect(names(history, { versionsMin: 3, versionsMax: 1 }, 6)).toEqual(['w5', 'w4', 'w3', 'c5', 'c4', 'c3']);
  });

  it('keeps at least min(versions, versions-min) and at most max(min, max) of each process', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(steps, fc.nat(12), fc.nat(12), fc.nat(40), (images, versionsMin, versionsMax, historyDays) => {
        const history = historyIn(images.map((image, index) => line(index, { web: `v${image}` })).join(''));
        const kept = names(history, { historyDays, versionsMin, versionsMax }, images.length);
        const versions = new Set(images).size;
        expect(new Set(kept).size).toBe(kept.length);
        expect(kept.length).toBeGreaterThanOrEqual(Math.min(versions, versionsMin));
        expect(kept.length).toBeLessThanOrEqual(Math.max(versionsMin, versionsMax));
        if (kept.length > 0) expect(kept[0]).toBe(`v${images.at(-1)}`);
      }),
    );
  });

  it('is not known where one line is broken, and says which', () => {
    const text = `${line(0, { web: 'v1' })}garbage\n${line(1, { web: 'v2' })}`;
    expect(historyOf([{ file: '/log/shop.log', text }])).toEqual({
      kind: 'broken',
      problem: expect.stringMatching(/^\/log\/shop\.log:2: expected an RFC 3339 time/),
    });
    expect(historyOf([{ file: 'l', text: `${line(0, { web: 'v1' })}\n${line(1, { web: 'v2' })}` }]).kind).toBe(
      'broken',
    );
    expect(historyOf([{ file: 'l', text: line(0, { web: 'v1' }).slice(0, -4) }]).kind).toBe('broken');
  });
});

describe('config logs on disk', () => {
  it('that the tree has written are read, the rolled ones before the newest', () => {
    const host = makeHost();
    const write = configLog(dir);
    const ask = (image: string, days: number): void => {
      cpSync(join(host.dir, 'images/app'), host.folder(`images/${image}`), { recursive: true, verbatimSymlinks: true });
      host.write('processes/shop.yaml', processText.replace('app', image));
      const { instances } = host.load();
      expect(host.problems()).toEqual([]);
      expect(instances).toHaveLength(1);
      write(instances, new Date(start + days * day));
    };
    ask('v1', 0);
    ask('v2', 1);
    renameSync(join(dir, 'shop.log'), join(dir, `shop.log.${at(2)}`));
    ask('v3', 2);
    host.remove();
    writeFileSync(join(dir, 'shop-2.log'), 'another sandbox');
    const reading = readHistory(dir, 'shop');
    if (reading.kind !== 'read') throw new Error(reading.problem);
    expect(reading.history.get('web')).toEqual([
      { image: 'v3', lastUsedMs: Number.POSITIVE_INFINITY, file: join(dir, 'shop.log') },
      { image: 'v2', lastUsedMs: start + 2 * day, file: join(dir, `shop.log.${at(2)}`) },
      { image: 'v1', lastUsedMs: start + day, file: join(dir, `shop.log.${at(2)}`) },
    ]);
  });

  it('that are missing or empty are no history', () => {
    expect(readHistory(dir, 'shop')).toMatchObject({ kind: 'none', problem: `${dir}/shop.log is not there` });
    expect(readHistory(join(dir, 'absent'), 'shop').kind).toBe('none');
    writeFileSync(join(dir, 'shop.log'), '');
    expect(readHistory(dir, 'shop').kind).toBe('none');
  });

  it('that cannot be read, are no UTF-8, or were packed, are broken and named', () => {
    const broken = (message: RegExp): void =>
      expect(readHistory(dir, 'shop')).toEqual({ kind: 'broken', problem: expect.stringMatching(message) });
    mkdirSync(join(dir, 'shop.log'));
    broken(/shop\.log: cannot be read \(not a regular file\)/);
    rmSync(join(dir, 'shop.log'), { recursive: true });
    symlinkSync('shop.log', join(dir, 'shop.log'));
    broken(/shop\.log: cannot be read \(ELOOP\)/);
    rmSync(join(dir, 'shop.log'));
    writeFileSync(join(dir, 'shop.log'), line(0, { web: 'v1' }));
    writeFileSync(join(dir, 'shop.log.1.gz'), 'packed');
    broken(/shop\.log\.1\.gz: .*move it elsewhere/);
    rmSync(join(dir, 'shop.log.1.gz'));
    appendFileSync(join(dir, 'shop.log'), Buffer.from([0xff, 0x0a]));
    broken(/shop\.log: cannot be read \(not UTF-8\)/);
  });

  it('are known as rolled by their names', () => {
    expect(parseRolledName(`shop.log.${at(1)}`)).toEqual({ sandbox: 'shop', timeMs: start + day });
    for (const name of ['shop.log', 'shop.log.1', 'shop.log.', `a.b.log.${at(1)}`, `shop.txt.${at(1)}`]) {
      expect(parseRolledName(name)).toBeNull();
    }
  });
});

describe('a used-images-list', () => {
  it('names one image per line', () => {
    const { images, problems } = parseUsedImages('shop/v1\n\n  shop/v2 \r\n', 2, '/l');
    expect([...images]).toEqual([
      ['shop/v1', '/l:1'],
      ['shop/v2', '/l:3'],
    ]);
    expect(problems).toEqual([]);
  });

  it('tells each line that is no image, with its number', () => {
    const { problems } = parseUsedImages('v1\na/../b\n/a/b\nshop/v1\n', 2, '/l');
    expect(problems.map((problem) => problem.slice(0, 5))).toEqual(['/l:1:', '/l:2:', '/l:3:']);
  });

  it('loses no line: each is an image or a problem', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('a', 'a/b', '../x', '/', 'a//b', '\0', '\u0085'));
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const lines = words.join('\n').split('\n');
        const { images, problems } = parseUsedImages(lines.join('\n'), 1, 'l');
        const wanted = new Set(lines.map((each) => each.trim()).filter((each) => each !== ''));
        const refusedLines = problems.map((problem) => lines[Number(problem.split(':')[1]) - 1]?.trim() ?? '');
        expect(new Set([...images.keys(), ...refusedLines])).toEqual(wanted);
        for (const image of images.keys()) expect(join('/i', image)).toBe(`/i/${image}`);
      }),
      { numRuns: 500 },
    );
  });
});

describe('an instance.json', () => {
  it('gives a plain image name or a reason, whatever it holds', () => {
    expect(parseInstanceImage('{"instances":1,"image":"shop/v1","config":"/c"}')).toBe('shop/v1');
    expect(parseInstanceImage('{"image":"../etc"}')).toEqual({ problem: expect.stringMatching(/none of them empty/) });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.record({ image: fc.string() }).map((each) => JSON.stringify(each)),
        ),
        (text) => {
          const image = parseInstanceImage(text);
          if (typeof image === 'string') expect(join('/i', image)).toBe(`/i/${image}`);
          else expect(image.problem).not.toBe('');
        },
      ),
    );
  });
});
