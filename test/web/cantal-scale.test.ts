import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queryStream } from '../../src/cantal/query-stream.ts';
import type { Remote } from '../../src/cantal/remote/remote.ts';
import { cantalRoutes } from '../../src/cantal/routes.ts';
import { type Cantal, startCantal } from '../../src/cantal/shell.ts';
import { json, type Route } from '../../src/http/route.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { SeriesKind } from '../../src/native/scanner.ts';
import { memoryScanner } from '../cantal/memory-scanner.ts';
import { until } from './agents.ts';
import { builtUi, launch, noBrowser, openPage, pageTestMs, photograph } from './browser.ts';

const { counter, integer } = SeriesKind;
const metricCount = 10_000;
const hostCount = 500;
const scanMs = 2000;
/** What one screen shows and what is kept ready around it. */
const mostRows = 120;

/** The agent's routes and its query engine on scans that the test makes up; one host answers for all 500. */
function manyMetrics(): { readonly cantal: Cantal; scan(): void } {
  const scanner = memoryScanner();
  const ticks = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'].map((name) =>
    scanner.series({ metric: `cpu.${name}` }, counter),
  );
  const memory = Object.entries({ MemTotal: 16e9, MemFree: 4e9, Buffers: 1e9, Cached: 5e9 }).map(
    ([name, bytes]) => [scanner.series({ metric: `memory.${name}` }, integer), bytes] as const,
  );
  const plain = Array.from({ length: metricCount - ticks.length - memory.length }, (_, index) =>
    scanner.series({ metric: `m${index % 100}`, pid: String(index), cgroup: `system.s${index % 40}` }, counter),
  );
  const cantal = startCantal({ scanner, intervalMs: scanMs, version: '1' });
  let turn = 0;
  const scan = () => {
    turn += 1;
    const values = [
      ...ticks.map((id, index) => [id, turn * (50 + 20 * index)] as const),
      ...memory,
      ...plain.map((id) => [id, turn * 3] as const),
    ];
    scanner.scan(Date.now() - 100_000 + turn * scanMs, Object.fromEntries(values));
  };
  for (let scans = 0; scans < 40; scans += 1) scan();
  return { cantal, scan };
}

const unasked = (): never => {
  throw new Error('no page asks for this');
};

const hostIds = Array.from({ length: hostCount }, (_, index) => String(index).padStart(32, '0'));
const hostname = (index: number) =>
  `host${String(index).padStart(3, '0')}.${index % 2 ? 'example.org' : 'example.com'}`;

describe.skipIf(noBrowser('pages of large hosts and clusters'))(
  'pages of cantal at their size',
  { timeout: pageTestMs },
  () => {
    let browser: Browser;
    let cantal: Cantal;
    let scan: () => void;
    let server: HttpServer;

    beforeAll(async () => {
      ({ cantal, scan } = manyMetrics());
      const remote: Remote = {
        async queryByHost(rules) {
          const answer = cantal.query(rules);
          if (answer.kind !== 'values') throw new Error(answer.reason);
          return {
            byHost: Object.fromEntries(hostIds.map((id) => [id, answer.values])),
            missing: [],
            kept: {},
            sources: Object.fromEntries(hostIds.map((id) => [id, { from: 'stream', age_ms: 700 }])),
          };
        },
        queryCluster: async () => ({
          ...{ values: {}, hosts_per_bucket: {}, sources: {}, missing: [], refused: {}, left_out: 0 },
        }),
        ...{ start: unasked, part: unasked, stats: unasked, memInfo: unasked, stop: unasked },
        ...{ labels: {}, stream: { path: '/v1/peer/stream', summary: '', open: unasked } },
        members: () =>
          hostIds.slice(1).map((id, index) => ({
            ...{
              id,
              addr: `10.0.${index >> 8}.${index & 255}:8379`,
              hostname: hostname(index + 1),
              name: `host${index + 1}`,
            },
            ...{ knownSince: 1, lastReportDirect: Date.now(), liveness: 'alive' },
          })),
      };
      const allPeers: Route = {
        ...{ method: 'GET', path: '/all_peers', access: 'read', summary: '' },
        handle: () => json({ peers: remote.members().map(({ addr, ...peer }) => ({ ...peer, primary_addr: addr })) }),
      };
      const node = { id: hostIds[0] ?? '', hostname: hostname(0), name: 'host0', cluster: 'large' };
      server = await startHttp({
        ...{ host: '127.0.0.1', port: 0, staticDir: builtUi },
        routes: [...cantalRoutes(cantal, remote, node), allPeers],
        streams: [queryStream(cantal)],
      });
      browser = await launch();
    }, 60_000);

    afterAll(async () => {
      await browser?.close();
      await server?.stop();
      await cantal?.stop();
    });

    it('10 000 metrics are one list of which only what is seen is in the document, and is live', async () => {
      const watched = await openPage(browser, `http://127.0.0.1:${server.port}/local/metrics`);
      const { page } = watched;
      await page.getByText(/^10\s000 of 10\s000 now$/).waitFor();
      const list = page.getByRole('region', { name: 'All metrics' }).last();
      const rows = () => list.locator('tbody tr').count();
      expect(await rows()).toBeLessThan(mostRows);
      await list.evaluate((element) => {
        element.scrollTop = element.scrollHeight;
      });
      const last = list.getByRole('row', { name: `pid=${metricCount - 13}` });
      await last.waitFor();
      expect(await rows()).toBeLessThan(mostRows);
      expect(await last.getAttribute('aria-rowindex')).toBe(String(metricCount + 1));
      const value = async () => Number((await last.locator('td.number').first().textContent())?.replace(/\D/g, ''));
      const before = await value();
      await until('the last row follows the scans', async () => {
        scan();
        return (await value()) > before + 3;
      });
      await page.getByRole('searchbox').fill('^m7$ cgroup~s7$');
      await page.getByText(/^\d+ of 10\s000 now$/).waitFor();
      await page.locator('.u-wrap').waitFor();
      expect(await page.locator('.legend .entry').count()).toBeLessThanOrEqual(12);
      await photograph(watched, 'metrics-many');
      expect(watched.complaints).toEqual([]);
      await page.close();
    });

    it('500 hosts are drawn as far as they are seen, and the last one is found', async () => {
      const watched = await openPage(browser, `http://127.0.0.1:${server.port}/remote/grid`);
      const { page } = watched;
      const hosts = page.getByRole('region', { name: 'Hosts', exact: true });
      await hosts.getByRole('link', { name: 'host000.example.com' }).waitFor();
      expect(await page.locator('canvas').count()).toBeLessThan(mostRows);
      await photograph(watched, 'grid-many');
      await hosts.evaluate((element) => {
        element.scrollTop = element.scrollHeight;
      });
      await hosts.getByRole('link', { name: 'host499.example.org' }).waitFor();
      expect(await page.locator('canvas').count()).toBeLessThan(mostRows);
      await page.getByRole('searchbox').fill('host250');
      await hosts.getByRole('row', { name: /host250\.example\.com/ }).waitFor();
      expect(await hosts.locator('tbody tr').count()).toBe(1);
      const painted = await page.evaluate<number>(`(() => {
      const canvas = document.querySelector('.long-list canvas');
      return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter((byte) => byte !== 0).length;
    })()`);
      expect(painted).toBeGreaterThan(0);
      expect(watched.complaints).toEqual([]);
      await page.close();
    });
  },
);
