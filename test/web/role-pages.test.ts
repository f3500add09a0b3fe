import { join } from 'node:path';
import type { Browser, Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAgents, type TestAgent, type TestAgents, token, until } from './agents.ts';
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

/** A real cluster of two, whose scheduler (test/web/scheduling) has a role of each kind. */
const config = join(import.meta.dirname, 'scheduling');
const firstLoadLimit = 60 * 1024;

interface Status {
  readonly leadership: { readonly role: string };
  readonly schedule_status: string;
}

describe.skipIf(noBrowser('the pages of roles in a browser'))(
  'pages of roles in Chromium',
  { timeout: pageTestMs },
  () => {
    let browser: Browser;
    let agents: TestAgents;
    let leader: TestAgent;
    let follower: TestAgent;

    beforeAll(async () => {
      [browser, agents] = await Promise.all([launch(), startAgents(['east', 'west'], config)]);
      const statuses = () => Promise.all(agents.all.map((agent) => agent.get('/v1/status') as Promise<Status>));
      await until('both hold a schedule', async () =>
        (await statuses()).every(({ schedule_status: status }) => status === 'ok'),
      );
      const leads = (await statuses()).findIndex(({ leadership }) => leadership.role === 'leader');
      leader = agents.all[leads] as TestAgent;
      follower = agents.all[1 - leads] as TestAgent;
    }, 90_000);

    afterAll(async () => {
      await browser?.close();
      await agents?.stop();
    });

    const open = (path: string, agent: TestAgent = leader, withToken = true): Promise<Watched> =>
      openPage(browser, `${agent.origin}${path}${withToken ? `#token=${token}` : ''}`);
    /** PAGE_SHOTS=1 takes pictures; without, only what a picture would not forgive is looked at. */
    async function looks(watched: Watched, name: string): Promise<void> {
      if (process.env.PAGE_SHOTS === '1') return photograph(watched, `roles-${name}`);
      const { page } = watched;
      await page.setViewportSize({ width: 375, height: 800 });
      const beyond = await page.locator('html').evaluate((html) => html.scrollWidth - html.clientWidth);
      expect(beyond, `${name} is wider than a phone`).toBe(0);
      await page.setViewportSize({ width: 1440, height: 1000 });
    }
    async function finish(watched: Watched, name?: string): Promise<void> {
      if (name !== undefined) await looks(watched, name);
      expect(watched.complaints).toEqual([]);
      expect(weightOf(watched)).toBeLessThan(firstLoadLimit);
      await watched.page.close();
    }
    const press = async (within: Locator, name: string | RegExp) =>
      within.getByRole('button', { name }).first().click();
    const said = (watched: Watched) => watched.page.getByRole('status', { name: 'Pressed buttons' });
    const agree = async ({ page }: Watched, name: string) =>
      page.getByRole('dialog').getByRole('button', { name }).click();

    it('list the roles that have a page, with their badges and faults, the others behind a switch', async () => {
      const watched = await open('/roles');
      const { page } = watched;
      const rows = page.getByRole('table').locator('tbody tr');
      await rows.nth(4).waitFor();
      expect(await rows.locator('th').allTextContents()).toEqual([
        'careless',
        'db',
        'Django django',
        'Sample sample2026',
        'shop',
      ]);
      expect(await rows.nth(3).textContent()).toContain('1 error');
      await rows
        .nth(0)
        .getByText(/failed on (east, west|east|west)/)
        .waitFor();
      const facts = page.locator('.scheduling');
      expect(await facts.textContent()).toMatch(/6 roles on 2 servers.*leads · .*leading: schedule ok/);
      await page.getByText(`Failing on ${leader.hostname}`).waitFor();
      await page.getByText('Failing nodes:').waitFor();
      await page.getByLabel('also 1 without a page').click();
      await rows.filter({ hasText: 'plain' }).waitFor();
      await page.getByLabel('Filter roles').fill('2026 sam');
      await until('one is left', async () => (await rows.count()) === 1);
      expect(page.url()).toContain('all=1&q=2026');
      await facts.getByText('Log', { exact: true }).click();
      await facts.getByText('round of 2 hosts').waitFor();
      await facts.getByText('Log', { exact: true }).click();
      await page.getByLabel('Filter roles').fill('');
      expect((await walkByKeyboard(watched, 8)).slice(0, 8)).toEqual([
        ...['6 roles', '2 servers', 'Log', 'expert', 'careless'],
        ...[follower.hostname, 'also 1 without a page', 'Force re-render all'],
      ]);
      await press(page.locator('main'), 'Force re-render all');
      await said(watched).getByText('done').waitFor();
      await page.getByLabel('expert').check();
      await press(page.locator('main'), '… on all nodes');
      await agree(watched, '… on all nodes');
      await said(watched).getByText('nodes: east ok, west ok').waitFor();
      await page.getByLabel('expert').uncheck();
      await finish(watched, 'list');
    });

    it('show an example role, and say what became of each press', async () => {
      const watched = await open('/role?name=sample');
      const { page } = watched;
      const main = page.locator('main');
      await page.getByRole('heading', { name: 'Sample', exact: true }).waitFor();
      expect(await page.title()).toBe('Sample · Stellwerk');
      expect(await main.textContent()).toMatch(/limits\{"cpu":2\}ownerAdaports80, 443/);
      await page.getByText('two instances have no place').waitFor();
      await page.getByText('Whatever the scheduler wants to say below.').waitFor();
      expect(await page.getByRole('link', { name: 'Logs' }).last().getAttribute('href')).toBe('/logs?role=sample');

      const processes = page.getByRole('region', { name: 'Processes' });
      expect(await processes.locator('tbody tr').count()).toBe(12);
      await processes.getByRole('button', { name: 'Show all 16' }).click();
      expect(await processes.locator('tbody tr').count()).toBe(16);

      await press(main, /Say nothing/);
      await said(watched).getByText('taken by the round').waitFor();
      await press(main, 'Refuse me');
      await said(watched).getByText('refused: not on a Friday').waitFor();
      // A daemon's button asks, with its names; a no does nothing.
      await press(processes, 'Restart');
      await page.getByRole('dialog').getByText('Restart task-01 on east?').waitFor();
      await page.keyboard.press('Escape');
      expect(await said(watched).getByText('Restart').count()).toBe(0);
      await press(processes, 'Restart');
      await agree(watched, 'Restart');
      await said(watched).getByText('on east, restarted task-01').waitFor();
      await finish(watched, 'example');
    });

    it('are only looked at without a token', async () => {
      const watched = await open('/role?name=sample', follower, false);
      const button = watched.page.getByRole('button', { name: 'Refuse me' });
      await button.waitFor();
      expect(await button.isDisabled()).toBe(true);
      expect(await button.getAttribute('title')).toContain('#token=');
      await finish(watched);
    });

    it('tell a wrong token’s refusal', async () => {
      const watched = await openPage(browser, `${leader.origin}/role?name=sample#token=wrong`);
      await press(watched.page.locator('main'), 'Refuse me');
      await said(watched)
        .getByText(/the token was refused/)
        .waitFor();
      await watched.page.close();
    });

    it('switch versions, from a follower too, after asking', async () => {
      const watched = await open('/role?name=django', follower);
      const { page } = watched;
      const versions = page.getByRole('region', { name: 'Versions' });
      await versions.getByText('chosen: v1.28-main').waitFor();
      const items = versions.getByRole('listitem');
      expect(await items.count()).toBe(20);
      expect(await items.first().textContent()).toContain('v1.30-main');
      await versions.getByRole('button', { name: 'Show all 30' }).click();
      expect(await items.count()).toBe(30);
      await page.getByLabel('Filter versions').fill('1.29');
      await press(versions, 'Switch To');
      await page.getByRole('dialog').getByText('Switch django to version v1.29-main?').waitFor();
      await agree(watched, 'Switch To');
      await said(watched).getByText('version v1.29-main').waitFor();
      await versions.getByText('chosen: v1.29-main').waitFor();
      await page.getByText('django-v1.29-main').first().waitFor();
      await page.getByLabel('Filter versions').fill('');
      expect(await page.locator('.scheduling').getByRole('link', { name: leader.hostname }).getAttribute('href')).toBe(
        `${leader.origin}/role?name=django`,
      );
      await finish(watched, 'version');
    });

    it('show a migration, and press its buttons', async () => {
      const watched = await open('/role?name=db');
      const { page } = watched;
      await page.getByText('paused: copying tables').waitFor();
      expect(await page.getByRole('progressbar', { name: 'From 14 to 16' }).getAttribute('value')).toBe('0.42');
      await page.getByRole('button', { name: 'Go back to 14' }).waitFor();
      await press(page.locator('main'), 'Proceed');
      await said(watched).getByText('proceed 14→16').waitFor();
      await finish(watched, 'migration');
    });

    it('say what they do not understand, and show the rest', async () => {
      const watched = await open('/role?name=careless');
      const { page } = watched;
      await page.getByText('This page knows no kind “hologram”').waitFor();
      const odd = page.getByRole('region', { name: 'Not understood in the schedule' });
      await odd.getByText('roles.careless.title is a list, not a text').waitFor();
      await odd.getByText('roles.careless.global_actions[0] is no object').waitFor();
      await finish(watched);
      const none = await open('/role?name=nobody');
      await none.page.getByText('The schedule has no role “nobody”').waitFor();
      await finish(none);
    });

    it('set up a group and update it step by step', async () => {
      const watched = await open('/role?name=shop', follower);
      const { page } = watched;
      const main = page.locator('main');
      await page.getByLabel('expert').check();
      await page.getByLabel('New group').locator('visible=true').last().fill('main');
      await page.getByLabel('version').selectOption('v1.0');
      await press(main, 'Create group');
      const group = page.getByRole('region', { name: 'main', exact: true });
      await group.getByText('version v1.0; newest is v1.1').waitFor();
      await group.getByText('New process').click();
      const form = group.getByRole('form', { name: 'New process in main' });
      await form.getByLabel('name').fill('web');
      await form.getByLabel('east').check();
      await form.getByLabel('variables').fill('COLOUR=blue');
      await press(form, 'Add process');
      const services = group.getByRole('table');
      await services.getByRole('row', { name: /web web east 1 COLOUR=blue/ }).waitFor();

      await press(services, 'Edit');
      const edit = group.getByRole('group', { name: 'Edit main/web' });
      await edit.getByLabel('west').check();
      await press(edit, 'Save servers');
      await services.getByRole('row', { name: /web web east, west/ }).waitFor();
      await edit.getByLabel('on each server').fill('2');
      await press(edit, 'Save number');
      await page.getByRole('region', { name: 'Processes' }).getByText('shop-v1.0').first().waitFor();
      await press(services, 'Edit');

      await press(group, 'Update…');
      const start = group.getByRole('group', { name: 'Start an update of main' });
      expect(await start.getByRole('listitem').allTextContents()).toEqual([
        'migrateack, 0 %',
        'canarytime, 2 min 00 s, 1 instance',
        'askmanual, 1 instance',
        'rollsmooth, 2 min 00 s, 4 parts, 100 %',
      ]);
      await press(start, 'Start update');
      const update = group.getByRole('group', { name: 'Update of main' });
      await update.getByText('waits for a program to acknowledge').waitFor();
      await press(update, 'Acknowledge');
      await update.getByText(/goes on in 1 min/).waitFor();
      await press(update, 'Pause');
      await update.getByText('paused').waitFor();
      expect(await update.getByRole('button').allTextContents()).toEqual(['Resume', 'Revert']);
      await group.getByText('Show API').click();
      expect(await group.locator('pre').textContent()).toContain(
        `${follower.origin}/v1/wait_action -d '{"button":{"role":"shop","action":"update_action","group":"main"`,
      );
      await looks(watched, 'api');
      await press(group, 'Delete');
      await page.getByRole('dialog').getByText('Delete the group main').waitFor();
      await agree(watched, 'Delete');
      await said(watched).getByText('group main').first().waitFor();
      await group.waitFor({ state: 'detached' });
      await finish(watched);
    });

    it('list what runs where, by host and by role', async () => {
      const watched = await open('/services');
      const { page } = watched;
      const lines = page.locator('.service-lines > li');
      await lines.nth(1).waitFor();
      expect(await lines.nth(0).textContent()).toMatch(
        /^east 19cpu.*4 \/ 4memory.*6 \/ 16careless\{\}db\{\}django\{django×3\}/,
      );
      expect(await lines.nth(1).locator('.short-gauge.full .over').textContent()).toBe('2.0×');
      await page.getByText('nodes.east.shortinfo[2] is neither').waitFor();
      await page.getByLabel('Filter by host').fill('db,django');
      expect(await lines.nth(0).textContent()).not.toContain('sample');
      await page.getByRole('button', { name: 'Hide empty' }).click();
      expect(await lines.nth(0).textContent()).not.toContain('db');
      await page.getByLabel('Filter by host').fill('');
      await page.getByRole('button', { name: 'By role' }).click();
      await lines.filter({ hasText: 'east{django×3}west{django×3}' }).waitFor();
      expect(page.url()).toContain('empty=hide&by=role');
      await page.getByRole('button', { name: 'Hide empty' }).click();
      await page.getByRole('button', { name: 'By host' }).click();
      await finish(watched, 'services');
    });

    it('list the servers', async () => {
      const watched = await open('/servers', follower);
      const { page } = watched;
      const rows = page.getByRole('table').locator('tbody tr');
      await rows.filter({ hasText: leader.hostname }).getByText('leader', { exact: true }).waitFor();
      await until('times of the other came', async () =>
        /\d s ago/.test((await rows.filter({ hasText: 'leader' }).textContent()) ?? ''),
      );
      expect(await rows.filter({ hasText: follower.hostname }).textContent()).toContain('this page');
      expect(
        await rows
          .filter({ hasText: 'leader' })
          .getByRole('link', { name: new URL(leader.origin).host })
          .getAttribute('href'),
      ).toBe(`${leader.origin}/servers`);
      await finish(watched, 'servers');
    });

    it('hold a schedule back that would stop too much, until somebody decides, from a follower too', async () => {
      const watched = await open('/role?name=sample', follower);
      const { page } = watched;
      const instances = () =>
        page.getByRole('region', { name: 'Processes' }).locator('tbody td[data-label="Running"]').first().textContent();
      await press(page.locator('main'), 'Shrink');
      await page.getByRole('dialog').getByText('Stop all of sample?').waitFor();
      await agree(watched, 'Shrink');
      const guard = page.getByRole('alert', { name: 'A schedule is held back' });
      await guard.getByText('would stop 32 of 38 instances').waitFor();
      expect(await instances()).toBe('– / 2');
      await looks(watched, 'guard');
      await press(guard, 'Discard');
      await said(watched).getByText('Discard the held schedule').waitFor();
      await guard.waitFor({ state: 'detached' });
      expect(await instances()).toBe('– / 2');
      // Another decision to the same effect is held anew.
      await press(page.locator('main'), 'Shrink');
      await agree(watched, 'Shrink');
      await guard.getByText('would stop 32 of 38 instances').waitFor();
      await press(guard, 'Apply anyway');
      await agree(watched, 'Apply anyway');
      await said(watched).getByText('Apply the held schedule').waitFor();
      await guard.waitFor({ state: 'detached' });
      await until('they are stopped', async () => (await instances()) === '– / 0');
      await finish(watched);
    });

    it('show what was pressed, though the agent goes away meanwhile', async () => {
      const watched = await open('/role?name=sample', follower);
      await watched.page.getByRole('button', { name: /Say nothing/ }).waitFor();
      await follower.kill();
      await press(watched.page.locator('main'), /Say nothing/);
      await said(watched).getByText('whether a round took it is not known').waitFor();
      await watched.page.close();
    });
  },
);
