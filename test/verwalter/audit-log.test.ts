import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuditEntry } from '../../src/http/audit.ts';
import { openAuditLog } from '../../src/verwalter/log/audit-log.ts';

let dir: string;
let now: number;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'audit-'));
  now = Date.parse('2026-01-01T10:00:00Z');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const dayMs = 86_400_000;
const open = (keep = { ms: 3 * dayMs, bytes: 1e9 }) => openAuditLog({ dir, keep, nowMs: () => now });
const entry = (more: Partial<AuditEntry> = {}): AuditEntry => ({
  ...{ principal: 'alice', address: '10.0.0.7', method: 'POST', path: '/v1/action' },
  ...{ status: 200, error: null, action: null, tookMs: 1 },
  ...more,
});

describe('the audit log', () => {
  it('is read across days and restarts, the newest of a time, oldest first', () => {
    open().note(entry({ action: '1' }));
    now += dayMs;
    const log = open();
    log.note(entry({ action: '2' }));
    log.note(entry({ action: '3' }));
    expect(log.read(0, 10).map(({ action }) => action)).toEqual(['1', '2', '3']);
    expect(log.read(0, 2).map(({ action }) => action)).toEqual(['2', '3']);
    expect(log.read(now, 10).map(({ action }) => action)).toEqual(['2', '3']);
  });

  it('keeps no longer than it is told', () => {
    for (let day = 0; day < 6; day++) {
      open({ ms: 1e15, bytes: 500 }).note(entry({ error: 'x'.repeat(200) }));
      now += dayMs;
    }
    expect(readdirSync(join(dir, '.audit')).length).toBeLessThan(4);
  });

  it('is not filled by strangers: of them it writes sixty a minute, and counts the rest', () => {
    const log = open();
    for (let knock = 0; knock < 1000; knock++) log.note(entry({ principal: null, status: 401, error: 'no' }));
    log.note(entry({ action: 'known' }));
    const records = log.read(0, 10_000);
    expect(records).toHaveLength(61);
    expect(records.at(-1)).toMatchObject({ action: 'known', left_out: 940 });
    now += 60_000;
    log.note(entry({ principal: null, status: 401 }));
    expect(log.read(0, 10_000)).toHaveLength(62);
  });

  it('passes over lines that are none, and says why it cannot be written', () => {
    const log = open();
    log.note(entry());
    writeFileSync(join(dir, '.audit/audit.20260101.json'), '{"time": "2026\n\n[]\nnull\n', { flag: 'a' });
    expect(log.read(0, 10)).toHaveLength(1);
    rmSync(join(dir, '.audit'), { recursive: true });
    writeFileSync(join(dir, '.audit'), 'in the way');
    const blocked = open();
    blocked.note(entry());
    expect(blocked.problem()).toMatch(/^the audit log cannot be written: E/);
    expect(blocked.read(0, 10)).toEqual([]);
  });
});
