import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { backupRoutes } from '../../src/verwalter/backup-routes.ts';
import { hashJson, type JsonObject } from '../../src/verwalter/canonical.ts';
import type { Schedule } from '../../src/verwalter/schedule.ts';
import { snapshotRendered, snapshotStore } from '../../src/verwalter/snapshot-store.ts';
import { planSnapshots, snapshotName, snapshotPattern } from '../../src/verwalter/snapshots.ts';
import { ask } from '../http/ask.ts';

const hourMs = 3_600_000;
const start = Date.UTC(2026, 0, 2, 3, 4, 5);
const scheduleOf = (data: JsonObject): Schedule => ({
  timestamp: start,
  hash: hashJson(data),
  origin: 'a'.repeat(32),
  data,
});

describe('which snapshots are due', () => {
  it('names hour, day and ISO week in UTC', () => {
    expect(planSnapshots([], start)).toEqual({
      make: ['hourly-20260102T03.json.gz', 'daily-20260102.json.gz', 'weekly-2026w01.json.gz'],
      remove: [],
    });
    // Weeks of a year's turn, from the calendar.
    for (const [day, week] of [
      [Date.UTC(2024, 11, 29), '2024w52'],
      [Date.UTC(2024, 11, 30), '2025w01'],
      [Date.UTC(2026, 11, 31), '2026w53'],
      [Date.UTC(2027, 0, 3), '2026w53'],
      [Date.UTC(2027, 0, 4), '2027w01'],
    ] as const)
      expect(snapshotName('weekly', day)).toBe(`weekly-${week}.json.gz`);
  });

  it('makes none again in the same hour, and only that of the hour in the next', () => {
    const { make } = planSnapshots([], start);
    expect(planSnapshots(make, start + 50 * 60_000).make).toEqual([]);
    expect(planSnapshots(make, start + hourMs).make).toEqual(['hourly-20260102T04.json.gz']);
  });

  it('holds 36, 14 and 12 after months of rendering each hour, the newest of each', () => {
    let files: string[] = [];
    for (let hour = 0; hour < 24 * 100; hour++) {
      const { make, remove } = planSnapshots(files, start + hour * hourMs);
      files = [...files.filter((name) => !remove.includes(name)), ...make];
    }
    const of = (kind: string): string[] => files.filter((name) => name.startsWith(kind)).sort();
    expect([of('hourly').length, of('daily').length, of('weekly').length]).toEqual([36, 14, 12]);
    const last = start + (24 * 100 - 1) * hourMs;
    expect(of('hourly')[0]).toBe(snapshotName('hourly', last - 35 * hourMs));
    expect(of('daily')[0]).toBe(snapshotName('daily', last - 13 * 24 * hourMs));
  });

  it('leaves alone what is not its own, and never removes what it makes', () => {
    const name = fc.oneof(
      fc.string(),
      fc.constantFrom('schedule.json', 'hourly-old.json.gz', 'daily-20260101.json'),
      fc.integer({ min: 0, max: 10_000 }).map((hours) => snapshotName('hourly', start + hours * hourMs)),
    );
    fc.assert(
      fc.property(fc.array(name), fc.integer({ min: 0, max: 4e12 }), (present, now) => {
        const { make, remove } = planSnapshots(present, now);
        for (const each of remove) expect(present.includes(each) && snapshotPattern.test(each)).toBe(true);
        for (const each of make) expect(present.includes(each) || remove.includes(each)).toBe(false);
        const left = [...present.filter((each) => !remove.includes(each)), ...make];
        expect(planSnapshots(left, now)).toEqual({ make: [], remove: [] });
      }),
    );
  });
});

