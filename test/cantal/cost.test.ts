import { expect, test } from 'vitest';
import { costLimit } from '../../src/cantal/query/cost.ts';
import { cantalRoutes } from '../../src/cantal/routes.ts';
import { startCantal } from '../../src/cantal/shell.ts';
import type { HttpReply, HttpRequest } from '../../src/http/route.ts';
import { SeriesKind } from '../../src/native/scanner.ts';
import { memoryScanner } from './memory-scanner.ts';

test('a client that asked for a lot at once waits until its debt is paid, and nobody else does', () => {
  let now = 0;
  const limit = costLimit(() => now);
  for (let query = 0; query < 12; query++) {
    expect(limit.refusal('10.0.0.1')).toBe(query <= 10 ? null : 1);
    if (query <= 10) limit.charge('10.0.0.1', 2_000_000);
  }
  expect(limit.refusal('10.0.0.2')).toBeNull();
  now += 999;
  expect(limit.refusal('10.0.0.1')).toBe(1);
  now += 1;
  expect(limit.refusal('10.0.0.1')).toBeNull();
});

test('clients that owe nothing are forgotten', () => {
  let now = 0;
  const limit = costLimit(() => now);
  for (let client = 0; client < 5000; client++) {
    limit.charge(`10.0.${client >> 8}.${client & 255}`, 100);
    now += 1;
  }
  limit.charge('big', 30_000_000);
  expect(limit.refusal('big')).toBe(5);
});

test('POST /query is 429 with the time to wait, for the client that asked too much', () => {
  const scanner = memoryScanner();
  const id = scanner.series({ metric: 'm' }, SeriesKind.counter);
  scanner.scan(1000, { [id]: 1 });
  const limit = costLimit(() => 0);
  const cantal = startCantal({ scanner, intervalMs: 2000, version: 'test' });
  const query = cantalRoutes(cantal, null, null, limit).find(({ path }) => path === '/query');
  const from = (remoteAddress: string): HttpReply =>
    query?.handle({
      body: {
        rules: { r: { series: { source: 'Fine', condition: ['Has', 'metric'] }, extract: ['HistoryByNum', 1] } },
      },
      remoteAddress,
    } as unknown as HttpRequest) as HttpReply;
  expect(from('10.0.0.1').status).toBe(200);
  limit.charge('10.0.0.1', 24_000_000);
  expect(from('10.0.0.1')).toMatchObject({ status: 429, headers: { 'retry-after': '3' } });
  expect(from('10.0.0.2').status).toBe(200);
});
