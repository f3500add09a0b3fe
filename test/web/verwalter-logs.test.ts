import { execFile } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from './agents.ts';
import { launch, noBrowser, openPage, pageTestMs, photograph, type Watched } from './browser.ts';
import { program, type Scheduler, type Schedulers, startSchedulers } from './schedulers.ts';

const run = promisify(execFile);
const html = '<img src=x onerror="document.title = 1"><script>document.title = 2</script>';

/** Places web where the runtime metadata says, and tells why; `broken` cannot be rendered on the second node. */
const scheduler = `
local explain = require 'stellwerk/explain'
local json = require 'json'
local function scheduler(input)
  local wanted = input.runtime.web.instances
  local why, nodes, parts = explain.new(), json.object {}, {}
  for _, host in ipairs { 'node1', 'node2' } do
    local count = wanted[host] or 0
    nodes[host] = { roles = { web = { daemons = { web = { image = 'web-v5', instances = count } } } } }
    if host == 'node2' then nodes[host].roles.broken = { template = 'broken' } end
    parts[#parts + 1] = host .. ' ' .. count
    if count > 0 then why:placed('web', host, 'wanted by runtime/web/instances.yaml', { wanted = count, capacity = 8 })
    else why:refused('web', host, 'runtime/web/instances.yaml wants none here') end
  end
  return { schedule = {
    vars = { name = 'the web' },
    roles = { web = { template = 'web', title = 'Web' }, broken = {} },
    nodes = nodes,
    explain = why:result(),
    changes = json.array { 'web: ' .. table.concat(parts, ', ') },
    query_metrics = { rules = { ['web.memory'] = {
      series = { source = 'Fine', condition = { 'Eq', 'metric', 'memory.MemTotal' } },
      extract = { 'Tip' },
      functions = { { 'Sum', 'Ignore' } },
    } } },
  } }
end
return { scheduler = scheduler }
`;