describe('the store of snapshots', () => {
  let storageDir: string;
  let now: number;
  const problems: string[] = [];
  beforeEach(() => {
    storageDir = mkdtempSync(join(tmpdir(), 'verwalter-snapshots-'));
    now = start;
    problems.length = 0;
  });
  afterEach(() => rmSync(storageDir, { recursive: true, force: true }));
  const open = () => snapshotStore({ storageDir, nowMs: () => now, onProblem: (text) => problems.push(text) });
  const dir = (): string => join(storageDir, 'schedule');

  it('writes one file for all periods that are due, and leaves nothing else behind', async () => {
    const store = open();
    const schedule = scheduleOf({ roles: { web: {} } });
    await store.take(schedule);
    const names = readdirSync(dir());
    expect(names.sort()).toEqual(['daily-20260102.json.gz', 'hourly-20260102T03.json.gz', 'weekly-2026w01.json.gz']);
    const stats = names.map((name) => statSync(join(dir(), name)));
    expect(new Set(stats.map(({ ino }) => ino)).size).toBe(1);
    expect(stats[0]?.nlink).toBe(3);
    expect(JSON.parse(gunzipSync(readFileSync(join(dir(), 'daily-20260102.json.gz'))).toString())).toEqual(schedule);
    now += hourMs;
    await store.take(scheduleOf({ later: true }));
    expect((await store.read('hourly-20260102T04.json.gz'))?.data).toEqual({ later: true });
    expect((await store.read('daily-20260102.json.gz'))?.data).toEqual(schedule.data);
    expect(problems).toEqual([]);
  });

  it('goes on after a crash that left its temporary file', async () => {
    mkdirSync(dir());
    writeFileSync(join(dir(), '.tmp.snapshot'), 'half');
    await open().take(scheduleOf({}));
    expect(await open().names()).toHaveLength(3);
    expect(problems).toEqual([]);
  });

  it('tells of a disk that takes nothing, and stops nothing', async () => {
    writeFileSync(dir(), 'a file where the folder should be');
    await open().take(scheduleOf({}));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(dir());
  });

  it('takes one of each schedule that was rendered, when it was', () => {
    const schedules = [scheduleOf({ n: 1 }), scheduleOf({ n: 2 })];
    const taken: string[] = [];
    let renderedHash: string | null = null;
    let listener = (): void => {};
    const stop = snapshotRendered(
      {
        status: () => ({ renderedHash }),
        schedule: () => schedules[1] ?? null,
        scheduleByHash: (hash) => schedules.find((each) => each.hash === hash) ?? null,
        onChange(told) {
          listener = told;
          return () => {
            listener = () => {};
          };
        },
      },
      { take: async ({ hash }) => void taken.push(hash) },
    );
    listener();
    for (const { hash } of schedules) {
      renderedHash = hash;
      listener();
      listener();
    }
    stop();
    expect(taken).toEqual(schedules.map(({ hash }) => hash));
  });

  describe('over HTTP', () => {
    let server: HttpServer;
    beforeEach(async () => {
      server = await startHttp({ host: '127.0.0.1', port: 0, routes: backupRoutes(open()) });
    });
    afterEach(() => server.stop());
    const get = (path: string) => ask({ port: server.port, path });

    it('is listed, and had as JSON in each format or as its file', async () => {
      expect(JSON.parse((await get('/v1/backups')).text)).toEqual([]);
      const schedule = scheduleOf({ roles: { web: {} } });
      await open().take(schedule);
      const names = JSON.parse((await get('/v1/backups')).text) as string[];
      expect(names).toEqual(['weekly-2026w01.json.gz', 'hourly-20260102T03.json.gz', 'daily-20260102.json.gz']);
      for (const path of ['hourly-20260102T03', 'hourly-20260102T03.json', 'hourly-20260102T03.pretty']) {
        expect(JSON.parse((await get(`/v1/backup/${path}`)).text)).toEqual(schedule);
      }
      expect((await get('/v1/backup/hourly-20260102T03.gron')).text).toContain('json.data.roles.web = {};');
      const file = await get('/v1/backup/hourly-20260102T03.json.gz');
      expect(file.headers['content-type']).toBe('application/gzip');
      expect(JSON.parse(gunzipSync(file.bytes).toString())).toEqual(schedule);
    });

    it('is 404 where there is none, and says what is wrong with a damaged one', async () => {
      for (const path of ['hourly-20260102T03', 'schedule', 'schedule.json.gz', '..%2fschedule.json', '%2e%2e'])
        expect([path, (await get(`/v1/backup/${path}`)).status]).toEqual([path, 404]);
      mkdirSync(dir());
      writeFileSync(join(dir(), 'daily-20260102.json.gz'), 'not gzip');
      const damaged = await get('/v1/backup/daily-20260102');
      expect([damaged.status, damaged.text]).toEqual([500, expect.stringContaining('daily-20260102: the snapshot')]);
    });
  });
});
