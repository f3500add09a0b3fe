import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type IndexedLog, openIndexedLog } from '../../src/verwalter/log/indexed-log.ts';
import { outdatedSegments } from '../../src/verwalter/log/retention.ts';

let dir: string;
let now: number;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'verwalter-log-'));
  now = Date.UTC(2026, 0, 2, 3, 4, 5);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = (keep = { ms: 86_400_000, bytes: 1e9 }): IndexedLog => openIndexedLog({ dir, keep, nowMs: () => now });
const text = (path: string): string => readFileSync(join(dir, path), 'utf8');
const index = (): [string, string, { variant: string; fields: (string | number)[] }, unknown][] =>
  text('.index/latest')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const deploy = (log: IndexedLog, id: string, lines: readonly string[] = ['a line']): void => {
  const deployment = log.deployment(id, 'debug text');
  deployment.changes('0123456789abcdef', ['one\nmore', 'two']);
  const role = deployment.role('web');
  role.action('ActionStart', 'x.render.yaml');
  for (const line of lines) role.line(line);
  role.external('err/web.log', 77);
  role.action('ActionFinish', 'x.render.yaml');
  role.finish();
  deployment.finish('DeploymentFinish');
};

describe('the log of deployments', () => {
  it('points from its index to the byte where each thing begins', () => {
    const log = open();
    deploy(log, 'first');
    now += 1000;
    deploy(log, 'second');
    expect(index().map(([, id, { variant }, marker]) => [id, variant, marker])).toEqual(
      ['first', 'second'].flatMap((id) => [
        [id, 'Global', 'DeploymentStart'],
        [id, 'Changes', 'DeploymentChanges'],
        [id, 'Role', 'RoleStart'],
        [id, 'Role', { variant: 'ActionStart', fields: ['x.render.yaml'] }],
        [id, 'External', 'ExternalLog'],
        [id, 'Role', { variant: 'ActionFinish', fields: ['x.render.yaml'] }],
        [id, 'Role', 'RoleFinish'],
        [id, 'Global', 'DeploymentFinish'],
      ]),
    );
    for (const [, id, { variant, fields }, marker] of index()) {
      if (variant !== 'Role' && variant !== 'Global') continue;
      const [segment, offset] = fields.slice(-2);
      const folder = variant === 'Role' ? String(fields[0]) : '.global';
      const name = typeof marker === 'string' ? marker : 'Action';
      const first = text(`${folder}/log.${segment}.txt`).slice(Number(offset)).split('\n')[0];
      expect(first).toContain(` ${id} ------------ `);
      expect(first).toContain(name);
    }
    expect(text('.changes/latest').split('\n').slice(0, 2)).toEqual([
      '2026-01-02T03:04:05.000Z: 01234567: one more',
      '2026-01-02T03:04:05.000Z: 01234567: two',
    ]);
    expect(readlinkSync(join(dir, 'web/latest'))).toBe('log.20260102030405.txt');
  });

  it('begins a new file where one is full, and a new index each day', () => {
    const log = open();
    deploy(log, 'first');
    appendFileSync(join(dir, 'web/latest'), Buffer.alloc(10 * 2 ** 20, 'x'));
    now += 86_400_000;
    deploy(log, 'second');
    expect(readdirSync(join(dir, 'web')).sort()).toEqual([
      'latest',
      'log.20260102030405.txt',
      'log.20260103030405.txt',
    ]);
    expect(readdirSync(join(dir, '.index')).sort()).toEqual(['index.20260102.json', 'index.20260103.json', 'latest']);
    expect(index()[2]?.[2]).toEqual({ variant: 'Role', fields: ['web', '20260103030405', 0] });
  });

  it('removes what is old, but nothing that is written to or that is not its own', () => {
    deploy(open(), 'first');
    writeFileSync(join(dir, 'web/log.20250101000000.txt'), 'old');
    writeFileSync(join(dir, 'web/mine.txt'), 'not a log');
    for (const name of ['log.20250101000000.txt', 'mine.txt', 'log.20260102030405.txt']) {
      utimesSync(join(dir, 'web', name), 1_700_000_000, 1_700_000_000);
    }
    deploy(open(), 'second');
    expect(readdirSync(join(dir, 'web')).sort()).toEqual(['latest', 'log.20260102030405.txt', 'mine.txt']);
  });

  it('that cannot be written stops nothing and says so', () => {
    rmSync(dir, { recursive: true });
    writeFileSync(dir, '');
    const log = open();
    deploy(log, 'first');
    expect(log.problem()).toMatch(/ENOTDIR/);
  });

  it('stays within its bounds whatever there is, and loses the oldest first', () => {
    const segment = fc.record({
      path: fc.uuid(),
      bytes: fc.nat(1000),
      modifiedMs: fc.nat(1000),
      current: fc.boolean(),
    });
    const segments = fc.uniqueArray(segment, { selector: ({ path }) => path });
    fc.assert(
      fc.property(segments, fc.nat(3000), fc.nat(1000), (all, bytes, ms) => {
        const gone = new Set(outdatedSegments(all, { bytes, ms }, 1000));
        const kept = all.filter(({ path }) => !gone.has(path));
        expect(all.filter(({ current, path }) => current && gone.has(path))).toEqual([]);
        const closed = kept.filter(({ current }) => !current);
        expect(closed.every(({ modifiedMs }) => 1000 - modifiedMs <= ms)).toBe(true);
        const held = kept.reduce((sum, each) => sum + each.bytes, 0);
        if (closed.length > 0) expect(held).toBeLessThanOrEqual(bytes);
      }),
    );
  });
});