const files = (folder: string) => ({
  'config/scheduler/v1/main.lua': scheduler,
  'config/runtime/web/instances.yaml': 'node1: 3\n',
  'config/sandbox/logs.yaml': `log-dirs: { app: ${join(folder, 'app')} }\n`,
  'config/templates/web/web.conf.hbs': `${html} {{name}} {{daemons.web.instances}}\n`,
  'config/templates/web/web.render.yaml': [
    'templates: { conf: web.conf.hbs }',
    'commands:',
    `- !Copy { src: "{{ files.conf }}", dest: ${join(folder, 'web.conf')} }`,
    '- !PeekLog "app/err/web.log"',
    '',
  ].join('\n'),
  'config/templates/broken/broken.conf.hbs': '{{missing}}\n',
  'config/templates/broken/broken.render.yaml': 'templates: { conf: broken.conf.hbs }\ncommands: []\n',
  'app/err/web.log': 'before the deployment\n',
  // Of a day before.
  'log/.index/index.20250101.json': [
    ['2025-01-01T10:00:00.000Z', 'ancient', { variant: 'Global', fields: ['20250101100000', 0] }, 'DeploymentStart'],
    ['2025-01-01T10:00:01.000Z', 'ancient', { variant: 'Role', fields: ['web', '20250101100000', 0] }, 'RoleStart'],
    ['2025-01-01T10:00:02.000Z', 'ancient', { variant: 'Global', fields: ['20250101100000', 9] }, 'DeploymentFinish'],
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join(''),
});

describe.skipIf(noBrowser('the pages of logs in a browser'))(
  'pages of logs and introspection in Chromium',
  { timeout: pageTestMs },
  () => {
    let browser: Browser;
    let agents: Schedulers;
    const agent = (index: number): Scheduler => {
      const found = agents.all[index];
      if (found === undefined) throw new Error('two agents were started');
      return found;
    };
    const node1 = (): Scheduler => agent(0);
    const node2 = (): Scheduler => agent(1);
    /** At the moment: on a busy machine the one that leads may hear from the other too late. */
    const leaderNow = async (): Promise<Scheduler> => {
      let leading: Scheduler | undefined;
      await until('somebody leads', async () => {
        const { leaderId } = (await node1().get('/v1/election')) as { leaderId: string | null };
        leading = agents.all.find(({ id }) => id === leaderId);
        return leading !== undefined;
      });
      return leading ?? node1();
    };
    const hashes = async (): Promise<readonly unknown[]> => {
      const states = await Promise.all(agents.all.map((each) => each.get('/v1/status')));
      return states.map((state) => (state as { rendered_id: unknown }).rendered_id);
    };

    beforeAll(async () => {
      [browser, agents] = await Promise.all([launch(), startSchedulers(['node1', 'node2'], files)]);
      await until('both have rendered the first schedule', async () => new Set(await hashes()).size === 1);
      const before = await hashes();
      // A second schedule, which moves an instance to the other node; whoever leads has it from its own folder.
      for (const each of agents.all) each.write('config/runtime/web/instances.yaml', 'node1: 2\nnode2: 2\n');
      await until('both have rendered the new schedule', async () => {
        const after = await hashes();
        return new Set(after).size === 1 && after[0] !== before[0];
      });
    }, 120_000);

    afterAll(async () => {
      await browser?.close();
      await agents?.stop();
    });

    const open = (on: Scheduler, path: string): Promise<Watched> => openPage(browser, on.origin + path);
    async function finish(watched: Watched, name: string): Promise<void> {
      await photograph(watched, `logs-${name}`);
      expect(watched.complaints).toEqual([]);
      await watched.page.close();
    }
    it('Logs: deployments with their roles, newest first; one role’s; each mark', async () => {
      const watched = await open(node2(), '/logs');
      const { page } = watched;
      const table = page.locator('table.deployments');
      await table.getByText('failed').first().waitFor();
      const heads = await table.locator('tr.group code').allTextContents();
      const inIndex = readFileSync(join(node2().folder, 'log', '.index', 'latest'), 'utf8')
        .trim()
        .split('\n');
      const ids = [...new Set(inIndex.map((line) => (JSON.parse(line) as string[])[1] ?? ''))];
      expect(heads.slice(-3)).toEqual([...ids.slice(0, 2).reverse(), 'ancient']);
      expect(await table.textContent()).toContain('app/err/web.log');
      await photograph(watched, 'logs-index');
      await page.getByLabel('Role').selectOption('web');
      await page.waitForURL('**/logs?role=web');
      await until('only web is shown', async () => {
        const roles = await table.locator('tbody th[scope="row"]').allTextContents();
        return roles.length > 0 && roles.every((role) => role === 'web');
      });
      await page.getByLabel('each mark of the index').check();
      await page.locator('table.marks').getByText('RoleStart').first().waitFor();
      await finish(watched, 'marks');
    });

    it('the view from an index mark opens at the role’s first line, and shows markup as text', async () => {
      const watched = await open(node1(), '/logs?role=web');
      const { page } = watched;
      await page.getByRole('link', { name: 'view from here' }).first().click();
      const text = page.getByLabel('Text of the log');
      await text.getByText('RoleFinish').first().waitFor();
      const shown = (await text.textContent()) ?? '';
      const from = Number(new URL(page.url()).searchParams.get('from'));
      expect(from).toBeGreaterThan(0);
      expect(shown).toMatch(/^\S+Z \w{24} -+ web: RoleStart -+\n/);
      expect(shown).toContain(html);
      expect(await page.title()).toBe('Log · Stellwerk');
      expect(await text.locator('img, script').count()).toBe(0);
      await page.getByRole('button', { name: 'Load previous' }).click();
      await until('the file is there from its beginning', async () =>
        /bytes 0 to/.test((await page.locator('.tail .bar').textContent()) ?? ''),
      );
      await finish(watched, 'tail');
    });

    it('a log is followed, skipped to its end, and taken along as it is', async () => {
      const file = join(node1().folder, 'app', 'err', 'web.log');
      const many = Array.from({ length: 2000 }, (_, index) => `line ${index} of another program\n`).join('');
      appendFileSync(file, many);
      const watched = await open(node1(), '/logs/tail?log=external%2Fapp');
      const { page } = watched;
      await page.getByRole('link', { name: 'err/web.log' }).click();
      await page.getByLabel('Text of the log').getByText('line 1999').waitFor();
      await page.goto(`${node1().origin}/logs/tail?log=external%2Fapp&file=err%2Fweb.log&from=0`);
      const text = page.getByLabel('Text of the log');
      await text.getByText('before the deployment').waitFor();
      expect(await text.textContent()).not.toContain('line 1999');
      await page.getByRole('button', { name: 'Load next' }).click();
      await until('two pieces are there', async () => ((await text.textContent()) ?? '').length === 2 * 16 * 1024);
      await page.getByRole('button', { name: 'Skip to end' }).click();
      await text.getByText('line 1999').waitFor();
      await page.getByRole('button', { name: 'Follow' }).click();
      appendFileSync(file, 'and one that came while it was looked at: größer\n');
      await text.getByText('while it was looked at: größer').waitFor();
      await until('its end is in sight', () =>
        text.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 5),
      );
      const raw = await page.getByRole('link', { name: 'Raw' }).getAttribute('href');
      expect(await (await fetch(node1().origin + raw)).text()).toBe(readFileSync(file, 'utf8'));
      expect(await page.locator('.ways code').textContent()).toBe(
        `curl -r ${(await page.locator('.ways code').textContent())?.match(/\d+/)?.[0]}- ${node1().origin}${raw}`,
      );
      await finish(watched, 'follow');
    });

    it('a whole log opens at its end, by the name that its newest file has', async () => {
      const watched = await open(node1(), '/logs');
      const { page } = watched;
      await page.getByRole('link', { name: 'changes', exact: true }).last().click();
      await page.waitForURL(/log=changes&file=log\.\d{14}\.txt&from=end/);
      await page.getByLabel('Text of the log').getByText('web: node1 2, node2 2').waitFor();
      expect(watched.complaints).toEqual([]);
      await page.close();
    });

    it('Why: on which nodes, for which reasons, with which metrics; from a follower, where to look', async () => {
      const leader = await leaderNow();
      const watched = await open(leader, '/why?role=web');
      const { page } = watched;
      const rows = page.locator('table.why').first();
      await rows.getByText('wanted by runtime').first().waitFor();
      expect(await rows.textContent()).toMatch(/node1.*placed.*web × 2.*capacity 8, wanted 2/);
      await page.getByText('web: node1 2, node2 2').waitFor();
      const metrics = page.locator('table.why').nth(1);
      await until('metrics are there, or another leads by now', async () => {
        if (/web\.memory.* \d{9,}/.test((await metrics.textContent({ timeout: 1000 }).catch(() => '')) ?? ''))
          return true;
        return (await leaderNow()) !== leader;
      });
      await finish(watched, 'why');
      const follower = leader === node1() ? node2() : node1();
      const other = await open(follower, '/why?role=web');
      const link = other.page.getByRole('link', { name: /the same page of/ });
      await until('the follower names its leader, or leads by now', async () => {
        const href = await link.getAttribute('href', { timeout: 1000 }).catch(() => null);
        return href === `${leader.origin}/why?role=web` || (await leaderNow()) === follower;
      });
      await other.page.close();
    });

    it('verwalter explain says the same at a prompt, and exits 1 for a role that is not there', async () => {
      const explain = (...words: string[]) =>
        run(process.execPath, [program, 'verwalter', 'explain', ...words, '--url', node2().origin]);
      const { stdout } = await explain('web', 'node1');
      expect(stdout).toMatch(/^node1 +yes +web × 2 +capacity 8, wanted 2 +wanted by runtime\/web\/instances\.yaml$/m);
      await expect(explain('wbe')).rejects.toMatchObject({
        code: 1,
        stderr: 'verwalter explain: the schedule has no role "wbe"; it has broken, web\n',
      });
    });

    it('Convergence: what each node holds and has rendered, and which roles failed', async () => {
      const watched = await open(node1(), '/convergence');
      const { page } = watched;
      await page.getByRole('heading', { name: /1 of 2 nodes have converged on [0-9a-f]{8}/ }).waitFor();
      const first = page.locator('main tbody tr').first();
      expect(await first.textContent()).toMatch(/^node2.*roles failed.*broken/);
      await finish(watched, 'convergence');
    });

    it('Election: who leads, in which epoch, by whose votes', async () => {
      const watched = await open(node1(), '/election');
      const { page } = watched;
      await page.getByRole('heading', { name: /^(leader|follower)$/ }).waitFor();
      await until('the leader has its name', async () =>
        /Leadernode[12].*Epoch\d+Votes for this node/.test((await page.locator('main').textContent()) ?? ''),
      );
      await finish(watched, 'election');
    });

    it('Backups: snapshots of this node; Schedule diff: what moved since', async () => {
      const watched = await open(node1(), '/backups');
      const { page } = watched;
      await page.getByRole('heading', { name: 'Hours' }).waitFor();
      await photograph(watched, 'logs-backups');
      // The oldest hour: another may have begun while the test was under way.
      await page.locator('section', { hasText: 'Hours' }).getByRole('link', { name: 'with now' }).last().click();
      await page.getByRole('heading', { name: '1 started, 1 moved' }).waitFor();
      const moves = await page.locator('table.moves tbody tr').allTextContents();
      expect(moves).toEqual([
        expect.stringMatching(/^web.*1 moved.*node2.*web0 → 2.*from node1$/),
        expect.stringMatching(/^web.*1 started.*node2.*web0 → 2$/),
      ]);
      await page.getByText('explain.web').waitFor();
      await page.getByRole('button', { name: 'Swap' }).click();
      await page.getByRole('heading', { name: '1 stopped, 1 moved' }).waitFor();
      await finish(watched, 'diff');
    });

    it('API: every address of GET /v1, in three formats', async () => {
      const watched = await open(node1(), '/api-links');
      const { page } = watched;
      const { routes } = (await node1().get('/v1')) as { routes: unknown[] };
      await until('all are there', async () => (await page.locator('table.api tbody tr').count()) >= routes.length);
      const row = page.locator('table.api tbody tr').filter({ hasText: '/v1/backups' }).first();
      const links = await row
        .getByRole('link')
        .evaluateAll((all) => all.map((each) => each.getAttribute('href') ?? ''));
      expect(links).toEqual(['/v1/backups.json', '/v1/backups.pretty', '/v1/backups.gron']);
      for (const link of links) expect((await fetch(node1().origin + link)).status).toBe(200);
      const all = await page
        .locator('table.api .formats a')
        .evaluateAll((links) => links.map((each) => each.getAttribute('href') ?? ''));
      expect(all.length).toBeGreaterThan(60);
      for (const link of all.filter((each) => each.endsWith('.json')))
        expect([link, (await fetch(node1().origin + link, { redirect: 'manual' })).status]).not.toEqual([link, 406]);
      await page.getByRole('searchbox').fill('log external');
      await until('it is filtered', async () => (await page.locator('table.api tbody tr').count()) === 2);
      await page.getByRole('searchbox').fill('');
      await finish(watched, 'api');
    });
  },
);
