import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAgents, type TestAgents, token, until } from './agents.ts';
import {
  launch,
  noBrowser,
  openPage,
  pageTestMs,
  photograph,
  type Watched,
  walkByKeyboard,
  weightOf,
} from './browser.ts';

/** Of a message of the stream: the times of its plot, which is one series. */
const plotTimes = (values: unknown): readonly number[] =>
  ((values as Readonly<Record<string, unknown[]>> | undefined)?.plot?.[3] ?? []) as number[];

const firstLoadLimit = 60 * 1024;

describe.skipIf(noBrowser('the pages of cantal in a browser'))(
  'pages of cantal in Chromium',
  { timeout: pageTestMs },
  () => {
    let browser: Browser;
    let agents: TestAgents;
    const origin = (index = 0) => agents.all[index]?.origin ?? '';

    beforeAll(async () => {
      [browser, agents] = await Promise.all([
        launch(),
        startAgents(['b.example.org', 'c.example.com', 'a.example.org']),
      ]);
    }, 60_000);

    afterAll(async () => {
      await browser?.close();
      await agents?.stop();
    });

    const ask = async (path: string): Promise<unknown> => (await fetch(origin() + path)).json();
    const open = (path: string): Promise<Watched> => openPage(browser, origin() + path);

    /** What holds for each page, and its looks for a person to judge. */
    async function finish(watched: Watched, name: string): Promise<void> {
      await photograph(watched, name);
      expect(watched.complaints).toEqual([]);
      expect(weightOf(watched)).toBeLessThan(firstLoadLimit);
      await watched.page.close();
    }

    it('every page: the side bar says whose figures these are, what they cost, and where to go', async () => {
      const watched = await open('/local/status');
      const { page } = watched;
      const facts = page.locator('.facts');
      await facts.getByText('b.example.org').waitFor();
      const words = async () => (await facts.textContent()) ?? '';
      await until('the gauges have figures', async () => /\d+ % ?CPU of \d+ %/.test(await words()));
      expect(await words()).toMatch(/clusterpages.*version[\d.]+.*id0000…00000001/);
      await until('memory came', async () => /GiB of [\d.]+ GiB memory/.test(await words()));
      expect(await words()).toMatch(/machine up.*agent up.*scan[\d.]+ ms.*latency\d.* ms.*own memory.*MiB.*own CPU/);
      const status = (await ask('/status')) as { threads_report: object };
      const menu = page.getByRole('navigation', { name: 'Pages' });
      expect(await menu.getByRole('link', { name: /^Processes/ }).textContent()).toMatch(/^Processes \d+$/);
      expect(await menu.getByRole('link', { name: /^Metrics/ }).textContent()).toMatch(/^Metrics [\d\s]+$/);
      const threads = Object.keys(status.threads_report);
      await facts.getByText(`${threads.length} threads`).press('Enter');
      expect(await facts.getByRole('rowheader').allTextContents()).toEqual(threads);
      expect(threads).toContain('scan');
      expect(await facts.getByRole('row', { name: /^scan [\d.]+ % [\d.]+ %$/ }).isVisible()).toBe(true);

      await menu.getByRole('link', { name: 'All hosts' }).click();
      await page.getByRole('heading', { name: 'Hosts', exact: true }).waitFor();
      expect(await page.evaluate('document.activeElement.id')).toBe('content');
      expect(await menu.getByRole('link', { name: 'Containers' }).isVisible()).toBe(true);
      expect(await menu.getByRole('link', { name: /^Processes/ }).count()).toBe(0);
      await page.goBack();
      await page.getByRole('heading', { name: 'Status' }).waitFor();
      expect(await page.title()).toBe('Status · Stellwerk');
      expect(watched.complaints).toEqual([]);
      await page.close();
    });

    it('status: memory in the order of the specification, strips of the hour, file systems', async () => {
      const watched = await open('/local/status');
      const { page } = watched;
      await page.getByRole('heading', { name: 'File systems' }).waitFor();
      const terms = await page.locator('section.memory > .beside dt').allTextContents();
      expect(terms).toEqual([
        ...['MemTotal', 'Used', 'Cached', 'Buffers', 'MemFree', 'Dirty', 'Writeback', 'SwapUsed', 'Committed_AS'],
        'CommitLimit',
      ]);
      const cpu = page.getByRole('region', { name: 'CPU' });
      expect(await cpu.locator('.strip-name').allTextContents()).toEqual(['total', 'user', 'system', 'iowait', 'irq']);
      const names = await page.getByRole('region', { name: 'Network' }).locator('.strip-name').allTextContents();
      expect(names.length === 0 || names.join() === 'received,sent').toBe(true);
      const total = cpu.getByRole('img').first();
      await until('the strip has a figure', async () =>
        /now \d[\d.]* %, highest \d/.test((await total.getAttribute('aria-label')) ?? ''),
      );
      const painted = await page.evaluate<number>(`(() => {
      const canvas = document.querySelector('.strips canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((byte) => byte !== 0).length;
    })()`);
      expect(painted).toBeGreaterThan(0);
      const walked = await walkByKeyboard(watched, 20);
      expect(walked[0]).toMatch(/^\d+ more$/);
      expect(walked).toEqual(expect.arrayContaining(['5 min', '15 min', '1 hour', 'CPU', 'Network']));
      await finish(watched, 'status');
    });

    it('status: a stretch that is drawn over is zoomed to, and stands in the URL', async () => {
      const watched = await open('/local/status?window=5');
      const { page } = watched;
      const strip = page.getByRole('region', { name: 'CPU' }).locator('.strip').first();
      // Above the strips, and later there.
      await page.getByText('MemTotal').waitFor();
      await strip.waitFor();
      const box = await strip.boundingBox();
      if (box === null) throw new Error('the strip has no place');
      await page.mouse.move(box.x + box.width * 0.5, box.y + 5);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.9, box.y + 5);
      await page.mouse.up();
      await page.waitForURL(/from=\d+&to=\d+/);
      const params = new URL(page.url()).searchParams;
      const width = Number(params.get('to')) - Number(params.get('from'));
      expect(width).toBeGreaterThan(0.35 * 300_000);
      expect(width).toBeLessThan(0.45 * 300_000);
      // By keyboard back to the hour.
      await page.getByRole('button', { name: '1 hour' }).press('Enter');
      await page.waitForURL(/window=60/);
      expect(page.url()).not.toContain('from=');
      expect(watched.complaints).toEqual([]);
      await page.close();
    });

    it('processes: the tree folds by keyboard and by URL, filters, and leads to one process', async () => {
      const watched = await open('/local/processes');
      const { page } = watched;
      const list = page.getByRole('region', { name: 'Processes', exact: true });
      await list.getByRole('row').nth(3).waitFor();
      const box = page.getByRole('searchbox');
      await box.fill(`exporting.mjs ${agents.programPid}`);
      const row = list
        .getByRole('row')
        .filter({ hasText: 'exporting.mjs' })
        .filter({ hasText: String(agents.programPid) });
      await row.waitFor();
      const parent = list.locator('button.fold').last();
      expect(await parent.getAttribute('aria-expanded')).toBe('true');
      await parent.press('Enter');
      await page.waitForURL(/folded=\d+/);
      await row.waitFor({ state: 'detached' });
      await page.reload();
      await list.locator('button.fold[aria-expanded="false"]').waitFor();
      await page.getByRole('button', { name: 'unfold all' }).press('Enter');
      await row.waitFor();
      await until('CPU is measured', async () => /\d %/.test((await row.textContent()) ?? ''));
      await box.fill('');
      await walkByKeyboard(watched, 6).then((names) => expect(names).toContain('Tree'));
      await photograph(watched, 'processes');
      await box.fill(String(agents.programPid));
      await row.getByRole('link', { name: String(agents.programPid) }).press('Enter');
      await page.waitForURL(/process_metrics\?pid=/);
      expect(watched.complaints).toEqual([]);
      await page.close();
    });

    it('process_metrics: what a process uses and exports', async () => {
      const watched = await open(`/local/process_metrics?pid=${agents.programPid}`);
      const { page } = watched;
      const exported = page.getByRole('region', { name: 'What it exports' });
      await exported.getByRole('row', { name: /^requests group=http/ }).waitFor();
      const words = (await exported.textContent()) ?? '';
      expect(words).toMatch(/heat.*unit=°C/);
      expect(words).toMatch(/job\d+(idle|reading)\d+ s ago/);
      expect(await page.locator('pre.command').textContent()).toContain('exporting.mjs');
      await page.locator('.u-wrap').nth(2).waitFor();
      await walkByKeyboard(watched, 8).then((names) => expect(names).toContain('5 min'));
      await finish(watched, 'process');
    });

    it('states: the shares of ten minutes by the last word, and what is now', async () => {
      const watched = await open('/local/states');
      const { page } = watched;
      const group = page.getByRole('region', { name: `job${agents.programPid}` });
      await group.getByRole('row', { name: /idle/ }).waitFor();
      const rows = await group.locator('tbody tr').allTextContents();
      expect(rows[0]).toMatch(/^idle[\d a-z]+ s(6|7|8)\d %[\d\u202f]+$/);
      expect(rows[1]).toMatch(/^reading[\d a-z]+ s(1|2|3)\d %[\d\u202f]+$/);
      expect(await page.getByRole('region', { name: 'Now' }).textContent()).toMatch(
        new RegExp(`job${agents.programPid}(idle|reading)\\d+ sshop`),
      );
      await walkByKeyboard(watched, 3);
      await finish(watched, 'states');
    });

    it('cgroups: by the first word of their names, each with its processes and charts', async () => {
      const watched = await open('/local/cgroups');
      const { page } = watched;
      const { all } = (await ask('/all_processes')) as { all: { cgroup: string | null }[] };
      const { metrics } = (await ask('/v1/metrics?pattern=^cgroup[.]memory[.]current$')) as {
        metrics: { labels: { cgroup: string } }[];
      };
      // A host may have groups without a process, and processes in groups that have no controller.
      const inhabited = all.find(({ cgroup }) => cgroup !== null)?.cgroup ?? null;
      const name = inhabited ?? metrics[0]?.labels.cgroup ?? null;
      if (name === null) {
        await page.getByText('No process of this host is in a control group with a name.').waitFor();
      } else {
        await page.getByRole('searchbox').fill(name);
        await page.getByRole('link', { name, exact: true }).press('Enter');
        await page.getByRole('heading', { name, exact: true }).waitFor();
        if (inhabited === null) await page.getByText('No process is in it now.').waitFor();
        else await page.getByRole('region', { name: 'Processes' }).getByRole('rowheader').first().waitFor();
        await page.locator('.u-wrap').nth(1).waitFor();
        await walkByKeyboard(watched, 6).then((names) => expect(names).toContain('all cgroups'));
        await photograph(watched, 'cgroup');
        await page.getByRole('link', { name: 'all cgroups' }).click();
        await page.locator('.grouped button').first().press('Enter');
        await page.waitForURL(/open=/);
      }
      await finish(watched, 'cgroups');
    });

    it('pressure: what tasks wait for, or why that is not known', async () => {
      const watched = await open('/local/pressure');
      const { page } = watched;
      const known = await ask('/v1/metrics?pattern=^psi');
      if ((known as { metrics: unknown[] }).metrics.length === 0) {
        await page.getByText('This kernel does not say what tasks wait for').waitFor();
      } else {
        await page.locator('.u-wrap').nth(1).waitFor();
        const rows = page.getByRole('region', { name: 'Of late' }).getByRole('row', { name: /some tasks/ });
        await until('there are rates', async () =>
          /CPUsome tasks[\d.]+ %/.test((await rows.first().textContent()) ?? ''),
        );
      }
      await walkByKeyboard(watched, 4);
      await finish(watched, 'pressure');
    });

    it('network: who listens where, one port’s sockets, one user', async () => {
      const watched = await open('/local/network');
      const { page } = watched;
      const port = new URL(origin()).port;
      const ports = page.getByRole('region', { name: 'Ports in use' });
      await ports.getByRole('button', { name: port, exact: true }).first().press('Enter');
      await page.waitForURL(/port=passive-/);
      await ports.getByText(`tcp 127.0.0.1:${port} ↔`).first().waitFor();
      await page.locator('.u-wrap').nth(1).waitFor();
      await walkByKeyboard(watched, 6).then((names) => expect(names).toContain('5 min'));
      await photograph(watched, 'network');
      await page.getByRole('region', { name: 'Users' }).getByRole('link').first().press('Enter');
      await page.waitForURL(/uid=\d+/);
      await page.getByRole('region', { name: 'Serves' }).waitFor();
      await page.getByRole('region', { name: 'Processes' }).first().waitFor();
      await finish(watched, 'user');
    });

    it('metrics: figures and plots change by deltas over the WebSocket, without being asked for', async () => {
      const watched = await open(`/local/metrics?q=requests%20pid%3D${agents.programPid}`);
      const { page, asked, messages } = watched;
      const row = page.getByRole('row', { name: /^requests / });
      const value = async () =>
        Number(((await row.locator('td.number').first().textContent()) ?? '').replace(/\D/g, ''));
      await row.waitFor();
      await page.locator('.u-wrap').waitFor();
      await until('the first delta has come', async () =>
        messages.some(({ appends }) => JSON.stringify(appends) === '["plot"]'),
      );
      const [askedBefore, before, deltasBefore] = [asked.length, await value(), messages.length];
      const deltas = () =>
        messages.slice(deltasBefore).filter(({ after, values }) => after !== null && plotTimes(values).length > 0);
      await until(
        'two deltas have come, and the figure has grown',
        async () => deltas().length >= 2 && (await value()) > before,
      );
      expect(asked.slice(askedBefore).filter((path) => !['/status', '/v1/anomalies'].includes(path))).toEqual([]);
      for (const { after, values } of deltas()) {
        // Newer samples only: what the page holds is not sent again.
        expect(Math.min(...plotTimes(values))).toBeGreaterThan(Number(after));
      }
      await finish(watched, 'metrics');
    });

    it('metrics: search, tick by keyboard, join, and come back by the URL', async () => {
      const watched = await open('/local/metrics');
      const { page } = watched;
      await page.getByText('Search for metrics, or tick some of the list').waitFor();
      const list = page.getByRole('region', { name: 'All metrics' }).last();
      await list.getByRole('row').nth(5).waitFor();
      await page.getByRole('searchbox').fill(`requests|waiting pid=${agents.programPid}`);
      const requests = page.getByRole('row', { name: /^requests / });
      await requests.getByRole('checkbox').focus();
      await page.keyboard.press('Space');
      await page.waitForURL(/pick=/);
      await page.locator('figcaption').getByText('one metric').waitFor();
      await until('it is drawn alone', async () => (await page.locator('.legend .entry').count()) === 1);
      await page
        .getByRole('row', { name: /^waiting / })
        .getByRole('checkbox')
        .check();
      await page.locator('figcaption').getByText('2 metrics').waitFor();
      await page.getByLabel('joined').selectOption('max');
      // A counter and a level.
      await page.getByText('of different kinds; per second they can be').waitFor();
      await page.getByLabel('per second').check();
      await page.locator('figcaption').getByText('max of 2').waitFor();
      await page.reload();
      await page.locator('figcaption').getByText('max of 2').waitFor();
      await page.getByRole('button', { name: 'drop 2 picked' }).click();
      await page.getByRole('searchbox').fill('nothing.has.this.name');
      await page.getByText('No metric has all of these words.').waitFor();
      await page.getByRole('searchbox').fill('(');
      await page.getByText('No metric has all of these words.').waitFor();
      expect(watched.complaints).toEqual([]);
      await page.close();
    });

    it('peers: each other agent with its address, round trip and a link to its UI', async () => {
      const watched = await open('/local/peers');
      const { page } = watched;
      const peers = page.getByRole('region', { name: 'Peers' });
      await peers.getByRole('row').nth(2).waitFor();
      await until('both were probed', async () => (await peers.getByText(/^[\d.]+ ms$/).count()) >= 2);
      const link = peers.getByRole('link', { name: 'a.example.org' });
      expect(await link.getAttribute('href')).toBe(`${origin(2)}/local/status`);
      expect(await peers.getByRole('row', { name: /^a\.example\.org/ }).textContent()).toMatch(/alive127\.0\.0\.3:\d+/);
      await walkByKeyboard(watched, 2).then((names) => expect(names).toContain('a.example.org'));
      await finish(watched, 'peers');
    });

    it('grid: a row for each host, by the last part of its domain first', async () => {
      const watched = await open('/remote/grid');
      const { page } = watched;
      const hosts = page.getByRole('region', { name: 'Hosts', exact: true });
      await hosts.getByRole('row').nth(3).waitFor();
      const names = () => hosts.getByRole('rowheader').getByRole('link').allTextContents();
      await until('they are named', async () => (await names()).join() === 'c.example.com,a.example.org,b.example.org');
      expect(await hosts.getByRole('img', { name: /^CPU of a\.example\.org, now \d/ }).count()).toBe(1);
      expect(await hosts.getByRole('row', { name: /c\.example\.com/ }).textContent()).toMatch(/GiB of [\d.]+ GiB\d+/);
      expect(await hosts.getByRole('rowheader', { name: 'b.example.org' }).getAttribute('title')).toMatch(
        /^b\.example\.org: this agent’s own history/,
      );
      const total = page.getByRole('region', { name: 'All hosts together' });
      const { metrics } = (await ask('/v1/metrics?pattern=^cpu[.]idle$')) as {
        metrics: { labels: { cpu?: string } }[];
      };
      const cores = 3 * metrics.filter(({ labels }) => labels.cpu !== undefined).length;
      // Steps of 30 s, asked for every 15 s: the first that has all three hosts can be some time off.
      const patience = { timeout: 150_000 };
      await total.getByText(new RegExp(`^${cores} cores, [\\d.]+ GiB of [\\d.]+ GiB memory`)).waitFor(patience);
      await total.getByRole('img', { name: /^Share of all, CPU: now \d.* %, highest \d/ }).waitFor(patience);
      await walkByKeyboard(watched, 14).then((walked) => expect(walked).toContain('c.example.com'));
      await finish(watched, 'grid');
    }, 400_000);

    it('containers: control groups of all hosts, filtered by host', async () => {
      const watched = await open('/remote/containers');
      const { page } = watched;
      const { metrics } = (await ask('/v1/metrics?pattern=^(rss|cgroup.memory.current)$')) as {
        metrics: { labels: { cgroup?: string } }[];
      };
      if (metrics.some(({ labels }) => labels.cgroup !== undefined)) {
        await page.getByRole('searchbox').fill('a.example.org');
        const list = page.getByRole('region', { name: 'Containers', exact: true });
        await list.getByRole('rowheader').first().waitFor();
        await until(
          'they are of one host',
          async () => (await list.getByRole('row').filter({ hasText: 'c.example.com' }).count()) === 0,
        );
        expect(await list.getByRole('rowheader').first().getByRole('link').getAttribute('href')).toMatch(
          /127\.0\.0\.3/,
        );
      } else {
        await page.getByText('No host has a control group with a name.').waitFor();
      }
      await walkByKeyboard(watched, 5).then((names) => expect(names).toContain('memory'));
      await finish(watched, 'containers');
    });

    it('connections and enable: what a full mesh costs; the button needs the token', async () => {
      const list = await open('/remote/list');
      const rows = list.page.getByRole('region', { name: 'Connections to other agents' }).getByRole('row');
      await rows.filter({ hasText: /^a\.example\.org.*connected.*127\.0\.0\.3:\d+/ }).waitFor();
      await until('beacons have come', async () =>
        /c\.example\.com.* s ago[\d\u202f]+2[+-]?\d+ ms$/.test((await rows.nth(1).textContent()) ?? ''),
      );
      await finish(list, 'connections');

      const without = await open('/remote/enable');
      await without.page.getByText('Where all of 3 do, there are 6 connections: a full mesh.').waitFor();
      expect(await without.page.getByRole('button', { name: 'Connect to all 2 hosts' }).isDisabled()).toBe(true);
      await finish(without, 'enable');

      const watched = await open(`/remote/enable#token=${token}`);
      const { page } = watched;
      const button = page.getByRole('button', { name: 'Connect to all 2 hosts' });
      await button.waitFor();
      expect(await walkByKeyboard(watched, 4)).toContain('Connect to all 2 hosts');
      await button.press('Enter');
      await page.getByText('It connects. The connections stay while somebody asks for all hosts.').waitFor();
      expect(page.url()).not.toContain(token);
      expect(watched.complaints).toEqual([]);
      await page.close();
      const other = await openPage(browser, `${origin(1)}/remote/enable`);
      await other.page.getByRole('region', { name: 'Agents that do so already' }).getByText('b.example.org').waitFor();
      await other.page.close();
    });

    it('status: what is unusual, with a link to the series; its count stands in the menu', async () => {
      const { anomalies } = (await ask('/v1/anomalies')) as { anomalies: unknown[] };
      const watched = await open('/local/status');
      const { page } = watched;
      const unusual = page.getByRole('region', { name: 'Unusual now' });
      await unusual.waitFor();
      // An agent this young has none: it watches a series from its 150th sample on.
      if (anomalies.length === 0) await unusual.getByText('nothing: every series does what it did').waitFor();
      // What such a host answers, made up: waiting for one would take minutes.
      const labels = { metric: 'requests', pid: String(agents.programPid), group: 'http', appname: 'shop' };
      const made = [
        { labels: { ...labels, cgroup: 'system.my\\x2dshop' }, score: -14.2, since: Date.now() - 65_000 },
        { labels: { metric: 'cpu.user' }, score: 12_345, since: Date.now() },
      ];
      await page.route('**/v1/anomalies', (route) =>
        route.fulfill({ json: { timestamp: Date.now(), anomalies: made } }),
      );
      await page.reload();
      const row = unusual.getByRole('row', { name: /^requests/ });
      await row.waitFor();
      expect(await row.textContent()).toMatch(/cgroup=system\.my-shop14 σ less1 min 0\d s ago$/);
      expect(await unusual.getByRole('row', { name: /^cpu\.user/ }).textContent()).toContain('over 1000 σ more');
      const menu = page.getByRole('navigation', { name: 'Pages' });
      expect(await menu.getByRole('link', { name: /^Status/ }).textContent()).toBe('Status 2');
      await photograph(watched, 'unusual');
      await unusual.getByRole('link', { name: 'cpu.user' }).press('Enter');
      await page.waitForURL(/\/local\/metrics\?.*pick=/);
      await page.locator('figcaption').getByText('one metric').waitFor();
      expect(watched.complaints).toEqual([]);
      await page.close();
    });

    it('an unknown path is no page, and says so', async () => {
      const watched = await open('/local/nothing');
      await watched.page.getByRole('heading', { name: 'There is no page /local/nothing' }).waitFor();
      await watched.page.getByRole('link', { name: 'to this host' }).click();
      await watched.page.getByRole('heading', { name: 'Status' }).waitFor();
      expect(watched.complaints).toEqual([]);
      await watched.page.close();
    });

    it('a host that goes away is named, and a page whose agent goes away keeps its figures', async () => {
      const grid = await open('/remote/grid');
      const lost = await openPage(browser, `${origin(2)}/local/status`);
      await grid.page.getByRole('row', { name: /a\.example\.org.*GiB/ }).waitFor();
      await lost.page.getByRole('img', { name: /^CPU, total: now \d/ }).waitFor();
      await agents.all[2]?.kill();
      await lost.page.locator('header').getByText('the agent is not reachable').waitFor();
      expect(await lost.page.locator('section.memory').textContent()).toMatch(/MemTotal[\d.]+ GiB/);
      await photograph(lost, 'away');
      const row = grid.page.getByRole('row', { name: /^a\.example\.org/ });
      // First what its stream said before, then nothing: gossip gives it up.
      await grid.page.getByText(/old figures of a\.example\.org/).waitFor();
      expect(await row.textContent()).toMatch(/▲a\.example\.org \d+ s old/);
      expect(await row.getByRole('rowheader').getAttribute('title')).toMatch(/does not answer: what it said before/);
      await photograph(grid, 'grid-mirror');
      await grid.page.close();
      const containers = await open('/remote/containers?by=host');
      await containers.page
        .getByRole('status')
        .getByText(/a\.example\.org/)
        .waitFor();
      await containers.page.close();
      await lost.page.close();
    });
  },
);
